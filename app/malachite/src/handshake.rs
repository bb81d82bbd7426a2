//! The start: `Info`, `InitChain` at height zero, and the replay of what the application lacks.

use mooring_abci::InfoApp;
use mooring_abci::proto::abci::{
    RequestInfo, RequestInitChain, ResponseInitChain, ValidatorUpdate,
};
use mooring_abci::proto::crypto::{PublicKey, public_key::Sum};
use mooring_abci::proto::types::{
    AbciParams, BlockParams, ConsensusParams, ValidatorParams, VersionParams,
};
use tracing::{info, warn};

use crate::block::{BLOCK_PROTOCOL, ChainState, ParsedBlock};
use crate::context::{ValidatorSet, ValidatorSetError, parse_update};
use crate::error::EngineError;
use crate::host::{AppThread, HostConfig, Memory, apply};

/// CometBFT's P2P and ABCI versions in v0.38, as `Info` tells them.
const P2P_PROTOCOL: u64 = 8;
const ABCI_VERSION: &str = "2.0.0";

/// Brings the application to the store's tip and returns the state there.
///
/// # Errors
/// The store and the application contradict each other, or either fails.
pub(crate) async fn handshake(
    config: &HostConfig,
    app: &AppThread,
    info: &dyn InfoApp,
    memory: &Memory,
) -> Result<ChainState, EngineError> {
    let answer = info.info(RequestInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        block_version: BLOCK_PROTOCOL,
        p2p_version: P2P_PROTOCOL,
        abci_version: ABCI_VERSION.to_owned(),
    })?;
    let (height, tip) = (answer.last_block_height.unsigned_abs(), memory.tip()?);
    let diverged = |reason: String| EngineError::Diverged { height, reason };
    if height > tip {
        return Err(diverged(format!("the application is ahead of the block store's tip {tip}")));
    }
    let mut state = if height == 0 {
        init_chain(config, app, memory).await?
    } else {
        memory.state_after(height)?
    };
    if height > 0 && state.app_hash != answer.last_block_app_hash {
        return Err(diverged("the application's hash is not the chain's".to_owned()));
    }
    if tip > height {
        info!(from = height + 1, to = tip, "replaying blocks");
    }
    for height in height + 1..=tip {
        let block: ParsedBlock = memory.block(height)?;
        state = apply(app, memory, &config.params, &state, &block).await?;
    }
    Ok(state)
}

async fn init_chain(
    config: &HostConfig,
    app: &AppThread,
    memory: &Memory,
) -> Result<ChainState, EngineError> {
    let request = init_request(config);
    let answer = app.call(move |app| app.init_chain(request)).await?;
    if answer.consensus_params.is_some() {
        warn!("ignored consensus parameters from InitChain: they are fixed at genesis");
    }
    let validators = genesis_set(config, &answer).map_err(|e| EngineError::Config {
        parameter: "genesis.validators",
        reason: e.to_string(),
    })?;
    let state = ChainState::genesis(config.params.genesis_time, answer.app_hash, validators);
    memory.put_state(&state)?;
    Ok(state)
}

/// The application's validators, or those of the genesis document when it names none.
fn genesis_set(
    config: &HostConfig,
    answer: &ResponseInitChain,
) -> Result<ValidatorSet, ValidatorSetError> {
    if answer.validators.is_empty() {
        return ValidatorSet::new(config.genesis.validators.iter().map(|v| (v.pub_key, v.power)));
    }
    let members: Result<Vec<_>, _> = answer.validators.iter().map(parse_update).collect();
    ValidatorSet::new(members?)
}

fn init_request(config: &HostConfig) -> RequestInitChain {
    let genesis = &config.genesis;
    let validators = genesis.validators.iter().map(|validator| ValidatorUpdate {
        pub_key: Some(PublicKey { sum: Some(Sum::Ed25519(validator.pub_key.to_vec())) }),
        power: i64::try_from(validator.power).unwrap_or(i64::MAX),
    });
    RequestInitChain {
        time: Some(genesis.time),
        chain_id: genesis.chain_id.clone(),
        consensus_params: Some(consensus_params(config)),
        validators: validators.collect(),
        app_state_bytes: genesis.app_state.clone(),
        initial_height: 1,
    }
}

fn consensus_params(config: &HostConfig) -> ConsensusParams {
    ConsensusParams {
        block: Some(BlockParams {
            max_bytes: i64::try_from(config.params.max_block_bytes).unwrap_or(i64::MAX),
            max_gas: config.max_block_gas,
        }),
        evidence: None,
        validator: Some(ValidatorParams { pub_key_types: vec!["ed25519".to_owned()] }),
        version: Some(VersionParams { app: config.params.app_version }),
        abci: Some(AbciParams::default()),
    }
}

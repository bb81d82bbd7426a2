//! `InitChain`: the engine's genesis must be the application's.

use std::collections::BTreeMap;

use mooring_abci::Fault;
use mooring_abci::proto::abci::RequestInitChain;
use mooring_stf::ChainParams;
use tendermint_proto::v0_38::crypto::public_key::Sum;

use super::Chain;

impl Chain {
    /// The chain's name towards consensus engines: `mooring-<chain id>`.
    pub fn consensus_id(&self) -> String {
        consensus_id(&self.params)
    }

    /// What the engine's genesis carries for the application: the hash of our genesis document,
    /// as a JSON text.
    pub fn app_state(&self) -> String {
        format!("\"{}\"", self.genesis.hash())
    }
}

/// The consensus chain id of a chain with these rules.
pub(crate) fn consensus_id(params: &ChainParams) -> String {
    format!("mooring-{}", params.chain_id)
}

/// Refuses an engine that was started with another genesis.
pub(super) fn check(chain: &Chain, request: &RequestInitChain) -> Result<(), Fault> {
    let differs = |what: &str, ours: &dyn std::fmt::Debug, theirs: &dyn std::fmt::Debug| {
        Err(Fault::new(format!(
            "start the chain: the engine's {what} is {theirs:?}, genesis.json says {ours:?}"
        )))
    };
    let id = chain.consensus_id();
    if request.chain_id != id {
        return differs("chain id", &id, &request.chain_id);
    }
    let state = chain.app_state();
    if request.app_state_bytes != state.as_bytes() {
        return differs("app_state", &state, &String::from_utf8_lossy(&request.app_state_bytes));
    }
    // 0 is an engine that does not say.
    if !(0..=1).contains(&request.initial_height) {
        return differs("initial height", &1, &request.initial_height);
    }
    let ours: BTreeMap<Vec<u8>, i64> = chain
        .params
        .validators
        .iter()
        .map(|(key, power)| (key.to_vec(), i64::try_from(*power).unwrap_or(i64::MAX)))
        .collect();
    let theirs = validators(request)?;
    if ours != theirs {
        return differs("validator set", &ours.len(), &theirs.len());
    }
    Ok(())
}

fn validators(request: &RequestInitChain) -> Result<BTreeMap<Vec<u8>, i64>, Fault> {
    let mut set = BTreeMap::new();
    for update in &request.validators {
        let Some(Sum::Ed25519(key)) = update.pub_key.as_ref().and_then(|key| key.sum.as_ref())
        else {
            return Err(Fault::new("start the chain: a validator's key is not ed25519"));
        };
        set.insert(key.to_vec(), update.power);
    }
    Ok(set)
}

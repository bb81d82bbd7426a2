//! The engine's settings, from the node's.

use std::time::Duration;

use arc_malachitebft_app::config::{
    ChannelNames, ConsensusConfig, DiscoveryConfig, P2pConfig, ProtocolNames, PubSubProtocol,
    ValuePayload, ValueSyncConfig,
};
use arc_malachitebft_app::types::core::LinearTimeouts;

use crate::block::{ChainParams, consensus_hash};
use crate::config::{Config, MAX_BLOCK_BYTES_LIMIT};
use crate::context::{Address, BlockTime};
use crate::error::EngineError;
use crate::host::HostConfig;

/// One request or response between two peers, at least twice the largest block.
const RPC_MAX_BYTES: usize = 2 * MAX_BLOCK_BYTES_LIMIT;
/// One gossiped message; parts are far smaller.
const PUBSUB_MAX: &str = "4 MiB";
/// CometBFT's `MaxChainIDLen`.
const MAX_CHAIN_ID_BYTES: usize = 50;
/// The smallest block that holds a header, a commit and some transactions.
const MIN_BLOCK_BYTES: usize = 64 * 1024;
/// All validators of a test network share one address.
const MAX_CONNECTIONS_PER_IP: usize = 64;
const VOTE_TIMEOUT: Duration = Duration::from_millis(500);
const TIMEOUT_DELTA: Duration = Duration::from_millis(500);
const SYNC_TIMEOUT: Duration = Duration::from_secs(5);

/// The engine's settings.
#[derive(Clone, Debug)]
pub(crate) struct EngineSettings {
    pub(crate) moniker: String,
    pub(crate) consensus: ConsensusConfig,
    pub(crate) sync: ValueSyncConfig,
}

fn wrong(parameter: &'static str, reason: impl ToString) -> EngineError {
    EngineError::Config { parameter, reason: reason.to_string() }
}

impl EngineSettings {
    /// # Errors
    /// A parameter is out of range or not a multiaddr.
    pub(crate) fn new(config: &Config) -> Result<Self, EngineError> {
        check_limits(config)?;
        let rpc_max = format!("{RPC_MAX_BYTES} B");
        let consensus = ConsensusConfig {
            enabled: true,
            p2p: p2p(config, &rpc_max)?,
            value_payload: ValuePayload::ProposalAndParts,
            ..ConsensusConfig::default()
        };
        let sync = ValueSyncConfig {
            // Zero tells peers about every height at once, instead of now and then.
            status_update_interval: Duration::ZERO,
            request_timeout: SYNC_TIMEOUT,
            max_response_size: rpc_max.parse().map_err(|e| wrong("max_block_bytes", e))?,
            ..ValueSyncConfig::default()
        };
        Ok(Self { moniker: config.moniker.clone(), consensus, sync })
    }
}

fn check_limits(config: &Config) -> Result<(), EngineError> {
    let genesis = &config.genesis;
    if genesis.chain_id.is_empty() || genesis.chain_id.len() > MAX_CHAIN_ID_BYTES {
        return Err(wrong("chain_id", "expected 1 to 50 bytes"));
    }
    if tendermint::chain::Id::try_from(genesis.chain_id.as_str()).is_err() {
        return Err(wrong("chain_id", "expected letters, digits, '-', '_' and '.'"));
    }
    if !(MIN_BLOCK_BYTES..=MAX_BLOCK_BYTES_LIMIT).contains(&config.max_block_bytes) {
        return Err(wrong("max_block_bytes", "expected 64 KiB to 32 MiB"));
    }
    if config.propose_timeout.is_zero() {
        return Err(wrong("propose_timeout", "expected more than zero"));
    }
    Ok(())
}

fn p2p(config: &Config, rpc_max: &str) -> Result<P2pConfig, EngineError> {
    let mut peers = Vec::with_capacity(config.peers.len());
    for peer in &config.peers {
        // Without the id, persistent-peers-only nodes would refuse their own validators.
        if !peer.contains("/p2p/") {
            return Err(wrong("peers", format!("{peer} does not end in /p2p/<peer id>")));
        }
        peers.push(peer.parse().map_err(|e| wrong("peers", format!("{peer}: {e}")))?);
    }
    let listen = &config.listen;
    Ok(P2pConfig {
        listen_addr: listen.parse().map_err(|e| wrong("listen", format!("{listen}: {e}")))?,
        persistent_peers: peers,
        persistent_peers_only: config.persistent_peers_only,
        discovery: DiscoveryConfig {
            max_connections_per_ip: MAX_CONNECTIONS_PER_IP,
            ..DiscoveryConfig::default()
        },
        protocol: PubSubProtocol::default(),
        pubsub_max_size: PUBSUB_MAX.parse().map_err(|e| wrong("pubsub_max_size", e))?,
        rpc_max_size: rpc_max.parse().map_err(|e| wrong("max_block_bytes", e))?,
        protocol_names: protocol_names(&config.genesis.chain_id),
        channel_names: ChannelNames::default(),
        ..P2pConfig::default()
    })
}

/// Nodes of another chain, or of another version of this protocol, do not connect.
fn protocol_names(chain_id: &str) -> ProtocolNames {
    let name = |protocol: &str| format!("/mooring/{chain_id}/{protocol}/v1");
    ProtocolNames {
        consensus: name("consensus"),
        discovery_kad: name("kad"),
        discovery_regres: name("discovery"),
        sync: name("sync"),
        validator_proof: name("validator-proof"),
    }
}

/// The host's part of the settings.
///
/// # Errors
/// The genesis time is out of range.
pub(crate) fn host_config(
    config: &Config,
    address: Option<Address>,
) -> Result<HostConfig, EngineError> {
    let genesis_time = BlockTime::from_proto(&config.genesis.time)
        .ok_or_else(|| wrong("genesis.time", "expected a time from 1970 to 9999"))?;
    Ok(HostConfig {
        genesis: config.genesis.clone(),
        params: ChainParams {
            chain_id: config.genesis.chain_id.as_str().into(),
            app_version: config.app_version,
            max_block_bytes: config.max_block_bytes,
            consensus_hash: consensus_hash(config.max_block_bytes, config.max_block_gas),
            genesis_time,
        },
        max_block_gas: config.max_block_gas,
        address,
        has_peers: !config.peers.is_empty(),
        peer_wait: config.peer_wait,
        block_interval: config.block_interval,
        timeouts: timeouts(config.propose_timeout),
        max_clock_drift: config.max_clock_drift,
        max_sync_response: MAX_BLOCK_BYTES_LIMIT,
    })
}

fn timeouts(propose: Duration) -> LinearTimeouts {
    LinearTimeouts {
        propose,
        propose_delta: TIMEOUT_DELTA,
        prevote: VOTE_TIMEOUT,
        prevote_delta: TIMEOUT_DELTA,
        precommit: VOTE_TIMEOUT,
        precommit_delta: TIMEOUT_DELTA,
        rebroadcast: propose + VOTE_TIMEOUT + VOTE_TIMEOUT,
        ..LinearTimeouts::default()
    }
}

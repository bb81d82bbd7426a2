//! About the node and its chain: `web3_*`, `net_*` and what does not change.

use alloy_primitives::{Bytes, keccak256};
use serde_json::{Value, json};

use super::{Args, Method, RpcContext, RpcError, json::quantity};

pub(super) const METHODS: &[Method] = &[
    ("web3_clientVersion", client_version),
    ("web3_sha3", sha3),
    ("net_version", net_version),
    ("net_listening", net_listening),
    ("net_peerCount", net_peer_count),
    ("eth_chainId", chain_id),
    ("eth_syncing", syncing),
    ("eth_accounts", accounts),
];

fn client_version(_: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(json!(concat!("mooring/v", env!("CARGO_PKG_VERSION"))))
}

fn sha3(_: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let bytes: Bytes = args.required("data")?;
    Ok(json!(keccak256(bytes)))
}

fn net_version(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(json!(context.chain.params.chain_id.to_string()))
}

fn net_listening(_: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(json!(true))
}

fn net_peer_count(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let peers = context.gossip.as_ref().map_or(0, |gossip| gossip.peer_count());
    Ok(quantity(peers as u64))
}

fn chain_id(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(quantity(context.chain.params.chain_id))
}

/// What is served is final; a node that catches up serves what it has.
fn syncing(_: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(json!(false))
}

/// The node holds nobody's keys.
fn accounts(_: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(json!([]))
}

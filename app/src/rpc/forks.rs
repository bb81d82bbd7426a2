//! `eth_config` (EIP-7910): which rules hold now, and which come next.

use std::collections::BTreeMap;

use alloy_eips::{
    eip2124::ForkHash, eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
};
use alloy_primitives::{Address, B256, hex};
use mooring_stf::{Activation, BlobRule, Rules, SpecId};
use serde_json::{Value, json};

use super::{Args, Method, RpcContext, RpcError, json::quantity};

pub(super) const METHODS: &[Method] = &[("eth_config", config)];

fn config(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let view = context.latest();
    let now = view.header().timestamp;
    let genesis = view.hash_of(0)?.ok_or_else(RpcError::header_not_found)?;
    let schedule = &context.chain.params.spec;
    let times: Vec<u64> = schedule
        .activations()
        .filter_map(|from| match from {
            Activation::Time(time) => Some(time),
            Activation::Height(_) => None,
        })
        .collect();
    let started = times.iter().copied().filter(|time| *time <= now).max().unwrap_or_default();
    let next = times.iter().copied().find(|time| *time > now);
    let last = times.iter().copied().max().filter(|_| next.is_some());
    let describe = |time: u64| {
        let rules = schedule.at(view.number(), time);
        fork(context, genesis, time, &rules)
    };
    Ok(json!({
        "current": describe(started),
        "next": next.map(describe),
        "last": last.map(describe),
    }))
}

/// The rules that begin at `time`.
fn fork(context: &RpcContext, genesis: B256, time: u64, rules: &Rules) -> Value {
    let blobs = match context.chain.params.blobs {
        BlobRule::Refused => json!({ "target": 0, "max": 0, "baseFeeUpdateFraction": 0 }),
        BlobRule::Accepted => json!({
            "target": rules.blobs.target_blob_count,
            "max": rules.blobs.max_blob_count,
            "baseFeeUpdateFraction": rules.blobs.update_fraction,
        }),
    };
    json!({
        "activationTime": time,
        "blobSchedule": blobs,
        "chainId": quantity(context.chain.params.chain_id),
        "forkId": hex::encode_prefixed(fork_id(context, genesis, time).0),
        "precompiles": rules.precompiles(),
        "systemContracts": system_contracts(context, rules),
    })
}

/// EIP-2124 with EIP-6122: the forks by height, and those by time up to this one.
fn fork_id(context: &RpcContext, genesis: B256, time: u64) -> ForkHash {
    let mut hash = ForkHash::from(genesis);
    let mut last = 0;
    for from in context.chain.params.spec.activations() {
        let at = match from {
            Activation::Height(height) => height,
            Activation::Time(from) if from <= time => from,
            Activation::Time(_) => break,
        };
        // Forks of genesis and forks at one place count once.
        if at != last {
            hash += at;
            last = at;
        }
    }
    hash
}

/// The contracts that the state transition itself calls, or reads logs of.
fn system_contracts(context: &RpcContext, rules: &Rules) -> BTreeMap<&'static str, Address> {
    let mut contracts = BTreeMap::new();
    if rules.has(SpecId::PRAGUE) {
        contracts.insert("HISTORY_STORAGE_ADDRESS", HISTORY_STORAGE_ADDRESS);
    }
    // A chain of ours has no beacon chain.
    let Some(foreign) = &context.foreign else { return contracts };
    if rules.has(SpecId::CANCUN) {
        contracts.insert("BEACON_ROOTS_ADDRESS", BEACON_ROOTS_ADDRESS);
    }
    if rules.has(SpecId::PRAGUE) {
        let consolidations = CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
        contracts.insert("CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS", consolidations);
        contracts.insert("DEPOSIT_CONTRACT_ADDRESS", foreign.deposit_contract);
        contracts
            .insert("WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS", WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS);
    }
    contracts
}

//! Accounts: balance, nonce, code, storage, proofs.

use std::collections::BTreeMap;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U256};
use mooring_stf::StateReader;
use serde_json::{Value, json, value::RawValue};

use super::{
    Args, LongMethod, Method, RpcContext, RpcError, Time,
    json::{quantity, to_raw, to_value},
};

/// geth's code of a request for more than one client may have.
const CLIENT_LIMIT: i32 = -38026;

pub(super) const METHODS: &[Method] = &[
    ("eth_getBalance", balance),
    ("eth_getTransactionCount", nonce),
    ("eth_getCode", code),
    ("eth_getStorageAt", storage),
    ("eth_getStorageValues", storage_values),
];

pub(super) const LONG_METHODS: &[LongMethod] = &[("eth_getProof", proof)];

fn balance(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let (address, id): (Address, _) = (args.required("address")?, args.block()?);
    to_value(context.state_at(id)?.account_or_empty(address)?.balance)
}

/// At `pending`, transactions of the pool count.
fn nonce(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let (address, id): (Address, _) = (args.required("address")?, args.block()?);
    let pending = match id {
        BlockId::Number(BlockNumberOrTag::Pending) => context.pool.pending_nonce(address),
        BlockId::Number(_) | BlockId::Hash(_) => None,
    };
    let nonce = context.state_at(id)?.account_or_empty(address)?.nonce;
    Ok(quantity(nonce.max(pending.unwrap_or_default())))
}

fn code(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let (address, id): (Address, _) = (args.required("address")?, args.block()?);
    to_value(context.state_at(id)?.code_at(address)?)
}

fn storage(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let address: Address = args.required("address")?;
    let slot = slot(&args.required::<String>("slot")?)?;
    let view = context.state_at(args.block()?)?;
    to_value(B256::from(view.storage(address, slot)?))
}

/// Slots of several accounts at one block.
fn storage_values(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let accounts: BTreeMap<Address, Vec<String>> = args.required("requests")?;
    let asked: usize = accounts.values().map(Vec::len).sum();
    if asked == 0 {
        return Err(RpcError::params("empty request"));
    }
    let limit = context.limits.proof_slots;
    if asked > limit {
        return Err(RpcError::Coded(CLIENT_LIMIT, format!("too many slots (max {limit})")));
    }
    let view = context.state_at(args.block()?)?;
    let mut answer = BTreeMap::new();
    for (address, keys) in accounts {
        let values: Vec<B256> = keys
            .iter()
            .map(|key| Ok(view.storage(address, slot(key)?)?.into()))
            .collect::<Result<_, RpcError>>()?;
        answer.insert(address, values);
    }
    to_value(answer)
}

/// Bytes of a slot's proof, as JSON: some six branches.
const SLOT_PROOF_BYTES: usize = 6 * 1024;

fn proof(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let address: Address = args.required("address")?;
    let keys: Vec<String> = args.optional("slots")?.unwrap_or_default();
    let limit = context.limits.proof_slots;
    if keys.len() > limit {
        return Err(RpcError::limit(format!("too many storage slots, at most {limit}")));
    }
    time.check_answer(keys.len().saturating_mul(SLOT_PROOF_BYTES))?;
    let slots: Vec<U256> = keys.iter().map(|key| slot(key)).collect::<Result<_, _>>()?;
    let proof = context
        .state_at(args.block()?)?
        .proof(address, &slots)?
        .ok_or_else(|| RpcError::server("distance to target block exceeds maximum proof window"))?;
    let storage = keys.iter().zip(&proof.storage).map(|(key, slot)| {
        // A whole word comes back as one, anything shorter as a quantity.
        let whole = key.trim_start_matches("0x").len() == 64;
        let key = if whole { json!(B256::from(slot.slot)) } else { json!(slot.slot) };
        json!({ "key": key, "value": slot.value, "proof": slot.nodes })
    });
    to_raw(json!({
        "address": address,
        "balance": proof.account.balance,
        "codeHash": proof.account.code_hash,
        "nonce": quantity(proof.account.nonce),
        "storageHash": proof.account.storage_root,
        "accountProof": proof.nodes,
        "storageProof": storage.collect::<Vec<_>>(),
    }))
}

/// A slot: at most 32 bytes of hex, leading zeros or not.
fn slot(key: &str) -> Result<U256, RpcError> {
    let digits = key.strip_prefix("0x").unwrap_or(key);
    if digits.len() > 64 {
        let text = format!("storage key too long (want at most 32 bytes): {key:?}");
        return Err(RpcError::params(text));
    }
    let number = U256::from_str_radix(digits, 16).ok().filter(|_| !digits.is_empty());
    number.ok_or_else(|| RpcError::params(format!("invalid hex in storage key: {key:?}")))
}

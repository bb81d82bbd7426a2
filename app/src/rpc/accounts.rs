//! Accounts: balance, nonce, code, storage, proofs.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_rpc_types_eth::serde_helpers::JsonStorageKey;
use mooring_stf::StateReader;
use serde_json::Value;

use super::{
    Args, Method, RpcContext, RpcError,
    json::{quantity, to_value},
};

pub(super) const METHODS: &[Method] = &[
    ("eth_getBalance", balance),
    ("eth_getTransactionCount", nonce),
    ("eth_getCode", code),
    ("eth_getStorageAt", storage),
    ("eth_getProof", proof),
];

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
    let key: JsonStorageKey = args.required("slot")?;
    let view = context.state_at(args.block()?)?;
    let slot = U256::from_be_bytes(key.as_b256().0);
    to_value(B256::from(view.storage(address, slot)?))
}

fn proof(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let address: Address = args.required("address")?;
    let keys: Vec<JsonStorageKey> = args.optional("slots")?.unwrap_or_default();
    let limit = context.limits.proof_slots;
    if keys.len() > limit {
        return Err(RpcError::limit(format!("too many storage slots, at most {limit}")));
    }
    let view = context.state_at(args.block()?)?;
    let slots: Vec<U256> =
        keys.iter().map(|key| U256::from_be_bytes(key.as_b256().0)).collect();
    let proof = view.proof(address, &slots)?;
    let storage_proof = keys
        .into_iter()
        .zip(proof.storage)
        .map(|(key, slot)| EIP1186StorageProof { key, value: slot.value, proof: slot.nodes })
        .collect();
    to_value(EIP1186AccountProofResponse {
        address,
        balance: proof.account.balance,
        code_hash: proof.account.code_hash,
        nonce: proof.account.nonce,
        storage_hash: proof.account.storage_root,
        account_proof: proof.nodes,
        storage_proof,
    })
}

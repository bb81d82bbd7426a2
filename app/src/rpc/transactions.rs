//! Transactions and receipts, in blocks and in the pool.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_eips::{BlockId, eip2718::Decodable2718};
use alloy_primitives::{Address, B256};
use mooring_stf::tx::EthTx;
use serde_json::{Value, json};

use super::{
    Args, Method, RpcContext, RpcError, blocks,
    json::{self, Place, object, quantity},
};
use crate::mempool::PooledTx;

pub(super) const METHODS: &[Method] = &[
    ("eth_getTransactionByHash", by_hash),
    ("eth_getTransactionByBlockNumberAndIndex", by_block_and_index),
    ("eth_getTransactionByBlockHashAndIndex", by_block_hash_and_index),
    ("eth_getTransactionReceipt", receipt),
    ("eth_getRawTransactionByHash", raw_by_hash),
    ("txpool_status", pool_status),
    ("txpool_content", pool_content),
];

fn by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let hash: B256 = args.required("transaction hash")?;
    // The pool first: a transaction that is mined in between is then found in the block.
    let pooled = context.pool.get(&hash);
    let view = context.latest();
    if let Some(position) = view.transaction(hash)?
        && let Some(block) = view.block(position.height)?
        && let Some(tx) = block.transactions.get(position.index)
    {
        return json::transaction(tx, Some(Place::new(&block, position.index)));
    }
    pooled.map_or(Ok(Value::Null), |tx| pooled_json(&tx))
}

fn by_block_and_index(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = args.required("block")?;
    at_index(context, id, args)
}

fn by_block_hash_and_index(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = BlockId::hash(args.required::<B256>("block hash")?);
    at_index(context, id, args)
}

fn at_index(context: &RpcContext, id: BlockId, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let index = usize::try_from(args.number("index")?).unwrap_or(usize::MAX);
    let Some(block) = blocks::find(context, id)? else { return Ok(Value::Null) };
    let Some(tx) = block.transactions.get(index) else { return Ok(Value::Null) };
    json::transaction(tx, Some(Place::new(&block, index)))
}

fn receipt(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    receipt_of(context, args.required("transaction hash")?)
}

/// The receipt of a transaction, null while it is in no block.
pub(super) fn receipt_of(context: &RpcContext, hash: B256) -> Result<Value, RpcError> {
    let view = context.latest();
    let Some(position) = view.transaction(hash)? else { return Ok(Value::Null) };
    let Some(block) = view.block(position.height)? else { return Ok(Value::Null) };
    Ok(json::receipt(&block, position.index).unwrap_or(Value::Null))
}

fn raw_by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let hash: B256 = args.required("transaction hash")?;
    if let Some(tx) = context.pool.get(&hash) {
        return json::to_value(&tx.raw);
    }
    let view = context.latest();
    let Some(position) = view.transaction(hash)? else { return Ok(Value::Null) };
    let Some(block) = view.block(position.height)? else { return Ok(Value::Null) };
    json::to_value(block.transactions.get(position.index).map(EthTx::encoded_2718))
}

/// A transaction of the pool, without a place.
pub(super) fn pooled_json(tx: &PooledTx) -> Result<Value, RpcError> {
    let envelope = TxEnvelope::decode_2718_exact(&tx.raw)
        .map_err(|error| RpcError::internal("read a pooled transaction", error))?;
    json::transaction(&EthTx::Signed(Recovered::new_unchecked(envelope, tx.sender)), None)
}

fn pool_status(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let (pending, queued) = context.pool.status();
    Ok(json!({ "pending": quantity(pending as u64), "queued": quantity(queued as u64) }))
}

fn pool_content(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let content = context.pool.content();
    Ok(json!({ "pending": by_nonce(content.pending)?, "queued": by_nonce(content.queued)? }))
}

fn by_nonce(senders: BTreeMap<Address, Vec<Arc<PooledTx>>>) -> Result<Value, RpcError> {
    let mut fields = Vec::new();
    for (sender, transactions) in senders {
        let entries: Vec<_> = transactions
            .iter()
            .map(|tx| Ok((tx.nonce.to_string(), pooled_json(tx)?)))
            .collect::<Result<_, RpcError>>()?;
        fields.push((sender.to_string(), object(entries)));
    }
    Ok(object(fields))
}

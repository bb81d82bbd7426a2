//! Transactions and receipts.

use std::sync::Arc;

use alloy_eips::BlockId;
use alloy_primitives::B256;
use mooring_stf::tx::EthTx;
use serde_json::Value;

use super::{
    Args, Method, RpcContext, RpcError, blocks,
    json::{self, Place},
};
use crate::{mempool::PooledTx, store::Block};

pub(super) const METHODS: &[Method] = &[
    ("eth_getTransactionByHash", by_hash),
    ("eth_getTransactionByBlockNumberAndIndex", by_block_and_index),
    ("eth_getTransactionByBlockHashAndIndex", by_block_hash_and_index),
    ("eth_getTransactionReceipt", receipt),
    ("eth_getRawTransactionByHash", raw_by_hash),
    ("eth_getRawTransactionByBlockNumberAndIndex", raw_by_block_and_index),
    ("eth_getRawTransactionByBlockHashAndIndex", raw_by_block_hash_and_index),
];

fn by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let hash = args.hash("transaction hash")?;
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
    full(at_index(context, id, args)?)
}

fn by_block_hash_and_index(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = BlockId::hash(args.hash("block hash")?);
    full(at_index(context, id, args)?)
}

fn raw_by_block_and_index(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = args.required("block")?;
    raw(at_index(context, id, args)?)
}

fn raw_by_block_hash_and_index(
    context: &RpcContext,
    args: &mut Args<'_>,
) -> Result<Value, RpcError> {
    let id = BlockId::hash(args.hash("block hash")?);
    raw(at_index(context, id, args)?)
}

/// A block and the index of one of its transactions.
type Found = Option<(Arc<Block>, usize)>;

fn at_index(context: &RpcContext, id: BlockId, args: &mut Args<'_>) -> Result<Found, RpcError> {
    let index = usize::try_from(args.number("index")?).unwrap_or(usize::MAX);
    let block = blocks::find(context, id)?;
    Ok(block.filter(|block| index < block.transactions.len()).map(|block| (block, index)))
}

fn full(found: Found) -> Result<Value, RpcError> {
    match found {
        Some((block, index)) => {
            json::transaction(&block.transactions[index], Some(Place::new(&block, index)))
        }
        None => Ok(Value::Null),
    }
}

fn raw(found: Found) -> Result<Value, RpcError> {
    json::to_value(found.map(|(block, index)| block.transactions[index].encoded_2718()))
}

fn receipt(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    receipt_of(context, args.hash("transaction hash")?)
}

/// The receipt of a transaction, null while it is in no block.
pub(super) fn receipt_of(context: &RpcContext, hash: B256) -> Result<Value, RpcError> {
    let view = context.latest();
    let Some(position) = view.transaction(hash)? else { return Ok(Value::Null) };
    let Some(block) = view.block(position.height)? else { return Ok(Value::Null) };
    Ok(json::receipt(&context.chain.params, &block, position.index).unwrap_or(Value::Null))
}

pub(super) fn raw_by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let hash = args.hash("transaction hash")?;
    // The pool first: a transaction that is mined in between is then found in the block.
    let pooled = context.pool.get(&hash);
    let view = context.latest();
    if let Some(position) = view.transaction(hash)? {
        return raw(view.block(position.height)?.map(|block| (block, position.index)));
    }
    json::to_value(pooled.map(|tx| tx.raw.clone()))
}

/// A transaction of the pool, without a place.
pub(super) fn pooled_json(tx: &PooledTx) -> Result<Value, RpcError> {
    json::transaction(&EthTx::Signed(tx.recovered.clone()), None)
}

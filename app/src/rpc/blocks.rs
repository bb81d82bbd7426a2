//! Blocks, and what is counted in them.

use std::sync::Arc;

use alloy_eips::BlockId;
use alloy_primitives::B256;
use serde_json::Value;

use super::{Args, Method, RpcContext, RpcError, json};
use crate::store::Block;

pub(super) const METHODS: &[Method] = &[
    ("eth_blockNumber", number),
    ("eth_getBlockByNumber", by_id),
    ("eth_getBlockByHash", by_hash),
    ("eth_getBlockTransactionCountByNumber", count),
    ("eth_getBlockTransactionCountByHash", count_by_hash),
    ("eth_getUncleCountByBlockNumber", uncle_count),
    ("eth_getUncleCountByBlockHash", uncle_count_by_hash),
    ("eth_getBlockReceipts", receipts),
];

fn number(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(json::quantity(context.latest().number()))
}

/// The block that `id` names, `None` when the chain has none.
pub(super) fn find(context: &RpcContext, id: BlockId) -> Result<Option<Arc<Block>>, RpcError> {
    let view = context.latest();
    match RpcContext::height_of(&view, id)? {
        Some(height) => Ok(view.block(height)?),
        None => Ok(None),
    }
}

fn hash_id(args: &mut Args<'_>) -> Result<BlockId, RpcError> {
    Ok(BlockId::hash(args.required::<B256>("block hash")?))
}

fn answer(
    block: Option<Arc<Block>>,
    write: impl FnOnce(&Block) -> Result<Value, RpcError>,
) -> Result<Value, RpcError> {
    block.map_or(Ok(Value::Null), |block| write(&block))
}

fn by_id(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = args.required("block")?;
    let full = args.optional("full transactions")?.unwrap_or(false);
    answer(find(context, id)?, |block| json::block(block, full))
}

fn by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = hash_id(args)?;
    let full = args.optional("full transactions")?.unwrap_or(false);
    answer(find(context, id)?, |block| json::block(block, full))
}

fn count(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = args.required("block")?;
    answer(find(context, id)?, |block| Ok(json::quantity(block.transactions.len() as u64)))
}

fn count_by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = hash_id(args)?;
    answer(find(context, id)?, |block| Ok(json::quantity(block.transactions.len() as u64)))
}

fn uncle_count(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = args.required("block")?;
    answer(find(context, id)?, |_| Ok(json::quantity(0)))
}

fn uncle_count_by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = hash_id(args)?;
    answer(find(context, id)?, |_| Ok(json::quantity(0)))
}

fn receipts(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = args.required("block")?;
    answer(find(context, id)?, |block| Ok(Value::Array(json::receipts(block))))
}

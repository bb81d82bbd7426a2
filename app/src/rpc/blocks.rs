//! Blocks, and what is counted in them.

use std::sync::Arc;

use alloy_eips::BlockId;
use serde_json::{Value, json as document, value::RawValue};

use super::{
    Args, LongMethod, Method, RpcContext, RpcError, Time,
    foreign::Rest,
    json::{self, to_raw},
};
use crate::store::Block;

pub(super) const METHODS: &[Method] = &[
    ("eth_blockNumber", number),
    ("eth_getBlockTransactionCountByNumber", count),
    ("eth_getBlockTransactionCountByHash", count_by_hash),
    ("eth_getUncleCountByBlockNumber", uncle_count),
    ("eth_getUncleCountByBlockHash", uncle_count_by_hash),
    ("eth_getUncleByBlockNumberAndIndex", uncle_by_id),
    ("eth_getUncleByBlockHashAndIndex", uncle_by_hash),
    ("eth_getBlockReceipts", receipts),
    ("eth_capabilities", capabilities),
];

pub(super) const LONG_METHODS: &[LongMethod] = &[
    ("eth_getBlockByNumber", by_id),
    ("eth_getBlockByHash", by_hash),
    ("eth_getHeaderByNumber", header_by_id),
    ("eth_getHeaderByHash", header_by_hash),
];

/// Bytes of a transaction without data, as JSON, and of its hash alone.
const TX_BYTES: usize = 800;
const HASH_BYTES: usize = 69;

fn number(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(json::quantity(context.latest().number()))
}

/// The block that `id` names, `None` when the chain has none; an error where it is not kept.
pub(super) fn find(context: &RpcContext, id: BlockId) -> Result<Option<Arc<Block>>, RpcError> {
    let view = context.latest();
    match RpcContext::height_of(&view, id)? {
        Some(height) if !view.has_block(height) => Err(RpcError::pruned()),
        Some(height) => Ok(view.block(height)?),
        None => Ok(None),
    }
}

fn hash_id(args: &mut Args<'_>) -> Result<BlockId, RpcError> {
    Ok(BlockId::hash(args.hash("block hash")?))
}

fn answer(
    block: Option<Arc<Block>>,
    write: impl FnOnce(&Block) -> Result<Value, RpcError>,
) -> Result<Value, RpcError> {
    block.map_or(Ok(Value::Null), |block| write(&block))
}

/// The block that `id` names, with its transactions if they are asked for.
fn whole(
    context: &RpcContext,
    id: BlockId,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let is_full = args.optional("full transactions")?.unwrap_or(false);
    to_raw(answer(find(context, id)?, |block| {
        let each = if is_full { TX_BYTES } else { HASH_BYTES };
        time.check_answer(block.transactions.len().saturating_mul(each))?;
        json::block(block, context.rest_of(block), is_full)
    })?)
}

fn by_id(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let id = args.required("block")?;
    whole(context, id, args, time)
}

fn by_hash(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let id = hash_id(args)?;
    whole(context, id, args, time)
}

/// A header tells the size of its block, which grows with the transactions.
fn header(context: &RpcContext, id: BlockId, time: &Time) -> Result<Box<RawValue>, RpcError> {
    to_raw(answer(find(context, id)?, |block| {
        time.check_answer(block.transactions.len().saturating_mul(HASH_BYTES))?;
        json::sized_header(block, context.rest_of(block))
    })?)
}

fn header_by_id(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    header(context, args.required("block")?, time)
}

fn header_by_hash(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    header(context, hash_id(args)?, time)
}

fn counted(
    context: &RpcContext,
    id: BlockId,
    count: impl FnOnce(&Block) -> usize,
) -> Result<Value, RpcError> {
    answer(find(context, id)?, |block| Ok(json::quantity(count(block) as u64)))
}

fn count(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    counted(context, args.required("block")?, |block| block.transactions.len())
}

fn count_by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    counted(context, hash_id(args)?, |block| block.transactions.len())
}

fn uncle_count(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    counted(context, args.required("block")?, |block| context.rest_of(block).ommers.len())
}

fn uncle_count_by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    counted(context, hash_id(args)?, |block| context.rest_of(block).ommers.len())
}

/// An uncle has no transactions that anyone kept.
fn uncle(context: &RpcContext, id: BlockId, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let index = usize::try_from(args.number("index")?).unwrap_or(usize::MAX);
    let Some(block) = find(context, id)? else { return Ok(Value::Null) };
    let Some(ommer) = context.rest_of(&block).ommers.get(index) else { return Ok(Value::Null) };
    let uncle = Block {
        header: ommer.clone(),
        hash: ommer.hash_slow(),
        transactions: Vec::new(),
        receipts: Vec::new(),
    };
    let mut fields = json::sized_header(&uncle, Rest { ommers: &[], withdrawals: None })?;
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("uncles".to_owned(), Value::Array(Vec::new()));
    }
    Ok(fields)
}

fn uncle_by_id(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = args.required("block")?;
    uncle(context, id, args)
}

fn uncle_by_hash(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = hash_id(args)?;
    uncle(context, id, args)
}

fn receipts(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id = args.required("block")?;
    let params = &context.chain.params;
    answer(find(context, id)?, |block| Ok(Value::Array(json::receipts(params, block))))
}

/// Which heights can be asked about: all blocks, and the states that are kept.
fn capabilities(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let view = context.latest();
    let kept = context.chain.store.kept();
    let all = document!({ "disabled": false, "oldestBlock": json::quantity(kept.blocks) });
    let window = |oldest: u64, strategy: Value| {
        document!({
            "disabled": false,
            "oldestBlock": json::quantity(oldest),
            "deleteStrategy": strategy,
        })
    };
    let within =
        |blocks: u64| document!({ "type": "window", "retentionBlocks": json::quantity(blocks) });
    let history = match kept.history {
        0 => document!({ "type": "none" }),
        blocks => within(blocks),
    };
    let proofs = within(view.number().saturating_sub(kept.proofs).saturating_add(1));
    Ok(document!({
        "head": { "number": json::quantity(view.number()), "hash": view.hash() },
        "state": window(kept.state, history),
        "stateproofs": window(kept.proofs, proofs),
        "tx": all,
        "logs": all,
        "receipts": all,
        "blocks": all,
    }))
}

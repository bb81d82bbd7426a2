//! Log searches.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::Log;
use alloy_rpc_types_eth::{Filter, FilterBlockOption};
use serde_json::Value;

use super::{Args, Method, RpcContext, RpcError, json};
use crate::store::View;

pub(super) const METHODS: &[Method] = &[("eth_getLogs", get_logs)];

fn get_logs(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let filter: Filter = args.required("filter")?;
    if filter.get_to_block() > Some(context.latest().number()) {
        return Err(RpcError::params("block range extends beyond current head block"));
    }
    search(context, &filter).map(Value::Array)
}

/// All logs that the filter names.
pub(super) fn search(context: &RpcContext, filter: &Filter) -> Result<Vec<Value>, RpcError> {
    let view = context.latest();
    let (first, last) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let height = view.number_of(hash)?.ok_or_else(|| RpcError::server("unknown block"))?;
            (height, height)
        }
        FilterBlockOption::Range { from_block, to_block } => range(&view, from_block, to_block)?,
    };
    in_range(context, &view, filter, first, last)
}

/// Both ends, the newest block where one is absent; the end is at most the newest block.
fn range(
    view: &View,
    from: Option<BlockNumberOrTag>,
    to: Option<BlockNumberOrTag>,
) -> Result<(u64, u64), RpcError> {
    let height = |tag: Option<BlockNumberOrTag>| match tag.unwrap_or_default() {
        BlockNumberOrTag::Number(height) => Ok(height),
        tag => RpcContext::height_of(view, BlockId::Number(tag))
            .map(|height| height.unwrap_or_default()),
    };
    let (first, last) = (height(from)?, height(to)?);
    if first > last {
        return Err(RpcError::params("invalid block range params"));
    }
    Ok((first, last.min(view.number())))
}

/// The logs of these blocks that match, oldest first; nothing when `first` is above `last`.
pub(super) fn in_range(
    context: &RpcContext,
    view: &View,
    filter: &Filter,
    first: u64,
    last: u64,
) -> Result<Vec<Value>, RpcError> {
    let limit = context.limits.log_blocks;
    if last.saturating_sub(first) >= limit {
        return Err(RpcError::limit(format!("query exceeds max block range {limit}")));
    }
    // Genesis is always kept, so that those above it tell.
    let oldest = first.max(1);
    if oldest <= last && !view.has_block(oldest) {
        return Err(RpcError::pruned());
    }
    let mut found = Vec::new();
    for height in first..=last {
        let Some((header, _)) = view.header_at(height)? else { continue };
        if !filter.matches_bloom(header.logs_bloom) {
            continue;
        }
        let Some(block) = view.block(height)? else { continue };
        found.extend(json::logs(&block, false, |log| matches(filter, log)));
        let limit = context.limits.logs;
        if found.len() > limit {
            return Err(RpcError::limit(format!("query returned more than {limit} results")));
        }
    }
    Ok(found)
}

/// Whether address and topics of a log are those of the filter.
pub(super) fn matches(filter: &Filter, log: &Log) -> bool {
    filter.matches_address(log.address) && filter.matches_topics(log.topics())
}

//! Log searches.

use std::ops::RangeInclusive;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use serde_json::value::RawValue;

use super::{
    Args, LongMethod, RpcContext, RpcError, Time,
    json::{self, to_raw},
};
use crate::store::View;

pub(super) const LONG_METHODS: &[LongMethod] = &[("eth_getLogs", get_logs)];

/// Bytes of a log without data, as JSON.
const LOG_BYTES: usize = 400;

fn get_logs(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let filter: Filter = args.required("filter")?;
    if filter.get_to_block() > Some(context.latest().number()) {
        return Err(RpcError::params("block range extends beyond current head block"));
    }
    to_raw(search(context, &filter, time)?)
}

/// All logs that the filter names.
pub(super) fn search(
    context: &RpcContext,
    filter: &Filter,
    time: &Time,
) -> Result<Vec<Log>, RpcError> {
    let view = context.latest();
    let (first, last) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let height = view.number_of(hash)?.ok_or_else(|| RpcError::server("unknown block"))?;
            (height, height)
        }
        FilterBlockOption::Range { from_block, to_block } => range(&view, from_block, to_block)?,
    };
    in_range(context, &view, filter, first..=last, time)
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
    heights: RangeInclusive<u64>,
    time: &Time,
) -> Result<Vec<Log>, RpcError> {
    let (&first, &last) = (heights.start(), heights.end());
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
    for height in heights {
        time.check_answer(found.len().saturating_mul(LOG_BYTES))?;
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
pub(super) fn matches(filter: &Filter, log: &alloy_primitives::Log) -> bool {
    filter.matches_address(log.address) && filter.matches_topics(log.topics())
}

//! `debug_trace*`: what happened inside a transaction, in geth's forms.

use std::{sync::Arc, time::Duration};

use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};
use mooring_stf::call::{self, Replay};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Args, LongMethod, RpcContext, RpcError, Time,
    args::Number,
    blocks,
    call::{Call, CallOverrides},
    json::to_raw,
};
use crate::store::{Block, View};

pub(super) const LONG_METHODS: &[LongMethod] = &[
    ("debug_traceTransaction", trace_transaction),
    ("debug_traceCall", trace_call),
    ("debug_traceBlockByNumber", trace_block),
    ("debug_traceBlockByHash", trace_block_by_hash),
];

fn trace_transaction(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let hash: B256 = args.required("transaction hash")?;
    let options = Options::read(args)?;
    let not_found = || RpcError::server("transaction not found");
    let position = context.latest().transaction(hash)?.ok_or_else(not_found)?;
    let traced = TracedBlock::at(context, position.height)?;
    let trace = options.run(context, time, |options, limits| {
        traced.replay(context).trace_one(position.index, options, limits)
    })?;
    to_raw(trace.ok_or_else(not_found)?)
}

fn trace_block(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let id: BlockId = args.required("block")?;
    trace_all(context, id, &Options::read(args)?, time)
}

fn trace_block_by_hash(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let hash: B256 = args.required("block hash")?;
    trace_all(context, hash.into(), &Options::read(args)?, time)
}

fn trace_all(
    context: &RpcContext,
    id: BlockId,
    options: &Options,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let name = match id {
        BlockId::Hash(hash) => hash.block_hash.to_string(),
        BlockId::Number(number) => number.to_string(),
    };
    let block = blocks::find(context, id)?
        .ok_or_else(|| RpcError::server(format!("block {name} not found")))?;
    let traced = TracedBlock::of(context, block)?;
    let traces = options
        .run(context, time, |options, limits| traced.replay(context).trace_all(options, limits))?;
    let hashes = traced.block.transactions.iter().map(|tx| tx.hash());
    to_raw(hashes.zip(traces).map(|(hash, result)| Traced { hash, result }).collect::<Vec<_>>())
}

fn trace_call(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let request = args.required("transaction")?;
    let id = args.block()?;
    let mut options: Value = args.optional("options")?.unwrap_or_else(|| json!({}));
    if options.get("txIndex").is_some_and(|index| !index.is_null()) {
        return Err(RpcError::params("invalid argument options: txIndex is not supported"));
    }
    let overrides = CallOverrides::take(&mut options)?;
    let options = Options::of(options)?;
    let call = Call::new(request, context.state_at(id)?, overrides)?;
    let trace: GethTrace = options.run(context, time, |options, limits| {
        call::trace_call(&call.site(context, limits), &call.input, options)
    })?;
    to_raw(trace)
}

/// One of a block's traces.
#[derive(Debug, Serialize)]
struct Traced {
    #[serde(rename = "txHash")]
    hash: B256,
    result: GethTrace,
}

/// A block with the state before it.
struct TracedBlock {
    block: Arc<Block>,
    parent: View,
}

impl TracedBlock {
    fn at(context: &RpcContext, height: u64) -> Result<Self, RpcError> {
        let block = blocks::find(context, height.into())?;
        Self::of(context, block.ok_or_else(RpcError::header_not_found)?)
    }

    fn of(context: &RpcContext, block: Arc<Block>) -> Result<Self, RpcError> {
        let parent = block.number().checked_sub(1);
        let parent = parent.ok_or_else(|| RpcError::server("genesis is not traceable"))?;
        Ok(Self { block, parent: context.state_at(parent.into())? })
    }

    fn replay<'a>(&'a self, context: &'a RpcContext) -> Replay<'a> {
        Replay {
            params: &context.chain.params,
            state: &self.parent,
            header: &self.block.header,
            transactions: &self.block.transactions,
            receipts: &self.block.receipts,
        }
    }
}

/// What to trace, and for how long.
struct Options {
    tracing: GethDebugTracingOptions,
    timeout: Option<Duration>,
}

impl Options {
    fn read(args: &mut Args<'_>) -> Result<Self, RpcError> {
        Self::of(args.optional("options")?.unwrap_or_else(|| json!({})))
    }

    fn of(mut options: Value) -> Result<Self, RpcError> {
        // Read apart: behind a flattened field the number would not be one.
        let limit = options.as_object_mut().and_then(|fields| fields.remove("limit"));
        let limit = limit.filter(|limit| !limit.is_null()).map(Number::of).transpose()?;
        let mut tracing: GethDebugTracingOptions = serde_json::from_value(options)
            .map_err(|error| RpcError::params(format!("invalid argument options: {error}")))?;
        tracing.config.limit = limit;
        let timeout = tracing.timeout.as_deref().map(duration).transpose()?;
        Ok(Self { tracing, timeout })
    }

    fn run<T, E: Into<RpcError>>(
        &self,
        context: &RpcContext,
        time: &Time,
        trace: impl FnOnce(GethDebugTracingOptions, call::Limits<'_>) -> Result<T, E>,
    ) -> Result<T, RpcError> {
        let trace = |limits: call::Limits<'_>| trace(self.tracing.clone(), limits);
        time.within(&context.limits, self.timeout, trace)
    }
}

/// A whole number of seconds, milliseconds or minutes, as Go writes it.
fn duration(text: &str) -> Result<Duration, RpcError> {
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u64>().ok());
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    number
        .zip(millis)
        .and_then(|(number, millis): (u64, u64)| number.checked_mul(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| RpcError::params(format!("invalid argument options: timeout '{text}'")))
}

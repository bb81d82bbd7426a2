//! What gas costs: suggestions from the newest blocks.

use alloy_consensus::Header;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::U256;
use mooring_stf::{ChainParams, fees::next_base_fee};
use serde_json::{Value, json, value::RawValue};

use super::{
    Args, LongMethod, Method, RpcContext, RpcError, Time,
    json::{self, quantity, to_raw, to_value},
};
use crate::store::{Block, View};

pub(super) const METHODS: &[Method] = &[
    ("eth_baseFee", base_fee),
    ("eth_gasPrice", gas_price),
    ("eth_maxPriorityFeePerGas", max_priority_fee),
    ("eth_blobBaseFee", blob_base_fee),
];

pub(super) const LONG_METHODS: &[LongMethod] = &[("eth_feeHistory", fee_history)];

/// Blocks whose tips are a suggestion's sample.
const SAMPLED_BLOCKS: u64 = 4;
/// Wei a gas suggested where nobody pays a tip: more than the builder's indifference.
const LEAST_TIP: u128 = 1;

/// The base fee of the next block.
fn base_fee(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(quantity(next_base_fee(&context.chain.params, context.latest().header())))
}

fn gas_price(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let view = context.latest();
    let base_fee = next_base_fee(&context.chain.params, view.header());
    let tip = suggested_tip(&view)?;
    to_value(U256::from(tip.saturating_add(base_fee.into())))
}

fn max_priority_fee(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    to_value(U256::from(suggested_tip(&context.latest())?))
}

/// What blobs would cost: on a chain that takes none, the rule's lowest value.
fn blob_base_fee(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let price = json::blob_price(&context.chain.params, context.latest().header());
    to_value(U256::from(price.unwrap_or_default()))
}

/// The median tip of the newest blocks' transactions.
fn suggested_tip(view: &View) -> Result<u128, RpcError> {
    let oldest = view.number().saturating_sub(SAMPLED_BLOCKS.saturating_sub(1));
    let mut tips = Vec::new();
    for height in oldest..=view.number() {
        let Some(block) = view.block(height)? else { continue };
        let base_fee = u128::from(block.header.base_fee_per_gas.unwrap_or_default());
        let prices = block.receipts.iter().map(|receipt| receipt.effective_gas_price);
        tips.extend(prices.filter_map(|price| price.checked_sub(base_fee)));
    }
    tips.sort_unstable();
    let median = tips.get(tips.len() / 2).copied().unwrap_or_default();
    Ok(median.max(LEAST_TIP))
}

fn fee_history(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let count = args.number("block count")?.min(context.limits.fee_history);
    let newest: BlockNumberOrTag = args.required("newest block")?;
    let percentiles: Vec<f64> = args.optional("reward percentiles")?.unwrap_or_default();
    check_percentiles(&percentiles)?;
    let view = context.latest();
    let newest = RpcContext::height_of(&view, newest.into())?
        .ok_or_else(|| RpcError::server("request beyond head block"))?;
    let count = count.min(newest.saturating_add(1));
    if count == 0 {
        return to_raw(json!({ "oldestBlock": "0x0", "gasUsedRatio": null }));
    }
    let oldest = newest.saturating_add(1).saturating_sub(count);
    let mut history = History::default();
    for height in oldest..=newest {
        time.check()?;
        let (header, _) = view.header_at(height)?.ok_or_else(RpcError::pruned)?;
        history.add(&context.chain.params, &header);
        if !percentiles.is_empty() {
            let block = view.block(height)?.ok_or_else(RpcError::pruned)?;
            history.rewards.push(tips_at(&block, &percentiles));
        }
        if height == newest {
            let child = view.header_at(newest.saturating_add(1))?;
            history.end(&context.chain.params, &header, child.map(|(child, _)| child));
        }
    }
    to_raw(history.json(oldest))
}

/// The lists of a fee history.
#[derive(Debug, Default)]
struct History {
    fees: Vec<Value>,
    ratios: Vec<f64>,
    blob_fees: Vec<Value>,
    blob_ratios: Vec<f64>,
    rewards: Vec<Vec<Value>>,
}

impl History {
    fn add(&mut self, params: &ChainParams, header: &Header) {
        let blobs = params.spec.at(header.number, header.timestamp).blobs;
        let blob_gas = header.blob_gas_used.unwrap_or_default();
        self.fees.push(quantity(header.base_fee_per_gas.unwrap_or_default()));
        self.ratios.push(ratio(header.gas_used, header.gas_limit));
        self.blob_fees.push(blob_fee(json::blob_price(params, header)));
        self.blob_ratios.push(ratio(blob_gas, blobs.max_blob_gas_per_block()));
    }

    /// The fees after the last block: those of its child, or what they will be.
    fn end(&mut self, params: &ChainParams, last: &Header, child: Option<Header>) {
        let blobs = params.spec.after(last).blobs;
        let (fee, blob) = match child {
            Some(child) => {
                (child.base_fee_per_gas.unwrap_or_default(), json::blob_price(params, &child))
            }
            None => (next_base_fee(params, last), last.next_block_blob_fee(blobs)),
        };
        self.fees.push(quantity(fee));
        self.blob_fees.push(blob_fee(blob));
    }

    fn json(self, oldest: u64) -> Value {
        let mut answer = json!({
            "oldestBlock": quantity(oldest),
            "baseFeePerGas": self.fees,
            "gasUsedRatio": self.ratios,
            "baseFeePerBlobGas": self.blob_fees,
            "blobGasUsedRatio": self.blob_ratios,
        });
        if let (false, Some(fields)) = (self.rewards.is_empty(), answer.as_object_mut()) {
            fields.insert("reward".to_owned(), json!(self.rewards));
        }
        answer
    }
}

fn blob_fee(price: Option<u128>) -> Value {
    json!(U256::from(price.unwrap_or_default()))
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    let in_order = percentiles.windows(2).all(|pair| pair[0] <= pair[1]);
    let in_range = percentiles.iter().all(|percent| (0.0..=100.0).contains(percent));
    if percentiles.len() > 100 || !in_order || !in_range {
        return Err(RpcError::params("invalid reward percentile"));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
fn ratio(used: u64, limit: u64) -> f64 {
    if limit == 0 { 0.0 } else { used as f64 / limit as f64 }
}

/// The tips at these percentiles of the block's gas, lowest tip first.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentile of gas, for display"
)]
fn tips_at(block: &Block, percentiles: &[f64]) -> Vec<Value> {
    let base_fee = u128::from(block.header.base_fee_per_gas.unwrap_or_default());
    let tip = |price: u128| price.saturating_sub(base_fee);
    let mut paid: Vec<(u128, u64)> = block
        .receipts
        .iter()
        .map(|receipt| (tip(receipt.effective_gas_price), receipt.gas_used))
        .collect();
    paid.sort_unstable();
    let at = |percent: &f64| {
        let threshold = (block.header.gas_used as f64 * percent / 100.0) as u64;
        let mut seen: u64 = 0;
        let reached = paid.iter().find(|(_, gas)| {
            seen = seen.saturating_add(*gas);
            seen >= threshold
        });
        json!(U256::from(reached.or(paid.last()).map_or(0, |(tip, _)| *tip)))
    };
    percentiles.iter().map(at).collect()
}

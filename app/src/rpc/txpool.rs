//! `txpool_*`: what waits for a block.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::Address;
use serde_json::{Value, json};

use super::{
    Args, Method, RpcContext, RpcError,
    json::{object, quantity},
    transactions::pooled_json,
};
use crate::mempool::PooledTx;

pub(super) const METHODS: &[Method] = &[
    ("txpool_status", status),
    ("txpool_content", content),
    ("txpool_contentFrom", content_from),
    ("txpool_inspect", inspect),
];

fn status(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let (pending, queued) = context.pool.status();
    Ok(json!({ "pending": quantity(pending as u64), "queued": quantity(queued as u64) }))
}

fn content(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let content = context.pool.content();
    let senders = |senders| by_sender(senders, pooled_json);
    Ok(json!({ "pending": senders(content.pending)?, "queued": senders(content.queued)? }))
}

fn content_from(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let sender: Address = args.required("address")?;
    let content = context.pool.content();
    let of = |senders: &BTreeMap<Address, Vec<Arc<PooledTx>>>| {
        by_nonce(senders.get(&sender).map_or(&[], Vec::as_slice), pooled_json)
    };
    Ok(json!({ "pending": of(&content.pending)?, "queued": of(&content.queued)? }))
}

fn inspect(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let content = context.pool.content();
    let senders = |senders| by_sender(senders, summary);
    Ok(json!({ "pending": senders(content.pending)?, "queued": senders(content.queued)? }))
}

type Write = fn(&PooledTx) -> Result<Value, RpcError>;

fn by_sender(
    senders: BTreeMap<Address, Vec<Arc<PooledTx>>>,
    write: Write,
) -> Result<Value, RpcError> {
    let fields = senders
        .into_iter()
        .map(|(sender, transactions)| Ok((sender.to_string(), by_nonce(&transactions, write)?)));
    Ok(object(fields.collect::<Result<Vec<_>, RpcError>>()?))
}

fn by_nonce(transactions: &[Arc<PooledTx>], write: Write) -> Result<Value, RpcError> {
    let fields = transactions.iter().map(|tx| Ok((tx.nonce.to_string(), write(tx)?)));
    Ok(object(fields.collect::<Result<Vec<_>, RpcError>>()?))
}

/// One line, in geth's words.
fn summary(pooled: &PooledTx) -> Result<Value, RpcError> {
    let tx = TxEnvelope::decode_2718_exact(&pooled.raw)
        .map_err(|error| RpcError::internal("read a pooled transaction", error))?;
    let to = tx.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    let (value, gas, price) = (tx.value(), tx.gas_limit(), tx.max_fee_per_gas());
    Ok(json!(format!("{to}: {value} wei + {gas} gas × {price} wei")))
}

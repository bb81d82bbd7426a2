//! Sending transactions, and waiting for them.

use std::time::Duration;

use alloy_primitives::{B256, Bytes};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Args, RpcContext, RpcError, args::Number, transactions};
use crate::{application::ChainEvent, mempool::Origin};

/// `eth_sendRawTransaction`.
pub(super) async fn send_raw(context: &RpcContext, raw: Bytes) -> Result<Value, RpcError> {
    Ok(json!(submit(context, raw).await?))
}

/// `eth_sendRawTransactionSync` (EIP-7966): answers with the receipt.
pub(super) async fn send_raw_sync(
    context: &RpcContext,
    raw: Bytes,
    wait: Duration,
) -> Result<Value, RpcError> {
    let events = context.chain.subscribe();
    let hash = submit(context, raw).await?;
    match tokio::time::timeout(wait, included(context, hash, events)).await {
        Ok(receipt) => receipt,
        Err(_) => Err(RpcError::TimedOut(wait.as_millis(), hash)),
    }
}

/// The parameters of the two.
pub(super) fn read_args(
    context: &RpcContext,
    args: &mut Args<'_>,
) -> Result<(Bytes, Duration), RpcError> {
    let raw: Bytes = args.required("transaction")?;
    let longest = context.limits.sync_wait;
    let wait = match args.optional::<Value>("timeout")? {
        Some(millis) => Duration::from_millis(Number::of(millis)?).min(longest),
        None => longest,
    };
    Ok((raw, wait))
}

async fn submit(context: &RpcContext, raw: Bytes) -> Result<B256, RpcError> {
    if raw.is_empty() {
        return Err(RpcError::server("typed transaction too short"));
    }
    Ok(context.pool.submit(raw.into(), Origin::Local).await?)
}

async fn included(
    context: &RpcContext,
    hash: B256,
    mut events: Receiver<ChainEvent>,
) -> Result<Value, RpcError> {
    loop {
        match events.recv().await {
            Ok(ChainEvent::Committed(block)) => {
                let index = block.transactions.iter().position(|tx| tx.hash() == hash);
                if let Some(receipt) =
                    index.and_then(|i| super::json::receipt(&context.chain.params, &block, i))
                {
                    return Ok(receipt);
                }
            }
            Ok(ChainEvent::Dropped(_)) => {}
            Err(RecvError::Lagged(_)) => {
                let receipt = transactions::receipt_of(context, hash)?;
                if !receipt.is_null() {
                    return Ok(receipt);
                }
            }
            Err(RecvError::Closed) => return Err(RpcError::server("the node is stopping")),
        }
    }
}

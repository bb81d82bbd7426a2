//! `eth_subscribe`: new heads, logs, pending transactions.

use std::sync::Arc;

use alloy_rpc_types_eth::Filter;
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::SubscriptionError,
    types::{ErrorObjectOwned, Params},
};
use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Args, RpcContext, RpcError, json, logs, transactions};
use crate::{
    application::ChainEvent,
    mempool::Accepted,
    store::{Block, View},
};

/// What a client subscribes to.
#[derive(Debug)]
enum Topic {
    NewHeads,
    Logs(Box<Filter>),
    Pending { full: bool },
    Syncing,
}

/// The second parameter: a filter for logs, a flag for pending transactions.
#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    Full(bool),
    Logs(Box<Filter>),
}

impl Topic {
    fn read(args: &mut Args<'_>) -> Result<Self, RpcError> {
        let name: String = args.required("subscription")?;
        let detail: Option<Detail> = args.optional("subscription detail")?;
        match (name.as_str(), detail) {
            ("newHeads", _) => Ok(Self::NewHeads),
            ("logs", Some(Detail::Logs(filter))) => Ok(Self::Logs(filter)),
            ("logs", None) => Ok(Self::Logs(Box::default())),
            ("newPendingTransactions", Some(Detail::Full(full))) => Ok(Self::Pending { full }),
            ("newPendingTransactions", None) => Ok(Self::Pending { full: false }),
            ("syncing", _) => Ok(Self::Syncing),
            ("logs" | "newPendingTransactions", Some(_)) => {
                Err(RpcError::params(format!("invalid detail of subscription {name}")))
            }
            _ => Err(RpcError::params(format!("no {name:?} subscription in eth namespace"))),
        }
    }
}

/// Serves one subscription until its client leaves or stops reading.
pub(super) async fn serve(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    context: Arc<RpcContext>,
) -> Result<(), SubscriptionError> {
    // Before the answer goes out, so that nothing after it is missed.
    let (events, accepted) = (context.chain.subscribe(), context.pool.subscribe());
    let next = context.latest().number().saturating_add(1);
    let topic = match Args::new(&params).and_then(|mut args| Topic::read(&mut args)) {
        Ok(topic) => topic,
        Err(error) => {
            pending.reject(ErrorObjectOwned::from(error)).await;
            return Ok(());
        }
    };
    let notifier = Notifier { sink: pending.accept().await?, context };
    match topic {
        Topic::NewHeads => notifier.follow(events, next, None).await,
        Topic::Logs(filter) => notifier.follow(events, next, Some(&filter)).await,
        Topic::Pending { full } => notifier.pending(accepted, full).await,
        Topic::Syncing => notifier.only_once(json!(false)).await,
    }
}

struct Notifier {
    sink: SubscriptionSink,
    context: Arc<RpcContext>,
}

impl Notifier {
    /// Heads, or the logs that match `filter`. After a lag the store fills the gap.
    async fn follow(
        &self,
        mut events: Receiver<ChainEvent>,
        mut next: u64,
        filter: Option<&Filter>,
    ) -> Result<(), SubscriptionError> {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = self.sink.closed() => return Ok(()),
            };
            match event {
                Ok(ChainEvent::Committed(block)) if block.number() < next => {}
                Ok(ChainEvent::Committed(block)) => {
                    next = block.number().saturating_add(1);
                    self.block(&block, filter, false).await?;
                }
                Ok(ChainEvent::Dropped(blocks)) => {
                    for block in blocks {
                        next = next.min(block.number());
                        self.dropped(&block, filter).await?;
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    let view = self.context.latest();
                    next = self.catch_up(&view, next, filter).await?;
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    async fn catch_up(
        &self,
        view: &View,
        next: u64,
        filter: Option<&Filter>,
    ) -> Result<u64, SubscriptionError> {
        for height in next..=view.number() {
            if let Some(block) = view.block(height)? {
                self.block(&block, filter, false).await?;
            }
        }
        Ok(view.number().saturating_add(1).max(next))
    }

    async fn block(
        &self,
        block: &Block,
        filter: Option<&Filter>,
        removed: bool,
    ) -> Result<(), SubscriptionError> {
        let Some(filter) = filter else {
            return self.send(json::header(&block.header, block.hash)?).await;
        };
        for log in json::logs(block, removed, |log| logs::matches(filter, log)) {
            self.send(log).await?;
        }
        Ok(())
    }

    /// Dropped logs are sent again as removed; heads have no such form.
    async fn dropped(
        &self,
        block: &Block,
        filter: Option<&Filter>,
    ) -> Result<(), SubscriptionError> {
        if filter.is_none() {
            return Ok(());
        }
        self.block(block, filter, true).await
    }

    async fn pending(
        &self,
        mut accepted: Receiver<Accepted>,
        full: bool,
    ) -> Result<(), SubscriptionError> {
        loop {
            let taken = tokio::select! {
                taken = accepted.recv() => taken,
                () = self.sink.closed() => return Ok(()),
            };
            match taken {
                Ok(Accepted { tx: Some(tx), .. }) if full => {
                    self.send(transactions::pooled_json(&tx)?).await?;
                }
                Ok(Accepted { tx: Some(tx), .. }) => self.send(json!(tx.hash)).await?,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    async fn only_once(&self, value: Value) -> Result<(), SubscriptionError> {
        self.send(value).await?;
        self.sink.closed().await;
        Ok(())
    }

    async fn send(&self, value: impl serde::Serialize) -> Result<(), SubscriptionError> {
        let message = to_raw_value(&value)?;
        self.sink.send_timeout(message, self.context.limits.stall).await?;
        Ok(())
    }
}

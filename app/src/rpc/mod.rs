//! JSON-RPC over HTTP and WebSocket on one port: what wallets, libraries and the relayer call.
//!
//! Each answer that takes several reads is about one [`View`]. Methods are plain functions in a
//! table, run on the blocking threads; only what waits (sending, subscriptions) is async. Answers
//! and errors have geth's form, since tools match on it.

mod accounts;
mod args;
mod blocks;
mod call;
mod debug;
mod dev;
mod discover;
mod error;
mod fees;
mod filters;
mod foreign;
mod forks;
mod json;
mod limits;
mod logs;
mod node;
pub mod peg;
mod raw;
mod send;
mod serve;
mod simulate;
mod subscribe;
mod threads;
mod transactions;
mod txpool;
mod workers;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use alloy_eips::{BlockId, BlockNumberOrTag};
use serde_json::{Value, value::RawValue};

use self::filters::Filters;
pub use self::{
    error::RpcError,
    foreign::{ForeignBody, ForeignChain},
    limits::Limits,
    serve::{RpcServer, ServeError, serve},
};
use crate::{
    application::Chain, dev::DevControl, mempool::Mempool, p2p::GossipHandle, store::View,
};
use args::Args;
use workers::Time;

/// A method's name and what answers it.
type Method = (&'static str, fn(&RpcContext, &mut Args<'_>) -> Result<Value, RpcError>);
/// The same of one that may take long and looks at its time.
type LongMethod =
    (&'static str, fn(&RpcContext, &mut Args<'_>, &Time) -> Result<Box<RawValue>, RpcError>);

/// What RPC answers from.
#[derive(Debug)]
pub struct RpcContext {
    chain: Chain,
    pool: Mempool,
    gossip: Option<GossipHandle>,
    dev: Option<DevControl>,
    limits: Limits,
    filters: Filters,
    foreign: Option<Arc<ForeignChain>>,
}

impl RpcContext {
    /// With default limits, without gossip and not on a dev chain.
    pub fn new(chain: Chain, pool: Mempool) -> Self {
        let limits = Limits::default();
        let filters = Filters::new(limits.filters);
        Self { chain, pool, gossip: None, dev: None, limits, filters, foreign: None }
    }

    /// Answers `net_peerCount` from this swarm.
    #[must_use]
    pub fn with_gossip(mut self, gossip: GossipHandle) -> Self {
        self.gossip = Some(gossip);
        self
    }

    /// Serves the `dev_*` methods.
    #[must_use]
    pub fn with_dev(mut self, dev: DevControl) -> Self {
        self.dev = Some(dev);
        self
    }

    /// Serves a chain that was imported.
    #[must_use]
    pub fn with_foreign(mut self, foreign: ForeignChain) -> Self {
        self.foreign = Some(Arc::new(foreign));
        self
    }

    /// Other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.filters = Filters::new(limits.filters);
        self.limits = limits;
        self
    }

    fn latest(&self) -> View {
        self.chain.store.latest()
    }

    /// The height that `id` names in `view`; `None` when the chain has no such block. `pending` is
    /// the newest block: there is no block between it and the next.
    fn height_of(view: &View, id: BlockId) -> Result<Option<u64>, RpcError> {
        let height = match id {
            BlockId::Hash(hash) => return Ok(view.number_of(hash.block_hash)?),
            BlockId::Number(BlockNumberOrTag::Number(height)) => height,
            BlockId::Number(BlockNumberOrTag::Earliest) => 0,
            BlockId::Number(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => view.number(),
            BlockId::Number(BlockNumberOrTag::Safe | BlockNumberOrTag::Finalized) => {
                view.finalized_number()
            }
        };
        Ok((height <= view.number()).then_some(height))
    }

    /// The state after the block that `id` names.
    fn state_at(&self, id: BlockId) -> Result<View, RpcError> {
        let latest = self.latest();
        let height = Self::height_of(&latest, id)?.ok_or_else(RpcError::header_not_found)?;
        if height == latest.number() {
            return Ok(latest);
        }
        self.chain.store.at(height)?.ok_or_else(|| {
            RpcError::server(format!("historical state of block {height} is not available"))
        })
    }
}

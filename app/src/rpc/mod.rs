//! JSON-RPC over HTTP and WebSocket on one port: what wallets, libraries and the relayer call.
//!
//! Each answer that takes several reads is about one [`View`]. Methods are plain functions in a
//! table, run on the blocking threads; only what waits (sending, subscriptions) is async. Answers
//! and errors have geth's form, since tools match on it.

mod accounts;
mod args;
mod blocks;
mod call;
mod dev;
mod error;
mod fees;
mod filters;
mod json;
mod limits;
mod logs;
mod node;
pub mod peg;
mod send;
mod serve;
mod subscribe;
mod transactions;

#[cfg(test)]
mod tests;

use alloy_eips::{BlockId, BlockNumberOrTag};
use serde_json::Value;

use self::filters::Filters;
pub use self::{
    error::RpcError,
    limits::Limits,
    serve::{ServeError, serve, serve_with},
};
use crate::{
    application::Chain, dev::DevControl, mempool::Mempool, p2p::GossipHandle, store::View,
};
use args::Args;

/// A method's name and what answers it.
type Method = (&'static str, fn(&RpcContext, &mut Args<'_>) -> Result<Value, RpcError>);

/// What RPC answers from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// The chain.
    pub chain: Chain,
    /// The mempool.
    pub pool: Mempool,
    /// The gossip swarm, for the number of peers; `None` on a node without one.
    pub gossip: Option<GossipHandle>,
    /// Serves the `dev_*` methods; `None` on any but a dev chain.
    pub dev: Option<DevControl>,
}

/// What the methods share.
#[derive(Debug)]
struct RpcContext {
    chain: Chain,
    pool: Mempool,
    gossip: Option<GossipHandle>,
    limits: Limits,
    filters: Filters,
}

impl RpcContext {
    fn new(context: Context, limits: Limits) -> Self {
        let Context { chain, pool, gossip, dev: _ } = context;
        Self { chain, pool, gossip, limits, filters: Filters::new(limits.filters) }
    }

    /// The lowest tip that the pool suggests, in wei a gas.
    const fn min_tip(&self) -> u128 {
        0
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
        self.chain.store.at(height).ok_or_else(|| {
            RpcError::server(format!("historical state of block {height} is not available"))
        })
    }
}

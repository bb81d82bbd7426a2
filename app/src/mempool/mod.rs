//! Transactions that wait for a block.
//!
//! [`Pool`] is the pure core; [`Mempool`] puts it behind a lock, checks what comes in against the
//! newest state and tells gossip, RPC and the dev engine of what was taken. User transactions wait
//! in per-sender nonce queues; federation messages have a lane of their own that users cannot
//! crowd out. [`journal`] keeps what is here over a restart.

mod check;
mod error;
mod eviction;
mod feeds;
mod handle;
pub mod journal;
mod lane;
mod limits;
mod pool;
mod queue;
mod tx;

#[cfg(test)]
mod tests;

pub use error::{Rejection, SubmitError};
pub use handle::{Accepted, Content, Mempool, Origin};
pub use lane::{LaneKey, LaneMessage};
pub use limits::{MAX_TX_BYTES, PoolLimits};
pub use pool::{Inserted, Pool, Room};
pub use tx::{Account, PooledTx};

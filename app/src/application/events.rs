//! What happened to the chain, for RPC subscriptions and other readers.

use std::sync::Arc;

use crate::store::Block;

/// A change of the tip. Sent after the views show it, in order, through a bounded broadcast
/// channel: a reader that is too slow gets `Lagged` and reads the store instead.
#[derive(Clone, Debug)]
pub enum ChainEvent {
    /// This block, with its receipts, became the tip.
    Committed(Arc<Block>),
    /// The dev engine dropped these blocks, newest first.
    Dropped(Vec<Arc<Block>>),
}

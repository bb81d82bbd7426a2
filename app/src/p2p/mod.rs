//! Gossip of pooled transactions: a gossipsub swarm of our own beside the consensus engine's, so
//! that both engines are served alike.
//!
//! A message is a batch of transactions; federation messages go alone and at once.
//!
//! Nothing is forwarded before the pool has taken it: a message waits for the pool's verdict and
//! its sender is scored down for bytes that could never be valid. What stays in the pool is
//! published anew from time to time, so that a peer that joins late gets it too.

pub mod batch;
mod config;
mod peers;
mod swarm;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{broadcast, mpsc};

pub use config::{GossipConfig, GossipError};
pub use swarm::Gossip;

/// What the pool says of a message from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken: forward it.
    Accept,
    /// Not taken, and nobody's fault: known already, stale, or the pool is full.
    Ignore,
    /// No state of this chain makes it valid: whoever sent it misbehaves.
    Reject,
}

/// The pool as gossip sees it.
pub trait GossipPool: Clone + Send + Sync + 'static {
    /// Offers transactions that came from a peer in one message: [`Verdict::Reject`] when one of
    /// them could never be valid, else [`Verdict::Accept`] when one is taken.
    fn offer(&self, batch: Vec<Bytes>) -> BoxFuture<'static, Verdict>;

    /// What the pool takes from this node's own users from now on. A reader that lags loses
    /// messages; [`Self::backlog`] brings them back.
    fn local(&self) -> broadcast::Receiver<Bytes>;

    /// At most `limit` transactions that are still in the pool; `round` rises by one with each call,
    /// so that calls can take turns through a large pool.
    fn backlog(&self, round: u64, limit: usize) -> Vec<Bytes>;
}

/// Access to a running [`Gossip`].
#[derive(Clone, Debug)]
pub struct GossipHandle {
    publish: mpsc::Sender<Bytes>,
    peers: Arc<AtomicUsize>,
    peer_id: PeerId,
    listen: Multiaddr,
}

impl GossipHandle {
    /// Publishes bytes to all peers. Returns whether they were queued: when the queue is full they
    /// are not, and the backlog brings them later if they are in the pool.
    pub fn publish(&self, raw: Bytes) -> bool {
        self.publish.try_send(raw).is_ok()
    }

    /// How many peers are connected now.
    pub fn peer_count(&self) -> usize {
        self.peers.load(Ordering::Relaxed)
    }

    /// This node's name among peers.
    pub const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Where it listens, with the port that the system chose.
    pub const fn listen_addr(&self) -> &Multiaddr {
        &self.listen
    }

    /// What others put into their peer list: the address with `/p2p/<peer id>`.
    pub fn dial_addr(&self) -> Multiaddr {
        self.listen.clone().with(libp2p::multiaddr::Protocol::P2p(self.peer_id))
    }
}

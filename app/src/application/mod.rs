//! The ABCI application: consensus requests in, blocks in the store out.

mod consensus;
mod events;
mod genesis_check;
mod proposal;
mod queries;
mod source;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use genesis_check::consensus_id;

pub use consensus::Application;
pub use events::ChainEvent;
pub use queries::{APP_VERSION, Queries};
pub use source::{Budget, Candidates, Touched, TxSource};

use std::sync::Arc;

use mooring_genesis::Genesis;
use mooring_stf::ChainParams;
use tokio::sync::broadcast;

use crate::store::Store;

/// How many events a slow reader may lag behind before it misses some.
const EVENT_BUFFER: usize = 256;

/// What everyone who reads the chain shares. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The blocks and their states.
    pub store: Store,
    /// The chain's rules.
    pub params: Arc<ChainParams>,
    /// The genesis document.
    pub genesis: Arc<Genesis>,
    events: broadcast::Sender<ChainEvent>,
}

impl Chain {
    /// A chain over an open store.
    pub fn new(store: Store, params: Arc<ChainParams>, genesis: Arc<Genesis>) -> Self {
        Self { store, params, genesis, events: broadcast::channel(EVENT_BUFFER).0 }
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<ChainEvent> {
        self.events.subscribe()
    }

    /// Tells the readers. Nobody listening is fine.
    pub(crate) fn publish(&self, event: ChainEvent) {
        drop(self.events.send(event));
    }
}

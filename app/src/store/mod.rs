//! The node's disk: one RocksDB, one synced batch a block.
//!
//! Readers never see the database itself but a [`View`] of one block: a database snapshot with
//! the unwritten blocks above it. So a commit never tears a read, and an answer that takes several
//! reads is about one block. All keys of a block (header, body, receipts, flat state, trie nodes,
//! indexes, exits, tip) are in one batch: after a crash the disk holds a block wholly or not at
//! all.
//!
//! Must not know about consensus engines beyond the byte records of [`mooring_abci::ConsensusStore`].

mod block;
mod consensus;
mod error;
mod keys;
mod lookup;
mod record;
mod view;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use alloy_primitives::B256;
use mooring_rocks::{Batch, Db, OpenError, Snapshot, Sync};
use mooring_stf::{ExecutedBlock, Fault};

pub use block::{Block, Layer, Tip, TxPosition};
pub use error::StoreError;
pub use lookup::ExitProof;
pub use view::{AccountProof, SlotProof, View};

/// How many of the newest heights keep their state readable ([`Store::at`]).
pub const RECENT_VIEWS: usize = 128;

/// The chain on disk. Cheap to clone; all clones are one store.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Arc<Db>,
    /// Serialises those who change the tip.
    writer: Mutex<()>,
    chain: RwLock<Chain>,
}

/// What readers are given.
#[derive(Clone, Debug)]
struct Chain {
    base: Arc<Snapshot>,
    /// The newest block in `base`.
    base_tip: Tip,
    /// Blocks that are not on disk, oldest first.
    layers: Vec<Arc<Layer>>,
    latest: View,
    /// By height, up to and with the latest.
    recent: BTreeMap<u64, View>,
}

impl Store {
    /// Opens the data directory of the chain whose genesis document hashes to `chain`, and writes
    /// block zero, made by `genesis`, where there is none yet.
    ///
    /// # Errors
    /// The directory is in use, of another chain or version, or the disk fails.
    pub fn open(
        dir: &Path,
        chain: B256,
        genesis: impl FnOnce() -> Result<ExecutedBlock, Fault>,
    ) -> Result<Self, StoreError> {
        let db = Arc::new(Db::open(dir, &keys::ALL).map_err(|e| open_error(dir, e))?);
        let broken =
            |source: Fault| StoreError::Database { path: dir.to_owned(), source: Box::new(source) };
        check_identity(dir, &db.snapshot(), chain)?;
        let mut base = Arc::new(db.snapshot());
        if read_tip(&base).map_err(broken)?.is_none() {
            let layer = genesis().and_then(Layer::genesis).map_err(broken)?;
            write_genesis(&db, chain, &layer).map_err(broken)?;
            base = Arc::new(db.snapshot());
        }
        let tip = read_tip(&base)
            .map_err(broken)?
            .ok_or_else(|| broken(Fault::new("read back the tip")))?;
        let latest = View::new(tip.clone(), Arc::clone(&base), Vec::new());
        let recent = BTreeMap::from([(latest.number(), latest.clone())]);
        let chain = Chain { base, base_tip: tip, layers: Vec::new(), latest, recent };
        Ok(Self(Arc::new(Inner { db, writer: Mutex::new(()), chain: RwLock::new(chain) })))
    }

    /// The chain up to its newest block.
    pub fn latest(&self) -> View {
        self.read_chain(|chain| chain.latest.clone())
    }

    /// The chain up to the newest block that can no longer be dropped; `None` when that view is
    /// no longer in memory.
    pub fn finalized(&self) -> Option<View> {
        self.read_chain(|chain| chain.recent.get(&chain.latest.finalized_number()).cloned())
    }

    /// The chain up to `height`: one of the newest [`RECENT_VIEWS`], since this process started.
    pub fn at(&self, height: u64) -> Option<View> {
        self.read_chain(|chain| chain.recent.get(&height).cloned())
    }

    /// Makes `layer` the tip and writes, each in one synced batch, the blocks that have more than
    /// `lag` blocks above them. Readers see the new tip only after that.
    ///
    /// # Errors
    /// A [`Fault`] when `layer` is not a child of the tip, or the disk fails. The tip stays then.
    pub fn commit(&self, layer: Layer, lag: usize) -> Result<View, Fault> {
        let _writer = self.lock_writer();
        let mut next = self.read_chain(Chain::clone);
        if layer.tip.header.parent_hash != next.latest.hash() {
            return Err(Fault::new("commit a block that is not the tip's child"));
        }
        next.layers.push(Arc::new(layer));
        while next.layers.len() > lag {
            let oldest = next.layers.remove(0);
            self.write(write::batch(&self.0.db, &oldest)?, Sync::Yes)?;
            next.base = Arc::new(self.0.db.snapshot());
            next.base_tip = oldest.tip.clone();
        }
        next.renew_latest();
        let view = next.latest.clone();
        self.publish(next);
        Ok(view)
    }

    /// Drops up to `depth` of the newest blocks, of those not yet written; returns them, newest
    /// first.
    pub fn drop_blocks(&self, depth: usize) -> Vec<Arc<Layer>> {
        let _writer = self.lock_writer();
        let mut next = self.read_chain(Chain::clone);
        let keep = next.layers.len().saturating_sub(depth);
        let dropped: Vec<_> = next.layers.drain(keep..).rev().collect();
        if let Some(oldest) = dropped.last() {
            drop(next.recent.split_off(&oldest.tip.header.number));
            next.renew_latest();
        }
        self.publish(next);
        dropped
    }

    fn write(&self, batch: Batch, sync: Sync) -> Result<(), Fault> {
        self.0.db.write(batch, sync).map_err(|e| Fault::from_cause("write to the database", e))
    }

    // A poisoned lock guards nothing half-done: `Chain` is replaced whole.
    fn read_chain<T>(&self, read: impl FnOnce(&Chain) -> T) -> T {
        read(&self.0.chain.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, next: Chain) {
        *self.0.chain.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn lock_writer(&self) -> MutexGuard<'_, ()> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chain {
    /// Makes the view of the newest block.
    fn renew_latest(&mut self) {
        let tip = self.layers.last().map_or(&self.base_tip, |layer| &layer.tip).clone();
        self.latest = View::new(tip, Arc::clone(&self.base), self.layers.clone());
        self.recent.insert(self.latest.number(), self.latest.clone());
        while self.recent.len() > RECENT_VIEWS {
            self.recent.pop_first();
        }
    }
}

/// Refuses the directory of another schema or chain; an empty one passes.
fn check_identity(dir: &Path, base: &Snapshot, expected: B256) -> Result<(), StoreError> {
    let path = || dir.to_owned();
    let broken = |source: Fault| StoreError::Database { path: path(), source: Box::new(source) };
    let schema = view::read(base, keys::META, keys::META_SCHEMA, record::schema);
    if let Some(found) = schema.map_err(broken)?
        && found != keys::SCHEMA
    {
        return Err(StoreError::Schema { path: path(), expected: keys::SCHEMA, found });
    }
    let chain = view::read(base, keys::META, keys::META_CHAIN, record::hash);
    match chain.map_err(broken)? {
        Some(found) if found != expected => {
            Err(StoreError::OtherChain { path: path(), expected, found })
        }
        Some(_) | None => Ok(()),
    }
}

fn read_tip(base: &Snapshot) -> Result<Option<Tip>, Fault> {
    view::read(base, keys::META, keys::META_TIP, record::tip)
}

fn write_genesis(db: &Db, chain: B256, layer: &Layer) -> Result<(), Fault> {
    let mut batch = write::batch(db, layer)?;
    batch.put(keys::META, keys::META_SCHEMA, record::seal(&keys::SCHEMA.to_be_bytes()));
    batch.put(keys::META, keys::META_CHAIN, record::seal(chain.as_slice()));
    db.write(batch, Sync::Yes).map_err(|e| Fault::from_cause("write block zero", e))
}

fn open_error(dir: &Path, error: OpenError) -> StoreError {
    let path = dir.to_owned();
    match error {
        OpenError::InUse { holder, .. } => StoreError::InUse { path, holder },
        other => StoreError::Database { path, source: Box::new(other) },
    }
}

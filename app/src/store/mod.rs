//! The node's disk: one RocksDB, one synced record a block.
//!
//! A block is durable when its record is: header, body, receipts, and what it changed, in one
//! synced write. Everything else (accounts, words, tries, indexes, history) follows from the
//! records and lives in the *tables*, which a thread of their own brings up from behind, many
//! blocks at a time, each time by one table file that is taken over whole or not at all. So after
//! a crash the disk holds each block wholly or not, and the tables are those of some block at or
//! below the last; the blocks between are read back from their records, and their tries, which
//! the next block needs, are computed behind.
//!
//! Readers never see the database itself but a [`View`] of one block: the tables as they were at
//! one moment, with the blocks above them in memory. So a commit never tears a read, and an
//! answer that takes several reads is about one block.
//!
//! Must not know about consensus engines beyond the byte records of [`mooring_abci::ConsensusStore`].

mod ahead;
mod block;
mod chain;
mod changes;
mod consensus;
mod dump;
mod entries;
mod error;
mod flush;
mod flusher;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod history;
mod hot;
mod keys;
mod layer_trie;
mod load;
mod lookup;
mod mark;
mod options;
mod record;
mod recover;
mod view;
mod write;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use alloy_primitives::B256;
use mooring_rocks::{Batch, Db, Memory, OpenError, Sync};
use mooring_stf::{ExecutedBlock, Fault};
use mooring_trie::StateTrie;

use crate::snapshot::Exporter;
use ahead::ReadAhead;
use chain::Chain;
use flush::Job;
use flusher::{Flusher, Retired, Signals};
use hot::Hot;
use mark::Mark;

pub use block::{Block, Layer, Tip, TxPosition};
pub(crate) use dump::Frozen;
pub use error::StoreError;
pub(crate) use load::{Engine, Rest};
pub use lookup::ExitProof;
pub use options::StoreOptions;
pub(crate) use record::{exit_from_rlp, exit_to_rlp};
pub use view::{AccountProof, SlotProof, View};

/// So many of the newest blocks stay above the tables where memory allows: proofs can be made for
/// them (`eth_getProof`).
const PROOF_WINDOW: usize = 16;
/// How many times what is due may pile up before commits wait for the tables.
const PATIENCE: usize = 2;

/// The chain on disk. Cheap to clone; all clones are one store.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// Ended, and waited for, before the database closes; so is the next.
    _flusher: Flusher,
    ahead: ReadAhead,
}

/// Which heights' states a store can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The lowest height whose accounts and words can be read.
    pub state: u64,
    /// The lowest height whose state can be proven.
    pub proofs: u64,
    /// How many blocks of history are kept; 0 for all.
    pub history: u64,
    /// The lowest height, above genesis, whose block is kept: 0 where all are, else the one above
    /// the snapshot that the chain came from.
    pub blocks: u64,
}

/// What the committing and the flushing thread share.
#[derive(Debug)]
struct Shared {
    /// Ended, and waited for, before the database closes.
    exporter: Option<Exporter>,
    db: Arc<Db>,
    mark: Mark,
    options: StoreOptions,
    /// Serialises those who change the chain.
    writer: Mutex<()>,
    chain: RwLock<Chain>,
    signals: Signals,
    /// Held while the tables are written.
    flushing: Mutex<Retired>,
    /// A snapshot is being written into the store, or was and could not be: it is no chain.
    is_loading: AtomicBool,
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
        Self::open_with(dir, chain, StoreOptions::default(), genesis)
    }

    /// The same within other bounds.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        dir: &Path,
        chain: B256,
        options: StoreOptions,
        genesis: impl FnOnce() -> Result<ExecutedBlock, Fault>,
    ) -> Result<Self, StoreError> {
        let memory = Memory { block_cache: options.block_cache, ..Memory::default() };
        let logs = mark::logs(dir);
        let db = Db::open_with(dir, &keys::ALL, memory).map_err(|e| open_error(dir, e))?;
        let db = Arc::new(db);
        let broken = |source: Box<dyn std::error::Error + Send + std::marker::Sync>| {
            StoreError::Database { path: dir.to_owned(), source }
        };
        recover::check_identity(dir, &db.snapshot(), chain)?;
        load::clear_unfinished(&db).map_err(|e| broken(Box::new(e)))?;
        let mark = recover::check_mark(dir, &db.snapshot(), logs)?;
        let hot = Arc::new(Hot::new(options.state_cache));
        let chain = recover::chain(&db, chain, hot, genesis).map_err(|e| broken(Box::new(e)))?;
        let exporter = options.exporter(dir).map_err(|e| broken(Box::new(e)))?;
        let shared = Arc::new(Shared {
            exporter,
            db,
            mark,
            options,
            writer: Mutex::new(()),
            chain: RwLock::new(chain),
            signals: Signals::default(),
            flushing: Mutex::default(),
            is_loading: AtomicBool::new(false),
        });
        // A crash may have lost the one of this height.
        shared.export();
        let flusher = Flusher::start(Arc::clone(&shared)).map_err(|e| broken(Box::new(e)))?;
        shared.signals.call();
        let latest = shared.read(|chain| chain.latest.clone());
        let done = {
            let shared = Arc::clone(&shared);
            move |read: &StateTrie| shared.update(|chain| chain.with_trie(read))
        };
        let ahead = ReadAhead::start(latest, options.trie_cache / 2, done);
        let ahead = ahead.map_err(|e| broken(Box::new(e)))?;
        Ok(Self(Arc::new(Inner { shared, _flusher: flusher, ahead })))
    }

    /// Waits until the part of the trie that fits is in memory. Opening only begins to read it;
    /// blocks need not wait for it, but the first are slower without.
    pub fn wait_until_read_ahead(&self) {
        self.0.ahead.wait();
    }

    /// The chain up to its newest block.
    pub fn latest(&self) -> View {
        self.0.shared.read(|chain| chain.latest.clone())
    }

    /// The same view for the one that executes blocks on it, one at a time, and commits them:
    /// what it reads is kept in memory for the next block.
    pub fn head(&self) -> View {
        self.latest().as_head()
    }

    /// The chain up to `height`; `None` above the tip, and below the lowest height whose state is
    /// kept ([`StoreOptions::history`]).
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn at(&self, height: u64) -> Result<Option<View>, Fault> {
        self.0.shared.read(Chain::clone).at(height)
    }

    /// Which heights' states can be read.
    pub fn kept(&self) -> Kept {
        let shared = &self.0.shared;
        shared.read(|chain| Kept {
            state: chain.base.floor,
            proofs: chain.base.height,
            history: shared.options.history,
            blocks: chain.base.blocks,
        })
    }

    /// Makes `layer` the tip and writes, each in one synced record, the blocks that have more than
    /// `lag` blocks above them. Readers see the new tip only after that. Waits while the tables
    /// are too far behind.
    ///
    /// # Errors
    /// A [`Fault`] when `layer` is not a child of the tip, or the disk fails. The tip stays then.
    pub fn commit(&self, mut layer: Layer, lag: usize) -> Result<View, Fault> {
        let shared = &self.0.shared;
        shared.wait_for_tables()?;
        let _writer = shared.lock_writer();
        shared.check_whole()?;
        let mut next = shared.read(Chain::clone);
        if layer.tip.header.parent_hash != next.latest.hash() {
            return Err(Fault::new("commit a block that is not the tip's child"));
        }
        if let Some(read) = self.0.ahead.take() {
            layer.trie = layer.trie.changed(|trie| trie.joined(&read));
        }
        layer.trim(next.base.height, shared.options.trie_cache);
        let layer = Arc::new(layer);
        next.layers.push(Arc::clone(&layer));
        let durable = layer.number().saturating_sub(lag as u64);
        std::thread::scope(|scope| {
            // Readers of blocks below do not see what it takes over.
            scope.spawn(|| next.hot.commit(layer.number(), &layer.changes));
            shared.write_blocks(&next, durable)
        })
        .inspect_err(|_| next.hot.clear())?;
        next.durable = next.durable.max(durable);
        let next = next.renewed();
        let view = next.latest.clone();
        shared.publish(next);
        shared.signals.call();
        Ok(view)
    }

    /// Drops up to `depth` of the newest blocks, of those not yet written; returns them, newest
    /// first.
    pub fn drop_blocks(&self, depth: usize) -> Vec<Arc<Layer>> {
        let shared = &self.0.shared;
        let _writer = shared.lock_writer();
        let mut next = shared.read(Chain::clone);
        let written = next.layers.partition_point(|layer| layer.number() <= next.durable);
        let keep = next.layers.len().saturating_sub(depth).max(written);
        let dropped: Vec<_> = next.layers.drain(keep..).rev().collect();
        if !dropped.is_empty() {
            next.hot.clear();
            shared.publish(next.renewed());
        }
        dropped
    }

    /// Brings the tables up to the newest block on disk and waits for it: before the directory is
    /// copied, and in tests.
    ///
    /// # Errors
    /// A [`Fault`] when the disk fails.
    pub fn flush(&self) -> Result<(), Fault> {
        let shared = &self.0.shared;
        shared.signals.check()?;
        while flusher::flush(shared, |shared| shared.read(|chain| shared.job(chain, 0)))? {}
        Ok(())
    }

    /// Brings the tables up to the newest block on disk, and keeps that state readable whole.
    ///
    /// # Errors
    /// A [`Fault`] when the disk fails.
    pub(crate) fn freeze(&self) -> Result<Frozen, Fault> {
        self.flush()?;
        Ok(self.0.shared.read(Frozen::of))
    }
}

impl Shared {
    /// What the tables should take in now, if it is time.
    fn due(&self) -> Option<Job> {
        self.read(|chain| {
            let (blocks, bytes) = chain.behind();
            let StoreOptions { flush_blocks, flush_bytes, .. } = self.options;
            if bytes >= flush_bytes {
                // Memory is short: the newest few stay, no more.
                return self.job(chain, blocks / 4);
            }
            (blocks >= flush_blocks).then(|| self.job(chain, PROOF_WINDOW.min(blocks / 2)))?
        })
    }

    /// The blocks on disk that the tables do not know, but for the newest `keep`.
    fn job(&self, chain: &Chain, keep: usize) -> Option<Job> {
        let (blocks, _) = chain.behind();
        let mut layers = chain.layers[..blocks.saturating_sub(keep)].to_vec();
        // What a snapshot is to be of, the tables must be of at some moment.
        if let Some(at) = layers.iter().position(|layer| self.is_snapshot(layer.number())) {
            layers.truncate(at + 1);
        }
        let height = layers.last()?.number();
        let floor = match self.options.history {
            0 => 0,
            history => height.saturating_sub(history),
        };
        let base = Arc::clone(&chain.base);
        Some(Job { since: Some(base.height), base, layers, floor })
    }

    /// Whether a snapshot of this height is to be made.
    const fn is_snapshot(&self, height: u64) -> bool {
        let interval = self.options.snapshot_interval;
        height > 0 && interval > 0 && height.is_multiple_of(interval)
    }

    /// Has a snapshot of the tables made, if they are of a height that one is made of.
    fn export(&self) {
        let frozen = self.read(Frozen::of);
        if let Some(exporter) = &self.exporter
            && self.is_snapshot(frozen.height())
        {
            exporter.offer(frozen);
        }
    }

    /// Holds a commit back while the tables are far behind.
    fn wait_for_tables(&self) -> Result<(), Fault> {
        let StoreOptions { flush_blocks, flush_bytes, .. } = self.options;
        let are_near = || {
            let (blocks, bytes) = self.read(Chain::behind);
            blocks < flush_blocks * PATIENCE && bytes < flush_bytes * PATIENCE
        };
        if !are_near() {
            // Nobody may have called since the blocks piled up: they may come from before a crash.
            self.signals.call();
        }
        self.signals.wait_until(are_near)
    }

    /// Writes, each in one synced record, the blocks up to this height that are not on disk yet.
    fn write_blocks(&self, chain: &Chain, up_to: u64) -> Result<(), Fault> {
        let is_due = |layer: &&Arc<Layer>| (chain.durable + 1..=up_to).contains(&layer.number());
        for layer in chain.layers.iter().filter(is_due) {
            self.write(write::batch(layer), Sync::Yes)?;
            let noted = self.mark.set(layer.number());
            noted.map_err(|e| Fault::from_cause("note the newest block on disk", e))?;
        }
        Ok(())
    }

    fn write(&self, batch: Batch, sync: Sync) -> Result<(), Fault> {
        self.db.write(batch, sync).map_err(|e| Fault::from_cause("write to the database", e))
    }

    /// Replaces the chain by what `change` makes of it.
    fn update(&self, change: impl FnOnce(Chain) -> Chain) {
        let _writer = self.lock_writer();
        let next = change(self.read(Chain::clone));
        self.publish(next);
    }

    // A poisoned lock guards nothing half-done: `Chain` is replaced whole.
    fn read<T>(&self, read: impl FnOnce(&Chain) -> T) -> T {
        read(&self.chain.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, next: Chain) {
        *self.chain.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn lock_writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_error(dir: &Path, error: OpenError) -> StoreError {
    let path = dir.to_owned();
    match error {
        OpenError::InUse { holder, .. } => StoreError::InUse { path, holder },
        other => StoreError::Database { path, source: Box::new(other) },
    }
}

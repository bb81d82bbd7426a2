//! Bounds of an open store.

use std::path::Path;

use crate::snapshot::{Exporter, Snapshots};

/// How much memory a store may use, how far its tables may fall behind, how much it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes of trie nodes kept in memory. Default: 64 MiB.
    pub trie_cache: usize,
    /// Bytes of accounts and words kept in memory. Default: 24 MiB.
    pub state_cache: usize,
    /// Bytes of database blocks kept in memory. Default: 32 MiB.
    pub block_cache: usize,
    /// The tables take in new blocks when they are so many blocks behind. Default: 64.
    pub flush_blocks: usize,
    /// The tables take in new blocks when those take about so many bytes of memory. Twice as
    /// many stop the chain until they have. Default: 16 MiB.
    pub flush_bytes: usize,
    /// How many of the newest blocks keep their state readable; 0 keeps all. Default: 10 000.
    pub history: u64,
    /// A snapshot of the state is written, beside the directory of the store, whenever the tables
    /// pass a multiple of so many blocks; 0 for never. Default: 0.
    pub snapshot_interval: u64,
    /// How many of the newest snapshots stay. Default: 2.
    pub snapshots_kept: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            trie_cache: 64 << 20,
            state_cache: 24 << 20,
            block_cache: 32 << 20,
            flush_blocks: 64,
            flush_bytes: 16 << 20,
            history: 10_000,
            snapshot_interval: 0,
            snapshots_kept: 2,
        }
    }
}

impl StoreOptions {
    /// What writes the snapshots of the store in `dir`; `None` where none are made.
    pub(super) fn exporter(&self, dir: &Path) -> std::io::Result<Option<Exporter>> {
        if self.snapshot_interval == 0 {
            return Ok(None);
        }
        let snapshots = Snapshots::beside(dir);
        Exporter::start(snapshots, self.snapshots_kept).map(Some)
    }
}

//! What the store is bounded by.

use serde::{Deserialize, Serialize};

use super::{Entry, number};
use crate::store::StoreOptions;

const MIB: usize = 1 << 20;

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// MiB of trie nodes kept in memory. Default: 64.
    pub trie_cache_mib: u32,
    /// MiB of accounts and words kept in memory. Default: 24.
    pub state_cache_mib: u32,
    /// MiB of database blocks kept in memory. Default: 32.
    pub block_cache_mib: u32,
    /// MiB of blocks that the tables may fall behind before they take them in. Default: 16.
    pub flush_mib: u32,
    /// How many of the newest blocks keep their state readable; 0 keeps all. Default: 10,000.
    pub history: u64,
}

impl StoreConfig {
    /// The same in bytes, with the rest of what a store is bounded by. It writes no snapshots.
    pub fn options(&self) -> StoreOptions {
        let bytes = |mib: u32| (mib as usize).saturating_mul(MIB);
        StoreOptions {
            trie_cache: bytes(self.trie_cache_mib),
            state_cache: bytes(self.state_cache_mib),
            block_cache: bytes(self.block_cache_mib),
            flush_bytes: bytes(self.flush_mib),
            history: self.history,
            ..StoreOptions::default()
        }
    }

    pub(super) fn entries(&self) -> [Entry; 5] {
        let entry = |key, meaning, value| ("store", key, meaning, value);
        [
            entry(
                "trie_cache_mib",
                "MiB of trie nodes kept in memory.",
                number(self.trie_cache_mib.into()),
            ),
            entry(
                "state_cache_mib",
                "MiB of accounts and words kept in memory.",
                number(self.state_cache_mib.into()),
            ),
            entry(
                "block_cache_mib",
                "MiB of database blocks kept in memory.",
                number(self.block_cache_mib.into()),
            ),
            entry(
                "flush_mib",
                "MiB of blocks that the tables may fall behind before they take them in.",
                number(self.flush_mib.into()),
            ),
            entry(
                "history",
                "How many of the newest blocks keep their state readable; 0 keeps all.",
                number(self.history),
            ),
        ]
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        let StoreOptions { trie_cache, state_cache, block_cache, flush_bytes, history, .. } =
            StoreOptions::default();
        let mib = |bytes: usize| u32::try_from(bytes / MIB).unwrap_or(u32::MAX);
        Self {
            trie_cache_mib: mib(trie_cache),
            state_cache_mib: mib(state_cache),
            block_cache_mib: mib(block_cache),
            flush_mib: mib(flush_bytes),
            history,
        }
    }
}

//! When a node writes snapshots.

use serde::{Deserialize, Serialize};

use super::{Entry, NodeConfig, number};
use crate::store::StoreOptions;

/// `[snapshots]`: from one of them a node starts without the blocks before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotConfig {
    /// A snapshot is written at every height that is a multiple of this; 0 for never. Default:
    /// 10,000, which at two blocks a second is one in 83 minutes: a node restored from the newest
    /// has few blocks left to fetch, and the chain's work is not to write snapshots.
    pub interval: u64,
    /// How many of the newest stay, at least one. Default: 2, so that whoever fetches one can end
    /// while the next is written.
    pub keep: usize,
}

impl NodeConfig {
    /// What the node's store is bounded by, and when it writes snapshots.
    pub fn store_options(&self) -> StoreOptions {
        let SnapshotConfig { interval, keep } = self.snapshots;
        let options = self.store.options();
        StoreOptions { snapshot_interval: interval, snapshots_kept: keep, ..options }
    }
}

impl SnapshotConfig {
    pub(super) fn entries(&self) -> [Entry; 2] {
        let entry = |key, meaning, value| ("snapshots", key, meaning, value);
        [
            entry(
                "interval",
                "A snapshot is written at every height that is a multiple of this; 0 for never.",
                number(self.interval),
            ),
            entry("keep", "How many of the newest snapshots stay.", number(self.keep as u64)),
        ]
    }
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self { interval: 10_000, keep: StoreOptions::default().snapshots_kept }
    }
}

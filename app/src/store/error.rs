//! Why a data directory cannot be opened.

use std::path::PathBuf;

use alloy_primitives::B256;

/// Each variant says what to do; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory.
    #[error(
        "data directory {} is in use by {holder}; stop it, or give this node another home",
        path.display()
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// Who has it, as far as known: `process 1234`.
        holder: String,
    },
    /// The directory belongs to another chain.
    #[error(
        "data directory {} belongs to the chain with genesis {found}, but genesis.json is {expected}; \
         use that chain's genesis.json, or an empty home",
        path.display()
    )]
    OtherChain {
        /// The data directory.
        path: PathBuf,
        /// The genesis hash of the configuration.
        expected: B256,
        /// The genesis hash in the directory.
        found: B256,
    },
    /// The directory was written by an incompatible version.
    #[error(
        "data directory {} has schema {found}, this binary reads {expected}; \
         use the binary that wrote it, or sync into an empty home",
        path.display()
    )]
    Schema {
        /// The data directory.
        path: PathBuf,
        /// What this binary reads.
        expected: u32,
        /// What the directory holds.
        found: u32,
    },
    /// Blocks that were on disk are gone: a byte of the write-ahead log is damaged.
    #[error(
        "data directory {} ends at block {found}, but had {expected}: {} in it is damaged; sync \
         into an empty home, or remove {} there to go on from block {found}",
        path.display(), logs.join(" or "), super::mark::FILE
    )]
    LostBlocks {
        /// The data directory.
        path: PathBuf,
        /// The newest block that is there.
        found: u64,
        /// The newest block that was there.
        expected: u64,
        /// The log files that were there when it was opened.
        logs: Vec<String>,
    },
    /// The database cannot be read or written.
    #[error("open the database in {}", path.display())]
    Database {
        /// The data directory.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

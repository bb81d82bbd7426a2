//! Why a snapshot cannot be made or used.

use std::{io, path::PathBuf};

use alloy_primitives::B256;
use mooring_stf::Fault;

use super::format::FORMAT;

/// Whoever made the snapshot is at fault, or this node: [`Self::is_invalid`] tells.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file cannot be read or written.
    #[error("access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is nothing to make one of.
    #[error("there is no block yet above genesis; make a snapshot when there is one")]
    NothingYet,
    /// The store is no longer empty.
    #[error(
        "this node is at height {height} already; a snapshot goes into an empty home: move \
         data/chain away first"
    )]
    NotEmpty {
        /// The node's height.
        height: u64,
    },
    /// Nobody made the height.
    #[error("there is no snapshot in {}; `mooring node snapshot list` names those of a home", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Another format than this binary reads.
    #[error(
        "the snapshot has format {found}, this binary reads {FORMAT}; use the one that made it"
    )]
    Format {
        /// What it has.
        found: u32,
    },
    /// What is told of it contradicts itself.
    #[error("the snapshot's description is damaged: {0}; take another copy")]
    Manifest(&'static str),
    /// It is of another chain.
    #[error("the snapshot is of the chain with genesis {found}, this home's is {expected}")]
    OtherChain {
        /// The hash of this home's genesis document.
        expected: B256,
        /// The snapshot's.
        found: B256,
    },
    /// It is not of the height that was asked for.
    #[error("the snapshot is of height {found}, not {expected}")]
    OtherHeight {
        /// What was asked for.
        expected: u64,
        /// The snapshot's.
        found: u64,
    },
    /// It is not of the state that is trusted.
    #[error(
        "the snapshot is of app hash {found}, but {expected} is trusted: one of the two is wrong; \
         ask the operators of other validators"
    )]
    OtherAppHash {
        /// What is trusted.
        expected: B256,
        /// The snapshot's.
        found: B256,
    },
    /// A chunk is missing or not the one that was named.
    #[error("chunk {index} of the snapshot is damaged: {reason}; take another copy")]
    Chunk {
        /// Its index.
        index: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// All chunks are as named, and what they hold is not the state that the app hash commits to.
    #[error("the snapshot is forged or made by a faulty node: {reason}; take that of another node")]
    Forged {
        /// What is wrong.
        reason: String,
    },
    /// It was asked to stop.
    #[error("the snapshot was given up because the node stops")]
    Stopped,
    /// The node's own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl SnapshotError {
    /// Whether the snapshot is at fault, not this node.
    pub const fn is_invalid(&self) -> bool {
        match self {
            Self::Format { .. }
            | Self::Manifest(_)
            | Self::OtherChain { .. }
            | Self::OtherHeight { .. }
            | Self::OtherAppHash { .. }
            | Self::Chunk { .. }
            | Self::Forged { .. } => true,
            Self::Io { .. }
            | Self::NothingYet
            | Self::NotEmpty { .. }
            | Self::Missing { .. }
            | Self::Stopped
            | Self::Fault(_) => false,
        }
    }

    pub(crate) fn forged(reason: impl Into<String>) -> Self {
        Self::Forged { reason: reason.into() }
    }
}

/// For a file operation on `path`.
pub(super) fn io_error(path: &std::path::Path) -> impl FnOnce(io::Error) -> SnapshotError {
    let path = path.to_owned();
    move |source| SnapshotError::Io { path, source }
}

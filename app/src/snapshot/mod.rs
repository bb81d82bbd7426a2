//! Snapshots: the state of one height in chunks, the same bytes on every node, so that a new node
//! needs no history.
//!
//! ```text
//! tables at a height -> dump -> records -> chunks on disk -> peers, people
//! chunks -> records -> rebuild: every root anew -> load -> a store at that height
//! ```
//!
//! The format is in [`format`](self), what is checked in `rebuild`, how a crash leaves an empty
//! store in `store::load`.

mod error;
mod exporter;
mod format;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod rebuild;
mod restore;
mod saved;
mod server;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::store::Store;

pub(crate) use exporter::Exporter;
pub(crate) use format::{Head, PAST_HEADERS, PIECE, Record};
pub(crate) use rebuild::{Entry, Sink};

pub use error::SnapshotError;
pub use format::{CHUNK_TARGET, FORMAT, Manifest};
pub use restore::{Checked, Rules, restore, verify};
pub use saved::{Saved, Snapshots};
pub use server::SnapshotServer;

/// The directory of a store's snapshots, beside the store's own.
const DIRECTORY: &str = "snapshots";

impl Snapshots {
    /// Those of the store in `dir`.
    pub fn beside(dir: &Path) -> Self {
        Self::new(dir.with_file_name(DIRECTORY))
    }
}

/// Writes a snapshot of the newest block on disk. Meant for a store that nobody commits to.
///
/// # Errors
/// There is no block above genesis, the database cannot be read, or the disk fails or is full.
pub fn create(store: &Store, into: &Snapshots) -> Result<Saved, SnapshotError> {
    let state = store.freeze()?;
    if state.height() == 0 {
        return Err(SnapshotError::NothingYet);
    }
    exporter::write(into, &state, &AtomicBool::new(false))
}

#[cfg(test)]
mod tests;

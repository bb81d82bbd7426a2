//! Reading the trie ahead when a store opens, so that the first blocks do not wait for the disk
//! node by node. What was read goes into the newest state at once, and into the next block too,
//! which may have been executed before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use mooring_stf::{BlockState as _, Fault};
use mooring_trie::{Nibbles, NodeReader, StateTrie};

use super::View;

/// What is read: the next commit takes it over.
#[derive(Debug)]
enum Progress {
    Reading(JoinHandle<Option<StateTrie>>),
    Read(StateTrie),
    /// Taken over, or given up.
    Over,
}

/// The thread that reads; it ends early when this is dropped.
#[derive(Debug)]
pub(super) struct ReadAhead {
    progress: Mutex<Progress>,
    is_stopping: Arc<AtomicBool>,
}

impl ReadAhead {
    /// Begins to read the trie of `view`, at most `budget` bytes of it; `done` is called with what
    /// was read.
    pub(super) fn start(
        view: View,
        budget: usize,
        done: impl FnOnce(&StateTrie) + Send + 'static,
    ) -> std::io::Result<Self> {
        let is_stopping = Arc::<AtomicBool>::default();
        let source = Interruptible { view, is_stopping: Arc::clone(&is_stopping) };
        let run = move || read(&source, budget).inspect(done);
        let thread = std::thread::Builder::new().name("read-ahead".to_owned()).spawn(run)?;
        Ok(Self { progress: Mutex::new(Progress::Reading(thread)), is_stopping })
    }

    /// What was read, once.
    pub(super) fn take(&self) -> Option<StateTrie> {
        let mut progress = self.progress(false);
        match std::mem::replace(&mut *progress, Progress::Over) {
            Progress::Read(trie) => Some(trie),
            Progress::Over => None,
            reading @ Progress::Reading(_) => {
                *progress = reading;
                None
            }
        }
    }

    /// Waits until all is read.
    pub(super) fn wait(&self) {
        drop(self.progress(true));
    }

    /// How far it is, or with `to_end` how it ended.
    fn progress(&self, to_end: bool) -> MutexGuard<'_, Progress> {
        // The progress is replaced whole, so a poisoned lock guards nothing half-done.
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let has_ended =
            matches!(&*progress, Progress::Reading(thread) if to_end || thread.is_finished());
        if has_ended
            && let Progress::Reading(thread) = std::mem::replace(&mut *progress, Progress::Over)
        {
            match thread.join() {
                Ok(Some(trie)) => *progress = Progress::Read(trie),
                Ok(None) => {}
                Err(_) => tracing::error!("the thread that reads ahead panicked"),
            }
        }
        progress
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.wait();
    }
}

/// A view that stops answering when the store is closed.
struct Interruptible {
    view: View,
    is_stopping: Arc<AtomicBool>,
}

fn read(source: &Interruptible, budget: usize) -> Option<StateTrie> {
    let started = std::time::Instant::now();
    let height = source.view.number();
    // Without it the store is closed, or has said why it fails.
    let trie = source.view.trie().ok()?;
    match trie.read_ahead(source, height, budget) {
        Ok(trie) => {
            let bytes = trie.resident();
            tracing::debug!(height, bytes, took = ?started.elapsed(), "read the trie ahead");
            Some(trie)
        }
        Err(_) if source.is_stopping.load(Ordering::Relaxed) => None,
        Err(error) => {
            // The block that needs the node stops the chain; this only looked at it early.
            tracing::warn!(%error, "cannot read the trie ahead");
            None
        }
    }
}

impl NodeReader for Interruptible {
    type Error = Fault;

    fn node(
        &self,
        owner: Option<alloy_primitives::B256>,
        path: &Nibbles,
    ) -> Result<Option<Vec<u8>>, Fault> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(Fault::new("read the trie ahead: the store is being closed"));
        }
        self.view.node(owner, path)
    }
}

//! Reading the trie ahead when a store opens, so that the first blocks do not wait for the disk
//! node by node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use mooring_stf::{BlockState as _, Fault};
use mooring_trie::{Nibbles, NodeReader, StateTrie};

use super::View;

/// What is read: a commit takes it over.
#[derive(Debug, Default)]
enum Progress {
    #[default]
    Reading,
    Read(StateTrie),
    /// Taken over, given up, or never begun.
    Over,
}

#[derive(Debug, Default)]
struct State {
    progress: Mutex<Progress>,
    changed: Condvar,
    is_stopping: AtomicBool,
}

/// The thread that reads; it ends early when this is dropped.
#[derive(Debug)]
pub(super) struct ReadAhead {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl ReadAhead {
    /// Begins to read the trie of `view`, at most `budget` bytes of it.
    pub(super) fn start(view: View, budget: usize) -> std::io::Result<Self> {
        let state = Arc::<State>::default();
        let own = Arc::clone(&state);
        let run = move || own.set(read(&own, view, budget));
        let thread = std::thread::Builder::new().name("read-ahead".to_owned()).spawn(run)?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// What was read, once.
    pub(super) fn take(&self) -> Option<StateTrie> {
        let mut progress = self.state.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match &*progress {
            Progress::Read(_) => match std::mem::replace(&mut *progress, Progress::Over) {
                Progress::Read(trie) => Some(trie),
                Progress::Reading | Progress::Over => None,
            },
            Progress::Reading | Progress::Over => None,
        }
    }

    /// Waits until all is read.
    pub(super) fn wait(&self) {
        let State { progress, changed, .. } = &*self.state;
        let progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(progress, |progress| matches!(progress, Progress::Reading)));
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.state.is_stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that reads ahead panicked");
        }
    }
}

impl State {
    fn set(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        self.changed.notify_all();
    }
}

fn read(state: &State, view: View, budget: usize) -> Progress {
    let started = std::time::Instant::now();
    let (trie, height) = (view.trie(), view.number());
    match trie.read_ahead(&Interruptible { view, state }, height, budget) {
        Ok(trie) => {
            let bytes = trie.resident();
            tracing::debug!(height, bytes, took = ?started.elapsed(), "read the trie ahead");
            Progress::Read(trie)
        }
        Err(_) if state.is_stopping.load(Ordering::Relaxed) => Progress::Over,
        Err(error) => {
            // The block that needs the node stops the chain; this only looked at it early.
            tracing::warn!(%error, "cannot read the trie ahead");
            Progress::Over
        }
    }
}

/// A view that stops answering when the store is closed.
struct Interruptible<'a> {
    view: View,
    state: &'a State,
}

impl NodeReader for Interruptible<'_> {
    type Error = Fault;

    fn node(
        &self,
        owner: Option<alloy_primitives::B256>,
        path: &Nibbles,
    ) -> Result<Option<Vec<u8>>, Fault> {
        if self.state.is_stopping.load(Ordering::Relaxed) {
            return Err(Fault::new("read the trie ahead: the store is being closed"));
        }
        self.view.node(owner, path)
    }
}

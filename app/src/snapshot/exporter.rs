//! The thread that writes snapshots while the chain goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::saved::{Saved, Snapshots};
use super::{Manifest, SnapshotError};
use crate::{log::in_words, store::Frozen};

/// The running thread; it ends when this is dropped, and gives up what it is at.
#[derive(Debug)]
pub(crate) struct Exporter {
    queue: Option<SyncSender<Frozen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Writes into `snapshots`, of which the newest `keep` stay, at least one.
    pub(crate) fn start(snapshots: Snapshots, keep: usize) -> std::io::Result<Self> {
        // One may wait: it keeps old versions of the database on disk.
        let (queue, states) = sync_channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || run(&states, &snapshots, keep.max(1), &is_stopped))?;
        Ok(Self { queue: Some(queue), stop, thread: Some(thread) })
    }

    /// Has a snapshot of this state made, unless the thread is behind already.
    pub(crate) fn offer(&self, state: Frozen) {
        let height = state.height();
        let Some(queue) = &self.queue else { return };
        match queue.try_send(state) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!(height, "no snapshot: earlier ones take longer than the interval");
            }
            Err(TrySendError::Disconnected(_)) => {
                tracing::error!(height, "no snapshot: the thread that writes them is gone");
            }
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes snapshots panicked");
        }
    }
}

fn run(states: &Receiver<Frozen>, snapshots: &Snapshots, keep: usize, stop: &AtomicBool) {
    for state in states {
        let (height, started) = (state.height(), Instant::now());
        // A restart may offer a state again.
        if snapshots.get(height).is_ok() {
            continue;
        }
        match write(snapshots, &state, stop).and_then(|_| snapshots.prune(keep)) {
            Ok(()) => tracing::info!(height, took = ?started.elapsed(), "wrote a snapshot"),
            Err(SnapshotError::Stopped) => return,
            Err(error) => {
                let why = in_words(&error);
                tracing::warn!(height, %why, "snapshot given up; the node goes on");
                // A full disk should have its room back.
                if let Err(error) = snapshots.prune(usize::MAX) {
                    tracing::warn!(why = %in_words(&error), "cannot remove what is left of it");
                }
            }
        }
    }
}

/// Writes the snapshot of a state.
///
/// # Errors
/// The database cannot be read, the disk fails or is full, or `stop` was set.
pub(super) fn write(
    snapshots: &Snapshots,
    state: &Frozen,
    stop: &AtomicBool,
) -> Result<Saved, SnapshotError> {
    let mut writer = snapshots.begin()?;
    state.records(&mut |record| {
        if stop.load(Ordering::Relaxed) {
            return Err(SnapshotError::Stopped);
        }
        writer.record(&record)
    })?;
    let (chain, height, app_hash) = (state.chain()?, state.height(), state.tip().app_hash);
    let describe = |chunks| Manifest { height, chain, app_hash, chunks };
    writer.end(describe, state.certificate()?.as_deref())?;
    snapshots.finish(&writer, height)
}

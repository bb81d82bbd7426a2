//! Hashing the state beside execution: what transactions have written goes into the tries while
//! later ones run, so that at the end of a large block only its last part is left to hash.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use mooring_trie::Applied;

use crate::{ChangeSet, Fault, overlay::Overlay, state::BlockState};

/// Transactions of a part. Smaller parts leave less for the end of the block, and make nodes that
/// several of them change as many times.
pub(super) const PART: usize = 1_700;

/// The tries of a block that is being executed.
pub(super) struct Beside<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    state: &'env dyn BlockState,
    height: u64,
    part: usize,
    count: usize,
    progress: Progress<'scope>,
}

/// How far the hashing is.
enum Progress<'scope> {
    /// No part was complete yet.
    Idle,
    Running(Worker<'scope>),
    /// Something was removed, so that only the whole block tells what it changed.
    GivenUp,
}

/// The thread that hashes part after part.
struct Worker<'scope> {
    parts: Sender<ChangeSet>,
    thread: ScopedJoinHandle<'scope, Result<Applied, Fault>>,
}

impl<'scope, 'env> Beside<'scope, 'env> {
    /// For the block at `height` on `state`, in parts of so many transactions; 0 for one part. Its
    /// thread is started when there is something to do.
    pub(super) const fn new(
        scope: &'scope Scope<'scope, 'env>,
        state: &'env dyn BlockState,
        height: u64,
        part: usize,
    ) -> Self {
        Self { scope, state, height, part, count: 0, progress: Progress::Idle }
    }

    /// Notes that a transaction is done.
    pub(super) fn executed(&mut self, overlay: &mut Overlay<'_>) {
        self.count += 1;
        if self.count.is_multiple_of(self.part) {
            self.add(overlay);
        }
    }

    /// Hands over what was written since the last part.
    fn add(&mut self, overlay: &mut Overlay<'_>) {
        if matches!(self.progress, Progress::GivenUp) {
            return;
        }
        let Some(part) = overlay.take_written() else {
            self.progress = Progress::GivenUp;
            return;
        };
        if matches!(self.progress, Progress::Idle) {
            self.progress = Progress::Running(Worker::start(self.scope, self.state, self.height));
        }
        if let Progress::Running(worker) = &self.progress {
            // A worker that failed says so at the end.
            let _ = worker.parts.send(part);
        }
    }

    /// Hands over the last part. `None` where the block is to be hashed as a whole.
    pub(super) fn close(mut self, overlay: &mut Overlay<'_>) -> Option<Closed<'scope>> {
        if matches!(self.progress, Progress::Running(_)) {
            self.add(overlay);
        }
        match self.progress {
            Progress::Running(worker) => Some(Closed(worker.thread)),
            Progress::Idle | Progress::GivenUp => None,
        }
    }
}

/// Hashing that has all it needs.
pub(super) struct Closed<'scope>(ScopedJoinHandle<'scope, Result<Applied, Fault>>);

impl Closed<'_> {
    /// Waits for the tries after the block. Places that only some part left are among the `gone`.
    pub(super) fn wait(self) -> Result<Applied, Fault> {
        let panicked = |_| Err(Fault::new("hash the state beside execution: the thread panicked"));
        self.0.join().unwrap_or_else(panicked)
    }
}

impl<'scope> Worker<'scope> {
    fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        state: &'env dyn BlockState,
        height: u64,
    ) -> Self {
        let (parts, received) = channel();
        Self { parts, thread: scope.spawn(move || apply(state, height, &received)) }
    }
}

fn apply(
    state: &dyn BlockState,
    height: u64,
    parts: &Receiver<ChangeSet>,
) -> Result<Applied, Fault> {
    let (storage_roots, gone) = Default::default();
    let mut block = Applied { trie: state.trie()?, storage_roots, gone };
    for part in parts {
        let mut changes = part.hashed();
        for (address, change) in &mut changes {
            if let Some(root) = block.storage_roots.get(address) {
                change.storage_root = *root;
            }
        }
        let applied = block
            .trie
            .apply(&state, height, &changes)
            .map_err(|error| Fault::from_cause("apply a part of a block to the tries", error))?;
        block.trie = applied.trie;
        block.storage_roots.extend(applied.storage_roots);
        block.gone.extend(applied.gone);
    }
    Ok(block)
}

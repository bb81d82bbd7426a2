//! How many cases run, and which.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::{Child, Command},
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many seeds run when nothing else is said. Each group of tests takes its share.
const DEFAULT: u64 = 1_000;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The seeds of a group of tests that takes one of `share` of all.
pub(crate) fn seeds(share: u64) -> Vec<u64> {
    if let Some(seed) = variable("MOORING_SEED") {
        return vec![seed];
    }
    (0..variable("MOORING_SEEDS").unwrap_or(DEFAULT).div_ceil(share)).collect()
}

/// Runs one case; a failure names its seed.
pub(crate) fn named(seed: u64, case: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(case)) {
        println!("failed with MOORING_SEED={seed}");
        resume_unwind(panic);
    }
}

/// Runs `work` on every item, two at a time; ends with the first failure.
pub(crate) fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let run = || {
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(item))) {
                    next.store(items.len(), Ordering::Relaxed);
                    resume_unwind(panic);
                }
            }
        };
        let workers = [scope.spawn(run), scope.spawn(run)];
        for worker in workers {
            if let Err(panic) = worker.join() {
                resume_unwind(panic);
            }
        }
    });
}

/// Where directories that are written and thrown away are cheap.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// A program that is being started has, for a moment, this one's open files and so its locks on
/// stores.
static STORES: RwLock<()> = RwLock::new(());

/// To be held while this program has a store open.
pub(crate) fn with_store() -> RwLockReadGuard<'static, ()> {
    STORES.read().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a program when no store is open here.
pub(crate) fn spawn(command: &mut Command) -> Child {
    let _none_open = STORES.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

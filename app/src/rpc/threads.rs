//! The threads that serve, apart from those of consensus, and when each gets the processor: what
//! takes milliseconds keeps nothing waiting that takes microseconds.

use std::{future::Future, io, mem, thread::available_parallelism};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};
use tracing::debug;

/// Tasks that run between two looks at the sockets: few, since one that reads a large request takes
/// tens of microseconds.
const TASKS_AN_EVENT: u32 = 4;

/// Three runtimes. What runs on them ends with them.
#[derive(Debug)]
pub(super) struct Threads {
    serving: Running,
    quick: Running,
    bulk: Running,
}

impl Threads {
    /// Starts as many as this machine needs, `bulk` of them for large requests.
    pub(super) fn start(bulk: usize) -> io::Result<Self> {
        let processors = available_parallelism().map_or(1, usize::from);
        Ok(Self {
            serving: Running::start("rpc", processors, Rank::Serving)?,
            // Its blocking threads are used, and no others.
            quick: Running::start("rpc-quick", 1, Rank::Quick)?,
            bulk: Running::start("rpc-bulk", bulk, Rank::Bulk)?,
        })
    }

    /// Runs a task that never takes long at a time.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.serving.handle.spawn(task)
    }

    /// For connections, and calls of a few reads.
    pub(super) fn serving(&self) -> Handle {
        self.serving.handle.clone()
    }

    /// For calls that turn out quick, or not.
    pub(super) fn quick(&self) -> Handle {
        self.quick.handle.clone()
    }

    /// For large requests and long calls.
    pub(super) fn bulk(&self) -> Handle {
        self.bulk.handle.clone()
    }
}

#[derive(Debug)]
struct Running {
    handle: Handle,
    /// There until it ends.
    runtime: Option<Runtime>,
}

impl Running {
    fn start(name: &str, workers: usize, rank: Rank) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers.max(1))
            .thread_name(name)
            .on_thread_start(move || rank.take())
            .event_interval(TASKS_AN_EVENT)
            .enable_all()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Not waited for: this may be a thread of another runtime, which must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// How soon a thread goes when it is woken, and how much it gets when all processors are busy.
///
/// A woken thread goes before a running one that has had more than its share already, which comes
/// the sooner the lower that one's priority is; and, from Linux 6.12, the shorter its own slice.
/// Where neither holds it waits for the scheduler's next tick, up to 4 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Serving,
    Quick,
    Bulk,
}

impl Rank {
    /// Steps of niceness above the process's, each a quarter less of a busy processor, and the
    /// slice in nanoseconds: 0.1 ms is the shortest, 0 the system's, from a millisecond up.
    const fn niceness_and_slice(self) -> (i32, u64) {
        match self {
            Self::Serving => (0, 100_000),
            Self::Quick => (8, 400_000),
            Self::Bulk => (19, 0),
        }
    }

    /// Gives it to this new thread.
    fn take(self) {
        let (niceness, slice) = self.niceness_and_slice();
        if let Err(error) = schedule(niceness, slice) {
            debug!(%error, rank = ?self, "cannot give a thread its rank");
        }
    }
}

/// Makes this thread so much nicer than it is and gives it a slice; its policy stays.
#[cfg(target_os = "linux")]
fn schedule(niceness: i32, slice: u64) -> io::Result<()> {
    const NICEST: i32 = 19;
    let (this_thread, no_flags) = (0, 0);
    let mut attributes = libc::sched_attr {
        size: u32::try_from(mem::size_of::<libc::sched_attr>()).unwrap_or(0),
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    #[expect(unsafe_code, reason = "libc has no safe form; the kernel writes `size` bytes at most")]
    let got = unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            this_thread,
            &raw mut attributes,
            attributes.size,
            no_flags,
        )
    };
    if got != 0 {
        return Err(io::Error::last_os_error());
    }
    if i64::from(attributes.sched_policy) != i64::from(libc::SCHED_OTHER) {
        // An operator gave the process another policy, in which these mean something else.
        return Ok(());
    }
    attributes.sched_nice = attributes.sched_nice.saturating_add(niceness).min(NICEST);
    attributes.sched_runtime = slice;
    #[expect(unsafe_code, reason = "libc has no safe form; the kernel only reads")]
    let set = unsafe {
        libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags)
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn schedule(_niceness: i32, _slice: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    /// The niceness of the thread that it runs on.
    fn niceness() -> i64 {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        after_name.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn longer_work_runs_on_nicer_threads() {
        let own = niceness();
        let threads = Threads::start(1).unwrap();
        let blocking = async |handle: Handle| handle.spawn_blocking(niceness).await.unwrap();
        assert_eq!(threads.spawn(async { niceness() }).await.unwrap(), own);
        assert_eq!(blocking(threads.serving()).await, own);
        assert_eq!(blocking(threads.quick()).await, (own + 8).min(19));
        assert_eq!(blocking(threads.bulk()).await, (own + 19).min(19));
        assert_eq!(threads.bulk().spawn(async { niceness() }).await.unwrap(), (own + 19).min(19));
    }
}

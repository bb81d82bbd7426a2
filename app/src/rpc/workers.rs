//! Where calls run: on blocking threads, few at a time, so that no client keeps consensus from
//! the processors and none waits behind another's search.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use mooring_stf::call;
use rustix::time::{ClockId, clock_gettime};
use tokio::{runtime::Handle, sync::Semaphore};

use super::{Limits, RpcError, threads::Threads};

/// Processor time of a quick call.
const QUICK_TIME: Duration = Duration::from_millis(1);
/// Bytes of a quick call's answer.
pub(super) const QUICK_ANSWER: usize = 64 * 1024;

/// Bytes of parameters from which on it takes long to read them.
pub(super) const LIGHT_PARAMS: usize = 16 * 1024;

/// What a call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// A few reads.
    Light,
    /// Executes, searches, proves or lists: only running it tells how much.
    Open,
    /// So much that it need not be tried.
    Heavy,
}

impl Weight {
    /// The weight of the method with this name.
    pub(super) fn of(method: &str) -> Self {
        match method {
            "eth_call"
            | "eth_createAccessList"
            | "eth_estimateGas"
            | "eth_feeHistory"
            | "eth_getBlockByHash"
            | "eth_getBlockByNumber"
            | "eth_getHeaderByHash"
            | "eth_getHeaderByNumber"
            | "eth_getLogs"
            | "eth_getProof" => Self::Open,
            "eth_getBlockReceipts"
            | "eth_getFilterChanges"
            | "eth_getFilterLogs"
            | "eth_simulateV1"
            | "txpool_content"
            | "txpool_inspect" => Self::Heavy,
            _ if method.starts_with("debug_") => Self::Heavy,
            _ => Self::Light,
        }
    }
}

/// In a request: the call is to be given up where it is not quick, and is made again as a long one.
/// So short calls wait for none of those that take long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quick;

/// Where a call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Light,
    Quick,
    Long,
}

impl Lane {
    /// That of a call with so many bytes of parameters.
    pub(super) const fn of(weight: Weight, is_quick: bool, bytes: usize) -> Self {
        match weight {
            Weight::Light if bytes <= LIGHT_PARAMS => Self::Light,
            Weight::Open if is_quick => Self::Quick,
            Weight::Light | Weight::Open | Weight::Heavy => Self::Long,
        }
    }
}

/// What is left of a call's time. The call asks again and again, and ends when there is none.
#[derive(Debug)]
pub(super) struct Time {
    until: Instant,
    /// This thread's processor time until which the call is quick.
    quick_until: Option<Duration>,
    is_long: Cell<bool>,
}

impl Time {
    /// That of a call which begins on this thread.
    fn begin(lane: Lane, call_time: Duration) -> Self {
        let quick_until =
            (lane == Lane::Quick).then(|| processor_time().saturating_add(QUICK_TIME));
        Self { until: Instant::now() + call_time, quick_until, is_long: Cell::new(false) }
    }

    /// Whether the call has to end. It gives way to other threads first: who is woken on this
    /// processor would wait for the scheduler's next tick, even while another is free.
    pub(super) fn is_over(&self) -> bool {
        std::thread::yield_now();
        if self.quick_until.is_some_and(|until| processor_time() > until) {
            self.is_long.set(true);
        }
        self.is_long.get() || Instant::now() >= self.until
    }

    /// Fails when the call has to end.
    pub(super) fn check(&self) -> Result<(), RpcError> {
        if self.is_over() { Err(RpcError::Overdue) } else { Ok(()) }
    }

    /// Fails when the call has to end, since an answer of so many bytes is not quick.
    pub(super) fn check_answer(&self, bytes: usize) -> Result<(), RpcError> {
        if self.quick_until.is_some() && bytes > QUICK_ANSWER {
            self.is_long.set(true);
        }
        self.check()
    }

    /// Runs what may take as long as a call may, or as the caller wishes.
    pub(super) fn within<T, E: Into<RpcError>>(
        &self,
        limits: &Limits,
        wish: Option<Duration>,
        run: impl FnOnce(call::Limits<'_>) -> Result<T, E>,
    ) -> Result<T, RpcError> {
        let started = Instant::now();
        let is_over = || self.is_over() || wish.is_some_and(|wish| started.elapsed() >= wish);
        let most = if self.quick_until.is_some() { QUICK_ANSWER as u64 } else { u64::MAX };
        let answer_bytes = u64::from(limits.response_bytes).min(most);
        let done = run(call::Limits { is_over: &is_over, answer_bytes }).map_err(Into::into);
        if self.quick_until.is_some() && matches!(done, Err(RpcError::TooLarge)) {
            self.is_long.set(true);
        }
        done
    }
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // It does not go below zero.
    Duration::try_from(time).unwrap_or_default()
}

/// The lanes.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    light: Places,
    quick: Places,
    long: Places,
    call_time: Duration,
}

/// Where so many calls run at once.
#[derive(Clone, Debug)]
struct Places {
    free: Arc<Semaphore>,
    threads: Handle,
}

impl Places {
    fn new(count: usize, threads: Handle) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), threads }
    }
}

impl Workers {
    pub(super) fn new(limits: &Limits, threads: &Threads) -> Self {
        let heavy = limits.heavy_calls.max(1);
        Self {
            light: Places::new(limits.light_calls.max(1), threads.serving()),
            // One more, so that a call which is still to be found long keeps nobody waiting.
            quick: Places::new(heavy.saturating_add(1), threads.quick()),
            long: Places::new(heavy, threads.bulk()),
            call_time: limits.call_time,
        }
    }

    /// Runs `work` when its lane has room. Work that takes too long is answered with a time-out
    /// and keeps its place until it ends.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Time) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let Places { free, threads } = match lane {
            Lane::Light => &self.light,
            Lane::Quick => &self.quick,
            Lane::Long => &self.long,
        };
        let (free, threads) = (Arc::clone(free), threads.clone());
        let call_time = self.call_time;
        let answer = async {
            let permit = free.acquire_owned().await;
            let work = threads.spawn_blocking(move || {
                let _permit = permit;
                let time = Time::begin(lane, call_time);
                let answer = work(&time);
                if time.is_long.get() { Err(RpcError::NotQuick) } else { answer }
            });
            work.await.map_err(|error| RpcError::internal("answer an RPC call", error))?
        };
        let in_time = tokio::time::timeout(call_time, answer).await;
        in_time.unwrap_or(Err(RpcError::Overdue))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::mpsc;

    use serde_json::json;

    use super::*;

    fn workers(threads: &Threads) -> Workers {
        let limits = Limits { call_time: Duration::from_millis(50), ..Limits::default() };
        Workers::new(&Limits { heavy_calls: 1, light_calls: 1, ..limits }, threads)
    }

    #[tokio::test]
    async fn heavy_work_delays_no_light_one_and_keeps_its_place() {
        let threads = Threads::start(1).unwrap();
        let workers = workers(&threads);
        let (release, hold) = mpsc::channel::<()>();
        let endless = workers.run(Lane::Long, move |_| {
            hold.recv().ok();
            Ok(json!(1))
        });
        assert!(matches!(endless.await, Err(RpcError::Overdue)));
        let second = workers.run(Lane::Long, |_| Ok(json!(2))).await;
        assert!(matches!(second, Err(RpcError::Overdue)), "its place is taken");
        assert_eq!(workers.run(Lane::Light, |_| Ok(json!(3))).await.unwrap(), 3);
        release.send(()).unwrap();
        let permit = workers.long.free.acquire().await;
        drop(permit);
        assert_eq!(workers.run(Lane::Long, |_| Ok(json!(4))).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn a_call_that_is_not_quick_ends_and_keeps_no_place() {
        let threads = Threads::start(1).unwrap();
        let workers = workers(&threads);
        for _ in 0..10 {
            let endless = workers.run(Lane::Quick, |time| {
                while !time.is_over() {}
                Ok(json!(1))
            });
            assert!(matches!(endless.await, Err(RpcError::NotQuick)));
            let large = workers.run(Lane::Quick, |time| {
                time.check_answer(QUICK_ANSWER + 1)?;
                Ok(json!(2))
            });
            assert!(matches!(large.await, Err(RpcError::NotQuick)));
        }
        let answer = workers.run(Lane::Quick, |time| {
            time.check_answer(QUICK_ANSWER)?;
            Ok(json!(3))
        });
        assert_eq!(answer.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_long_call_ends_when_its_time_is_up() {
        let threads = Threads::start(1).unwrap();
        let workers = workers(&threads);
        let endless = workers.run(Lane::Long, |time| {
            while time.check_answer(usize::MAX).is_ok() {}
            time.check()
        });
        assert!(matches!(endless.await, Err(RpcError::Overdue)));
        // Its place comes back.
        drop(workers.long.free.acquire().await);
    }

    #[test]
    fn what_executes_is_open_or_heavy() {
        assert_eq!(Weight::of("eth_call"), Weight::Open);
        assert_eq!(Weight::of("debug_traceCall"), Weight::Heavy);
        assert_eq!(Weight::of("eth_blockNumber"), Weight::Light);
    }
}

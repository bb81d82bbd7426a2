//! Where calls run: on blocking threads, few at a time, so that no client keeps consensus from
//! the processors and none waits behind another's search.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::Semaphore;

use super::{Limits, RpcError};

/// What a call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// A few reads.
    Light,
    /// Executes, searches or proves.
    Heavy,
}

impl Weight {
    /// The weight of the method with this name.
    pub(super) fn of(method: &str) -> Self {
        const HEAVY: [&str; 11] = [
            "eth_call",
            "eth_createAccessList",
            "eth_estimateGas",
            "eth_feeHistory",
            "eth_getBlockReceipts",
            "eth_getFilterChanges",
            "eth_getFilterLogs",
            "eth_getLogs",
            "eth_getProof",
            "eth_simulateV1",
            "txpool_content",
        ];
        if HEAVY.contains(&method) || method.starts_with("debug_") {
            Self::Heavy
        } else {
            Self::Light
        }
    }
}

/// The two lanes.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    light: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    call_time: Duration,
}

impl Workers {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            light: Arc::new(Semaphore::new(limits.light_calls.max(1))),
            heavy: Arc::new(Semaphore::new(limits.heavy_calls.max(1))),
            call_time: limits.call_time,
        }
    }

    /// Runs `work` when its lane has room. Work that takes too long is answered with a time-out
    /// and keeps its place until it ends.
    pub(super) async fn run(
        &self,
        weight: Weight,
        work: impl FnOnce() -> Result<Value, RpcError> + Send + 'static,
    ) -> Result<Value, RpcError> {
        let lane = Arc::clone(match weight {
            Weight::Light => &self.light,
            Weight::Heavy => &self.heavy,
        });
        let answer = async {
            let permit = lane.acquire_owned().await;
            let work = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                work()
            });
            work.await.map_err(|error| RpcError::internal("answer an RPC call", error))?
        };
        let in_time = tokio::time::timeout(self.call_time, answer).await;
        in_time.unwrap_or(Err(RpcError::Overdue))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::mpsc;

    use serde_json::json;

    use super::*;

    fn workers() -> Workers {
        let limits = Limits { call_time: Duration::from_millis(50), ..Limits::default() };
        Workers::new(&Limits { heavy_calls: 1, light_calls: 1, ..limits })
    }

    #[tokio::test]
    async fn heavy_work_delays_no_light_one_and_keeps_its_place() {
        let workers = workers();
        let (release, hold) = mpsc::channel::<()>();
        let endless = workers.run(Weight::Heavy, move || {
            hold.recv().ok();
            Ok(json!(1))
        });
        assert!(matches!(endless.await, Err(RpcError::Overdue)));
        let second = workers.run(Weight::Heavy, || Ok(json!(2))).await;
        assert!(matches!(second, Err(RpcError::Overdue)), "its place is taken");
        assert_eq!(workers.run(Weight::Light, || Ok(json!(3))).await.unwrap(), 3);
        release.send(()).unwrap();
        let permit = workers.heavy.acquire().await;
        drop(permit);
        assert_eq!(workers.run(Weight::Heavy, || Ok(json!(4))).await.unwrap(), 4);
    }

    #[test]
    fn what_executes_is_heavy() {
        assert_eq!(Weight::of("eth_call"), Weight::Heavy);
        assert_eq!(Weight::of("debug_traceCall"), Weight::Heavy);
        assert_eq!(Weight::of("eth_blockNumber"), Weight::Light);
    }
}

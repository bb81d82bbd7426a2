//! The node's tasks: each has a name, and the end of any one is the end of the node.

use std::any::Any;
use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use mooring_malachite::EngineError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long the tasks together get to end. A supervisor should wait longer before it kills.
const STOP_BUDGET: Duration = Duration::from_secs(10);

/// Why a node ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The consensus engine failed.
    #[error("run the consensus engine")]
    Engine(#[from] EngineError),
    /// Another task failed.
    #[error("run task {task}")]
    Task {
        /// Its name.
        task: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A task ended though nobody asked it to.
    #[error("keep task {0} running: it ended by itself")]
    Ended(&'static str),
    /// A task panicked.
    #[error("keep task {task} running: it panicked: {message}")]
    Panicked {
        /// Its name.
        task: &'static str,
        /// The panic's message.
        message: String,
    },
}

impl NodeError {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Engine(error) => error.exit_code(),
            Self::Task { .. } | Self::Ended(_) | Self::Panicked { .. } => 1,
        }
    }
}

/// How one task ended.
type Outcome = (&'static str, Result<(), NodeError>);

/// Tasks that live and end together.
#[derive(Debug)]
pub(crate) struct Tasks {
    set: JoinSet<Outcome>,
    cancel: CancellationToken,
}

impl Tasks {
    /// No tasks yet; they end when `cancel` is cancelled, and it is when one of them ends.
    pub(crate) fn new(cancel: CancellationToken) -> Self {
        Self { set: JoinSet::new(), cancel }
    }

    /// The token that tasks must heed.
    pub(crate) const fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Starts a task.
    pub(crate) fn spawn<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), NodeError>> + Send + 'static,
    {
        self.set.spawn(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            (name, ended.unwrap_or_else(|panic| Err(panicked(name, &*panic))))
        });
    }

    /// Waits until the tasks are asked to end or one ends, then for all of them to end.
    ///
    /// # Errors
    /// The first failure.
    pub(crate) async fn wait(mut self) -> Result<(), NodeError> {
        let mut first = Ok(());
        tokio::select! {
            () = self.cancel.cancelled() => {}
            Some(outcome) = self.set.join_next() => {
                let asked = self.cancel.is_cancelled();
                keep_first(&mut first, verdict(outcome, asked));
                self.cancel.cancel();
            }
        }
        let rest = async {
            while let Some(outcome) = self.set.join_next().await {
                keep_first(&mut first, verdict(outcome, true));
            }
        };
        if tokio::time::timeout(STOP_BUDGET, rest).await.is_err() {
            tracing::warn!(left = self.set.len(), "tasks did not end in time; dropping them");
        }
        first
    }
}

fn keep_first(first: &mut Result<(), NodeError>, next: Result<(), NodeError>) {
    match (first.is_ok(), next) {
        (true, next) => *first = next,
        (false, Err(later)) => tracing::error!(error = %later, "another task failed"),
        (false, Ok(())) => {}
    }
}

fn verdict(outcome: Result<Outcome, tokio::task::JoinError>, asked: bool) -> Result<(), NodeError> {
    match outcome {
        Ok((name, Ok(()))) if !asked => Err(NodeError::Ended(name)),
        Ok((_, result)) => result,
        // Panics are caught inside the task, and nothing aborts one.
        Err(error) => Err(NodeError::Task { task: "unknown", source: Box::new(error) }),
    }
}

fn panicked(task: &'static str, panic: &(dyn Any + Send)) -> NodeError {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let message = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    NodeError::Panicked { task, message }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn waiting(tasks: &mut Tasks) {
        let cancel = tasks.cancel().clone();
        tasks.spawn("waits", async move {
            cancel.cancelled().await;
            Ok(())
        });
    }

    #[tokio::test]
    async fn a_task_that_ends_ends_the_others() {
        let mut tasks = Tasks::new(CancellationToken::new());
        waiting(&mut tasks);
        tasks.spawn("short", async { Ok(()) });
        let error = tasks.wait().await.unwrap_err();
        assert!(matches!(error, NodeError::Ended("short")), "{error}");
        assert_eq!(error.exit_code(), 1);
    }

    #[tokio::test]
    async fn a_panic_is_told_by_the_tasks_name() {
        let mut tasks = Tasks::new(CancellationToken::new());
        waiting(&mut tasks);
        tasks.spawn("bad", async { panic!("reason {}", 7) });
        let error = tasks.wait().await.unwrap_err();
        assert_eq!(error.to_string(), "keep task bad running: it panicked: reason 7");
    }

    #[tokio::test]
    async fn being_asked_to_end_is_no_failure() {
        let mut tasks = Tasks::new(CancellationToken::new());
        waiting(&mut tasks);
        tasks.cancel().cancel();
        tasks.wait().await.unwrap();
    }
}

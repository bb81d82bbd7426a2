//! The one thread on which the consensus connection of the application runs.

use std::thread;

use mooring_abci::{ConsensusApp, Fault};
use tokio::sync::{mpsc, oneshot};

use crate::error::EngineError;

type Job = Box<dyn FnOnce(&mut dyn ConsensusApp) + Send>;

/// Runs calls one after another on a thread of its own: they block, and may take long.
pub(crate) struct AppThread {
    jobs: mpsc::Sender<Job>,
    thread: thread::JoinHandle<()>,
}

impl AppThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn spawn(mut app: Box<dyn ConsensusApp>) -> Result<Self, EngineError> {
        // Calls are serial, so one waiting job is all there ever is.
        let (jobs, mut queue) = mpsc::channel::<Job>(1);
        let thread = thread::Builder::new()
            .name("consensus-app".to_owned())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    job(app.as_mut());
                }
            })
            .map_err(|e| EngineError::Start(format!("application thread: {e}")))?;
        Ok(Self { jobs, thread })
    }

    /// Runs one call. When the returned future is dropped the call still completes.
    pub(crate) async fn call<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut dyn ConsensusApp) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, EngineError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |app| {
            // The receiver is gone only when the engine is stopping.
            let _ = reply.send(call(app));
        });
        self.jobs.send(job).await.map_err(|_| EngineError::ApplicationGone)?;
        Ok(answer.await.map_err(|_| EngineError::ApplicationGone)??)
    }

    /// Ends the thread and drops the application.
    pub(crate) async fn join(self) -> Result<(), EngineError> {
        drop(self.jobs);
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        match joined {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(EngineError::ApplicationGone),
        }
    }
}

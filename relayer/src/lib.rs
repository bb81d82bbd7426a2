//! The federation member's agent: watches both chains, signs what it has proved itself, submits.
//! It holds keys and decides nothing.
//!
//! Three independent tasks, each a pure `state` (events in, actions out) and a thin `task` that
//! does the I/O: `deposits` proves the Vault's head and votes for it, `checkpoints` signs the
//! blocks that the sidechain names, `submit` takes checkpoints and claims to L1. A journal keeps
//! intent before effect, and a guard in it refuses to sign two things for one slot.
//!
//! The sidechain and the L1 hold the truth: losing the journal costs a second look at them.

mod board;
pub mod checkpoints;
pub mod config;
mod context;
mod crash;
pub mod deposits;
mod endpoints;
mod error;
pub mod journal;
mod keys;
pub mod l1;
mod server;
pub mod signer;
mod start;
pub mod submit;
mod turns;

use std::{path::Path, sync::Arc};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use config::RelayerConfig;
pub use crash::{CRASH_STEPS, CRASH_VARIABLE};
pub use error::RelayerError;

/// Runs the relayer of a home until it is cancelled.
///
/// # Errors
/// When something it needs is missing or wrong at the start (nothing has been written then), or
/// a task ends by itself.
pub async fn run(home: &Path, cancel: CancellationToken) -> Result<(), RelayerError> {
    cancel.run_until_cancelled(start_and_serve(home)).await.unwrap_or(Ok(()))
}

async fn start_and_serve(home: &Path) -> Result<(), RelayerError> {
    let names = [deposits::task::NAME, checkpoints::task::NAME, submit::task::NAME];
    let mut ready = start::prepare(home, &names).await?;
    // Dropped with this future, the set ends its tasks.
    let mut tasks: JoinSet<String> = JoinSet::new();
    if let Some(listener) = ready.listener.take() {
        let board = ready.board.clone();
        tasks.spawn(async move {
            let end = server::serve(listener, board).await;
            format!("the status server ended: {end:?}")
        });
    }
    let (context, _lock) = start::finish(home, ready).await?;
    let context = Arc::new(context);
    info!(member = %context.me(), vault = %context.l1.vault(), "the relayer runs");
    spawn(&mut tasks, deposits::task::NAME, deposits::task::run(context.clone()));
    spawn(&mut tasks, checkpoints::task::NAME, checkpoints::task::run(context.clone()));
    spawn(&mut tasks, submit::task::NAME, submit::task::run(context.clone()));
    // A task never ends; that one did means a panic.
    let reason = match tasks.join_next().await {
        Some(Ok(reason)) => reason,
        Some(Err(error)) => error.to_string(),
        None => "there are no tasks".to_owned(),
    };
    Err(RelayerError::Task { task: "one of the relayer".to_owned(), reason })
}

fn spawn<F>(tasks: &mut JoinSet<String>, name: &'static str, task: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    tasks.spawn(async move {
        task.await;
        format!("{name} ended")
    });
}

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
mod crash;
pub mod deposits;
mod endpoints;
mod error;
pub mod journal;
mod keys;
pub mod l1;
pub mod signer;
pub mod submit;
mod turns;

use std::path::Path;

use tokio_util::sync::CancellationToken;

pub use config::RelayerConfig;
pub use crash::{CRASH_STEPS, CRASH_VARIABLE};
pub use error::RelayerError;

/// Runs the relayer of a home until it is cancelled.
///
/// # Errors
/// When something it needs is missing or wrong at the start (nothing has been written then), or
/// a task ends by itself.
pub async fn run(home: &Path, cancel: CancellationToken) -> Result<(), RelayerError> {
    let config = RelayerConfig::load(home)?;
    let _ = config;
    cancel.cancelled().await;
    Ok(())
}

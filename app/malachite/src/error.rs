//! Why the engine ended.

use mooring_abci::Fault;

use crate::guard::GuardError;
use crate::keys::KeyError;

/// The exit code of a process whose guard refused to sign where no other validator can decide.
/// Restarting does not help: the engine's log was lost, or the same key is in use elsewhere.
pub const EXIT_DOUBLE_SIGN: u8 = 70;

/// Each variant ends the node: the caller logs it and exits with [`EngineError::exit_code`].
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A parameter is wrong.
    #[error("read engine parameter {parameter}: {reason}")]
    Config {
        /// The field of [`crate::Config`].
        parameter: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A key file cannot be used.
    #[error("load key")]
    Key(#[from] KeyError),
    /// The guard refused to sign, or could not be written.
    #[error("guard against a double sign")]
    Guard(#[from] GuardError),
    /// The application or its store failed.
    #[error("call the application")]
    Application(#[from] Fault),
    /// The application thread panicked or ended early.
    #[error("reach the application thread, which has ended")]
    ApplicationGone,
    /// The store holds something this engine did not write.
    #[error("read {what} at height {height} from the consensus store: {reason}")]
    Corrupt {
        /// Which object.
        what: &'static str,
        /// Of which height.
        height: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The network decided a block that contradicts this node's state.
    #[error("apply the decided block of height {height}: {reason}")]
    Diverged {
        /// Of which height.
        height: u64,
        /// The field that differs.
        reason: String,
    },
    /// The engine could not start.
    #[error("start the consensus engine: {0}")]
    Start(String),
    /// The network of the engine could not listen, or ended.
    #[error(
        "keep the consensus network on {listen}: it ended, the log says why; if another process \
         listens there, end it or set engine.listen, and start the node again"
    )]
    Network {
        /// Where it listens, a multiaddr.
        listen: String,
    },
    /// The engine stopped by itself: a task died or it met a safety failure.
    #[error("keep the consensus engine running, {0}")]
    Stopped(&'static str),
}

impl EngineError {
    /// The process exit code: [`EXIT_DOUBLE_SIGN`] for a refused signature, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Guard(error) if error.is_refusal() => EXIT_DOUBLE_SIGN,
            Self::Guard(_)
            | Self::Config { .. }
            | Self::Key(_)
            | Self::Application(_)
            | Self::ApplicationGone
            | Self::Corrupt { .. }
            | Self::Diverged { .. }
            | Self::Start(_)
            | Self::Network { .. }
            | Self::Stopped(_) => 1,
        }
    }
}

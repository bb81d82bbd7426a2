//! Own fault and invalid input, kept apart: the first stops the node, the second refuses a
//! transaction.

use std::error::Error;

use crate::InvalidTx;

/// The node's own fault: its disk, its memory of the chain or its code is wrong. Never caused by
/// input; whoever receives one stops the process.
#[derive(Debug, thiserror::Error)]
#[error("{attempt}")]
pub struct Fault {
    attempt: String,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault found here: `attempt` says what was tried.
    pub fn new(attempt: impl Into<String>) -> Self {
        Self { attempt: attempt.into(), cause: None }
    }

    /// A fault below, kept as the source.
    pub fn from_cause(
        attempt: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { attempt: attempt.into(), cause: Some(cause.into()) }
    }
}

impl revm::database_interface::DBErrorMarker for Fault {}

/// Why a transaction was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The transaction is invalid here; nothing changed.
    #[error(transparent)]
    Invalid(#[from] InvalidTx),
    /// The node cannot go on.
    #[error(transparent)]
    Fault(#[from] Fault),
}

//! The application's own fault, as opposed to invalid input.

use std::error::Error;

/// The application cannot go on: its disk, its memory of the chain or its code is wrong.
///
/// Invalid input never becomes a `Fault`. Whoever receives one stops the process:
/// stopping is cheaper than minting.
#[derive(Debug, thiserror::Error)]
#[error("{attempt}")]
pub struct Fault {
    attempt: String,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault found by the application itself: `attempt` says what it tried to do.
    pub fn new(attempt: impl Into<String>) -> Self {
        Self { attempt: attempt.into(), cause: None }
    }

    /// A fault below the application, kept as the source.
    pub fn from_cause(
        attempt: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { attempt: attempt.into(), cause: Some(cause.into()) }
    }
}

//! What can go wrong between us and a chain, and what to do about it.

use alloy_primitives::{B256, Bytes};
use alloy_transport::{RpcError, TransportErrorKind};

/// What a caller should do with a failed attempt. Decided by type, never by text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The way there failed: the same call may succeed later or elsewhere.
    Retry,
    /// The other side understood and refused: the same call fails again.
    Drop,
    /// The other side is not what it should be: a person has to look.
    Fatal,
}

/// A call to a chain failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL cannot be used.
    #[error("`{url}` is not an http(s) URL")]
    BadUrl {
        /// What was given.
        url: String,
    },
    /// No answer, or none that could be read.
    #[error("{url} does not answer {method}: {reason}")]
    Unreachable {
        /// The endpoint.
        url: String,
        /// The method called.
        method: &'static str,
        /// What the transport said.
        reason: String,
    },
    /// The endpoint answered with an error.
    #[error("{url} refuses {method}: {message} (code {code})")]
    Refused {
        /// The endpoint.
        url: String,
        /// The method called.
        method: &'static str,
        /// JSON-RPC error code; 3 means execution reverted.
        code: i64,
        /// The endpoint's words.
        message: String,
        /// Revert data, when there is any.
        data: Option<Bytes>,
    },
    /// The answer has another shape than the method promises.
    #[error("{url} answers {method} with {what}")]
    Unexpected {
        /// The endpoint.
        url: String,
        /// The method called.
        method: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The endpoint serves another chain.
    #[error("{url} serves chain {got}, not chain {want}: give the URL of a node of chain {want}")]
    WrongChain {
        /// The endpoint.
        url: String,
        /// The chain wanted.
        want: u64,
        /// The chain it serves.
        got: u64,
    },
    /// A transaction was included and failed.
    #[error("transaction {hash} was included and reverted")]
    Reverted {
        /// Its hash.
        hash: B256,
    },
    /// A transaction was not included in time; it may still be.
    #[error("transaction {hash} is not included after {seconds} s; it may still be")]
    NotIncluded {
        /// Its hash.
        hash: B256,
        /// How long was waited.
        seconds: u64,
    },
    /// A signature could not be made.
    #[error("cannot sign")]
    Sign(#[from] alloy_signer::Error),
}

impl ClientError {
    /// What to do about it.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Unreachable { .. } | Self::NotIncluded { .. } => Verdict::Retry,
            Self::Refused { .. } | Self::Reverted { .. } => Verdict::Drop,
            Self::BadUrl { .. }
            | Self::Unexpected { .. }
            | Self::WrongChain { .. }
            | Self::Sign(_) => Verdict::Fatal,
        }
    }

    pub(crate) fn rpc(
        url: &str,
        method: &'static str,
        error: RpcError<TransportErrorKind>,
    ) -> Self {
        let url = url.to_owned();
        match error {
            RpcError::ErrorResp(payload) => {
                let data = payload.as_revert_data();
                Self::Refused {
                    url,
                    method,
                    code: payload.code,
                    message: payload.message.into_owned(),
                    data,
                }
            }
            RpcError::NullResp => Self::Unexpected { url, method, what: "null".into() },
            RpcError::DeserError { err, .. } => {
                Self::Unexpected { url, method, what: err.to_string() }
            }
            other => Self::Unreachable { url, method, reason: other.to_string() },
        }
    }
}

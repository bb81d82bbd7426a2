//! Errors in the codes and texts that wallets know from geth.

use alloy_primitives::{Bytes, hex};
use alloy_sol_types::decode_revert_reason;
use jsonrpsee::types::{ErrorObjectOwned, error::INTERNAL_ERROR_CODE, error::INVALID_PARAMS_CODE};
use mooring_stf::Fault;
use tracing::error;

use crate::mempool::SubmitError;

/// geth's code of most failures.
const SERVER_ERROR: i32 = -32000;
/// EIP-1474: limit exceeded.
const LIMIT_EXCEEDED: i32 = -32005;
/// geth's code of an answer that is too long.
const RESPONSE_TOO_LARGE: i32 = -32003;
/// geth's code of a call that takes too long.
const OVERDUE: i32 = -32002;
/// Of a call that is made again as a long one: no client sees it.
pub(super) const NOT_QUICK: i32 = -32099;
/// geth's code of a reverted call.
const REVERTED: i32 = 3;
/// geth's code and text of a block that the node does not keep.
const PRUNED: i32 = 4444;
/// `eth_sendRawTransactionSync` waited in vain (EIP-7966).
const TIMED_OUT: i32 = 4;

/// Characters of a text about parameters.
const PARAMS_TEXT: usize = 400;

/// Why a method gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The parameters are not those of the method.
    #[error("{0}")]
    Params(String),
    /// The request asks for more than one client may have.
    #[error("{0}")]
    Limit(String),
    /// The request is well-formed and has no answer here.
    #[error("{0}")]
    Server(String),
    /// The request is well-formed and fails for a reason with a code of its own.
    #[error("{1}")]
    Coded(i32, String),
    /// The call reverted with this output.
    #[error("{}", revert_text(.0))]
    Reverted(Bytes),
    /// The transaction is in the pool and not in a block yet.
    #[error("the transaction was added to the pool but not included in {0} ms")]
    TimedOut(u128, alloy_primitives::B256),
    /// The call takes longer than one may.
    #[error("request timed out")]
    Overdue,
    /// The answer is longer than one may be.
    #[error("response too large")]
    TooLarge,
    /// The call was tried as a quick one and takes longer.
    #[error("the call is not quick")]
    NotQuick,
    /// The node's own fault; the log has it.
    #[error("internal error")]
    Internal(#[from] Fault),
}

impl RpcError {
    /// The text may quote a parameter, which may be megabytes long: its beginning is enough.
    pub(super) fn params(text: impl Into<String>) -> Self {
        let mut text = text.into();
        if let Some((end, _)) = text.char_indices().nth(PARAMS_TEXT) {
            text.truncate(end);
            text.push('…');
        }
        Self::Params(text)
    }

    pub(super) fn limit(text: impl Into<String>) -> Self {
        Self::Limit(text.into())
    }

    pub(super) fn server(text: impl Into<String>) -> Self {
        Self::Server(text.into())
    }

    pub(super) fn header_not_found() -> Self {
        Self::server("header not found")
    }

    /// The block lies below the snapshot that this node came from.
    pub(super) fn pruned() -> Self {
        Self::Coded(PRUNED, "pruned history unavailable".to_owned())
    }

    pub(super) fn internal(
        attempt: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal(Fault::from_cause(attempt, cause))
    }
}

impl From<SubmitError> for RpcError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Rejected(rejection) => Self::Server(rejection.to_string()),
            SubmitError::Fault(fault) => Self::Internal(fault),
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let text = error.to_string();
        let none: Option<()> = None;
        match error {
            RpcError::Params(_) => Self::owned(INVALID_PARAMS_CODE, text, none),
            RpcError::Limit(_) => Self::owned(LIMIT_EXCEEDED, text, none),
            RpcError::Server(_) => Self::owned(SERVER_ERROR, text, none),
            RpcError::Coded(code, _) => Self::owned(code, text, none),
            RpcError::Overdue => Self::owned(OVERDUE, text, none),
            RpcError::TooLarge => Self::owned(RESPONSE_TOO_LARGE, text, none),
            RpcError::NotQuick => Self::owned(NOT_QUICK, text, none),
            RpcError::Reverted(output) => {
                Self::owned(REVERTED, text, Some(hex::encode_prefixed(output)))
            }
            RpcError::TimedOut(_, hash) => Self::owned(TIMED_OUT, text, Some(hash)),
            RpcError::Internal(fault) => {
                error!(error = &fault as &dyn std::error::Error, "RPC call failed");
                Self::owned(INTERNAL_ERROR_CODE, text, none)
            }
        }
    }
}

/// geth's text: the reason where the output is one of Solidity's.
pub(super) fn revert_text(output: &Bytes) -> String {
    match decode_revert_reason(output) {
        Some(reason) if !output.is_empty() => {
            let reason = reason.strip_prefix("revert: ").unwrap_or(&reason);
            format!("execution reverted: {reason}")
        }
        _ => "execution reverted".to_owned(),
    }
}

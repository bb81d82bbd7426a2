//! The least gas with which a transaction succeeds, found as geth finds it.

use alloy_primitives::{Bytes, U256};
use revm::primitives::eip7825::TX_GAS_LIMIT_CAP;

use super::{
    CallError, CallInput, CallResult, CallSite, CallStatus, Limits, OverrideError, Stopped, run,
};
use crate::{
    Fault, InvalidTx,
    overlay::{Account, Overlay},
};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a call with value gives the callee (EIP-150), left over when it is not used.
const CALL_STIPEND: u64 = 2_300;
/// The search ends when the bounds are within this many thousandths.
const ERROR_PER_MILLE: u64 = 15;

/// Why there is no estimate.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    /// The input cannot be a transaction.
    #[error(transparent)]
    Invalid(#[from] InvalidTx),
    /// It reverts with any gas.
    #[error("execution reverted")]
    Revert {
        /// The reason, as the contract encoded it.
        output: Bytes,
    },
    /// It halts with any gas.
    #[error("execution halted: {reason}")]
    Halt {
        /// Why.
        reason: String,
    },
    /// It needs more than it may have.
    #[error("gas required exceeds allowance ({allowance})")]
    Allowance {
        /// What it may have.
        allowance: u64,
    },
    /// The overrides contradict the chain or each other.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// It reached a limit.
    #[error(transparent)]
    Stopped(Stopped),
    /// The node's own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<CallError> for EstimateError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Invalid(reason) => Self::Invalid(reason),
            CallError::Override(error) => Self::Override(error),
            CallError::Fault(fault) => Self::Fault(fault),
            CallError::Stopped(limit) => Self::Stopped(limit),
            never @ CallError::Tracer(_) => {
                Self::Fault(Fault::from_cause("estimate without a tracer", never))
            }
        }
    }
}

/// The least gas limit, within 1.5 %, with which the transaction succeeds on this state.
///
/// # Errors
/// Why there is none.
pub fn estimate_gas(site: &CallSite<'_>, input: &CallInput) -> Result<u64, EstimateError> {
    // What it returns is no part of the answer.
    let limits = Limits { answer_bytes: u64::MAX, ..site.limits };
    let site = &CallSite { limits, ..*site };
    let limit = gas_limit(site, input)?;
    if is_plain_transfer(site, input)? && succeeds(site, input, TRANSFER_GAS)? {
        return Ok(TRANSFER_GAS);
    }
    let first = run(site, input, limit).map_err(|error| match error {
        // What it costs before it runs is more than it may have.
        CallError::Invalid(
            InvalidTx::IntrinsicGas { have, .. } | InvalidTx::FloorGas { have, .. },
        ) => EstimateError::Allowance { allowance: have },
        other => other.into(),
    })?;
    match first.status {
        CallStatus::Success => search(site, input, limit, &first),
        CallStatus::Revert => Err(EstimateError::Revert { output: first.output }),
        CallStatus::OutOfGas => Err(EstimateError::Allowance { allowance: limit }),
        CallStatus::Halt(reason) => Err(EstimateError::Halt { reason }),
    }
}

/// The smallest limit known to succeed, by halving. `first` succeeded with `limit`.
fn search(
    site: &CallSite<'_>,
    input: &CallInput,
    limit: u64,
    first: &CallResult,
) -> Result<u64, EstimateError> {
    let (mut low, mut high) = (first.gas_used.saturating_sub(1), limit);
    // What it used, with the refund it earned and the 1/64 that each call holds back.
    let likely = first
        .gas_used
        .saturating_add(first.gas_refunded)
        .saturating_add(CALL_STIPEND)
        .saturating_mul(64)
        / 63;
    if likely < high {
        if succeeds(site, input, likely)? { high = likely } else { low = likely }
    }
    while low.saturating_add(1) < high {
        let gap = high.saturating_sub(low);
        if gap.saturating_mul(1000) / high < ERROR_PER_MILLE {
            break;
        }
        // Most transactions need little more than the lower bound.
        let middle = (low + gap / 2).min(low.saturating_mul(2).max(TRANSFER_GAS));
        if succeeds(site, input, middle)? { high = middle } else { low = middle }
    }
    Ok(high)
}

fn succeeds(site: &CallSite<'_>, input: &CallInput, gas: u64) -> Result<bool, EstimateError> {
    match run(site, input, gas) {
        Ok(result) => Ok(result.status == CallStatus::Success),
        Err(CallError::Invalid(InvalidTx::IntrinsicGas { .. } | InvalidTx::FloorGas { .. })) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The most gas that the transaction could be sent with: the block's, a transaction's (EIP-7825),
/// what the sender can pay, the caller's wish and the node's cap.
fn gas_limit(site: &CallSite<'_>, input: &CallInput) -> Result<u64, EstimateError> {
    let most = site.block.gas_limit.min(TX_GAS_LIMIT_CAP).min(site.gas_cap);
    let limit = input.gas.filter(|gas| *gas >= TRANSFER_GAS).unwrap_or(most).min(most);
    let Some(sender) = input.from else { return Ok(limit) };
    let have = account(site, sender)?.balance;
    let Some(left) = have.checked_sub(input.value) else {
        return Err(InvalidTx::InsufficientFunds { sender, have, want: input.value }.into());
    };
    let affordable = left.checked_div(U256::from(input.max_price()));
    Ok(affordable.map_or(limit, |gas| limit.min(gas.saturating_to())))
}

fn is_plain_transfer(site: &CallSite<'_>, input: &CallInput) -> Result<bool, EstimateError> {
    let Some(to) = input.to else { return Ok(false) };
    if !input.data.is_empty() || !input.authorization_list.is_empty() {
        return Ok(false);
    }
    Ok(account(site, to)?.code_hash == Account::default().code_hash)
}

fn account(
    site: &CallSite<'_>,
    address: alloy_primitives::Address,
) -> Result<Account, EstimateError> {
    let mut overlay = Overlay::new(site.state);
    super::overrides::apply(site.overrides, &mut overlay)?;
    Ok(overlay.account(address)?.unwrap_or_default())
}

//! `eth_call` and `eth_estimateGas`: transactions that nobody signed, on a state that stays as it
//! is.
//!
//! Checks of nonce, balance, base fee, EIP-3607 and block gas are off, and so is EIP-7825's cap,
//! since a call that only reads may be dear.

mod access;
mod estimate;
mod overrides;
mod replay;
mod simulate;
mod trace;
mod watch;

use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256};
use revm::{
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::result::{ExecutionResult, HaltReason, OutOfGasError},
};

pub use access::{Access, access_list};
pub use estimate::{EstimateError, estimate_gas};
pub use overrides::{AccountOverride, BlockOverrides, OverrideError, Overrides};
pub use replay::Replay;
pub use simulate::{
    MOST_BLOCKS, SimulateBlock, SimulateError, SimulateInput, SimulatedBlock, SimulatedCall,
    SimulatedLog, Simulation, simulate,
};
pub use trace::trace_call;
use watch::Timed;
pub use watch::{Limits, Stopped};

use crate::{
    BlockContext, ChainParams, Fault, InvalidTx, StateReader,
    evm::{self, Failure},
    overlay::Overlay,
};

/// A transaction as JSON-RPC callers give it; what they leave out has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallInput {
    /// The sender; the zero address when absent.
    pub from: Option<Address>,
    /// The callee; a contract is created when absent.
    pub to: Option<Address>,
    /// Gas limit; as much as the caller may have when absent.
    pub gas: Option<u64>,
    /// Legacy gas price, wei.
    pub gas_price: Option<u128>,
    /// EIP-1559: most that it pays, wei per gas.
    pub max_fee_per_gas: Option<u128>,
    /// EIP-1559: tip, wei per gas.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Wei sent along.
    pub value: U256,
    /// Call data, or init code.
    pub data: Bytes,
    /// EIP-2930.
    pub access_list: Option<AccessList>,
    /// EIP-4844: versioned hashes of the blobs.
    pub blob_hashes: Vec<B256>,
    /// EIP-4844: most that it pays, wei per gas of blobs.
    pub max_fee_per_blob_gas: Option<u128>,
    /// EIP-7702.
    pub authorization_list: Vec<SignedAuthorization>,
    /// Nonce; the sender's next when absent. It matters to the address of a created contract.
    pub nonce: Option<u64>,
}

/// Where a call runs.
#[derive(Clone, Copy, Debug)]
pub struct CallSite<'a> {
    /// The chain's rules.
    pub params: &'a ChainParams,
    /// The state, which is not changed.
    pub state: &'a dyn StateReader,
    /// What the call sees of its block; for `latest` that of the head itself.
    pub block: &'a BlockContext,
    /// Accounts to replace before the call.
    pub overrides: &'a Overrides,
    /// The most gas that a call gets, whatever it asks for.
    pub gas_cap: u64,
    /// What else it may cost.
    pub limits: Limits<'a>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// It succeeded.
    Success,
    /// It reverted; the output is the reason.
    Revert,
    /// It ran out of gas.
    OutOfGas,
    /// It halted otherwise: the reason.
    Halt(String),
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallResult {
    /// How it ended.
    pub status: CallStatus,
    /// Return or revert data; the code of a created contract.
    pub output: Bytes,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// Gas refunded.
    pub gas_refunded: u64,
    /// What it logged; nothing unless it succeeded.
    pub logs: Vec<Log>,
}

/// Why a call did not run.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The input cannot be a transaction.
    #[error(transparent)]
    Invalid(#[from] InvalidTx),
    /// The overrides contradict the chain or each other.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// There is no such tracer.
    #[error("{0}")]
    Tracer(String),
    /// It reached a limit.
    #[error(transparent)]
    Stopped(Stopped),
    /// The node's own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl CallInput {
    /// The sender.
    pub fn sender(&self) -> Address {
        self.from.unwrap_or_default()
    }

    /// What it pays at most, wei per gas; 0 when it does not say.
    pub fn max_price(&self) -> u128 {
        self.gas_price.or(self.max_fee_per_gas).unwrap_or_default()
    }

    /// Whether it leaves the price of gas open.
    const fn names_no_price(&self) -> bool {
        let tip = self.max_priority_fee_per_gas;
        self.gas_price.is_none() && is_zero(self.max_fee_per_gas) && is_zero(tip)
    }

    fn env(&self, chain_id: u64, gas_limit: u64, nonce: u64) -> Result<TxEnv, InvalidTx> {
        let max_fee = self.max_price();
        let tip = self.max_priority_fee_per_gas.filter(|_| self.gas_price.is_none());
        if let Some(tip) = tip.filter(|tip| *tip > max_fee && self.max_fee_per_gas.is_some()) {
            return Err(InvalidTx::TipAboveFeeCap { tip, max_fee });
        }
        // Who names a fee cap and no tip pays the base fee alone, not the cap.
        let tip = tip.or(self.max_fee_per_gas.filter(|_| self.gas_price.is_none()).and(Some(0)));
        let mut env = TxEnv {
            caller: self.sender(),
            gas_limit,
            gas_price: max_fee,
            // A tip without a fee cap would be above it: it pays nothing here.
            gas_priority_fee: tip.map(|tip| tip.min(max_fee)),
            kind: self.to.map_or(TxKind::Create, TxKind::Call),
            value: self.value,
            data: self.data.clone(),
            nonce,
            chain_id: Some(chain_id),
            access_list: self.access_list.clone().unwrap_or_default(),
            blob_hashes: self.blob_hashes.clone(),
            max_fee_per_blob_gas: self.max_fee_per_blob_gas.unwrap_or_default(),
            ..TxEnv::default()
        };
        env.set_signed_authorization(self.authorization_list.clone());
        env.derive_tx_type().map_err(|error| InvalidTx::Other(error.to_string()))?;
        Ok(env)
    }
}

const fn is_zero(price: Option<u128>) -> bool {
    matches!(price, None | Some(0))
}

/// Runs a call.
///
/// # Errors
/// [`CallError::Invalid`] when the input cannot be a transaction, [`CallError::Stopped`] when its
/// time is up, [`CallError::Fault`] when the store cannot be read. A call that reverts or halts is
/// a result.
pub fn call(site: &CallSite<'_>, input: &CallInput) -> Result<CallResult, CallError> {
    let gas = input.gas.unwrap_or(site.gas_cap).min(site.gas_cap);
    run(site, input, gas)
}

/// Runs a call with exactly this gas.
fn run(site: &CallSite<'_>, input: &CallInput, gas: u64) -> Result<CallResult, CallError> {
    let mut overlay = Overlay::new(site.state);
    overrides::apply(site.overrides, &mut overlay)?;
    let account = overlay.account(input.sender())?.unwrap_or_default();
    let env = input.env(site.params.chain_id, gas, input.nonce.unwrap_or(account.nonce))?;
    let (cfg, mut block) = relaxed(site.params, site.block);
    if env.gas_price == 0 {
        // Who names no price sees none, as in geth: a base fee above the fee cap cannot be.
        block.basefee = 0;
    }
    let moves = overrides::moves(site.overrides, cfg.spec)?;
    let mut evm = evm::watched(cfg, block, overlay, moves, Timed::new(site.limits));
    let ran = evm::inspect(&mut evm, env);
    if let Some(limit) = evm.inspector().stopped() {
        return Err(CallError::Stopped(limit));
    }
    match ran {
        Ok(done) => Ok(CallResult::of(done.result)),
        Err(Failure::Fault(fault)) => Err(fault.into()),
        Err(Failure::Invalid(reason)) => Err(refused(input, gas, site, reason).into()),
    }
}

/// The settings of a call: everything off that depends on the sender's means.
fn relaxed(params: &ChainParams, block: &BlockContext) -> (CfgEnv, BlockEnv) {
    let rules = block.rules(params);
    let mut cfg = evm::cfg(params, &rules);
    cfg.disable_balance_check = true;
    cfg.disable_base_fee = true;
    cfg.disable_nonce_check = true;
    cfg.disable_eip3607 = true;
    cfg.disable_block_gas_limit = true;
    cfg.tx_gas_limit_cap = Some(u64::MAX);
    (cfg, block.env(&rules))
}

fn refused(
    input: &CallInput,
    gas_limit: u64,
    site: &CallSite<'_>,
    reason: revm::context_interface::result::InvalidTransaction,
) -> InvalidTx {
    crate::invalid::Refusal {
        sender: input.sender(),
        gas_limit,
        max_fee: input.max_price(),
        tip: input.max_priority_fee_per_gas.unwrap_or_default(),
        input_len: input.data.len(),
        chain_id: Some(site.params.chain_id),
        own_chain_id: site.params.chain_id,
        base_fee: site.block.base_fee,
        block_gas_limit: site.block.gas_limit,
    }
    .reason(reason)
}

impl CallResult {
    fn of(result: ExecutionResult) -> Self {
        let gas_used = result.tx_gas_used();
        let gas_refunded = result.gas().final_refunded();
        let (status, output, logs) = match result {
            ExecutionResult::Success { output, logs, .. } => {
                (CallStatus::Success, output.into_data(), logs)
            }
            ExecutionResult::Revert { output, .. } => (CallStatus::Revert, output, Vec::new()),
            ExecutionResult::Halt { reason, .. } => (halted(reason), Bytes::new(), Vec::new()),
        };
        Self { status, output, gas_used, gas_refunded, logs }
    }
}

/// geth's words where it has some.
fn halted(reason: HaltReason) -> CallStatus {
    let text = match reason {
        HaltReason::OutOfGas(
            OutOfGasError::Basic
            | OutOfGasError::Memory
            | OutOfGasError::MemoryLimit
            | OutOfGasError::Precompile
            | OutOfGasError::InvalidOperand
            | OutOfGasError::ReentrancySentry,
        ) => return CallStatus::OutOfGas,
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID",
        HaltReason::OpcodeNotFound => "invalid opcode",
        HaltReason::InvalidJump => "invalid jump destination",
        HaltReason::StackUnderflow => "stack underflow",
        HaltReason::StackOverflow => "stack limit reached 1024 (1023)",
        HaltReason::OutOfOffset => "return data out of bounds",
        HaltReason::CreateCollision => "contract address collision",
        HaltReason::CreateContractSizeLimit => "max code size exceeded",
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded",
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection"
        }
        HaltReason::OutOfFunds => "insufficient balance for transfer",
        HaltReason::CallTooDeep => "max call depth exceeded",
        other => return CallStatus::Halt(other.to_string()),
    };
    CallStatus::Halt(text.to_owned())
}

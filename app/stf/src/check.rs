//! Admission to the mempool: what can be known before a transaction's turn comes.
//!
//! A transaction that passes may still be invalid in a block: other transactions of its sender may
//! come before it. One that fails is invalid in the next block, or too large for any.

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_eips::Typed2718 as _;
use alloy_evm::FromRecoveredTx as _;
use alloy_primitives::{Address, B256, U256};
use mooring_bridge::FederationMessage;
use revm::{
    bytecode::eip7702::EIP7702_MAGIC_BYTES,
    context::TxEnv,
    handler::validation,
    primitives::{eip3860, eip7825::TX_GAS_LIMIT_CAP},
};

use crate::{
    BlobRule, ChainParams, CommittedSlots, ExecError, Fault, InvalidTx, Rules, SpecId, StateReader,
    invalid::Refusal,
    overlay::Account,
    peg::{self, PegError},
    tx::{self, ConsensusTx, SignedTx},
};

/// The longest Ethereum transaction that the mempool takes, in bytes (geth's limit).
pub const MAX_TX_BYTES: usize = 128 * 1024;

/// What the mempool may keep.
#[derive(Clone, Debug)]
pub enum Checked {
    /// A federation message that would be applied now.
    Federation(CheckedMessage),
    /// An Ethereum transaction that its sender could pay for now.
    Ethereum(CheckedTx),
}

/// A federation message that would be applied to the state it was checked on.
#[derive(Clone, Debug)]
pub struct CheckedMessage {
    /// The message.
    pub message: FederationMessage,
    /// keccak256 of its bytes.
    pub hash: B256,
    /// Bytes of its encoding.
    pub size: usize,
}

/// An Ethereum transaction that its sender could pay for in the state it was checked on.
#[derive(Clone, Debug)]
pub struct CheckedTx {
    /// The transaction with its sender.
    pub tx: SignedTx,
    /// keccak256 of its bytes.
    pub hash: B256,
    /// Bytes of its encoding.
    pub size: usize,
    /// The sender's next nonce in that state: a higher one waits for those before it.
    pub account_nonce: u64,
    /// The sender's wei in that state.
    pub balance: U256,
}

impl CheckedTx {
    /// Who signed it.
    pub fn sender(&self) -> Address {
        self.tx.signer()
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.tx.nonce()
    }

    /// Its gas limit.
    pub fn gas_limit(&self) -> u64 {
        self.tx.gas_limit()
    }

    /// What it pays at most, wei per gas.
    pub fn max_fee(&self) -> u128 {
        self.tx.max_fee_per_gas()
    }

    /// What the builder gets at most, wei per gas.
    pub fn max_tip(&self) -> u128 {
        self.tx.max_priority_fee_per_gas().unwrap_or_else(|| self.max_fee())
    }

    /// What the builder gets in a block with this base fee, wei per gas; `None` when the
    /// transaction does not pay the base fee.
    pub fn tip(&self, base_fee: u64) -> Option<u128> {
        self.tx.effective_tip_per_gas(base_fee)
    }

    /// What it may cost at most, wei.
    pub fn cost(&self) -> Option<U256> {
        cost(&self.tx)
    }
}

/// Decodes and checks a transaction on the state after the head, by the next block's rules
/// ([`SpecSchedule::after`](crate::SpecSchedule::after) the head).
///
/// # Errors
/// [`ExecError::Invalid`] with the reason to give its sender, [`ExecError::Fault`] when the store
/// cannot be read.
pub fn check(
    params: &ChainParams,
    rules: &Rules,
    state: &dyn StateReader,
    bytes: &[u8],
) -> Result<Checked, ExecError> {
    match decode(params, bytes)? {
        ConsensusTx::Federation(message) => {
            federation(params, state, &message)?;
            let hash = alloy_primitives::keccak256(bytes);
            Ok(Checked::Federation(CheckedMessage { message, hash, size: bytes.len() }))
        }
        ConsensusTx::Ethereum(tx) => {
            ethereum(params, rules, state, tx, bytes.len()).map(Checked::Ethereum)
        }
    }
}

/// Decodes a transaction and recovers its sender: once is enough, whatever blocks come.
///
/// # Errors
/// The bytes are no transaction of this chain, or too many.
pub fn decode(params: &ChainParams, bytes: &[u8]) -> Result<ConsensusTx, InvalidTx> {
    if bytes.len() > MAX_TX_BYTES {
        return Err(InvalidTx::TooLarge { size: bytes.len(), limit: MAX_TX_BYTES });
    }
    // Said of its first byte alone, so that wallets hear it before they hear of anything else.
    if params.blobs == BlobRule::Refused && bytes.first() == Some(&tx::BLOB_TX_TYPE) {
        return Err(InvalidTx::BlobType);
    }
    tx::decode(bytes)
}

/// Checks a decoded Ethereum transaction of `size` bytes on the state after the head, by the next
/// block's rules.
///
/// # Errors
/// As [`check`].
pub fn ethereum(
    params: &ChainParams,
    rules: &Rules,
    state: &dyn StateReader,
    tx: SignedTx,
    size: usize,
) -> Result<CheckedTx, ExecError> {
    stateless(params, rules, &tx)?;
    let account = on_state(state, &tx)?;
    Ok(CheckedTx {
        hash: *tx.inner().tx_hash(),
        tx,
        size,
        account_nonce: account.nonce,
        balance: account.balance,
    })
}

/// Whether a federation message would be applied to the state after the head.
///
/// # Errors
/// As [`check`].
pub fn federation(
    params: &ChainParams,
    state: &dyn StateReader,
    message: &FederationMessage,
) -> Result<(), ExecError> {
    let peg = params.peg.as_ref().ok_or(InvalidTx::NoPeg)?;
    peg::check(peg, &CommittedSlots(state), message).map_err(|error| match error {
        PegError::Refused(reason) => InvalidTx::Federation(reason).into(),
        PegError::Fault(fault) => fault.into(),
    })
}

/// What of an Ethereum transaction can be checked without state: once is enough under one fork's
/// rules.
///
/// # Errors
/// Why no block of this chain can take it.
pub fn stateless(
    params: &ChainParams,
    rules: &Rules,
    tx: &Recovered<TxEnvelope>,
) -> Result<(), InvalidTx> {
    tx::takes(params, tx)?;
    has_type(rules, tx.ty())?;
    let (have, want) = (tx.chain_id(), params.chain_id);
    if let Some(have) = have.filter(|have| *have != want) {
        return Err(InvalidTx::WrongChainId { have, want });
    }
    if tx.nonce() == u64::MAX {
        return Err(InvalidTx::NonceMax { sender: tx.signer() });
    }
    gas(params, rules, tx)?;
    let size = tx.input().len();
    let has_limit = rules.has(SpecId::SHANGHAI);
    if has_limit && tx.kind().is_create() && size > eip3860::MAX_INITCODE_SIZE {
        return Err(InvalidTx::InitCodeTooLarge { size, limit: eip3860::MAX_INITCODE_SIZE });
    }
    if tx.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(InvalidTx::EmptyAuthorizationList);
    }
    fees(params, tx)
}

/// Whether the fork knows transactions of this EIP-2718 type.
const fn has_type(rules: &Rules, tx_type: u8) -> Result<(), InvalidTx> {
    let since = match tx_type {
        0 => return Ok(()),
        1 => SpecId::BERLIN,
        2 => SpecId::LONDON,
        3 => SpecId::CANCUN,
        _ => SpecId::PRAGUE,
    };
    if rules.has(since) { Ok(()) } else { Err(InvalidTx::UnknownType(tx_type)) }
}

fn gas(params: &ChainParams, rules: &Rules, tx: &Recovered<TxEnvelope>) -> Result<(), InvalidTx> {
    let have = tx.gas_limit();
    if rules.has(SpecId::OSAKA) && have > TX_GAS_LIMIT_CAP {
        return Err(InvalidTx::GasCap { have, cap: TX_GAS_LIMIT_CAP });
    }
    if have > params.gas_limit {
        return Err(InvalidTx::GasLimit { have, limit: params.gas_limit });
    }
    let env = TxEnv::from_recovered_tx(tx.inner(), tx.signer());
    validation::validate_initial_tx_gas(&env, rules.spec, false, false, TX_GAS_LIMIT_CAP, None)
        .map(drop)
        .map_err(|reason| Refusal::new(params, params.base_fee_floor, tx).reason(reason))
}

fn fees(params: &ChainParams, tx: &Recovered<TxEnvelope>) -> Result<(), InvalidTx> {
    let max_fee = tx.max_fee_per_gas();
    if let Some(tip) = tx.max_priority_fee_per_gas().filter(|tip| *tip > max_fee) {
        return Err(InvalidTx::TipAboveFeeCap { tip, max_fee });
    }
    // The base fee moves, the floor does not: below it no block ever takes the transaction.
    if max_fee < u128::from(params.base_fee_floor) {
        let (sender, base_fee) = (tx.signer(), params.base_fee_floor);
        return Err(InvalidTx::FeeCapTooLow { sender, max_fee, base_fee });
    }
    Ok(())
}

/// Checks an Ethereum transaction against its sender's account. A nonce above the account's is no
/// error here.
fn on_state(state: &dyn StateReader, tx: &Recovered<TxEnvelope>) -> Result<Account, ExecError> {
    let sender = tx.signer();
    let account = state.account(sender)?.as_ref().map(Account::from).unwrap_or_default();
    if tx.nonce() < account.nonce {
        let (tx, state) = (tx.nonce(), account.nonce);
        return Err(InvalidTx::NonceTooLow { sender, tx, state }.into());
    }
    if is_contract(state, &account)? {
        return Err(InvalidTx::SenderIsContract { sender }.into());
    }
    let want = cost(tx).ok_or(InvalidTx::CostOverflow { sender })?;
    if account.balance < want {
        let have = account.balance;
        return Err(InvalidTx::InsufficientFunds { sender, have, want }.into());
    }
    Ok(account)
}

/// EIP-3607, where an EIP-7702 delegation is no contract.
fn is_contract(state: &dyn StateReader, account: &Account) -> Result<bool, Fault> {
    if account.code_hash == Account::default().code_hash {
        return Ok(false);
    }
    Ok(!state.code(account.code_hash)?.starts_with(EIP7702_MAGIC_BYTES))
}

/// Value, gas and blobs at the highest price, `None` beyond 256 bits.
fn cost(tx: &Recovered<TxEnvelope>) -> Option<U256> {
    let gas = U256::from(tx.max_fee_per_gas()).checked_mul(U256::from(tx.gas_limit()))?;
    let blob_fee = U256::from(tx.max_fee_per_blob_gas().unwrap_or_default());
    let blobs = blob_fee.checked_mul(U256::from(tx.blob_gas_used().unwrap_or_default()))?;
    gas.checked_add(blobs)?.checked_add(tx.value())
}

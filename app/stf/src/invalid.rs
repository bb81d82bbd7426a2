//! Every reason to refuse a transaction, with the figures that a wallet's error needs.

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, U256};
use revm::context_interface::result::InvalidTransaction;

use crate::{ChainParams, peg};

/// Why a transaction is refused. It changed nothing.
///
/// The wording follows geth's where wallets and libraries match on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTx {
    /// Not an RLP of a known transaction, or bytes follow it.
    #[error("cannot decode transaction: {0}")]
    Undecodable(String),
    /// More bytes than any transaction may have.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    TooLarge {
        /// Bytes of the transaction.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// An EIP-4844 transaction: this chain has no blobs.
    #[error("transaction type not supported: blob transactions (type 3) are refused")]
    BlobType,
    /// A 0x7e transaction sent as input; only the state transition makes them.
    #[error("transaction type not supported: system transactions (type 0x7e) cannot be sent")]
    SystemType,
    /// An EIP-2718 type that this chain does not know, or not yet.
    #[error("transaction type not supported: {0:#04x}")]
    UnknownType(u8),
    /// The signature recovers no address, or its s is in the upper half of the order (EIP-2).
    #[error("invalid sender: the signature is not valid")]
    BadSignature,
    /// Signed for another chain (EIP-155).
    #[error("invalid chain id for signer: have {have}, want {want}")]
    WrongChainId {
        /// The transaction's.
        have: u64,
        /// This chain's.
        want: u64,
    },
    /// The account has sent a transaction with this nonce already.
    #[error("nonce too low: address {sender}, tx: {tx} state: {state}")]
    NonceTooLow {
        /// The account.
        sender: Address,
        /// The transaction's nonce.
        tx: u64,
        /// The account's next nonce.
        state: u64,
    },
    /// Transactions of this account are missing before this one.
    #[error("nonce too high: address {sender}, tx: {tx} state: {state}")]
    NonceTooHigh {
        /// The account.
        sender: Address,
        /// The transaction's nonce.
        tx: u64,
        /// The account's next nonce.
        state: u64,
    },
    /// The nonce is 2^64 - 1 (EIP-2681).
    #[error("nonce has max value: address {sender}, nonce: 18446744073709551615")]
    NonceMax {
        /// The account.
        sender: Address,
    },
    /// The account cannot pay value and gas at the highest price it allows.
    #[error("insufficient funds for gas * price + value: address {sender} have {have} want {want}")]
    InsufficientFunds {
        /// The account.
        sender: Address,
        /// Its balance, wei.
        have: U256,
        /// What the transaction may cost at most, wei.
        want: U256,
    },
    /// Value and gas at the highest price exceed 2^256 wei.
    #[error("transaction cost overflows: address {sender}")]
    CostOverflow {
        /// The account.
        sender: Address,
    },
    /// EIP-1559: it pays at most less than the block's base fee.
    #[error(
        "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {max_fee}, baseFee: {base_fee}"
    )]
    FeeCapTooLow {
        /// The account.
        sender: Address,
        /// What it pays at most, wei per gas.
        max_fee: u128,
        /// What the block asks, wei per gas.
        base_fee: u64,
    },
    /// EIP-1559: the tip is above the fee that contains it.
    #[error(
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {max_fee}"
    )]
    TipAboveFeeCap {
        /// The tip, wei per gas.
        tip: u128,
        /// The fee, wei per gas.
        max_fee: u128,
    },
    /// The gas limit does not cover what the transaction costs before it runs.
    #[error("intrinsic gas too low: have {have}, want {want}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        have: u64,
        /// What it needs.
        want: u64,
    },
    /// EIP-7623: the gas limit does not cover the calldata floor.
    #[error("insufficient gas for floor data gas cost: have {have}, want {want}")]
    FloorGas {
        /// The transaction's gas limit.
        have: u64,
        /// What its calldata costs at least.
        want: u64,
    },
    /// The gas limit is above a whole block's.
    #[error("exceeds block gas limit: have {have}, limit {limit}")]
    GasLimit {
        /// The transaction's gas limit.
        have: u64,
        /// The block's.
        limit: u64,
    },
    /// EIP-7825: the gas limit is above a transaction's cap.
    #[error("transaction gas limit too high: have {have}, cap {cap}")]
    GasCap {
        /// The transaction's gas limit.
        have: u64,
        /// The cap.
        cap: u64,
    },
    /// This block has not enough gas left; a later one may take it.
    #[error("gas limit reached: have {have}, left in block {left}")]
    BlockFull {
        /// The transaction's gas limit.
        have: u64,
        /// Gas left in the block.
        left: u64,
    },
    /// EIP-3860: the init code is too long.
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeTooLarge {
        /// Bytes of init code.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// EIP-3607: the sender is a contract.
    #[error("sender not an eoa: address {sender}")]
    SenderIsContract {
        /// The account.
        sender: Address,
    },
    /// EIP-7702: a type 4 transaction without authorizations.
    #[error("EIP-7702 transaction with empty auth list")]
    EmptyAuthorizationList,
    /// Its blobs break EIP-4844's rules or pay less than this block asks.
    #[error("invalid blob transaction: {0}")]
    Blobs(String),
    /// The EVM refuses it for a reason that no transaction accepted by [`crate::tx::decode`] has.
    #[error("invalid transaction: {0}")]
    Other(String),
    /// A federation message that changes nothing or breaks the peg's rules.
    #[error("federation message refused: {0}")]
    Federation(#[from] peg::Refused),
    /// A federation message on a chain without a peg.
    #[error("federation message refused: this chain has no peg")]
    NoPeg,
    /// A federation message after the first Ethereum transaction of a block.
    #[error("federation message after an Ethereum transaction")]
    FederationAfterEthereum,
}

impl InvalidTx {
    /// Whether the same bytes may be valid in a later block without anything being sent.
    pub const fn may_become_valid(&self) -> bool {
        matches!(
            self,
            Self::NonceTooHigh { .. }
                | Self::InsufficientFunds { .. }
                | Self::FeeCapTooLow { .. }
                | Self::BlockFull { .. }
                | Self::FederationAfterEthereum
        )
    }

    /// The code of an ABCI answer: stable, never zero.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Undecodable(_) => 1,
            Self::TooLarge { .. } => 2,
            Self::BlobType => 3,
            Self::SystemType => 4,
            Self::UnknownType(_) => 5,
            Self::BadSignature => 6,
            Self::WrongChainId { .. } => 7,
            Self::NonceTooLow { .. } => 8,
            Self::NonceTooHigh { .. } => 9,
            Self::NonceMax { .. } => 10,
            Self::InsufficientFunds { .. } => 11,
            Self::CostOverflow { .. } => 12,
            Self::FeeCapTooLow { .. } => 13,
            Self::TipAboveFeeCap { .. } => 14,
            Self::IntrinsicGas { .. } => 15,
            Self::FloorGas { .. } => 16,
            Self::GasLimit { .. } => 17,
            Self::GasCap { .. } => 18,
            Self::BlockFull { .. } => 19,
            Self::InitCodeTooLarge { .. } => 20,
            Self::SenderIsContract { .. } => 21,
            Self::EmptyAuthorizationList => 22,
            Self::Other(_) => 23,
            Self::Federation(_) => 24,
            Self::NoPeg => 25,
            Self::FederationAfterEthereum => 26,
            Self::Blobs(_) => 27,
        }
    }
}

/// What is known of a transaction when the EVM refuses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) sender: Address,
    pub(crate) gas_limit: u64,
    pub(crate) max_fee: u128,
    pub(crate) tip: u128,
    pub(crate) input_len: usize,
    pub(crate) chain_id: Option<u64>,
    pub(crate) own_chain_id: u64,
    pub(crate) base_fee: u64,
    pub(crate) block_gas_limit: u64,
}

impl Refusal {
    pub(crate) fn new(params: &ChainParams, base_fee: u64, tx: &Recovered<TxEnvelope>) -> Self {
        Self {
            sender: tx.signer(),
            gas_limit: tx.gas_limit(),
            max_fee: tx.max_fee_per_gas(),
            tip: tx.max_priority_fee_per_gas().unwrap_or_default(),
            input_len: tx.input().len(),
            chain_id: tx.chain_id(),
            own_chain_id: params.chain_id,
            base_fee,
            block_gas_limit: params.gas_limit,
        }
    }

    /// The EVM's reason in our words.
    pub(crate) fn reason(self, reason: InvalidTransaction) -> InvalidTx {
        use InvalidTransaction as Evm;
        let Self { sender, gas_limit: have, .. } = self;
        match reason {
            Evm::PriorityFeeGreaterThanMaxFee => {
                InvalidTx::TipAboveFeeCap { tip: self.tip, max_fee: self.max_fee }
            }
            Evm::GasPriceLessThanBasefee => {
                InvalidTx::FeeCapTooLow { sender, max_fee: self.max_fee, base_fee: self.base_fee }
            }
            Evm::CallerGasLimitMoreThanBlock => {
                InvalidTx::GasLimit { have, limit: self.block_gas_limit }
            }
            Evm::CallGasCostMoreThanGasLimit { initial_gas: want, gas_limit: have } => {
                InvalidTx::IntrinsicGas { have, want }
            }
            Evm::GasFloorMoreThanGasLimit { gas_floor: want, gas_limit: have } => {
                InvalidTx::FloorGas { have, want }
            }
            Evm::RejectCallerWithCode => InvalidTx::SenderIsContract { sender },
            Evm::LackOfFundForMaxFee { fee, balance } => {
                InvalidTx::InsufficientFunds { sender, have: *balance, want: *fee }
            }
            Evm::OverflowPaymentInTransaction => InvalidTx::CostOverflow { sender },
            Evm::NonceOverflowInTransaction => InvalidTx::NonceMax { sender },
            Evm::NonceTooHigh { tx, state } => InvalidTx::NonceTooHigh { sender, tx, state },
            Evm::NonceTooLow { tx, state } => InvalidTx::NonceTooLow { sender, tx, state },
            Evm::CreateInitCodeSizeLimit => InvalidTx::InitCodeTooLarge {
                size: self.input_len,
                limit: revm::primitives::eip3860::MAX_INITCODE_SIZE,
            },
            Evm::InvalidChainId | Evm::MissingChainId => InvalidTx::WrongChainId {
                have: self.chain_id.unwrap_or_default(),
                want: self.own_chain_id,
            },
            Evm::TxGasLimitGreaterThanCap { gas_limit: have, cap } => {
                InvalidTx::GasCap { have, cap }
            }
            Evm::Eip2930NotSupported => InvalidTx::UnknownType(1),
            Evm::Eip1559NotSupported => InvalidTx::UnknownType(2),
            Evm::Eip4844NotSupported => InvalidTx::UnknownType(3),
            Evm::Eip7702NotSupported => InvalidTx::UnknownType(4),
            Evm::EmptyAuthorizationList => InvalidTx::EmptyAuthorizationList,
            blobs @ (Evm::BlobGasPriceGreaterThanMax { .. }
            | Evm::EmptyBlobs
            | Evm::BlobCreateTransaction
            | Evm::TooManyBlobs { .. }
            | Evm::BlobVersionNotSupported) => InvalidTx::Blobs(blobs.to_string()),
            other => InvalidTx::Other(other.to_string()),
        }
    }
}

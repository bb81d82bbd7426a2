//! Why the pool refuses a transaction. The texts are geth's, since wallets match on them.

use alloy_primitives::{Address, B256, U256};
use mooring_stf::{Fault, InvalidTx};

/// A transaction or federation message that the pool does not take.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// The same bytes are in the pool.
    #[error("already known")]
    AlreadyKnown,
    /// More bytes than a transaction may have.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Its size.
        size: usize,
        /// The most accepted.
        limit: usize,
    },
    /// The state transition would not execute it.
    #[error(transparent)]
    Invalid(#[from] InvalidTx),
    /// Its nonce is used.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The sender's next nonce.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// Too far above the sender's next nonce.
    #[error("nonce too high: address {sender}, tx: {nonce} state: {next}")]
    NonceTooHigh {
        /// Who sent it.
        sender: Address,
        /// The transaction's nonce.
        nonce: u64,
        /// The sender's next nonce, counting what is in the pool.
        next: u64,
    },
    /// The sender cannot pay for it.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, \
         overshot {}", cost.saturating_sub(*balance)
    )]
    InsufficientFunds {
        /// What the sender has, in wei.
        balance: U256,
        /// The most the transaction costs, in wei.
        cost: U256,
    },
    /// The sender cannot pay for it beside its other transactions in the pool.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, \
         tx cost {cost}, overshot {}", queued.saturating_add(*cost).saturating_sub(*balance)
    )]
    Overdraft {
        /// What the sender has, in wei.
        balance: U256,
        /// The most its other transactions cost, in wei.
        queued: U256,
        /// The most this one costs, in wei.
        cost: U256,
    },
    /// The fee cap is below what any block asks for.
    #[error("transaction underpriced: gas fee cap {fee}, minimum needed {min}")]
    FeeTooLow {
        /// The transaction's fee cap, in wei a gas.
        fee: u128,
        /// The lowest accepted, in wei a gas.
        min: u128,
    },
    /// The pool is full of better paid transactions.
    #[error("transaction underpriced")]
    Underpriced,
    /// Another transaction has its sender and nonce, and it does not pay enough more.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The sender has too many transactions in the pool.
    #[error("account limit exceeded: {limit} transactions of {sender}")]
    AccountLimit {
        /// Who sent it.
        sender: Address,
        /// The most accepted.
        limit: usize,
    },
    /// The member has another message open for the same thing.
    #[error("already known: message {open} of the same member is open for this slot")]
    SlotTaken {
        /// The message in the pool.
        open: B256,
    },
    /// The federation's lane is full.
    #[error("txpool is full: federation lane")]
    LaneFull,
}

impl Rejection {
    /// Whether the bytes could never be valid on this chain, so that whoever sent them misbehaves.
    /// What depends on state or on the pool's load is not held against a peer.
    pub const fn is_malformed(&self) -> bool {
        match self {
            Self::Oversized { .. } => true,
            Self::Invalid(invalid) => never_valid(invalid),
            Self::AlreadyKnown
            | Self::NonceTooLow { .. }
            | Self::NonceTooHigh { .. }
            | Self::InsufficientFunds { .. }
            | Self::Overdraft { .. }
            | Self::FeeTooLow { .. }
            | Self::Underpriced
            | Self::ReplacementUnderpriced
            | Self::AccountLimit { .. }
            | Self::SlotTaken { .. }
            | Self::LaneFull => false,
        }
    }
}

/// Whether no state of this chain makes the transaction valid.
const fn never_valid(invalid: &InvalidTx) -> bool {
    match invalid {
        InvalidTx::Undecodable(_)
        | InvalidTx::TooLarge { .. }
        | InvalidTx::BlobType
        | InvalidTx::SystemType
        | InvalidTx::UnknownType(_)
        | InvalidTx::BadSignature
        | InvalidTx::WrongChainId { .. }
        | InvalidTx::NonceMax { .. }
        | InvalidTx::CostOverflow { .. }
        | InvalidTx::TipAboveFeeCap { .. }
        | InvalidTx::IntrinsicGas { .. }
        | InvalidTx::FloorGas { .. }
        | InvalidTx::GasLimit { .. }
        | InvalidTx::GasCap { .. }
        | InvalidTx::InitCodeTooLarge { .. }
        | InvalidTx::EmptyAuthorizationList
        | InvalidTx::NoPeg => true,
        InvalidTx::NonceTooLow { .. }
        | InvalidTx::NonceTooHigh { .. }
        | InvalidTx::InsufficientFunds { .. }
        | InvalidTx::FeeCapTooLow { .. }
        | InvalidTx::BlockFull { .. }
        | InvalidTx::SenderIsContract { .. }
        | InvalidTx::Blobs(_)
        | InvalidTx::Other(_)
        | InvalidTx::Federation(_)
        | InvalidTx::FederationAfterEthereum => false,
    }
}

/// What came of submitting bytes, when they were not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The submitter's fault.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The node's own.
    #[error(transparent)]
    Fault(#[from] Fault),
}

//! The words of the submit task: what it sees, what it sends.

use alloy_primitives::Address;
use mooring_client::wallet::Fees;

/// Both chains as the task sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The newest L1 block.
    pub l1_height: u64,
    /// The newest finalized L1 block.
    pub l1_finalized: u64,
    /// The payer's next nonce, by the newest block.
    pub nonce: u64,
    /// What gas costs now.
    pub market: Fees,
    /// The Vault's last checkpoint.
    pub vault: Accepted,
    /// The sidechain's newest checkpoint with quorum.
    pub quorum: Option<Quorum>,
    /// The current members, ascending.
    pub members: Vec<Address>,
}

/// The Vault's last checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its sidechain height.
    pub height: u64,
    /// Exits under its root.
    pub exit_count: u64,
    /// Where its root is in the ring.
    pub ring_index: u8,
}

/// A checkpoint with quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The record's number.
    pub index: u64,
    /// Its sidechain height.
    pub height: u64,
    /// Exits under its root.
    pub exit_count: u64,
}

/// What a transaction is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// The checkpoint that it takes to the Vault.
    pub checkpoint: Option<Quorum>,
    /// The exits that it claims.
    pub items: Vec<u64>,
    /// Exits of the tree that the proofs are for.
    pub exit_count: u64,
    /// Where that tree's root is in the ring, once the checkpoint is in.
    pub ring_index: u8,
    /// The single path, for an exit that failed in a batch.
    pub single: bool,
}

/// A transaction to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What it is for.
    pub purpose: Purpose,
    /// Its nonce.
    pub nonce: u64,
    /// What it offers.
    pub fees: Fees,
}

/// Why a transaction was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It would revert, or nothing is left to do.
    Useless,
    /// Another transaction with its nonce is in a block.
    NonceUsed,
    /// Another transaction with its nonce waits and pays about as much.
    Underpriced,
    /// The payer cannot pay, or the endpoint refuses for a reason of its own.
    Refused,
}

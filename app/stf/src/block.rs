//! A block going in and a block coming out.

use std::collections::BTreeSet;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256};
use mooring_bridge as bridge;

use crate::{ChangeSet, InvalidTx};

/// What consensus decided about one block.
#[derive(Clone, Debug)]
pub struct BlockInput<'a> {
    /// The parent's Ethereum header and its hash.
    pub parent: &'a Header,
    /// keccak256 of the parent's header.
    pub parent_hash: B256,
    /// Block time in whole seconds since 1970; may equal the parent's.
    pub timestamp: u64,
    /// Receives the fees: the payout address of the block's builder.
    pub beneficiary: Address,
}

/// What became of one consensus transaction.
#[derive(Clone, Debug)]
pub enum TxOutcome {
    /// An Ethereum transaction was executed; its receipt is at this index of the Ethereum list.
    Executed {
        /// Index in the Ethereum list.
        index: usize,
        /// Gas it used.
        gas_used: u64,
        /// Whether it succeeded; a failed one paid its gas and changed nothing else.
        success: bool,
    },
    /// A federation message was applied.
    Federation,
    /// It was invalid here and changed nothing.
    Skipped(InvalidTx),
}

/// A block after execution: nothing of it is durable yet.
#[derive(Clone, Debug)]
pub struct ExecutedBlock {
    /// The true Ethereum header.
    pub header: Header,
    /// keccak256 of the header.
    pub hash: B256,
    /// The Ethereum list: derived 0x7e credits, then executed transactions.
    pub transactions: Vec<crate::tx::EthTx>,
    /// One receipt a transaction of the Ethereum list.
    pub receipts: Vec<crate::tx::EthReceipt>,
    /// One outcome a consensus transaction, in order.
    pub outcomes: Vec<TxOutcome>,
    /// Every account and slot written.
    pub changes: ChangeSet,
    /// The state's trie after the block.
    pub trie: mooring_trie::StateTrie,
    /// Where nodes of the trie before the block are gone.
    pub gone: BTreeSet<mooring_trie::NodeAt>,
    /// Exits appended, in index order.
    pub exits: Vec<bridge::exit::Exit>,
    /// Root of the exit tree after the block.
    pub exit_root: B256,
    /// Exits made since genesis.
    pub exit_count: u64,
    /// What the next block's consensus header carries.
    pub app_hash: B256,
}

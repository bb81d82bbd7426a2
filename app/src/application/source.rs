//! Where the application gets the transactions of a proposal: the mempool, seen from consensus.

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use mooring_stf::{AccountRecord, tx::SignedTx};
use tokio::sync::watch;

use crate::store::View;

/// An account that a block changed, as it is after the block; `None` when it is gone.
pub type Touched = (Address, Option<AccountRecord>);

/// What a block still has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of all consensus transactions together.
    pub bytes: u64,
    /// Gas of all Ethereum transactions together, counted by their gas limits.
    pub gas: u64,
    /// The base fee of the block being built, in wei: cheaper transactions are left out.
    pub base_fee: u64,
}

/// Consensus transactions for a proposal, in the order they should be tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Federation messages.
    pub federation: Vec<Bytes>,
    /// Ethereum transactions in EIP-2718 form; those of one sender in nonce order.
    pub ethereum: Vec<Bytes>,
}

/// A pool that proposals are filled from. No call may block for long: consensus waits.
pub trait TxSource: Send + Sync + 'static {
    /// The best candidates. May name more than fits: the application executes them in order and
    /// leaves out what is invalid or does not fit. The pool keeps them until [`Self::committed`].
    fn propose(&self, budget: Budget) -> Candidates;

    /// For each hash (keccak256 of the bytes) the Ethereum transaction with its sender, where the
    /// pool has it: recovering a sender is most of a transaction's cost, and is done once.
    fn recovered(&self, hashes: &[B256]) -> Vec<Option<SignedTx>>;

    /// A block became the tip. `view` is the state after it, `included` the consensus transactions
    /// that it carried, `touched` all accounts that it changed. The pool drops what was mined and
    /// whatever became invalid.
    fn committed(&self, view: &View, included: &[Bytes], touched: &[Touched]);

    /// The dev engine dropped blocks: `view` is the tip now, `returned` the consensus transactions
    /// of the dropped blocks, oldest first, which may be pooled again.
    fn reorged(&self, view: &View, returned: &[Bytes]);

    /// Counts the transactions accepted into the pool, so that the dev engine can seal at once.
    fn arrivals(&self) -> watch::Receiver<u64>;
}

//! One sender's transactions, by nonce.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::U256;

use super::{Account, PooledTx};

/// A transaction and when it came.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) tx: Arc<PooledTx>,
    /// Rises with each arrival in the pool.
    pub(super) arrival: u64,
}

/// One sender's transactions. Those from the account's nonce on, without a gap, are pending: the
/// next block could execute them. The others are queued until the gap closes.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    pub(super) account: Account,
    entries: BTreeMap<u64, Entry>,
}

impl Queue {
    pub(super) const fn new(account: Account) -> Self {
        Self { account, entries: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn at(&self, nonce: u64) -> Option<&Entry> {
        self.entries.get(&nonce)
    }

    /// All transactions in nonce order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.values()
    }

    /// The pending ones in nonce order.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Entry> {
        let nonces = self.account.nonce..;
        nonces
            .zip(self.entries.values())
            .take_while(|(nonce, entry)| entry.tx.nonce == *nonce)
            .map(|(_, entry)| entry)
    }

    /// The nonce after the pending ones.
    pub(super) fn next_nonce(&self) -> u64 {
        self.pending().last().map_or(self.account.nonce, |entry| entry.tx.nonce.saturating_add(1))
    }

    /// The most that all transactions but the one at `nonce` can cost.
    pub(super) fn cost_without(&self, nonce: u64) -> U256 {
        let others = self.entries.values().filter(|entry| entry.tx.nonce != nonce);
        others.fold(U256::ZERO, |sum, entry| sum.saturating_add(entry.tx.cost))
    }

    pub(super) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        self.entries.insert(entry.tx.nonce, entry)
    }

    pub(super) fn remove(&mut self, nonce: u64) -> Option<Entry> {
        self.entries.remove(&nonce)
    }

    /// Takes the account's new state and returns what it makes invalid: used nonces, and
    /// transactions that alone cost more than there is.
    pub(super) fn refresh(&mut self, account: Account) -> Vec<Entry> {
        self.account = account;
        let keeps =
            |entry: &Entry| entry.tx.nonce >= account.nonce && entry.tx.cost <= account.balance;
        let (kept, gone) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, entry)| keeps(entry));
        self.entries = kept;
        gone.into_values().collect()
    }
}

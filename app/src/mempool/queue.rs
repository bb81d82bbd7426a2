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
    account: Account,
    entries: BTreeMap<u64, Entry>,
    /// The nonce after the pending ones.
    next: u64,
    /// The most that all together can cost. Admission keeps it within a balance, so within 256
    /// bits.
    cost: U256,
}

impl Queue {
    pub(super) const fn new(account: Account) -> Self {
        Self { account, entries: BTreeMap::new(), next: account.nonce, cost: U256::ZERO }
    }

    pub(super) const fn account(&self) -> &Account {
        &self.account
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
    pub(super) fn pending(&self) -> impl Iterator<Item = &Entry> + use<'_> {
        self.entries.range(..self.next).map(|(_, entry)| entry)
    }

    /// The nonce after the pending ones.
    pub(super) const fn next_nonce(&self) -> u64 {
        self.next
    }

    /// The most that all transactions but the one at `nonce` can cost.
    pub(super) fn cost_without(&self, nonce: u64) -> U256 {
        let there = self.at(nonce).map(|entry| entry.tx.cost).unwrap_or_default();
        self.cost.saturating_sub(there)
    }

    /// Puts a transaction in its place; returns the one that was there.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let cost = entry.tx.cost;
        let old = self.entries.insert(entry.tx.nonce, entry);
        let freed = old.as_ref().map(|old| old.tx.cost).unwrap_or_default();
        self.cost = self.cost.saturating_sub(freed).saturating_add(cost);
        self.extend_pending();
        old
    }

    pub(super) fn remove(&mut self, nonce: u64) -> Option<Entry> {
        let entry = self.entries.remove(&nonce)?;
        self.cost = self.cost.saturating_sub(entry.tx.cost);
        self.next = self.next.min(nonce.max(self.account.nonce));
        Some(entry)
    }

    /// Takes the account's new state and returns what it makes invalid: used nonces, and
    /// transactions that alone cost more than there is.
    pub(super) fn refresh(&mut self, account: Account) -> Vec<Entry> {
        let keeps =
            |entry: &Entry| entry.tx.nonce >= account.nonce && entry.tx.cost <= account.balance;
        let (kept, gone) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, entry)| keeps(entry));
        *self = Self { entries: kept, ..Self::new(account) };
        self.cost = self.iter().fold(U256::ZERO, |sum, entry| sum.saturating_add(entry.tx.cost));
        self.extend_pending();
        gone.into_values().collect()
    }

    fn extend_pending(&mut self) {
        while self.entries.contains_key(&self.next) {
            self.next = self.next.saturating_add(1);
        }
    }
}

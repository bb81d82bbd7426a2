//! Who leaves a full pool.
//!
//! A sender's transactions leave from the last nonce down, so that no gap is made; of all last
//! ones the cheapest leaves first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::Address;

use super::{
    PooledTx,
    queue::{Entry, Queue},
};

/// How dear a transaction is to us. The lowest goes first when the pool is full: gapped before
/// executable, then worse paid, then younger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pending: bool,
    tip: Option<u128>,
    age: Reverse<u64>,
    sender: Address,
}

impl Rank {
    /// The rank of a transaction that is not here yet: below an equally paid one that is.
    pub(super) fn newcomer(tx: &PooledTx, pending: bool, base_fee: u64) -> Self {
        let tip = tx.effective_tip(base_fee);
        Self { pending, tip, age: Reverse(u64::MAX), sender: tx.sender }
    }

    fn of(queue: &Queue, entry: &Entry, base_fee: u64) -> Self {
        Self {
            pending: entry.tx.nonce < queue.next_nonce(),
            tip: entry.tx.effective_tip(base_fee),
            age: Reverse(entry.arrival),
            sender: entry.tx.sender,
        }
    }

    fn of_last(queue: &Queue, base_fee: u64) -> Option<Self> {
        queue.iter().next_back().map(|entry| Self::of(queue, entry, base_fee))
    }
}

/// The rank of each sender's last transaction. Made when the pool is full; a new base fee changes
/// all ranks, so a block forgets them.
#[derive(Debug, Default)]
pub(super) struct Tails(Option<BTreeSet<Rank>>);

/// What has to leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excess {
    pub(super) bytes: usize,
    pub(super) count: usize,
}

impl Tails {
    pub(super) fn forget_all(&mut self) {
        self.0 = None;
    }

    /// To be called before a queue changes.
    pub(super) fn forget(&mut self, queue: &Queue, base_fee: u64) {
        if let (Some(tails), Some(rank)) = (&mut self.0, Rank::of_last(queue, base_fee)) {
            tails.remove(&rank);
        }
    }

    /// To be called after a queue has changed.
    pub(super) fn remember(&mut self, queue: &Queue, base_fee: u64) {
        if let Some(tails) = &mut self.0 {
            tails.extend(Rank::of_last(queue, base_fee));
        }
    }

    /// The worst transactions that make up for `excess`, all worse than `newcomer` and of other
    /// senders; `None` when there are not enough.
    pub(super) fn victims(
        &mut self,
        senders: &BTreeMap<Address, Queue>,
        newcomer: Rank,
        mut excess: Excess,
        base_fee: u64,
    ) -> Option<Vec<Arc<PooledTx>>> {
        let mut victims = Vec::new();
        if excess.bytes == 0 && excess.count == 0 {
            return Some(victims);
        }
        let all = || senders.values().filter_map(|queue| Rank::of_last(queue, base_fee)).collect();
        let mut tails = self.0.get_or_insert_with(all).iter().copied().peekable();
        // Transactions that become their sender's last one once those after them are gone.
        let mut exposed = BTreeMap::new();
        while excess.bytes > 0 || excess.count > 0 {
            let use_exposed = match (exposed.keys().next(), tails.peek()) {
                (Some(inner), Some(tail)) => inner < tail,
                (inner, _) => inner.is_some(),
            };
            let (rank, depth) =
                if use_exposed { exposed.pop_first()? } else { (tails.next()?, 0_usize) };
            if rank >= newcomer {
                return None;
            }
            if rank.sender == newcomer.sender {
                continue;
            }
            let queue = senders.get(&rank.sender)?;
            let mut entries = queue.iter().rev().skip(depth);
            let victim = entries.next()?;
            if let Some(before) = entries.next() {
                exposed.insert(Rank::of(queue, before, base_fee), depth.saturating_add(1));
            }
            excess.bytes = excess.bytes.saturating_sub(victim.tx.raw.len());
            excess.count = excess.count.saturating_sub(1);
            victims.push(Arc::clone(&victim.tx));
        }
        Some(victims)
    }
}

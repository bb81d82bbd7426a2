//! The pool's pure core: state and input in, effects out. No clock, no tasks, no locks.
//!
//! Invariants, held after every call (and by `tests::invariants_hold`):
//! - count, bytes and per-sender caps are never exceeded;
//! - no transaction is below its sender's committed nonce, and each (sender, nonce) is there once;
//! - below the caps a transaction leaves only by being mined, replaced or made invalid.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
};

use alloy_primitives::{Address, B256, map::B256Map};

use super::{
    Account, LaneMessage, PoolLimits, PooledTx, Rejection,
    lane::Lane,
    queue::{Entry, Queue},
};

/// What a block may still take from the pool.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes of Ethereum transactions.
    pub bytes: u64,
    /// Their gas limits, together.
    pub gas: u64,
    /// The block's base fee, in wei.
    pub base_fee: u64,
}

/// What an accepted transaction changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The transaction.
    pub tx: Arc<PooledTx>,
    /// Whether the next block could execute it; else it waits for a lower nonce.
    pub pending: bool,
    /// The transaction that it replaced.
    pub replaced: Option<B256>,
    /// Transactions that made room for it.
    pub evicted: Vec<B256>,
}

/// How dear a sender's last transaction is to us. The lowest goes first when the pool is full:
/// gapped before executable, then worse paid, then younger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    pending: bool,
    tip: Option<u128>,
    age: Reverse<u64>,
    sender: Address,
}

/// The pool.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    height: u64,
    base_fee: u64,
    senders: BTreeMap<Address, Queue>,
    by_hash: B256Map<(Address, u64)>,
    /// The rank of each sender's last transaction.
    tails: BTreeSet<Rank>,
    lane: Lane,
    bytes: usize,
    arrivals: u64,
}

impl Pool {
    /// An empty pool on top of the block `height`, whose successor has this base fee.
    pub fn new(limits: PoolLimits, height: u64, base_fee: u64) -> Self {
        Self {
            limits,
            height,
            base_fee,
            senders: BTreeMap::new(),
            by_hash: B256Map::default(),
            tails: BTreeSet::new(),
            lane: Lane::default(),
            bytes: 0,
            arrivals: 0,
        }
    }

    /// The block whose state the pool stands on.
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// The pool's bounds.
    pub const fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    /// Number of Ethereum transactions.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether there is no Ethereum transaction.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Bytes of Ethereum transactions.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The Ethereum transaction with this hash.
    pub fn get(&self, hash: &B256) -> Option<&Arc<PooledTx>> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        self.senders.get(sender)?.at(*nonce).map(|entry| &entry.tx)
    }

    /// Whether a transaction or message with this hash is here.
    pub fn contains(&self, hash: &B256) -> bool {
        self.by_hash.contains_key(hash) || self.lane.get(hash).is_some()
    }

    /// The nonce after the sender's pending transactions; `None` when it has nothing here.
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        self.senders.get(sender).map(Queue::next_nonce)
    }

    /// The senders that have transactions here, in order.
    pub fn senders(&self) -> impl Iterator<Item = Address> + '_ {
        self.senders.keys().copied()
    }

    /// The senders above `last`, in order.
    pub(super) fn senders_after(&self, last: Address) -> impl Iterator<Item = Address> + '_ {
        let above = (std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded);
        self.senders.range(above).map(|(sender, _)| *sender)
    }

    /// Each sender's transactions in nonce order, each with whether it is pending.
    pub fn content(&self) -> impl Iterator<Item = (Arc<PooledTx>, bool)> + '_ {
        self.senders.values().flat_map(|queue| {
            let next = queue.next_nonce();
            queue.iter().map(move |entry| (Arc::clone(&entry.tx), entry.tx.nonce < next))
        })
    }

    /// The federation's messages in order of arrival.
    pub fn federation(&self) -> impl Iterator<Item = &LaneMessage> {
        self.lane.iter()
    }

    /// Bytes of federation messages.
    pub const fn federation_bytes(&self) -> usize {
        self.lane.bytes()
    }

    /// Takes a valid transaction. `account` is its sender's, read at [`Self::height`].
    ///
    /// # Errors
    /// Nothing changed, for the reason given.
    pub fn insert(&mut self, tx: PooledTx, account: Account) -> Result<Inserted, Rejection> {
        if self.by_hash.contains_key(&tx.hash) {
            return Err(Rejection::AlreadyKnown);
        }
        let fresh = Queue::new(account);
        let queue = self.senders.get(&tx.sender).unwrap_or(&fresh);
        let old = self.admit(&tx, queue)?;
        let pending = tx.nonce <= queue.next_nonce();
        let evicted = self.make_room(&tx, pending, old.as_deref())?;
        Ok(self.place(tx, account, evicted))
    }

    /// Takes a federation message that the peg's state allows at [`Self::height`].
    ///
    /// # Errors
    /// Nothing changed, for the reason given.
    pub fn insert_federation(&mut self, message: LaneMessage) -> Result<(), Rejection> {
        self.arrivals = self.arrivals.saturating_add(1);
        self.lane.insert(message, self.arrivals, &self.limits)
    }

    /// Forgets a federation message.
    pub fn remove_federation(&mut self, hash: &B256) {
        self.lane.remove(hash);
    }

    /// A block became the tip. `accounts` are the new states of senders that may have changed,
    /// `base_fee` is that of the block after it. Returns the hashes that left.
    pub fn advance(
        &mut self,
        height: u64,
        base_fee: u64,
        accounts: impl IntoIterator<Item = (Address, Account)>,
    ) -> Vec<B256> {
        self.height = height;
        self.base_fee = base_fee;
        let mut gone = Vec::new();
        for (sender, account) in accounts {
            let Some(queue) = self.senders.get_mut(&sender) else { continue };
            for entry in queue.refresh(account) {
                self.bytes = self.bytes.saturating_sub(entry.tx.raw.len());
                self.by_hash.remove(&entry.tx.hash);
                gone.push(entry.tx.hash);
            }
            if queue.is_empty() {
                self.senders.remove(&sender);
            }
        }
        self.tails = self.senders.values().filter_map(|queue| rank(queue, base_fee)).collect();
        gone
    }

    /// Pending transactions for a block: the best paid first, each sender's in nonce order, as
    /// many as fit. A sender whose next transaction does not fit or pays too little is passed over.
    pub fn best(&self, room: Room) -> Vec<Arc<PooledTx>> {
        let Room { mut bytes, mut gas, base_fee } = room;
        let mut queues: BTreeMap<Address, _> = BTreeMap::new();
        let mut heads = BinaryHeap::new();
        let head = |entry: &Entry| {
            let tip = entry.tx.effective_tip(base_fee)?;
            Some((tip, Reverse(entry.arrival), entry.tx.sender))
        };
        for (sender, queue) in &self.senders {
            let mut pending = queue.pending().peekable();
            heads.extend(pending.peek().copied().and_then(head));
            queues.insert(*sender, pending);
        }
        let mut chosen = Vec::new();
        while let Some((_, _, sender)) = heads.pop() {
            let Some(pending) = queues.get_mut(&sender) else { continue };
            let Some(entry) = pending.next() else { continue };
            let size = entry.tx.raw.len() as u64;
            let (Some(bytes_left), Some(gas_left)) =
                (bytes.checked_sub(size), gas.checked_sub(entry.tx.gas_limit))
            else {
                continue;
            };
            (bytes, gas) = (bytes_left, gas_left);
            chosen.push(Arc::clone(&entry.tx));
            heads.extend(pending.peek().copied().and_then(head));
        }
        chosen
    }

    /// Checks everything but the pool's own size; returns the transaction to be replaced.
    fn admit(&self, tx: &PooledTx, queue: &Queue) -> Result<Option<Arc<PooledTx>>, Rejection> {
        let Account { nonce: next, balance } = queue.account;
        if tx.max_fee < self.limits.min_fee {
            return Err(Rejection::FeeTooLow { fee: tx.max_fee, min: self.limits.min_fee });
        }
        if tx.nonce < next {
            return Err(Rejection::NonceTooLow { next, nonce: tx.nonce });
        }
        if tx.cost > balance {
            return Err(Rejection::InsufficientFunds { balance, cost: tx.cost });
        }
        if let Some(old) = queue.at(tx.nonce) {
            if !tx.outbids(&old.tx, self.limits.replacement_percent) {
                return Err(Rejection::ReplacementUnderpriced);
            }
        } else if queue.len() >= self.limits.max_per_sender {
            let limit = self.limits.max_per_sender;
            return Err(Rejection::AccountLimit { sender: tx.sender, limit });
        }
        let next = queue.next_nonce();
        if tx.nonce.saturating_sub(next) > self.limits.max_nonce_gap {
            return Err(Rejection::NonceTooHigh { sender: tx.sender, nonce: tx.nonce, next });
        }
        let queued = queue.cost_without(tx.nonce);
        if queued.saturating_add(tx.cost) > balance {
            return Err(Rejection::Overdraft { balance, queued, cost: tx.cost });
        }
        Ok(queue.at(tx.nonce).map(|entry| Arc::clone(&entry.tx)))
    }

    /// Removes worse transactions of others until `tx` fits, or nothing at all.
    fn make_room(
        &mut self,
        tx: &PooledTx,
        pending: bool,
        old: Option<&PooledTx>,
    ) -> Result<Vec<B256>, Rejection> {
        let (freed, places) = old.map_or((0, 0), |old| (old.raw.len(), 1));
        let bytes = self.bytes.saturating_add(tx.raw.len()).saturating_sub(freed);
        let count = self.len().saturating_add(1).saturating_sub(places);
        let newcomer = Rank {
            pending,
            tip: tx.effective_tip(self.base_fee),
            age: Reverse(u64::MAX),
            sender: tx.sender,
        };
        let victims = self.victims(
            newcomer,
            bytes.saturating_sub(self.limits.max_bytes),
            count.saturating_sub(self.limits.max_count),
        );
        let victims = victims.ok_or(Rejection::Underpriced)?;
        for victim in &victims {
            self.take(victim.sender, victim.nonce);
        }
        Ok(victims.iter().map(|victim| victim.hash).collect())
    }

    /// The worst transactions that free this much, all worse than `newcomer` and of other senders,
    /// each sender's from the last nonce down; `None` when there are not enough.
    fn victims(&self, newcomer: Rank, bytes: usize, count: usize) -> Option<Vec<Arc<PooledTx>>> {
        let (mut bytes, mut count) = (bytes, count);
        let mut victims = Vec::new();
        let mut tails = self.tails.iter().copied().peekable();
        // Transactions that become their sender's last one once those after them are gone.
        let mut exposed = BTreeMap::new();
        while bytes > 0 || count > 0 {
            let use_exposed = match (exposed.keys().next(), tails.peek()) {
                (Some(inner), Some(tail)) => inner < tail,
                (inner, _) => inner.is_some(),
            };
            let (rank, depth) =
                if use_exposed { exposed.pop_first()? } else { (tails.next()?, 0_usize) };
            if rank >= newcomer {
                return None;
            }
            let queue = self.senders.get(&rank.sender)?;
            if rank.sender == newcomer.sender {
                continue;
            }
            let mut entries = queue.iter().rev().skip(depth);
            let victim = entries.next()?;
            if let Some(before) = entries.next() {
                let rank = entry_rank(queue, before, self.base_fee);
                exposed.insert(rank, depth.saturating_add(1));
            }
            bytes = bytes.saturating_sub(victim.tx.raw.len());
            count = count.saturating_sub(1);
            victims.push(Arc::clone(&victim.tx));
        }
        Some(victims)
    }

    fn place(&mut self, tx: PooledTx, account: Account, evicted: Vec<B256>) -> Inserted {
        self.arrivals = self.arrivals.saturating_add(1);
        let tx = Arc::new(tx);
        let queue = self.senders.entry(tx.sender).or_insert_with(|| Queue::new(account));
        forget(&mut self.tails, rank(queue, self.base_fee));
        let entry = Entry { tx: Arc::clone(&tx), arrival: self.arrivals };
        let old = queue.insert(entry);
        self.tails.extend(rank(queue, self.base_fee));
        let pending = tx.nonce < queue.next_nonce();
        self.bytes = self.bytes.saturating_add(tx.raw.len());
        self.by_hash.insert(tx.hash, (tx.sender, tx.nonce));
        let replaced = old.map(|old| {
            self.bytes = self.bytes.saturating_sub(old.tx.raw.len());
            self.by_hash.remove(&old.tx.hash);
            old.tx.hash
        });
        Inserted { tx, pending, replaced, evicted }
    }

    fn take(&mut self, sender: Address, nonce: u64) {
        let Some(queue) = self.senders.get_mut(&sender) else { return };
        forget(&mut self.tails, rank(queue, self.base_fee));
        if let Some(entry) = queue.remove(nonce) {
            self.bytes = self.bytes.saturating_sub(entry.tx.raw.len());
            self.by_hash.remove(&entry.tx.hash);
        }
        self.tails.extend(rank(queue, self.base_fee));
        if queue.is_empty() {
            self.senders.remove(&sender);
        }
    }
}

fn entry_rank(queue: &Queue, entry: &Entry, base_fee: u64) -> Rank {
    Rank {
        pending: entry.tx.nonce < queue.next_nonce(),
        tip: entry.tx.effective_tip(base_fee),
        age: Reverse(entry.arrival),
        sender: entry.tx.sender,
    }
}

/// The rank of the last transaction.
fn rank(queue: &Queue, base_fee: u64) -> Option<Rank> {
    queue.iter().next_back().map(|entry| entry_rank(queue, entry, base_fee))
}

fn forget(tails: &mut BTreeSet<Rank>, rank: Option<Rank>) {
    if let Some(rank) = rank {
        tails.remove(&rank);
    }
}

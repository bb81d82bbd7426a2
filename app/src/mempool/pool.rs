//! The pool's pure core: state and input in, effects out. No clock, no tasks, no locks.
//!
//! Invariants, held after every call (and by `tests::invariants_hold`):
//! - count, bytes and per-sender caps are never exceeded;
//! - no transaction is below its sender's committed nonce, and each (sender, nonce) is there once;
//! - below the caps a transaction leaves only by being mined, replaced or made invalid.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use alloy_primitives::{Address, B256, map::B256Map};

use super::{
    Account, LaneMessage, PoolLimits, PooledTx, Rejection,
    eviction::{Excess, Rank, Tails},
    lane::Lane,
    queue::{Entry, Queue},
};

/// Gas of the cheapest transaction (yellow paper, `G_transaction`): with less left a block is full.
const LEAST_GAS: u64 = 21_000;

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

/// The pool.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    height: u64,
    base_fee: u64,
    senders: BTreeMap<Address, Queue>,
    by_hash: B256Map<Arc<PooledTx>>,
    tails: Tails,
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
            tails: Tails::default(),
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
        self.by_hash.get(hash)
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
        self.tails.forget_all();
        gone
    }

    /// Pending transactions for a block: the best paid first, each sender's in nonce order, as
    /// many as fit. A sender whose next transaction does not fit or pays too little is passed over.
    pub fn best(&self, room: Room) -> Vec<Arc<PooledTx>> {
        let Room { mut bytes, mut gas, base_fee } = room;
        let tip = |entry: &Entry| entry.tx.effective_tip(base_fee);
        let mut queues: Vec<_> =
            self.senders.values().map(|queue| queue.pending().peekable()).collect();
        let mut heads: BinaryHeap<_> = (0_usize..)
            .zip(&mut queues)
            .filter_map(|(at, queue)| {
                let first = queue.peek()?;
                Some((tip(first)?, Reverse(first.arrival), at))
            })
            .collect();
        let mut chosen = Vec::new();
        while gas >= LEAST_GAS
            && let Some((.., at)) = heads.pop()
        {
            let Some(queue) = queues.get_mut(at) else { continue };
            let Some(entry) = queue.next() else { continue };
            let size = entry.tx.raw.len() as u64;
            let (Some(bytes_left), Some(gas_left)) =
                (bytes.checked_sub(size), gas.checked_sub(entry.tx.gas_limit))
            else {
                continue;
            };
            (bytes, gas) = (bytes_left, gas_left);
            chosen.push(Arc::clone(&entry.tx));
            if let Some(next) = queue.peek()
                && let Some(tip) = tip(next)
            {
                heads.push((tip, Reverse(next.arrival), at));
            }
        }
        chosen
    }

    /// Checks everything but the pool's own size; returns the transaction to be replaced.
    fn admit(&self, tx: &PooledTx, queue: &Queue) -> Result<Option<Arc<PooledTx>>, Rejection> {
        let Account { nonce: next, balance } = *queue.account();
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
        if queued.checked_add(tx.cost).is_none_or(|together| together > balance) {
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
        let newcomer = Rank::newcomer(tx, pending, self.base_fee);
        let excess = Excess {
            bytes: bytes.saturating_sub(self.limits.max_bytes),
            count: count.saturating_sub(self.limits.max_count),
        };
        let victims = self.tails.victims(&self.senders, newcomer, excess, self.base_fee);
        let victims = victims.ok_or(Rejection::Underpriced)?;
        for victim in &victims {
            self.take(victim.sender, victim.nonce);
        }
        Ok(victims.iter().map(|victim| victim.hash).collect())
    }

    fn place(&mut self, tx: PooledTx, account: Account, evicted: Vec<B256>) -> Inserted {
        self.arrivals = self.arrivals.saturating_add(1);
        let tx = Arc::new(tx);
        let queue = self.senders.entry(tx.sender).or_insert_with(|| Queue::new(account));
        self.tails.forget(queue, self.base_fee);
        let entry = Entry { tx: Arc::clone(&tx), arrival: self.arrivals };
        let old = queue.insert(entry);
        self.tails.remember(queue, self.base_fee);
        let pending = tx.nonce < queue.next_nonce();
        self.bytes = self.bytes.saturating_add(tx.raw.len());
        self.by_hash.insert(tx.hash, Arc::clone(&tx));
        let replaced = old.map(|old| {
            self.bytes = self.bytes.saturating_sub(old.tx.raw.len());
            self.by_hash.remove(&old.tx.hash);
            old.tx.hash
        });
        Inserted { tx, pending, replaced, evicted }
    }

    fn take(&mut self, sender: Address, nonce: u64) {
        let Some(queue) = self.senders.get_mut(&sender) else { return };
        self.tails.forget(queue, self.base_fee);
        if let Some(entry) = queue.remove(nonce) {
            self.bytes = self.bytes.saturating_sub(entry.tx.raw.len());
            self.by_hash.remove(&entry.tx.hash);
        }
        self.tails.remember(queue, self.base_fee);
        if queue.is_empty() {
            self.senders.remove(&sender);
        }
    }
}

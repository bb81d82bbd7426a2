//! The exits that this relayer may claim, with how far each has come.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

/// The most items of a batch.
pub const BATCH: usize = 50;
/// After a failure an exit is tried alone after this many L1 blocks, doubled with each failure.
const BACKOFF_BLOCKS: u64 = 8;
/// The backoff doubles at most so often: 8 blocks become about a week.
const MAX_DOUBLINGS: u32 = 12;

/// An exit as far as claiming it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its place in the tree.
    pub index: u64,
    /// What was burnt.
    pub asset: Address,
    /// What the claimer gets.
    pub fee: U256,
    /// Whether it is paid as far as the newest L1 block shows.
    pub claimed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    asset: Address,
    fee: U256,
    /// The L1 height at which it was first seen paid.
    claimed_at: Option<u64>,
    failures: u32,
    not_before: u64,
}

/// All exits from the first that is not surely paid on.
#[derive(Clone, Debug, Default)]
pub struct Book {
    entries: BTreeMap<u64, Entry>,
    scanned: u64,
}

impl Book {
    /// A book that starts at exit `first`: those before it are paid for good.
    pub const fn starting_at(first: u64) -> Self {
        Self { entries: BTreeMap::new(), scanned: first }
    }

    /// The next exit to look at.
    pub const fn scanned(&self) -> u64 {
        self.scanned
    }

    /// The first exit that is not surely paid.
    pub fn first_open(&self) -> u64 {
        self.entries.keys().next().copied().unwrap_or(self.scanned)
    }

    /// How many exits are known and not paid.
    pub fn open(&self) -> usize {
        self.entries.values().filter(|entry| entry.claimed_at.is_none()).count()
    }

    /// Takes the next exits, in order.
    pub fn add(&mut self, exits: &[Exit], now: u64) {
        for exit in exits {
            if exit.index != self.scanned {
                return;
            }
            let entry = Entry {
                asset: exit.asset,
                fee: exit.fee,
                claimed_at: exit.claimed.then_some(now),
                failures: 0,
                not_before: 0,
            };
            self.entries.insert(exit.index, entry);
            self.scanned = self.scanned.saturating_add(1);
        }
    }

    /// Takes what the newest L1 block shows of an exit. One that is still paid when the block that
    /// first showed it is final is done.
    pub fn seen(&mut self, index: u64, claimed: bool, now: u64, finalized: u64) {
        let Some(entry) = self.entries.get_mut(&index) else { return };
        match (claimed, entry.claimed_at) {
            (true, Some(at)) if finalized >= at => {
                self.entries.remove(&index);
            }
            (true, Some(_)) => {}
            (true, None) => entry.claimed_at = Some(now),
            (false, _) => entry.claimed_at = None,
        }
    }

    /// An attempt to claim it came to nothing: later, and alone.
    pub fn failed(&mut self, index: u64, now: u64) {
        let Some(entry) = self.entries.get_mut(&index) else { return };
        let doublings = entry.failures.min(MAX_DOUBLINGS);
        entry.failures = entry.failures.saturating_add(1);
        entry.not_before = now.saturating_add(BACKOFF_BLOCKS << doublings);
    }

    /// Exits that showed as paid in a block that is final by now: to be looked at once more.
    pub fn to_settle(&self, finalized: u64) -> Vec<u64> {
        let final_now = |entry: &Entry| entry.claimed_at.is_some_and(|at| at <= finalized);
        let due = self.entries.iter().filter(|(_, entry)| final_now(entry));
        due.map(|(index, _)| *index).take(BATCH).collect()
    }

    /// The exits below `count` to claim together: paid well enough, never failed.
    pub fn batch(&self, count: u64, least: impl Fn(Address) -> U256) -> Vec<u64> {
        let good = |entry: &Entry| {
            entry.claimed_at.is_none() && entry.failures == 0 && entry.fee >= least(entry.asset)
        };
        let due = self.entries.range(..count).filter(|(_, entry)| good(entry));
        due.map(|(index, _)| *index).take(BATCH).collect()
    }

    /// An exit below `count` that failed before and is due again.
    pub fn single(&self, count: u64, now: u64, least: impl Fn(Address) -> U256) -> Option<u64> {
        let good = |entry: &Entry| {
            entry.claimed_at.is_none()
                && entry.failures > 0
                && entry.not_before <= now
                && entry.fee >= least(entry.asset)
        };
        let due = self.entries.range(..count).filter(|(_, entry)| good(entry));
        due.min_by_key(|(_, entry)| entry.not_before).map(|(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(index: u64, fee: u64) -> Exit {
        Exit { index, asset: Address::ZERO, fee: U256::from(fee), claimed: false }
    }

    const ALL: fn(Address) -> U256 = |_| U256::ZERO;

    #[test]
    fn batches_are_limited_and_follow_the_policy() {
        let mut book = Book::starting_at(0);
        let exits: Vec<Exit> = (0..120).map(|index| exit(index, index % 2)).collect();
        book.add(&exits, 1);
        assert_eq!(book.batch(200, ALL).len(), BATCH);
        assert_eq!(book.batch(10, ALL), (0..10).collect::<Vec<_>>());
        assert_eq!(book.batch(6, |_| U256::from(1)), [1, 3, 5]);
        assert_eq!(book.batch(200, |_| U256::from(2)), Vec::<u64>::new());
    }

    #[test]
    fn a_failed_exit_leaves_the_batch_and_backs_off() {
        let mut book = Book::starting_at(0);
        book.add(&[exit(0, 0), exit(1, 0)], 1);
        book.failed(0, 10);
        assert_eq!(book.batch(2, ALL), [1]);
        assert_eq!(book.single(2, 17, ALL), None);
        assert_eq!(book.single(2, 18, ALL), Some(0));
        book.failed(0, 18);
        assert_eq!((book.single(2, 33, ALL), book.single(2, 34, ALL)), (None, Some(0)));
        for _ in 0..200 {
            book.failed(0, 0);
        }
        assert!(book.single(2, u64::MAX, ALL).is_some());
    }

    #[test]
    fn a_claim_is_done_only_when_final_and_returns_after_a_reorg() {
        let mut book = Book::starting_at(0);
        book.add(&[exit(0, 0)], 5);
        book.seen(0, true, 10, 3);
        assert_eq!((book.batch(1, ALL), book.to_settle(9)), (vec![], vec![]));
        book.seen(0, false, 11, 4);
        assert_eq!(book.batch(1, ALL), [0]);
        book.seen(0, true, 12, 5);
        assert_eq!((book.first_open(), book.to_settle(12)), (0, vec![0]));
        book.seen(0, true, 20, 12);
        assert_eq!((book.first_open(), book.open()), (1, 0));
    }
}

//! Random steps of the pool against a plain list of what must be in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::{Address, B256, U256};
use proptest::prelude::*;

use super::{
    super::*,
    core::{BASE_FEE, limits, pool, room, sender, tx, vote},
};

#[derive(Clone, Debug)]
enum Step {
    Submit {
        from: u8,
        nonce: u64,
        max_fee: u128,
        size: usize,
    },
    /// This many transactions of the best are mined; the base fee becomes this.
    Block {
        mined: usize,
        base_fee: u64,
    },
    /// Somebody's balance becomes this.
    Balance {
        from: u8,
        balance: u64,
    },
    /// A member votes for the head with this count.
    Vote {
        member: u8,
        count: u64,
        size: usize,
    },
    /// The oldest vote is mined.
    VoteMined,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u8..8, 0_u64..10, 1_u128..200, 32_usize..400)
            .prop_map(|(from, nonce, max_fee, size)| Step::Submit { from, nonce, max_fee, size }),
        1 => (0_usize..10, 1_u64..60).prop_map(|(mined, base_fee)| Step::Block { mined, base_fee }),
        1 => (1_u8..8, 0_u64..3_000).prop_map(|(from, balance)| Step::Balance { from, balance }),
        1 => (1_u8..4, 0_u64..4, 32_usize..400)
            .prop_map(|(member, count, size)| Step::Vote { member, count, size }),
        1 => Just(Step::VoteMined),
    ]
}

/// A pool beside a plain list of what must be in it.
struct Model {
    pool: Pool,
    accounts: BTreeMap<Address, Account>,
    here: BTreeSet<B256>,
    /// The open votes, oldest first.
    votes: Vec<LaneMessage>,
    height: u64,
    base_fee: u64,
}

impl Model {
    fn new() -> Self {
        let accounts =
            (1..8).map(|from| (sender(from), Account { nonce: 0, balance: U256::from(1_000) }));
        Self {
            pool: pool(),
            accounts: accounts.collect(),
            here: BTreeSet::new(),
            votes: Vec::new(),
            height: 1,
            base_fee: BASE_FEE,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Submit { from, nonce, max_fee, size } => {
                let tx = tx(from, nonce, max_fee, size);
                let (hash, account) = (tx.hash, self.accounts[&tx.sender]);
                let fits = self.pool.len() < limits().max_count
                    && self.pool.bytes() + tx.raw.len() <= limits().max_bytes;
                match self.pool.insert(tx, account) {
                    Ok(inserted) => {
                        assert!(!fits || inserted.evicted.is_empty(), "evicted below the caps");
                        self.here.insert(hash);
                        for gone in inserted.evicted.iter().chain(&inserted.replaced) {
                            assert!(self.here.remove(gone));
                        }
                    }
                    Err(Rejection::Underpriced) => assert!(!fits, "refused below the caps"),
                    Err(_) => {}
                }
            }
            Step::Block { mined, base_fee } => {
                let room = Room { base_fee: self.base_fee, ..room() };
                for tx in self.pool.best(room).iter().take(mined) {
                    let account = self.accounts.get_mut(&tx.sender).unwrap();
                    assert_eq!(account.nonce, tx.nonce, "a block executes it");
                    account.nonce += 1;
                    account.balance = account.balance.saturating_sub(tx.cost);
                }
                self.base_fee = base_fee;
                self.advance();
            }
            Step::Balance { from, balance } => {
                self.accounts.get_mut(&sender(from)).unwrap().balance = U256::from(balance);
                self.advance();
            }
            Step::Vote { member, count, size } => self.vote(vote(member, count, size)),
            Step::VoteMined => {
                if !self.votes.is_empty() {
                    self.pool.remove_federation(&self.votes.remove(0).hash);
                }
            }
        }
    }

    /// Whether a vote is taken depends on the other votes alone.
    fn vote(&mut self, vote: LaneMessage) {
        let open = self.votes.iter().any(|open| open.key == vote.key);
        let bytes: usize = self.votes.iter().map(|open| open.raw.len()).sum();
        let fits =
            self.votes.len() < limits().lane_count && bytes + vote.raw.len() <= limits().lane_bytes;
        let taken = self.pool.insert_federation(vote.clone()).is_ok();
        assert_eq!(taken, !open && fits);
        if taken {
            self.votes.push(vote);
        }
    }

    fn advance(&mut self) {
        self.height += 1;
        let valid: BTreeSet<_> = self
            .pool
            .content()
            .filter(|(tx, _)| {
                let account = self.accounts[&tx.sender];
                tx.nonce >= account.nonce && tx.cost <= account.balance
            })
            .map(|(tx, _)| tx.hash)
            .collect();
        for hash in self.pool.advance(self.height, self.base_fee, self.accounts.clone()) {
            assert!(self.here.remove(&hash));
        }
        assert_eq!(self.here, valid, "only the invalid are dropped");
    }

    fn check(&self) {
        let content: Vec<_> = self.pool.content().collect();
        let hashes: BTreeSet<_> = content.iter().map(|(tx, _)| tx.hash).collect();
        assert_eq!(hashes, self.here, "nothing is lost and nothing stays");
        assert_eq!(self.pool.len(), content.len());
        assert!(self.pool.len() <= limits().max_count);
        assert_eq!(self.pool.bytes(), content.iter().map(|(tx, _)| tx.raw.len()).sum::<usize>());
        assert!(self.pool.bytes() <= limits().max_bytes);
        assert!(self.pool.federation().eq(&self.votes));
        for (address, account) in &self.accounts {
            self.check_sender(*address, *account, &content);
        }
        self.check_order();
    }

    fn check_sender(&self, address: Address, account: Account, content: &[(Arc<PooledTx>, bool)]) {
        let mine: Vec<_> = content.iter().filter(|(tx, _)| tx.sender == address).collect();
        assert!(mine.len() <= limits().max_per_sender);
        let pending = mine.iter().filter(|(_, pending)| *pending).map(|(tx, _)| tx.nonce);
        let contiguous: Vec<_> = (account.nonce..).zip(pending).collect();
        assert!(contiguous.iter().all(|(expected, nonce)| expected == nonce));
        let next = account.nonce + contiguous.len() as u64;
        assert!(mine.is_empty() || self.pool.next_nonce(&address) == Some(next));
        assert!(mine.iter().all(|(tx, pending)| *pending || tx.nonce > next));
    }

    /// A block without limits takes, of all that could come next, the best paid each time, and
    /// ends when nothing that could come next pays the base fee.
    fn check_order(&self) {
        let mut queues: BTreeMap<Address, Vec<_>> = BTreeMap::new();
        for (tx, _) in self.pool.content().filter(|(_, pending)| *pending) {
            queues.entry(tx.sender).or_default().insert(0, tx);
        }
        let room = Room { base_fee: self.base_fee, ..room() };
        let heads = |queues: &BTreeMap<Address, Vec<Arc<PooledTx>>>| {
            queues.values().filter_map(|q| q.last()?.effective_tip(self.base_fee)).max()
        };
        for chosen in self.pool.best(room) {
            let best = heads(&queues);
            let next = queues.get_mut(&chosen.sender).unwrap().pop().unwrap();
            assert_eq!(next.hash, chosen.hash, "its sender's next");
            assert_eq!(chosen.effective_tip(self.base_fee), best, "the best paid");
        }
        assert_eq!(heads(&queues), None, "nothing that pays is left out");
    }
}

proptest! {
    #[test]
    fn invariants_hold(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
            model.check();
        }
    }
}

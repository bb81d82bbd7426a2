//! What the submit task knows and what it does about it. No I/O, no clock: time is the L1's height
//! as it comes in.
//!
//! One transaction is under way at a time, so that its nonce is simply the account's next one. What
//! it should hold is derived anew from both chains each time: a dropped transaction needs no repair.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, U256};

pub use super::view::{Accepted, Order, Purpose, Quorum, Refusal, View};
use super::{
    exits::{Book, Exit},
    fees,
};
use crate::turns;

/// After so many L1 blocks the next member submits in place of the one whose turn it is.
pub const STEP_IN_BLOCKS: u64 = 3;
/// After so many L1 blocks without inclusion a transaction is replaced by a better paid one.
pub const BUMP_BLOCKS: u64 = 3;
/// After a refusal nothing is built for so many L1 blocks.
pub const REFUSED_BLOCKS: u64 = 5;
/// How many exits are looked at at once.
pub const SCAN: u64 = 200;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Both chains were read.
    View(View),
    /// The exits that [`Action::Scan`] asked for.
    Scanned(Vec<Exit>),
    /// Whether exits are paid, by the newest L1 block.
    Claimed(Vec<(u64, bool)>),
    /// The order was sent.
    Sent {
        /// What was sent.
        order: Order,
        /// The transaction.
        hash: B256,
    },
    /// The order was not sent.
    Refused {
        /// What was not sent.
        order: Order,
        /// Why.
        refusal: Refusal,
    },
    /// What the newest L1 block shows of the transaction under way: its hash and block.
    Found(Option<(B256, u64)>),
    /// What a final L1 block shows of an included transaction: whether it is still there.
    Settled {
        /// The transaction.
        hash: B256,
        /// Whether it is still in a block.
        there: bool,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read these exits and whether they are paid.
    Scan {
        /// The first.
        first: u64,
        /// One past the last.
        end: u64,
    },
    /// Read whether these exits are paid.
    Check(Vec<u64>),
    /// Build, journal and send.
    Send(Order),
    /// Look whether one of these is in a block.
    Look(Vec<B256>),
    /// Look whether this included transaction is still there.
    Settle(B256),
}

/// A transaction under way, with its replacements.
#[derive(Clone, Debug)]
struct Job {
    order: Order,
    attempts: Vec<B256>,
    sent_at: u64,
    /// How often its nonce was used while none of its attempts was in a block.
    missing: u32,
}

/// The submit task's state.
#[derive(Clone, Debug)]
pub struct State {
    me: Address,
    least_fee: BTreeMap<Address, U256>,
    ceiling: u128,
    view: Option<View>,
    book: Book,
    job: Option<Job>,
    settling: Vec<(B256, u64)>,
    /// Items of included transactions that were not looked at since.
    paid_for: BTreeSet<u64>,
    turn: Option<((bool, u64), u64)>,
    not_before: u64,
    waits: Option<String>,
}

impl State {
    /// The state of member `me`, which claims exits from `first_exit` on that pay at least
    /// `least_fee`, and offers at most `ceiling` wei for a unit of gas.
    pub const fn new(
        me: Address,
        least_fee: BTreeMap<Address, U256>,
        ceiling: u128,
        first_exit: u64,
    ) -> Self {
        Self {
            me,
            least_fee,
            ceiling,
            view: None,
            book: Book::starting_at(first_exit),
            job: None,
            settling: Vec::new(),
            paid_for: BTreeSet::new(),
            turn: None,
            not_before: 0,
            waits: None,
        }
    }

    /// Why nothing is submitted just now, if anything hinders it.
    pub fn waits(&self) -> Option<&str> {
        self.waits.as_deref()
    }

    /// The exits known.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// The hash of the newest attempt of the transaction under way.
    pub fn under_way(&self) -> Option<B256> {
        self.job.as_ref()?.attempts.last().copied()
    }

    /// Takes an event, returns what to do.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::View(view) => {
                self.view = Some(view.clone());
                return self.look(&view);
            }
            Event::Scanned(exits) => self.book.add(&exits, self.now()),
            Event::Claimed(seen) => {
                let finalized = self.view.as_ref().map_or(0, |view| view.l1_finalized);
                let now = self.now();
                for (index, claimed) in seen {
                    self.book.seen(index, claimed, now, finalized);
                    let paid_for = self.paid_for.remove(&index);
                    if paid_for && !claimed {
                        self.book.failed(index, now);
                    }
                }
            }
            Event::Sent { order, hash } => self.on_sent(order, hash),
            Event::Refused { order, refusal } => return self.on_refused(&order, refusal),
            Event::Found(found) => return self.on_found(found),
            Event::Settled { hash, .. } => self.settling.retain(|(other, _)| *other != hash),
        }
        Vec::new()
    }

    fn now(&self) -> u64 {
        self.view.as_ref().map_or(0, |view| view.l1_height)
    }

    fn look(&mut self, view: &View) -> Vec<Action> {
        let mut actions = Vec::new();
        let final_now = self.settling.iter().filter(|(_, block)| *block <= view.l1_finalized);
        actions.extend(final_now.map(|(hash, _)| Action::Settle(*hash)));
        let to_settle = self.book.to_settle(view.l1_finalized);
        if !to_settle.is_empty() {
            actions.push(Action::Check(to_settle));
        }
        let known = view.quorum.map_or(0, |quorum| quorum.exit_count).max(view.vault.exit_count);
        let first = self.book.scanned();
        if first < known {
            let end = known.min(first.saturating_add(SCAN));
            // What is not scanned cannot be claimed along: first the scan.
            actions.push(Action::Scan { first, end });
            return actions;
        }
        match &self.job {
            Some(job) => actions.push(Action::Look(job.attempts.clone())),
            None => actions.extend(self.next(view)),
        }
        actions
    }

    /// The next transaction, if there is something to do and it is this member's turn.
    fn next(&mut self, view: &View) -> Option<Action> {
        let Some(purpose) = self.purpose(view) else {
            (self.turn, self.waits) = (None, None);
            return None;
        };
        let number = match (&purpose.checkpoint, purpose.items.first()) {
            (Some(quorum), _) => (true, quorum.index),
            (None, item) => (false, item.copied().unwrap_or_default()),
        };
        if self.turn.is_none_or(|(known, _)| known != number) {
            self.turn = Some((number, view.l1_height));
        }
        let (_, since) = self.turn?;
        let Some(rank) = turns::rank(&view.members, self.me, number.1) else {
            self.waits = Some(format!("{} is not a member", self.me));
            return None;
        };
        let due = since.saturating_add(rank.saturating_mul(STEP_IN_BLOCKS));
        if view.l1_height < due.max(self.not_before) {
            return None;
        }
        let Some(fees) = fees::first(view.market, self.ceiling) else {
            self.waits = Some(format!("gas costs more than {} wei", self.ceiling));
            return None;
        };
        self.waits = None;
        Some(Action::Send(Order { purpose, nonce: view.nonce, fees }))
    }

    fn purpose(&self, view: &View) -> Option<Purpose> {
        let least = |asset: Address| self.least_fee.get(&asset).copied().unwrap_or_default();
        let vault = view.vault;
        if let Some(quorum) = view.quorum.filter(|quorum| quorum.height > vault.height) {
            let grown = quorum.exit_count != vault.exit_count;
            let ring_index = if grown { (vault.ring_index + 1) % 64 } else { vault.ring_index };
            return Some(Purpose {
                checkpoint: Some(quorum),
                items: self.book.batch(quorum.exit_count, least),
                exit_count: quorum.exit_count,
                ring_index,
                single: false,
            });
        }
        let batch = self.book.batch(vault.exit_count, least);
        let single = self.book.single(vault.exit_count, view.l1_height, least);
        let (items, single) = match single {
            Some(index) if batch.is_empty() => (vec![index], true),
            _ => (batch, false),
        };
        let Accepted { exit_count, ring_index, .. } = vault;
        (!items.is_empty()).then_some(Purpose {
            checkpoint: None,
            items,
            exit_count,
            ring_index,
            single,
        })
    }

    fn on_sent(&mut self, order: Order, hash: B256) {
        let sent_at = self.now();
        match &mut self.job {
            Some(job) if job.order.nonce == order.nonce => {
                job.order = order;
                if !job.attempts.contains(&hash) {
                    job.attempts.push(hash);
                }
                job.sent_at = sent_at;
            }
            _ => self.job = Some(Job { order, attempts: vec![hash], sent_at, missing: 0 }),
        }
    }

    fn on_refused(&mut self, order: &Order, refusal: Refusal) -> Vec<Action> {
        let now = self.now();
        match refusal {
            Refusal::Useless if self.job.is_none() => {
                // Singly, the exit is to blame; with a checkpoint or in a batch, the moment.
                if order.purpose.single {
                    order.purpose.items.iter().for_each(|item| self.book.failed(*item, now));
                } else {
                    self.pause(now, "the transaction would revert");
                }
                Vec::new()
            }
            Refusal::Underpriced => self.replace(order.clone()),
            Refusal::Refused => {
                self.pause(now, "the L1 refuses the transaction");
                Vec::new()
            }
            Refusal::Useless | Refusal::NonceUsed => Vec::new(),
        }
    }

    fn pause(&mut self, now: u64, why: &str) {
        self.not_before = now.saturating_add(REFUSED_BLOCKS);
        self.waits = Some(format!("{why}; next attempt at L1 block {}", self.not_before));
    }

    fn replace(&mut self, order: Order) -> Vec<Action> {
        let Some(view) = &self.view else { return Vec::new() };
        match fees::bump(order.fees, view.market, self.ceiling) {
            Some(fees) => vec![Action::Send(Order { fees, ..order })],
            None => {
                let now = self.now();
                self.pause(now, "a replacement would pay more than `max_fee_gwei`");
                Vec::new()
            }
        }
    }

    fn on_found(&mut self, found: Option<(B256, u64)>) -> Vec<Action> {
        let Some(job) = &mut self.job else { return Vec::new() };
        let Some(view) = &self.view else { return Vec::new() };
        if let Some((hash, block)) = found {
            let items = job.order.purpose.items.clone();
            self.settling.push((hash, block));
            self.paid_for.extend(&items);
            self.job = None;
            self.waits = None;
            return if items.is_empty() { Vec::new() } else { vec![Action::Check(items)] };
        }
        if view.nonce > job.order.nonce {
            // Once may be an endpoint between two blocks.
            job.missing = job.missing.saturating_add(1);
            if job.missing > 1 {
                self.job = None;
            }
            return Vec::new();
        }
        job.missing = 0;
        if view.l1_height < job.sent_at.saturating_add(BUMP_BLOCKS) {
            return Vec::new();
        }
        let order = job.order.clone();
        self.replace(order)
    }
}

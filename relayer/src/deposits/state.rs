//! What the deposit task knows and what it does about it. No I/O, no clock: time is the sidechain's
//! height as it comes in.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use mooring_bridge::{Count, DepositHead, Epoch, Head, Leaf, proof::ProvenHead};

use super::log::Log;
use crate::turns;

/// The most leaves that an open head may be above the accepted one (spec 3.2).
pub const MAX_ADVANCE: u64 = 256;
/// After so many sidechain blocks without effect a message is sent again.
pub const RESEND_BLOCKS: u64 = 8;
/// After so many sidechain blocks the next member delivers in place of the one whose turn it is.
pub const STEP_IN_BLOCKS: u64 = 4;

/// The sidechain as the task sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The newest block.
    pub height: u64,
    /// The current epoch.
    pub epoch: Epoch,
    /// Its members, ascending.
    pub members: Vec<Address>,
    /// Newest accepted head.
    pub accepted: Head,
    /// Head after the last leaf delivered.
    pub delivered: Head,
    /// Accepted heads without leaves, oldest first.
    pub undelivered: Vec<Head>,
    /// Heads with votes but no quorum.
    pub open: Vec<OpenHead>,
    /// Whether the peg has halted itself.
    pub halted: bool,
}

/// A head with votes but no quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHead {
    /// Who opened it.
    pub opener: Address,
    /// The head.
    pub head: Head,
    /// Who signed.
    pub signers: Vec<Address>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The sidechain was read.
    Status(Status),
    /// A head was proven at a finalized L1 block on which enough endpoints agree.
    Proven(ProvenHead),
    /// The leaves that [`Action::Read`] asked for, as one endpoint's logs have them.
    Leaves {
        /// The request's `after`.
        after: Head,
        /// The request's `to`.
        to: Head,
        /// What was read.
        leaves: Vec<Leaf>,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the leaves after one head up to another, from logs up to an L1 block.
    Read {
        /// The last leaf known.
        after: Head,
        /// The proven head.
        to: Head,
        /// The L1 block of the proof.
        block: u64,
        /// How many attempts went wrong: another endpoint is to be asked each time.
        attempt: u64,
    },
    /// Sign this head and post the vote.
    Vote(DepositHead),
    /// Post these leaves of the accepted head.
    Deliver {
        /// The accepted head.
        head: Head,
        /// Exactly its leaves.
        leaves: Vec<Leaf>,
    },
}

/// The deposit task's state.
#[derive(Clone, Debug)]
pub struct State {
    me: Address,
    genesis: Head,
    status: Option<Status>,
    proven: Option<ProvenHead>,
    /// Everything in it is proven. `None` until the sidechain was read.
    log: Option<Log>,
    attempt: u64,
    voted: BTreeMap<(Epoch, Head), u64>,
    opening: Option<(Epoch, Head)>,
    waiting: Option<(Head, u64)>,
    delivered_at: Option<u64>,
    stopped: Option<String>,
    abstains: Option<String>,
}

impl State {
    /// The state of member `me` in a log that starts at `genesis` (count 0, acc_0).
    pub const fn new(me: Address, genesis: Head) -> Self {
        Self {
            me,
            genesis,
            status: None,
            proven: None,
            log: None,
            attempt: 0,
            voted: BTreeMap::new(),
            opening: None,
            waiting: None,
            delivered_at: None,
            stopped: None,
            abstains: None,
        }
    }

    /// Why everything must stop: what was accepted is no longer on L1. It never ends by itself.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Why nothing is signed just now, if anything hinders it.
    pub fn abstains(&self) -> Option<&str> {
        self.stopped().or(self.abstains.as_deref())
    }

    /// The newest proven head whose leaves are known.
    pub fn verified(&self) -> Option<Head> {
        self.log.as_ref().map(Log::tip)
    }

    /// The newest proven head.
    pub fn proven(&self) -> Option<Head> {
        self.proven.map(|proven| proven.head)
    }

    /// Takes an event, returns what to do.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Status(status) => self.on_status(status),
            Event::Proven(proven) => self.on_proven(proven),
            Event::Leaves { after, to, leaves } => self.on_leaves(after, to, leaves),
        }
        self.act()
    }

    fn on_status(&mut self, status: Status) {
        // Several nodes answer: an older view than the last one is no news.
        if self.status.as_ref().is_some_and(|known| known.height > status.height) {
            return;
        }
        match &mut self.log {
            None => self.log = Some(Log::new(status.delivered)),
            Some(log) => log.prune(status.delivered),
        }
        self.voted.retain(|(epoch, head), _| {
            *epoch == status.epoch && head.count > status.accepted.count
        });
        self.status = Some(status);
    }

    fn on_proven(&mut self, proven: ProvenHead) {
        let Some(last) = self.proven else {
            self.proven = Some(proven);
            return;
        };
        if proven.block_number < last.block_number {
            return;
        }
        if proven.head.count < last.head.count {
            self.on_shrunk(last, proven);
        }
        self.proven = Some(proven);
    }

    /// A later finalized block holds fewer leaves: L1 has undone finalized blocks.
    fn on_shrunk(&mut self, last: ProvenHead, proven: ProvenHead) {
        let accepted = self.status.as_ref().map(|status| status.accepted.count);
        if accepted.is_some_and(|accepted| proven.head.count < accepted) {
            self.stop(format!(
                "L1 block {} holds {} leaves, block {} held {}: finalized blocks below the \
                 accepted head are undone",
                proven.block_number, proven.head.count, last.block_number, last.head.count
            ));
        }
        self.restart();
    }

    fn on_leaves(&mut self, after: Head, to: Head, leaves: Vec<Leaf>) {
        let Some(proven) = self.proven else { return };
        let Some(log) = &mut self.log else { return };
        if log.tip() != after || proven.head != to {
            return;
        }
        if log.extend(leaves, to).is_ok() {
            self.attempt = 0;
            return;
        }
        self.attempt = self.attempt.saturating_add(1);
        self.restart();
    }

    /// Goes back to where the log is surely right: first to what the sidechain has delivered, from
    /// the second failure on to the empty log, from which a reorg can be told from a lie.
    fn restart(&mut self) {
        let delivered = self.status.as_ref().map(|status| status.delivered);
        let base = delivered.filter(|_| self.attempt < 2).unwrap_or(self.genesis);
        self.log = Some(Log::new(base));
    }

    fn stop(&mut self, reason: String) {
        self.stopped.get_or_insert(reason);
    }

    fn act(&mut self) -> Vec<Action> {
        let abstains = self.hindrance();
        let reads = self.read();
        if abstains.is_some() || self.stopped.is_some() {
            self.abstains = abstains;
            return if self.stopped.is_some() { Vec::new() } else { reads };
        }
        let Some(status) = self.status.clone() else { return reads };
        let mut actions = reads;
        self.abstains = self.doubt(&status);
        actions.extend(self.vote(&status));
        actions.extend(self.deliver(&status));
        actions
    }

    /// Why this member cannot act at all; a reorg below the accepted head is found here.
    fn hindrance(&mut self) -> Option<String> {
        let (Some(status), Some(log)) = (&self.status, &self.log) else {
            return Some("the sidechain was not read yet".into());
        };
        let Some(proven) = self.proven else {
            return Some("no L1 head is proven yet".into());
        };
        if status.halted {
            return Some("the peg has halted itself".into());
        }
        if !status.members.contains(&self.me) {
            return Some(format!("{} is not a member of epoch {}", self.me, status.epoch));
        }
        if log.tip() != proven.head {
            let newer = proven.head.count > log.tip().count;
            return Some(if self.attempt > 0 {
                format!("logs do not hash to the proven head {}", proven.head.count)
            } else if newer {
                format!("leaves up to {} are being read", proven.head.count)
            } else {
                format!("proven head {} is behind the delivered one", proven.head.count)
            });
        }
        for (name, head) in [("accepted", status.accepted), ("delivered", status.delivered)] {
            if log.head_at(head.count).is_some_and(|ours| ours != head) {
                let reason = format!(
                    "{name} head {} is not on L1's finalized chain any more: nothing is signed \
                     until a coordinated upgrade",
                    head.count
                );
                self.stop(reason);
                return None;
            }
        }
        if status.accepted.count > log.tip().count {
            return Some(format!(
                "proven head {} is behind the accepted head {}",
                log.tip().count,
                status.accepted.count
            ));
        }
        None
    }

    fn read(&mut self) -> Vec<Action> {
        let (Some(proven), Some(log)) = (self.proven, &self.log) else { return Vec::new() };
        let tip = log.tip();
        if tip == proven.head {
            return Vec::new();
        }
        if tip.count >= proven.head.count {
            // The same count with another acc, or the sidechain is ahead of this proof. In the
            // first case one of them is wrong: only the whole log can tell.
            if tip.count == proven.head.count && tip.count > Count::ZERO {
                self.attempt = self.attempt.max(2);
                self.log = Some(Log::new(self.genesis));
                return self.read();
            }
            return Vec::new();
        }
        let Self { attempt, .. } = *self;
        vec![Action::Read { after: tip, to: proven.head, block: proven.block_number, attempt }]
    }

    /// A head that others have opened and this member cannot confirm.
    fn doubt(&self, status: &Status) -> Option<String> {
        let log = self.log.as_ref()?;
        let tip = log.tip().count;
        let contradicts = |open: &&OpenHead| open.head.count <= tip && !log.holds(open.head);
        let open = status.open.iter().find(contradicts)?;
        Some(format!(
            "open head {} of {} is not what the Vault holds",
            open.head.count, open.opener
        ))
    }

    fn vote(&mut self, status: &Status) -> Vec<Action> {
        let Some(log) = &self.log else { return Vec::new() };
        let reach = status.accepted.count.get().saturating_add(MAX_ADVANCE);
        let good = |open: &&OpenHead| {
            open.head.count > status.accepted.count
                && open.head.count.get() <= reach
                && log.holds(open.head)
        };
        let confirmed: Vec<&OpenHead> = status.open.iter().filter(good).collect();
        let mut heads: Vec<Head> = confirmed
            .iter()
            .filter(|open| !open.signers.contains(&self.me))
            .map(|open| open.head)
            .collect();
        let opened = status.open.iter().any(|open| open.opener == self.me);
        if confirmed.is_empty() && !opened {
            let newest = log.head_at(Count::new(log.tip().count.get().min(reach)));
            // A vote may still be on its way: until the chain shows it, no other head is opened.
            let opening = self.opening.filter(|(epoch, head)| {
                *epoch == status.epoch && head.count > status.accepted.count && log.holds(*head)
            });
            let head = opening.map(|(_, head)| head).or(newest);
            let head = head.filter(|head| head.count > status.accepted.count);
            self.opening = head.map(|head| (status.epoch, head));
            heads.extend(head);
        }
        heads.retain(|head| !contradicts_own(status, self.me, *head));
        heads.into_iter().filter_map(|head| self.vote_once(status, head)).collect()
    }

    fn vote_once(&mut self, status: &Status, head: Head) -> Option<Action> {
        let sent = self.voted.get(&(status.epoch, head));
        if sent.is_some_and(|sent| status.height < sent.saturating_add(RESEND_BLOCKS)) {
            return None;
        }
        self.voted.insert((status.epoch, head), status.height);
        let Head { count, acc } = head;
        Some(Action::Vote(DepositHead { epoch: status.epoch, count, acc }))
    }

    fn deliver(&mut self, status: &Status) -> Option<Action> {
        let Some(&head) = status.undelivered.first() else {
            self.waiting = None;
            return None;
        };
        if self.waiting.is_none_or(|(waiting, _)| waiting != head) {
            self.waiting = Some((head, status.height));
            self.delivered_at = None;
        }
        let (_, since) = self.waiting?;
        let rank = turns::rank(&status.members, self.me, head.count.get())?;
        let turn = since.saturating_add(rank.saturating_mul(STEP_IN_BLOCKS));
        let again = self.delivered_at.map_or(turn, |at| at.saturating_add(RESEND_BLOCKS));
        if status.height < turn.max(again) {
            return None;
        }
        let leaves = self.log.as_ref()?.between(status.delivered, head)?;
        self.delivered_at = Some(status.height);
        Some(Action::Deliver { head, leaves })
    }
}

/// Whether the chain shows that `me` signed another acc for the count of `head`: then the journal
/// was lost, and signing would contradict.
fn contradicts_own(status: &Status, me: Address, head: Head) -> bool {
    let same = |open: &&OpenHead| open.head.count == head.count && open.head != head;
    status.open.iter().filter(same).any(|open| open.signers.contains(&me))
}

//! What the checkpoint task knows and what it does about it. No I/O, no clock: time is the
//! sidechain's height as it comes in.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use mooring_bridge::{Checkpoint, Epoch};

/// After so many sidechain blocks without effect a vote is sent again.
pub const RESEND_BLOCKS: u64 = 8;
/// After so many sidechain blocks a record that differed is built again.
pub const REBUILD_BLOCKS: u64 = 4;

/// The sidechain as the task sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The newest block.
    pub height: u64,
    /// The current epoch.
    pub epoch: Epoch,
    /// Its members, ascending.
    pub members: Vec<Address>,
    /// Whether the peg has halted itself.
    pub halted: bool,
    /// The records that the chain keeps, oldest first.
    pub records: Vec<Record>,
}

/// A record that the chain keeps of a named block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What would be signed, as the chain states it.
    pub checkpoint: Checkpoint,
    /// Whether the block after it has completed it.
    pub complete: bool,
    /// Whether it has quorum.
    pub quorum: bool,
    /// Who signed.
    pub signers: Vec<Address>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The sidechain was read.
    Status(Status),
    /// A record was built from the block and its state, without looking at the chain's record.
    Rebuilt(Checkpoint),
    /// Nothing may be signed any more.
    Stop(String),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Build the record of this height from the block and its state.
    Rebuild(u64),
    /// Sign this and post the vote.
    Vote(Checkpoint),
}

/// The checkpoint task's state.
#[derive(Clone, Debug)]
pub struct State {
    me: Address,
    status: Option<Status>,
    rebuilt: BTreeMap<u64, Checkpoint>,
    differed: BTreeMap<u64, u64>,
    voted: BTreeMap<u64, u64>,
    stopped: Option<String>,
    abstains: Option<String>,
}

impl State {
    /// The state of member `me`.
    pub const fn new(me: Address) -> Self {
        Self {
            me,
            status: None,
            rebuilt: BTreeMap::new(),
            differed: BTreeMap::new(),
            voted: BTreeMap::new(),
            stopped: None,
            abstains: None,
        }
    }

    /// Why nothing is signed just now, if anything hinders it.
    pub fn abstains(&self) -> Option<&str> {
        self.stopped.as_deref().or(self.abstains.as_deref())
    }

    /// Takes an event, returns what to do.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Status(status) => {
                if self.status.as_ref().is_some_and(|known| known.height > status.height) {
                    return Vec::new();
                }
                self.forget(&status);
                self.status = Some(status);
            }
            Event::Rebuilt(checkpoint) => {
                self.rebuilt.insert(checkpoint.height.get(), checkpoint);
            }
            Event::Stop(reason) => {
                self.stopped.get_or_insert(reason);
            }
        }
        self.act()
    }

    /// Keeps only what belongs to records that the chain keeps.
    fn forget(&mut self, status: &Status) {
        let kept = |height: &u64| {
            status.records.iter().any(|record| record.checkpoint.height.get() == *height)
        };
        self.rebuilt.retain(|height, _| kept(height));
        self.differed.retain(|height, _| kept(height));
        self.voted.retain(|height, _| kept(height));
    }

    fn act(&mut self) -> Vec<Action> {
        self.abstains = None;
        let Some(status) = self.status.clone() else {
            self.abstains = Some("the sidechain was not read yet".into());
            return Vec::new();
        };
        if self.stopped.is_some() {
            return Vec::new();
        }
        if status.halted {
            self.abstains = Some("the peg has halted itself".into());
            return Vec::new();
        }
        if !status.members.contains(&self.me) {
            self.abstains = Some(format!("{} is not a member of epoch {}", self.me, status.epoch));
            return Vec::new();
        }
        let open = |record: &&Record| {
            record.complete
                && !record.quorum
                && record.checkpoint.epoch == status.epoch
                && record.checkpoint.height.get() < status.height
                && !record.signers.contains(&self.me)
        };
        let open: Vec<Record> = status.records.iter().filter(open).cloned().collect();
        open.iter().filter_map(|record| self.judge(record, status.height)).collect()
    }

    fn judge(&mut self, record: &Record, now: u64) -> Option<Action> {
        let height = record.checkpoint.height.get();
        let Some(own) = self.rebuilt.get(&height) else {
            let wait = self.differed.get(&height).map_or(0, |at| at.saturating_add(REBUILD_BLOCKS));
            if now < wait {
                self.abstains = Some(differs(height));
                return None;
            }
            return Some(Action::Rebuild(height));
        };
        if *own != record.checkpoint {
            self.rebuilt.remove(&height);
            self.differed.insert(height, now);
            self.abstains = Some(differs(height));
            return None;
        }
        let sent = self.voted.get(&height);
        if sent.is_some_and(|sent| now < sent.saturating_add(RESEND_BLOCKS)) {
            return None;
        }
        self.voted.insert(height, now);
        Some(Action::Vote(*own))
    }
}

fn differs(height: u64) -> String {
    format!("the chain's record of block {height} is not what the block and its state give")
}

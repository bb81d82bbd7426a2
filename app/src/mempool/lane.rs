//! The federation's lane: messages that no amount of user transactions crowds out.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes};
use mooring_bridge::{Count, Epoch, Height};

use super::{PoolLimits, Rejection};

/// What a federation message is for. Each holds at most one open message, so a member fills no
/// more of the lane than it has things to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LaneKey {
    /// A member's vote for a head with this count.
    Head {
        /// Who signed.
        member: Address,
        /// The head's count.
        count: Count,
    },
    /// A member's vote for the checkpoint of this height.
    Checkpoint {
        /// Who signed.
        member: Address,
        /// The checkpoint's height.
        height: Height,
    },
    /// A member's vote for the list of this epoch.
    Update {
        /// Who signed.
        member: Address,
        /// The new epoch.
        epoch: Epoch,
    },
    /// Leaves of an accepted head; anyone delivers them, and equal ones have equal hashes.
    Delivery {
        /// keccak256 of the message.
        hash: B256,
    },
}

/// A federation message that the peg's state allows now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneMessage {
    /// keccak256 of the bytes.
    pub hash: B256,
    /// What it is for.
    pub key: LaneKey,
    /// The message's bytes.
    pub raw: Bytes,
}

/// The open federation messages in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Lane {
    by_arrival: BTreeMap<u64, LaneMessage>,
    by_key: BTreeMap<LaneKey, u64>,
    by_hash: BTreeMap<B256, u64>,
    bytes: usize,
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.by_arrival.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &LaneMessage> {
        self.by_arrival.values()
    }

    pub(super) fn get(&self, hash: &B256) -> Option<&LaneMessage> {
        self.by_arrival.get(self.by_hash.get(hash)?)
    }

    pub(super) fn insert(
        &mut self,
        message: LaneMessage,
        arrival: u64,
        limits: &PoolLimits,
    ) -> Result<(), Rejection> {
        if self.by_hash.contains_key(&message.hash) {
            return Err(Rejection::AlreadyKnown);
        }
        if let Some(open) = self.by_key.get(&message.key).and_then(|at| self.by_arrival.get(at)) {
            return Err(Rejection::SlotTaken { open: open.hash });
        }
        let bytes = self.bytes.saturating_add(message.raw.len());
        if self.len() >= limits.lane_count || bytes > limits.lane_bytes {
            return Err(Rejection::LaneFull);
        }
        self.bytes = bytes;
        self.by_key.insert(message.key, arrival);
        self.by_hash.insert(message.hash, arrival);
        self.by_arrival.insert(arrival, message);
        Ok(())
    }

    pub(super) fn remove(&mut self, hash: &B256) -> Option<LaneMessage> {
        let message = self.by_arrival.remove(&self.by_hash.remove(hash)?)?;
        self.by_key.remove(&message.key);
        self.bytes = self.bytes.saturating_sub(message.raw.len());
        Some(message)
    }
}

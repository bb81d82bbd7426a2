//! The peg's state machine over the storage of the Peg account (spec 2.8, 3 and 4).
//!
//! Pure and deterministic: slots, messages and block numbers in, slots out. It must not know
//! about transactions, the EVM, consensus engines or L1 endpoints. The state transition calls it
//! in this order for each block:
//!
//! 1. [`Peg::complete_record`] with the parent block,
//! 2. [`Peg::apply`] for each federation message,
//! 3. [`Peg::next_leaf`] and [`Peg::credited`] for each credit that its gas budget allows,
//! 4. [`Peg::append_exit`] for each exit, bounces included, and [`Peg::destroyed`],
//! 5. [`Peg::end_block`], which may name a checkpoint.
//!
//! Reading needs no [`Peg`]: the functions in [`view`] answer from any [`ReadSlots`].

mod checkpoints;
mod delivery;
mod epoch;
mod exits;
mod heads;
mod records;
mod refused;
mod store;
pub mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use mooring_bridge::{Exit, FederationMessage, Height, Leaf, MemberList, slots};

pub use self::{
    refused::{PegError, Refused},
    store::{ReadSlots, Slots},
};
use self::{
    store::{Draft, WriteWords},
    view::ExitHead,
};
use crate::{Fault, params::PegParams};

/// The most leaves that a head may be above the accepted one, and so that a delivery has.
pub const MAX_HEAD_ADVANCE: u64 = 256;
/// The most checkpoints that wait for their quorum at once; the oldest lapses.
pub const MAX_OPEN_CHECKPOINTS: u64 = 4;

/// The peg at one point of one block.
#[derive(Debug)]
pub struct Peg<'a, S> {
    params: &'a PegParams,
    slots: &'a mut S,
}

impl<'a, S: Slots> Peg<'a, S> {
    /// The peg whose state is in `slots`.
    pub const fn new(params: &'a PegParams, slots: &'a mut S) -> Self {
        Self { params, slots }
    }

    /// Writes the state at height 0: epoch 1 with its members, an empty deposit log that starts at
    /// the domain's `acc_0`, and an empty exit tree.
    ///
    /// # Errors
    /// A [`Fault`] when the two lists are not of one length: each member has one recovery key.
    pub fn genesis(&mut self, members: &MemberList, recovery: &MemberList) -> Result<(), Fault> {
        epoch::genesis(self.slots, members, recovery)?;
        delivery::genesis(self.slots, self.params.domain.acc_0());
        exits::genesis(self.slots);
        Ok(())
    }

    /// Completes the checkpoint record that was named at `height`, if one was: a block does not
    /// know its own hash, so the next block calls this first, with its parent's.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn complete_record(
        &mut self,
        height: Height,
        block_hash: B256,
        state_root: B256,
    ) -> Result<(), Fault> {
        checkpoints::complete(self.slots, height, block_hash, state_root)
    }

    /// Applies one federation message, whole or not at all.
    ///
    /// # Errors
    /// [`PegError::Refused`] when the message is invalid here; nothing is written then.
    /// [`PegError::Fault`] when the store cannot be read.
    pub fn apply(&mut self, message: &FederationMessage) -> Result<(), PegError> {
        for (slot, value) in judge(self.params, &*self.slots, message)? {
            self.slots.set(slot, value);
        }
        Ok(())
    }

    /// The next leaf to credit with the deposit log's acc after it; `None` when all that was
    /// delivered is credited, or when the peg is halted.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read or its queue is damaged.
    pub fn next_leaf(&self) -> Result<Option<(Leaf, B256)>, Fault> {
        if self.is_halted()? {
            return Ok(None);
        }
        delivery::next_leaf(&*self.slots)
    }

    /// Marks `leaf`, which is the one that [`Self::next_leaf`] gave, as credited: moves the
    /// credited head, removes the leaf from the queue and adds its value to the asset's sum. A
    /// leaf that bounced is credited too: its exits balance it.
    ///
    /// # Errors
    /// A [`Fault`] when `leaf` is not the next leaf.
    pub fn credited(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        delivery::credited(self.slots, leaf)
    }

    /// Appends an exit to the tree and adds its amount to the asset's sum.
    ///
    /// # Errors
    /// A [`Fault`] when the exit's index is not the tree's count, or the tree is full: the Gateway
    /// numbers exits and refuses them when full.
    pub fn append_exit(&mut self, exit: &Exit) -> Result<(), Fault> {
        exits::append(self.slots, exit)
    }

    /// Count and root of the exit tree.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn exit_head(&self) -> Result<ExitHead, Fault> {
        view::exit_head(&*self.slots)
    }

    /// Adds `amount` wei to the native coin that self-destructs have burnt.
    ///
    /// # Errors
    /// A [`Fault`] when the sum leaves 256 bits: it is bounded by the ether that exists.
    pub fn destroyed(&mut self, amount: U256) -> Result<(), Fault> {
        let sum = self.slots.get(slots::destroyed())?.checked_add(amount);
        self.slots.set(slots::destroyed(), sum.ok_or_else(|| Fault::new("destroyed overflows"))?);
        Ok(())
    }

    /// Halts the peg for good: from now on it refuses every message, gives no leaf to credit and
    /// names no checkpoint.
    pub fn halt(&mut self) {
        self.slots.set_number(slots::halted(), 1);
    }

    /// Whether the peg has halted itself.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn is_halted(&self) -> Result<bool, Fault> {
        view::is_halted(&*self.slots)
    }

    /// Names block `height` a checkpoint if the rules of spec 4.2 ask for it. `timestamp` is the
    /// block's, in seconds. Call it after the block's last exit and credit.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn end_block(&mut self, height: Height, timestamp: u64) -> Result<(), Fault> {
        if self.is_halted()? {
            return Ok(());
        }
        checkpoints::end_block(self.params, self.slots, height, timestamp)
    }
}

/// Whether `message` would be applied to `slots`; the same code as [`Peg::apply`], without its
/// writes.
///
/// # Errors
/// As [`Peg::apply`].
pub fn check(
    params: &PegParams,
    slots: &impl ReadSlots,
    message: &FederationMessage,
) -> Result<(), PegError> {
    judge(params, slots, message).map(drop)
}

/// What `message` writes, by slot.
fn judge(
    params: &PegParams,
    slots: &impl ReadSlots,
    message: &FederationMessage,
) -> Result<BTreeMap<U256, U256>, PegError> {
    if view::is_halted(slots)? {
        return Err(Refused::Halted.into());
    }
    let mut draft = Draft::new(slots);
    match message {
        FederationMessage::HeadVote(vote) => heads::vote(&params.domain, &mut draft, vote)?,
        FederationMessage::Delivery(leaves) => delivery::deliver(&mut draft, leaves)?,
        FederationMessage::CheckpointVote(vote) => {
            checkpoints::vote(&params.domain, &mut draft, vote)?;
        }
        FederationMessage::UpdateVote(_) => return Err(Refused::UpdatesNotOpen.into()),
    }
    Ok(draft.into_writes())
}

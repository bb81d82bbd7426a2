//! Checkpoint records: their words, their bounds and their signatures (spec 2.8).
//!
//! The records kept are the last one with quorum and the open ones after it, at most
//! [`MAX_OPEN_CHECKPOINTS`], with consecutive indices. Between the two may be a gap, where the
//! oldest open ones have lapsed.

use std::ops::Range;

use alloy_primitives::{B256, U256};
use mooring_bridge::{Checkpoint, Count, Epoch, Height, Signature, slots};

use super::{
    MAX_OPEN_CHECKPOINTS, ReadSlots, Slots,
    store::{ReadWords, WriteWords},
};
use crate::Fault;

/// A record: what members sign, and when it was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Block hash and state root are zero until the block after the named one.
    pub(super) checkpoint: Checkpoint,
    /// Time of the named block, in seconds.
    pub(super) time: u64,
}

impl Record {
    /// Whether the block after the named one has completed it.
    pub(super) fn is_complete(&self) -> bool {
        !self.checkpoint.block_hash.is_zero()
    }
}

/// Index of the last record with quorum.
pub(super) fn last_quorum(slots: &impl ReadSlots) -> Result<Option<u64>, Fault> {
    Ok(slots.number(slots::ckpt_quorum())?.checked_sub(1))
}

/// One past the last record.
pub(super) fn next(slots: &impl ReadSlots) -> Result<u64, Fault> {
    slots.number(slots::ckpt_next())
}

/// The records that wait for their quorum.
pub(super) fn open(slots: &impl ReadSlots) -> Result<Range<u64>, Fault> {
    let next = next(slots)?;
    let first = slots.number(slots::ckpt_quorum())?.max(next.saturating_sub(MAX_OPEN_CHECKPOINTS));
    Ok(first..next)
}

/// The records kept: the last with quorum, then the open ones.
pub(super) fn kept(slots: &impl ReadSlots) -> Result<Vec<u64>, Fault> {
    Ok(last_quorum(slots)?.into_iter().chain(open(slots)?).collect())
}

/// Reads record `index`.
pub(super) fn read(slots: &impl ReadSlots, index: u64) -> Result<Record, Fault> {
    let checkpoint = Checkpoint {
        epoch: Epoch::new(slots.number(slots::ckpt_epoch(index))?),
        height: height(slots, index)?,
        block_hash: slots.hash(slots::ckpt_block(index))?,
        state_root: slots.hash(slots::ckpt_state(index))?,
        exit_count: slots.number(slots::ckpt_exits(index))?,
        exit_root: slots.hash(slots::ckpt_exitroot(index))?,
        credited_count: Count::new(slots.number(slots::ckpt_credited(index))?),
        credited_acc: slots.hash(slots::ckpt_acc(index))?,
    };
    Ok(Record { checkpoint, time: slots.number(slots::ckpt_time(index))? })
}

/// Height of record `index`.
pub(super) fn height(slots: &impl ReadSlots, index: u64) -> Result<Height, Fault> {
    slots.number(slots::ckpt_height(index)).map(Height::new)
}

/// Writes record `index`, without signatures.
pub(super) fn write(slots: &mut impl Slots, index: u64, record: &Record) {
    let Record { checkpoint, time } = record;
    slots.set(slots::ckpt_height(index), checkpoint.height.word());
    slots.set(slots::ckpt_epoch(index), checkpoint.epoch.word());
    slots.set_number(slots::ckpt_time(index), *time);
    slots.set_hash(slots::ckpt_block(index), checkpoint.block_hash);
    slots.set_hash(slots::ckpt_state(index), checkpoint.state_root);
    slots.set_number(slots::ckpt_exits(index), checkpoint.exit_count);
    slots.set_hash(slots::ckpt_exitroot(index), checkpoint.exit_root);
    slots.set(slots::ckpt_credited(index), checkpoint.credited_count.word());
    slots.set_hash(slots::ckpt_acc(index), checkpoint.credited_acc);
}

/// Removes every word of record `index`.
pub(super) fn remove(slots: &mut impl Slots, index: u64) -> Result<(), Fault> {
    for member in members_of(votes(slots, index)?) {
        slots.delete(slots::ckpt_r(index, member));
        slots.delete(slots::ckpt_vs(index, member));
    }
    for slot in [
        slots::ckpt_votes(index),
        slots::ckpt_height(index),
        slots::ckpt_epoch(index),
        slots::ckpt_time(index),
        slots::ckpt_block(index),
        slots::ckpt_state(index),
        slots::ckpt_exits(index),
        slots::ckpt_exitroot(index),
        slots::ckpt_credited(index),
        slots::ckpt_acc(index),
    ] {
        slots.delete(slot);
    }
    Ok(())
}

/// Bit map of the signers of record `index`.
pub(super) fn votes(slots: &impl ReadSlots, index: u64) -> Result<u128, Fault> {
    slots.bits(slots::ckpt_votes(index))
}

/// Keeps a member's signature of record `index`.
pub(super) fn add_signature(
    slots: &mut impl Slots,
    index: u64,
    member: usize,
    signature: &Signature,
) -> Result<u128, Fault> {
    let votes = votes(slots, index)? | 1 << member;
    let (r, vs) = signature.to_eip2098();
    slots.set(slots::ckpt_votes(index), U256::from(votes));
    slots.set_hash(slots::ckpt_r(index, member), r);
    slots.set_hash(slots::ckpt_vs(index, member), vs);
    Ok(votes)
}

/// The signatures of record `index`, by place in the member list.
pub(super) fn signatures(
    slots: &impl ReadSlots,
    index: u64,
) -> Result<Vec<(usize, Signature)>, Fault> {
    let read = |member| {
        let r: B256 = slots.hash(slots::ckpt_r(index, member))?;
        let vs = slots.hash(slots::ckpt_vs(index, member))?;
        let signature = Signature::from_eip2098(r, vs).map_err(|error| {
            Fault::from_cause(format!("signature {member} of checkpoint {index} is damaged"), error)
        })?;
        Ok((member, signature))
    };
    members_of(votes(slots, index)?).map(read).collect()
}

/// Places in the member list whose bit is set.
pub(super) fn members_of(votes: u128) -> impl Iterator<Item = usize> {
    (0..128).filter(move |member| votes >> member & 1 == 1)
}

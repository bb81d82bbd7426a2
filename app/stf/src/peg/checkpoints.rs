//! Checkpoints: which block is named, how its record is completed, and the votes (spec 4.2 and
//! 4.3).

use alloy_primitives::B256;
use mooring_bridge::{Checkpoint, Height, domain::Domain, federation::CheckpointVote, slots};

use super::{
    MAX_OPEN_CHECKPOINTS, PegError, ReadSlots, Refused, Slots, delivery, epoch,
    records::{self, Record},
    store::WriteWords,
    view,
};
use crate::{Fault, params::PegParams};

/// Names `height` if a rule asks for it.
pub(super) fn end_block(
    params: &PegParams,
    slots: &mut impl Slots,
    height: Height,
    timestamp: u64,
) -> Result<(), Fault> {
    if is_due(params, slots, height, timestamp)? { name(slots, height, timestamp) } else { Ok(()) }
}

/// Whether a checkpoint is due: at the start of an epoch, `renew_blocks` after the last one if
/// that is still open, and else with new exits or after the heartbeat.
fn is_due(
    params: &PegParams,
    slots: &impl ReadSlots,
    height: Height,
    timestamp: u64,
) -> Result<bool, Fault> {
    let Some(last) = records::next(slots)?.checked_sub(1) else {
        return Ok(true);
    };
    let Record { checkpoint, time } = records::read(slots, last)?;
    if checkpoint.epoch != epoch::current(slots)? {
        return Ok(true);
    }
    if !records::open(slots)?.is_empty() {
        let age = height.get().saturating_sub(checkpoint.height.get());
        return Ok(age >= params.renew_blocks);
    }
    // None is open, so the last one has quorum: what it holds is what the federation has signed.
    let has_exits = view::exit_head(slots)?.count > checkpoint.exit_count;
    Ok(has_exits || timestamp.saturating_sub(time) >= params.heartbeat_secs)
}

/// Writes the record of `height`; when too many are open, the oldest lapses.
fn name(slots: &mut impl Slots, height: Height, timestamp: u64) -> Result<(), Fault> {
    let open = records::open(slots)?;
    if open.end - open.start >= MAX_OPEN_CHECKPOINTS {
        records::remove(slots, open.start)?;
    }
    let exits = view::exit_head(slots)?;
    let credited = delivery::credited_head(slots)?;
    let checkpoint = Checkpoint {
        epoch: epoch::current(slots)?,
        height,
        block_hash: B256::ZERO,
        state_root: B256::ZERO,
        exit_count: exits.count,
        exit_root: exits.root,
        credited_count: credited.count,
        credited_acc: credited.acc,
    };
    records::write(slots, open.end, &Record { checkpoint, time: timestamp });
    let next = open.end.checked_add(1);
    slots.set_number(
        slots::ckpt_next(),
        next.ok_or_else(|| Fault::new("checkpoint numbers are used up"))?,
    );
    set_first(slots)
}

/// Writes the lower bound that follows from the quorum mark and the open records.
fn set_first(slots: &mut impl Slots) -> Result<(), Fault> {
    let first = match records::last_quorum(slots)? {
        Some(index) => index,
        None => records::open(slots)?.start,
    };
    slots.set_number(slots::ckpt_first(), first);
    Ok(())
}

/// Completes the record of `height`, if that block was named.
pub(super) fn complete(
    slots: &mut impl Slots,
    height: Height,
    block_hash: B256,
    state_root: B256,
) -> Result<(), Fault> {
    let Some(last) = records::next(slots)?.checked_sub(1) else {
        return Ok(());
    };
    if records::height(slots, last)? == height {
        slots.set_hash(slots::ckpt_block(last), block_hash);
        slots.set_hash(slots::ckpt_state(last), state_root);
    }
    Ok(())
}

/// Takes one checkpoint vote.
pub(super) fn vote(
    domain: &Domain,
    slots: &mut impl Slots,
    vote: &CheckpointVote,
) -> Result<(), PegError> {
    let (index, checkpoint) = open_record(slots, vote)?;
    let members = epoch::members(slots, checkpoint.epoch)?;
    let signer = epoch::signer(domain, checkpoint.epoch, &members, &checkpoint, &vote.signature)?;
    if records::votes(slots, index)? & signer.bit() != 0 {
        return Err(Refused::AlreadyVoted { member: signer.address }.into());
    }
    let votes = records::add_signature(slots, index, signer.index, &vote.signature)?;
    if members.quorum(members.power_of_bits(votes)) {
        supersede(slots, index)?;
    }
    Ok(())
}

/// The record that `vote` is for, if it can take votes.
fn open_record(
    slots: &impl ReadSlots,
    vote: &CheckpointVote,
) -> Result<(u64, Checkpoint), PegError> {
    let height = vote.height;
    let (index, record) = find(slots, height)?.ok_or(Refused::NoCheckpoint { height })?;
    let (want, got) = (record.checkpoint.epoch, vote.epoch);
    if got != want {
        return Err(Refused::WrongEpoch { want, got }.into());
    }
    if !record.is_complete() {
        return Err(Refused::NotComplete { height }.into());
    }
    if records::last_quorum(slots)? == Some(index) {
        return Err(Refused::HasQuorum { height }.into());
    }
    Ok((index, record.checkpoint))
}

fn find(slots: &impl ReadSlots, height: Height) -> Result<Option<(u64, Record)>, Fault> {
    for index in records::kept(slots)? {
        if records::height(slots, index)? == height {
            return Ok(Some((index, records::read(slots, index)?)));
        }
    }
    Ok(None)
}

/// Marks record `index` as the last with quorum and removes those before it.
fn supersede(slots: &mut impl Slots, index: u64) -> Result<(), Fault> {
    for older in records::kept(slots)?.into_iter().take_while(|kept| *kept < index) {
        records::remove(slots, older)?;
    }
    let mark = index.checked_add(1);
    slots.set_number(
        slots::ckpt_quorum(),
        mark.ok_or_else(|| Fault::new("checkpoint numbers are used up"))?,
    );
    set_first(slots)
}

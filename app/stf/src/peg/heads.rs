//! Heads of the deposit log: votes, acceptance, lapse (spec 3.2 and 3.3).
//!
//! An open head lies at the index of the member that opened it, with the bit map of those who
//! signed it. Whoever opens it has signed it, so an open head has count and votes above zero.

use alloy_primitives::U256;
use mooring_bridge::{Count, Head, domain::Domain, federation::HeadVote, slots};

use super::{
    MAX_HEAD_ADVANCE, PegError, ReadSlots, Refused, Slots, delivery,
    epoch::{self, Signer},
    store::{ReadWords, WriteWords},
};
use crate::Fault;

/// A head with signatures, not accepted yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenHead {
    /// Index of the member that opened it.
    pub(super) opener: usize,
    /// The head.
    pub(super) head: Head,
    /// Bit map of its signers.
    pub(super) votes: u128,
}

/// Takes one head vote.
pub(super) fn vote(
    domain: &Domain,
    slots: &mut impl Slots,
    vote: &HeadVote,
) -> Result<(), PegError> {
    let (want, got) = (epoch::current(slots)?, vote.head.epoch);
    if got != want {
        return Err(Refused::WrongEpoch { want, got }.into());
    }
    let head = Head { count: vote.head.count, acc: vote.head.acc };
    check_reach(delivery::accepted(slots)?.count, head.count)?;
    let members = epoch::members(slots, want)?;
    let signer = epoch::signer(domain, want, &members, &vote.head, &vote.signature)?;
    let opens = open_heads(slots, members.len())?;
    let tallied = tally(&opens, head, signer)?;
    if members.quorum(members.power_of_bits(tallied.votes)) {
        accept(slots, &opens, head)?;
    } else {
        write(slots, &tallied);
    }
    Ok(())
}

/// A head is above the accepted one, by no more leaves than one delivery carries.
fn check_reach(accepted: Count, got: Count) -> Result<(), Refused> {
    if got <= accepted {
        return Err(Refused::NotAboveAccepted { accepted, got });
    }
    if got.get() - accepted.get() > MAX_HEAD_ADVANCE {
        return Err(Refused::TooFarAhead { accepted, got });
    }
    Ok(())
}

/// The open head for `head` with the signer's vote: co-signed if it is open, else opened.
fn tally(opens: &[OpenHead], head: Head, signer: Signer) -> Result<OpenHead, Refused> {
    let member = signer.address;
    let signed = |open: &&OpenHead| open.votes & signer.bit() != 0;
    if let Some(open) = opens.iter().filter(signed).find(|open| open.head.count == head.count) {
        return Err(if open.head == head {
            Refused::AlreadyVoted { member }
        } else {
            Refused::Contradicts { member, count: head.count, signed: open.head.acc }
        });
    }
    if let Some(open) = opens.iter().find(|open| open.head == head) {
        return Ok(OpenHead { votes: open.votes | signer.bit(), ..*open });
    }
    match opens.iter().find(|open| open.opener == signer.index) {
        Some(own) => Err(Refused::SecondHead { member, open: own.head.count }),
        None => Ok(OpenHead { opener: signer.index, head, votes: signer.bit() }),
    }
}

/// Accepts and queues `head`; every open head lapses.
fn accept(slots: &mut impl Slots, opens: &[OpenHead], head: Head) -> Result<(), Fault> {
    for open in opens {
        slots.delete(slots::head_count(open.opener));
        slots.delete(slots::head_acc(open.opener));
        slots.delete(slots::head_votes(open.opener));
    }
    delivery::accept(slots, head)
}

fn write(slots: &mut impl Slots, open: &OpenHead) {
    slots.set(slots::head_count(open.opener), open.head.count.word());
    slots.set_hash(slots::head_acc(open.opener), open.head.acc);
    slots.set(slots::head_votes(open.opener), U256::from(open.votes));
}

/// The open heads, by opener.
pub(super) fn open_heads(slots: &impl ReadSlots, members: usize) -> Result<Vec<OpenHead>, Fault> {
    let mut opens = Vec::new();
    for opener in 0..members {
        let count = Count::new(slots.number(slots::head_count(opener))?);
        if count == Count::ZERO {
            continue;
        }
        let acc = slots.hash(slots::head_acc(opener))?;
        let votes = slots.bits(slots::head_votes(opener))?;
        opens.push(OpenHead { opener, head: Head { count, acc }, votes });
    }
    Ok(opens)
}

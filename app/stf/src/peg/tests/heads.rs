//! Votes for heads of the deposit log.

use alloy_primitives::{B256, U256};
use mooring_bridge::{
    Count, Epoch, FederationMessage, FederationUpdate, Head, Height, Signature, SignatureError,
    federation::{HeadVote, UpdateVote},
};

use super::world::{World, head};
use crate::{
    Fault,
    peg::{Peg, PegError, ReadSlots, Refused, Slots, view},
};

fn four() -> (World, B256) {
    let world = World::new(&[1, 1, 1, 1]);
    let acc_0 = world.acc_0();
    (world, acc_0)
}

fn forged(count: u64) -> Head {
    Head { count: Count::new(count), acc: B256::repeat_byte(0xbd) }
}

#[test]
fn genesis_starts_all_marks_at_acc_0_and_shows_the_members() {
    let (world, acc_0) = four();
    let start = Head { count: Count::ZERO, acc: acc_0 };
    let heads = world.heads();
    assert_eq!([heads.accepted, heads.delivered, heads.credited], [start; 3]);
    assert_eq!(view::members(&world.slots).unwrap(), (Epoch::new(1), world.members.clone()));
    world.assert_no_stale_slots();
}

#[test]
fn genesis_wants_one_recovery_key_for_each_member() {
    let (mut world, _) = four();
    let (members, fewer) = (world.members.clone(), World::new(&[1, 1]).members);
    world.peg().genesis(&members, &fewer).unwrap_err();
}

#[test]
fn exactly_two_thirds_accept_nothing() {
    let mut world = World::new(&[2, 2, 2]);
    let head = head(world.acc_0(), 3);
    world.vote_head(0, head).unwrap();
    world.vote_head(1, head).unwrap();
    assert_eq!(world.heads().accepted.count, Count::ZERO);
    assert_eq!(view::open_heads(&world.slots).unwrap()[0].power, 4);
    world.vote_head(2, head).unwrap();
    assert_eq!(world.heads().accepted, head);
}

#[test]
fn one_unit_of_power_above_two_thirds_accepts() {
    let mut world = World::new(&[200, 1, 99]);
    let head = head(world.acc_0(), 3);
    world.vote_head(0, head).unwrap();
    assert_eq!(world.heads().accepted.count, Count::ZERO);
    world.vote_head(1, head).unwrap();
    assert_eq!(world.heads().accepted, head);
    assert_eq!(view::undelivered(&world.slots).unwrap(), [head]);
}

#[test]
fn a_lone_member_accepts_with_its_first_vote() {
    let mut world = World::new(&[7]);
    let head = head(world.acc_0(), 1);
    world.vote_head(0, head).unwrap();
    assert_eq!(world.heads().accepted, head);
    world.assert_no_stale_slots();
}

#[test]
fn members_that_look_at_different_moments_converge_by_cosigning() {
    let (mut world, acc_0) = four();
    for signer in 0..4 {
        world.vote_head(signer, head(acc_0, 10 + signer as u64)).unwrap();
    }
    assert_eq!(view::open_heads(&world.slots).unwrap().len(), 4);
    world.vote_head(1, head(acc_0, 10)).unwrap();
    world.vote_head(2, head(acc_0, 10)).unwrap();
    assert_eq!(world.heads().accepted, head(acc_0, 10));
}

#[test]
fn open_heads_lapse_when_another_is_accepted() {
    let (mut world, acc_0) = four();
    world.vote_head(3, head(acc_0, 12)).unwrap();
    for signer in 0..3 {
        world.vote_head(signer, head(acc_0, 10)).unwrap();
    }
    assert!(view::open_heads(&world.slots).unwrap().is_empty());
    world.assert_no_stale_slots();
    world.vote_head(3, head(acc_0, 12)).unwrap();
}

#[test]
fn an_outsider_is_refused_and_so_is_a_vote_for_other_bytes() {
    let (mut world, acc_0) = four();
    let epoch = Epoch::new(1);
    let outsider = world.address(4);
    let refused = world.vote_head(4, head(acc_0, 1)).unwrap_err();
    assert_eq!(refused, Refused::NotMember { signer: outsider, epoch });

    let FederationMessage::HeadVote(mut vote) = world.head_vote(0, 1, head(acc_0, 1)) else {
        unreachable!()
    };
    vote.head.count = Count::new(2);
    let refused = world.apply(&FederationMessage::HeadVote(vote)).unwrap_err();
    assert!(matches!(refused, Refused::NotMember { .. }), "{refused:?}");
}

#[test]
fn a_signature_of_no_key_is_refused() {
    let (mut world, acc_0) = four();
    let FederationMessage::HeadVote(vote) = world.head_vote(0, 1, head(acc_0, 1)) else {
        unreachable!()
    };
    // No curve point has this x: it is above the field's prime.
    let mut bytes = *vote.signature.as_bytes();
    bytes[..32].fill(0xff);
    let signature = Signature::parse(&bytes).unwrap();
    let refused =
        world.apply(&FederationMessage::HeadVote(HeadVote { signature, ..vote })).unwrap_err();
    assert_eq!(refused, Refused::Signature(SignatureError::NoKey));
}

#[test]
fn another_epoch_is_refused() {
    let (mut world, acc_0) = four();
    for got in [0, 2] {
        let message = world.head_vote(0, got, head(acc_0, 1));
        let (want, got) = (Epoch::new(1), Epoch::new(got));
        assert_eq!(world.apply(&message), Err(Refused::WrongEpoch { want, got }));
    }
}

#[test]
fn a_repeated_vote_is_refused_by_opener_and_cosigner() {
    let (mut world, acc_0) = four();
    for signer in 0..2 {
        world.vote_head(signer, head(acc_0, 3)).unwrap();
        let member = world.address(signer);
        let refused = world.vote_head(signer, head(acc_0, 3)).unwrap_err();
        assert_eq!(refused, Refused::AlreadyVoted { member });
    }
}

#[test]
fn a_head_at_or_below_the_accepted_one_is_refused() {
    let (mut world, acc_0) = four();
    world.accept(head(acc_0, 5));
    for count in [1, 5] {
        let refused = world.vote_head(0, head(acc_0, count)).unwrap_err();
        let (accepted, got) = (Count::new(5), Count::new(count));
        assert_eq!(refused, Refused::NotAboveAccepted { accepted, got });
    }
}

#[test]
fn a_head_is_at_most_256_leaves_above_the_accepted_one() {
    let (mut world, acc_0) = four();
    world.accept(head(acc_0, 5));
    for count in [262, u64::MAX] {
        let refused = world.vote_head(0, forged(count)).unwrap_err();
        let (accepted, got) = (Count::new(5), Count::new(count));
        assert_eq!(refused, Refused::TooFarAhead { accepted, got });
    }
    world.vote_head(0, forged(261)).unwrap();
}

#[test]
fn a_member_opens_one_head_and_signs_one_acc_a_count() {
    let (mut world, acc_0) = four();
    world.vote_head(0, head(acc_0, 3)).unwrap();
    let member = world.address(0);
    let refused = world.vote_head(0, head(acc_0, 4)).unwrap_err();
    assert_eq!(refused, Refused::SecondHead { member, open: Count::new(3) });

    world.vote_head(1, forged(3)).unwrap();
    let refused = world.vote_head(0, forged(3)).unwrap_err();
    let (count, signed) = (Count::new(3), head(acc_0, 3).acc);
    assert_eq!(refused, Refused::Contradicts { member, count, signed });
}

#[test]
fn a_cosigner_may_still_open_its_own_head() {
    let (mut world, acc_0) = four();
    world.vote_head(0, head(acc_0, 3)).unwrap();
    world.vote_head(1, head(acc_0, 3)).unwrap();
    world.vote_head(1, head(acc_0, 9)).unwrap();
    let opens = view::open_heads(&world.slots).unwrap();
    assert_eq!(opens.len(), 2);
    assert_eq!(opens[0].signers, [world.address(0), world.address(1)]);
    assert_eq!((opens[1].opener, opens[1].power), (world.address(1), 1));
}

#[test]
fn update_votes_are_not_open() {
    let (mut world, _) = four();
    let update = FederationUpdate {
        epoch: Epoch::new(2),
        first_height: Height::new(10),
        members_hash: B256::ZERO,
        recovery_hash: B256::ZERO,
        total_power: U256::from(4),
    };
    let signature = world.sign(0, &update);
    let refused = world.apply(&FederationMessage::UpdateVote(UpdateVote { update, signature }));
    assert_eq!(refused, Err(Refused::UpdatesNotOpen));
}

#[test]
fn a_halted_peg_refuses_everything() {
    let (mut world, acc_0) = four();
    world.peg().halt();
    assert!(world.peg().is_halted().unwrap());
    assert_eq!(world.vote_head(0, head(acc_0, 1)), Err(Refused::Halted));
}

/// Reads until it breaks.
struct Broken<'a>(&'a World, std::cell::Cell<u32>);

impl ReadSlots for Broken<'_> {
    fn get(&self, slot: U256) -> Result<U256, Fault> {
        let left = self.1.get().checked_sub(1).ok_or_else(|| Fault::new("disk is gone"))?;
        self.1.set(left);
        self.0.slots.get(slot)
    }
}

impl Slots for Broken<'_> {
    fn set(&mut self, slot: U256, _: U256) {
        panic!("slot {slot} written although the store broke");
    }
}

#[test]
fn a_store_that_breaks_at_any_read_is_a_fault_and_nothing_is_written() {
    let (world, acc_0) = four();
    let message = world.head_vote(0, 1, head(acc_0, 1));
    let mut slots = Broken(&world, u32::MAX.into());
    let reads = {
        crate::peg::check(&world.params, &slots, &message).unwrap();
        u32::MAX - slots.1.get()
    };
    assert!(reads > 10);
    for left in 0..reads {
        slots.1.set(left);
        let outcome = Peg::new(&world.params, &mut slots).apply(&message);
        assert!(matches!(outcome, Err(PegError::Fault(_))), "{outcome:?}");
    }
}

//! Checkpoints: naming, completion, votes, quorum and pruning.

use alloy_primitives::U256;
use mooring_bridge::{
    Checkpoint, Count, Epoch, FederationMessage, Height, Member, SignedStruct,
    federation::CheckpointVote, slots,
};

use super::world::{HEARTBEAT_SECS, RENEW_BLOCKS, World, block_hash, head, leaves, state_root};
use crate::peg::{Refused, Slots, view};

/// Blocks `from..=to` without exits, all at time 0.
fn quiet(world: &mut World, from: u64, to: u64) {
    for height in from..=to {
        world.block(height, 0, 0);
    }
}

/// A world whose checkpoint of height 1 has quorum, at height 2.
fn started() -> World {
    let mut world = World::new(&[1, 1, 1, 1]);
    quiet(&mut world, 1, 2);
    sign(&mut world, 1);
    world
}

/// Three of four sign.
fn sign(world: &mut World, height: u64) {
    for signer in 0..3 {
        world.vote_checkpoint(signer, height).unwrap();
    }
    assert_eq!(world.named().1, Some(height));
}

#[test]
fn the_first_block_of_the_epoch_is_named() {
    let mut world = World::new(&[1, 1, 1, 1]);
    quiet(&mut world, 1, 1);
    assert_eq!(world.named(), (vec![1], None));
}

#[test]
fn the_first_block_with_new_exits_is_named_once() {
    let mut world = started();
    quiet(&mut world, 3, 5);
    assert_eq!(world.named(), (vec![1], Some(1)));
    world.block(6, 0, 2);
    world.block(7, 0, 1);
    assert_eq!(world.named(), (vec![1, 6], Some(1)));
}

#[test]
fn exits_that_a_quorum_does_not_hold_are_named_at_once_after_it() {
    let mut world = started();
    world.block(3, 0, 1);
    world.block(4, 0, 1);
    sign(&mut world, 3);
    quiet(&mut world, 5, 5);
    assert_eq!(world.named(), (vec![3, 5], Some(3)));
    quiet(&mut world, 6, 6);
    sign(&mut world, 5);
    quiet(&mut world, 7, 9);
    assert_eq!(world.named(), (vec![5], Some(5)));
}

#[test]
fn credits_alone_name_nothing_but_are_in_the_next_record() {
    let mut world = started();
    let head = head(world.acc_0(), 2);
    world.accept(head);
    world.apply(&FederationMessage::Delivery(leaves(1, 2))).unwrap();
    while let Some((leaf, _)) = world.peg().next_leaf().unwrap() {
        world.peg().credited(&leaf).unwrap();
    }
    quiet(&mut world, 3, 4);
    assert_eq!(world.named(), (vec![1], Some(1)));
    world.block(5, 0, 1);
    let checkpoint = view::checkpoints(&world.slots).unwrap()[1].checkpoint;
    assert_eq!((checkpoint.credited_count, checkpoint.credited_acc), (head.count, head.acc));
}

#[test]
fn the_heartbeat_names_a_block_without_exits() {
    let mut world = started();
    world.block(3, HEARTBEAT_SECS - 1, 0);
    assert_eq!(world.named(), (vec![1], Some(1)));
    world.block(4, HEARTBEAT_SECS, 0);
    assert_eq!(world.named(), (vec![1, 4], Some(1)));
    world.block(5, HEARTBEAT_SECS * 9, 0);
    assert_eq!(world.named(), (vec![1, 4], Some(1)), "an open one is renewed by age alone");
}

#[test]
fn an_unsigned_checkpoint_is_renewed_and_the_oldest_of_five_lapses() {
    let mut world = started();
    world.block(3, 0, 1);
    let mut last = 3;
    let mut renewals = vec![1, 3];
    for _ in 0..3 {
        quiet(&mut world, last + 1, last + RENEW_BLOCKS - 1);
        assert_eq!(world.named().0, renewals);
        last += RENEW_BLOCKS;
        quiet(&mut world, last, last);
        renewals.push(last);
        assert_eq!(world.named(), (renewals.clone(), Some(1)));
    }
    world.vote_checkpoint(0, 3).unwrap();
    quiet(&mut world, last + 1, last + RENEW_BLOCKS);
    renewals.remove(1);
    renewals.push(last + RENEW_BLOCKS);
    assert_eq!(world.named(), (renewals, Some(1)));
    world.assert_no_stale_slots();
}

#[test]
fn without_any_quorum_four_stay_open() {
    let mut world = World::new(&[1, 1, 1, 1]);
    quiet(&mut world, 1, 1 + 5 * RENEW_BLOCKS);
    assert_eq!(world.named(), (vec![17, 25, 33, 41], None));
    world.assert_no_stale_slots();
}

#[test]
fn the_next_block_completes_the_record() {
    let mut world = World::new(&[1, 1, 1, 1]);
    world.block(1, 77, 2);
    let exits = world.peg().exit_head().unwrap();
    let named = view::checkpoints(&world.slots).unwrap().remove(0);
    assert!(!named.complete && named.checkpoint.state_root.is_zero());
    world.block(2, 78, 1);
    let view = view::checkpoints(&world.slots).unwrap().remove(0);
    let expected = Checkpoint {
        epoch: Epoch::new(1),
        height: Height::new(1),
        block_hash: block_hash(1),
        state_root: state_root(1),
        exit_count: 2,
        exit_root: exits.root,
        credited_count: Count::ZERO,
        credited_acc: world.acc_0(),
    };
    assert_eq!((view.checkpoint, view.complete, view.time), (expected, true, 77));
    quiet(&mut world, 3, 4);
    assert_eq!(view::checkpoints(&world.slots).unwrap()[0].checkpoint, expected);
}

#[test]
fn a_record_that_is_not_complete_takes_no_votes() {
    let mut world = World::new(&[1, 1, 1, 1]);
    quiet(&mut world, 1, 1);
    let height = Height::new(1);
    assert_eq!(world.vote_checkpoint(0, 1), Err(Refused::NotComplete { height }));
}

#[test]
fn quorum_needs_more_than_two_thirds_and_shows_its_bundle() {
    let mut world = World::new(&[2, 2, 2]);
    quiet(&mut world, 1, 2);
    world.vote_checkpoint(2, 1).unwrap();
    world.vote_checkpoint(0, 1).unwrap();
    assert_eq!(world.named(), (vec![1], None));
    world.vote_checkpoint(1, 1).unwrap();
    let view = view::checkpoints(&world.slots).unwrap().remove(0);
    assert!(view.quorum && view.power == 6);
    let signers: Vec<_> = view.signatures.iter().map(|(signer, _)| *signer).collect();
    assert_eq!(signers, [world.address(0), world.address(1), world.address(2)]);
    assert!(signers.is_sorted());
    for (signer, signature) in &view.signatures {
        let recovered = view.checkpoint.signer(&world.params.domain, signature).unwrap();
        assert_eq!(recovered, *signer);
    }
}

#[test]
fn a_checkpoint_with_quorum_needs_no_more_votes() {
    let mut world = started();
    let height = Height::new(1);
    assert_eq!(world.vote_checkpoint(3, 1), Err(Refused::HasQuorum { height }));
}

#[test]
fn a_vote_is_refused_twice_from_outside_and_for_another_epoch() {
    let mut world = World::new(&[1, 1, 1, 1]);
    quiet(&mut world, 1, 2);
    world.vote_checkpoint(0, 1).unwrap();
    let member = world.address(0);
    assert_eq!(world.vote_checkpoint(0, 1), Err(Refused::AlreadyVoted { member }));
    let (signer, epoch) = (world.address(4), Epoch::new(1));
    assert_eq!(world.vote_checkpoint(4, 1), Err(Refused::NotMember { signer, epoch }));
    let FederationMessage::CheckpointVote(vote) = world.checkpoint_vote(1, 1) else {
        unreachable!()
    };
    let (want, got) = (epoch, Epoch::new(2));
    let message = FederationMessage::CheckpointVote(CheckpointVote { epoch: got, ..vote });
    assert_eq!(world.apply(&message), Err(Refused::WrongEpoch { want, got }));
}

#[test]
fn a_signature_of_another_record_is_nobodys() {
    let mut world = World::new(&[1, 1, 1, 1]);
    quiet(&mut world, 1, 2);
    let mut checkpoint = view::checkpoints(&world.slots).unwrap()[0].checkpoint;
    checkpoint.exit_count += 1;
    let vote = CheckpointVote {
        epoch: checkpoint.epoch,
        height: checkpoint.height,
        signature: world.sign(0, &checkpoint),
    };
    let refused = world.apply(&FederationMessage::CheckpointVote(vote)).unwrap_err();
    assert!(matches!(refused, Refused::NotMember { .. }), "{refused:?}");
}

#[test]
fn heights_never_named_lapsed_or_superseded_have_no_checkpoint() {
    let mut world = started();
    world.block(3, 0, 1);
    quiet(&mut world, 4, 4);
    let superseded = world.checkpoint_vote(3, 1);
    let FederationMessage::CheckpointVote(vote) = world.checkpoint_vote(3, 3) else {
        unreachable!()
    };
    sign(&mut world, 3);
    let no = |height| Err(Refused::NoCheckpoint { height: Height::new(height) });
    assert_eq!(world.apply(&superseded), no(1));
    for height in [0, 2, 4, u64::MAX] {
        let vote = CheckpointVote { height: Height::new(height), ..vote.clone() };
        assert_eq!(world.apply(&FederationMessage::CheckpointVote(vote)), no(height));
    }
}

#[test]
fn quorum_prunes_the_older_ones_and_keeps_the_newer() {
    let mut world = started();
    world.block(3, 0, 1);
    quiet(&mut world, 4, 4 + 2 * RENEW_BLOCKS);
    assert_eq!(world.named(), (vec![1, 3, 11, 19], Some(1)));
    world.vote_checkpoint(0, 3).unwrap();
    world.vote_checkpoint(1, 19).unwrap();
    sign(&mut world, 11);
    assert_eq!(world.named(), (vec![11, 19], Some(11)));
    world.assert_no_stale_slots();
    world.vote_checkpoint(0, 19).unwrap();
    world.vote_checkpoint(2, 19).unwrap();
    assert_eq!(world.named(), (vec![19], Some(19)));
    world.assert_no_stale_slots();
}

#[test]
fn an_epochs_first_block_is_named_and_older_records_keep_their_signers() {
    let mut world = World::new(&[1, 1, 1, 1]);
    quiet(&mut world, 1, 2);
    let (first, second) = (Epoch::new(1), Epoch::new(2));
    world.slots.set(slots::epoch(), second.word());
    world.slots.set(slots::epoch_size(second), U256::ONE);
    let newcomer = Member { address: world.address(4), power: 1 };
    world.slots.set(slots::epoch_member(second, 0), newcomer.word().into());
    quiet(&mut world, 3, 4);
    assert_eq!(world.named(), (vec![1, 3], None));

    let (signer, epoch) = (newcomer.address, first);
    assert_eq!(world.vote_checkpoint(4, 1), Err(Refused::NotMember { signer, epoch }));
    sign(&mut world, 1);
    let (signer, epoch) = (world.address(0), second);
    assert_eq!(world.vote_checkpoint(0, 3), Err(Refused::NotMember { signer, epoch }));
    world.vote_checkpoint(4, 3).unwrap();
    assert_eq!(world.named(), (vec![3], Some(3)));
}

#[test]
fn a_halted_peg_names_no_checkpoint_and_takes_no_vote() {
    let mut world = World::new(&[1, 1, 1, 1]);
    quiet(&mut world, 1, 2);
    world.peg().halt();
    assert_eq!(world.vote_checkpoint(0, 1), Err(Refused::Halted));
    quiet(&mut world, 3, 3 + 2 * RENEW_BLOCKS);
    assert_eq!(world.named(), (vec![1], None));
}

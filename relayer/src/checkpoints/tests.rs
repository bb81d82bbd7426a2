#![allow(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{Address, B256};
use mooring_bridge::{Checkpoint, Count, Epoch, Height};
use proptest::prelude::*;
use std::collections::BTreeMap;

use super::state::{Action, Event, REBUILD_BLOCKS, RESEND_BLOCKS, Record, State, Status};

const ME: Address = Address::repeat_byte(1);

fn checkpoint(height: u64, salt: u8) -> Checkpoint {
    Checkpoint {
        epoch: Epoch::new(1),
        height: Height::new(height),
        block_hash: B256::repeat_byte(salt),
        state_root: B256::repeat_byte(2),
        exit_count: 0,
        exit_root: B256::ZERO,
        credited_count: Count::ZERO,
        credited_acc: B256::ZERO,
    }
}

fn record(height: u64) -> Record {
    let checkpoint = checkpoint(height, 1);
    Record { checkpoint, complete: true, quorum: false, signers: Vec::new() }
}

fn status(height: u64, records: Vec<Record>) -> Status {
    Status { height, epoch: Epoch::new(1), members: vec![ME], halted: false, records }
}

#[test]
fn a_record_is_signed_only_when_it_was_rebuilt_the_same() {
    let mut state = State::new(ME);
    let actions = state.on(Event::Status(status(9, vec![record(8)])));
    assert_eq!(actions, [Action::Rebuild(8)]);
    assert_eq!(state.on(Event::Rebuilt(checkpoint(8, 7))), []);
    assert!(state.abstains().unwrap().contains("block 8"));
    assert_eq!(state.on(Event::Status(status(9 + REBUILD_BLOCKS - 1, vec![record(8)]))), []);
    let again = state.on(Event::Status(status(9 + REBUILD_BLOCKS, vec![record(8)])));
    assert_eq!(again, [Action::Rebuild(8)]);
    let vote = Action::Vote(checkpoint(8, 1));
    assert_eq!(state.on(Event::Rebuilt(checkpoint(8, 1))), [vote]);
    assert_eq!(state.abstains(), None);
    // Sent again only after a while.
    let sent = 9 + REBUILD_BLOCKS;
    assert_eq!(state.on(Event::Status(status(sent + RESEND_BLOCKS - 1, vec![record(8)]))), []);
    assert_eq!(state.on(Event::Status(status(sent + RESEND_BLOCKS, vec![record(8)]))), [vote]);
}

#[test]
fn what_cannot_be_signed_is_left_alone() {
    let refused = |change: &dyn Fn(&mut Status)| {
        let mut state = State::new(ME);
        let mut status = status(9, vec![record(8)]);
        change(&mut status);
        state.on(Event::Status(status)).is_empty()
    };
    assert!(!refused(&|_| ()));
    assert!(refused(&|s| s.height = 8), "the block after it is not decided");
    assert!(refused(&|s| s.records[0].complete = false));
    assert!(refused(&|s| s.records[0].quorum = true));
    assert!(refused(&|s| s.records[0].signers.push(ME)));
    assert!(refused(&|s| s.epoch = Epoch::new(2)));
    assert!(refused(&|s| s.halted = true));
    assert!(refused(&|s| s.members.clear()));
}

#[test]
fn after_a_stop_nothing_is_signed() {
    let mut state = State::new(ME);
    state.on(Event::Stop("reorg".into()));
    assert_eq!(state.on(Event::Status(status(9, vec![record(8)]))), []);
    assert_eq!(state.on(Event::Rebuilt(checkpoint(8, 1))), []);
    assert_eq!(state.abstains(), Some("reorg"));
}

proptest! {
    #[test]
    fn never_two_signatures_for_a_height_and_in_the_end_one(
        events in prop::collection::vec((0u8..3, 1u64..6, 0u8..3), 0..60),
    ) {
        let mut state = State::new(ME);
        let mut signed = BTreeMap::new();
        let mut now = 10;
        let mut take = |actions: Vec<Action>| {
            for action in actions {
                if let Action::Vote(vote) = action {
                    assert_eq!(*signed.entry(vote.height).or_insert(vote), vote);
                    assert_eq!(vote, checkpoint(vote.height.get(), 1));
                }
            }
            signed.len()
        };
        for (kind, height, salt) in events {
            now += u64::from(salt);
            let records = (1..=height).map(record).collect();
            take(match kind {
                0 => state.on(Event::Status(status(now, records))),
                _ => state.on(Event::Rebuilt(checkpoint(height, salt))),
            });
        }
        let mut done = 0;
        for _ in 0..4 {
            now += 20;
            take(state.on(Event::Status(status(now, (1..=5).map(record).collect()))));
            for height in 1..=5 {
                done = take(state.on(Event::Rebuilt(checkpoint(height, 1))));
            }
        }
        prop_assert_eq!(done, 5);
    }
}

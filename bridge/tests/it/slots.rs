//! Every place of the peg's state, pinned: a change here is a change of the chain (spec 2.8).

use alloy_primitives::{Address, B256, U256, b256, keccak256};
use mooring_bridge::{Count, Epoch, slots};

/// The spec's formula, written out for a test.
fn spec(name: &str, keys: &[u64]) -> U256 {
    let mut bytes = [name.as_bytes(), &vec![0; 32 - name.len()]].concat();
    for key in keys {
        bytes.extend_from_slice(&U256::from(*key).to_be_bytes::<32>());
    }
    keccak256(bytes).into()
}

#[test]
fn slots_without_keys_are_where_the_spec_says() {
    let all = [
        ("epoch", slots::epoch()),
        ("accepted.count", slots::accepted_count()),
        ("accepted.acc", slots::accepted_acc()),
        ("accepted.first", slots::accepted_first()),
        ("accepted.next", slots::accepted_next()),
        ("delivered.count", slots::delivered_count()),
        ("delivered.acc", slots::delivered_acc()),
        ("credited.count", slots::credited_count()),
        ("credited.acc", slots::credited_acc()),
        ("exit.count", slots::exit_count()),
        ("exit.root", slots::exit_root()),
        ("ckpt.first", slots::ckpt_first()),
        ("ckpt.next", slots::ckpt_next()),
        ("ckpt.quorum", slots::ckpt_quorum()),
        ("destroyed", slots::destroyed()),
        ("halted", slots::halted()),
    ];
    for (name, slot) in all {
        assert_eq!(slot, spec(name, &[]), "{name}");
    }
}

#[test]
fn slots_with_one_key_are_where_the_spec_says() {
    let (epoch, member, index) = (Epoch::new(7), 7, 7);
    let all = [
        ("epoch.size", slots::epoch_size(epoch)),
        ("epoch.total", slots::epoch_total(epoch)),
        ("epoch.first", slots::epoch_first(epoch)),
        ("accepted.count.at", slots::accepted_count_at(index)),
        ("accepted.acc.at", slots::accepted_acc_at(index)),
        ("head.count", slots::head_count(member)),
        ("head.acc", slots::head_acc(member)),
        ("head.votes", slots::head_votes(member)),
        ("exit.frontier", slots::exit_frontier(7)),
        ("ckpt.height", slots::ckpt_height(index)),
        ("ckpt.epoch", slots::ckpt_epoch(index)),
        ("ckpt.time", slots::ckpt_time(index)),
        ("ckpt.block", slots::ckpt_block(index)),
        ("ckpt.state", slots::ckpt_state(index)),
        ("ckpt.exits", slots::ckpt_exits(index)),
        ("ckpt.exitroot", slots::ckpt_exitroot(index)),
        ("ckpt.credited", slots::ckpt_credited(index)),
        ("ckpt.acc", slots::ckpt_acc(index)),
        ("ckpt.votes", slots::ckpt_votes(index)),
    ];
    for (name, slot) in all {
        assert_eq!(slot, spec(name, &[7]), "{name}");
    }
    let asset = Address::left_padding_from(&[7]);
    assert_eq!(slots::asset_credited(asset), spec("asset.credited", &[7]));
    assert_eq!(slots::asset_exited(asset), spec("asset.exited", &[7]));
}

#[test]
fn slots_with_two_keys_are_where_the_spec_says() {
    let all = [
        ("epoch.member", slots::epoch_member(Epoch::new(7), 3)),
        ("epoch.recovery", slots::epoch_recovery(Epoch::new(7), 3)),
        ("queue", slots::queue(Count::new(7), 3)),
        ("ckpt.r", slots::ckpt_r(7, 3)),
        ("ckpt.vs", slots::ckpt_vs(7, 3)),
    ];
    for (name, slot) in all {
        assert_eq!(slot, spec(name, &[7, 3]), "{name}");
    }
}

#[test]
fn one_slot_is_pinned_as_a_plain_number() {
    let pinned = b256!("0x6f4addeeb39c054ecc4a8ee5dffa6b4673e63ff82cc401e562f8de2382ffb5d4");
    assert_eq!(B256::from(slots::epoch()), pinned);
}

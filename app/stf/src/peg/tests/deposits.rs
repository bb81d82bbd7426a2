//! Delivery of leaves, the order of credits, exits and sums.

use alloy_primitives::{Address, B256, U256};
use mooring_bridge::{
    Count, Exit, ExitIndex, FederationMessage, Leaf, NATIVE,
    exit::{node, root},
};

use super::world::{TOKEN, World, deposit, head, leaf, leaves};
use crate::peg::{Refused, view};

fn accepted(counts: &[u64]) -> World {
    let mut world = World::new(&[1, 1, 1, 1]);
    for count in counts {
        world.accept(head(world.acc_0(), *count));
    }
    world
}

fn deliver(world: &mut World, leaves: Vec<Leaf>) -> Result<(), Refused> {
    world.apply(&FederationMessage::Delivery(leaves))
}

#[test]
fn nothing_is_delivered_before_a_head_is_accepted_nor_twice() {
    let mut world = accepted(&[]);
    assert_eq!(deliver(&mut world, leaves(1, 3)), Err(Refused::NothingToDeliver));
    world.accept(head(world.acc_0(), 3));
    deliver(&mut world, leaves(1, 3)).unwrap();
    assert_eq!(deliver(&mut world, leaves(1, 3)), Err(Refused::NothingToDeliver));
}

#[test]
fn heads_are_delivered_oldest_first_and_whole() {
    let mut world = accepted(&[3, 5]);
    let wrong_length = |got| Err(Refused::LeafCount { want: 3, got });
    assert_eq!(deliver(&mut world, leaves(1, 5)), wrong_length(5));
    assert_eq!(deliver(&mut world, leaves(1, 2)), wrong_length(2));
    assert_eq!(deliver(&mut world, leaves(4, 5)), wrong_length(2));
    deliver(&mut world, leaves(1, 3)).unwrap();
    assert_eq!(view::undelivered(&world.slots).unwrap(), [head(world.acc_0(), 5)]);
    deliver(&mut world, leaves(4, 5)).unwrap();
    assert_eq!(world.heads().delivered, world.heads().accepted);
    world.assert_no_stale_slots();
}

#[test]
fn leaves_stand_in_the_order_of_their_numbers() {
    let mut world = accepted(&[3]);
    let refused = deliver(&mut world, vec![leaf(1), leaf(3), leaf(2)]);
    let (want, got) = (Count::new(2), Count::new(3));
    assert_eq!(refused, Err(Refused::LeafOrder { want, got }));
    let refused = deliver(&mut world, leaves(2, 4));
    let (want, got) = (Count::new(1), Count::new(2));
    assert_eq!(refused, Err(Refused::LeafOrder { want, got }));
}

#[test]
fn one_wei_more_in_one_leaf_does_not_hash_to_the_head() {
    let mut world = accepted(&[3]);
    let want = world.heads().accepted.acc;
    let mut leaves = leaves(1, 3);
    leaves[0] = deposit(1, NATIVE, U256::from(102), U256::ZERO);
    let refused = deliver(&mut world, leaves).unwrap_err();
    assert!(matches!(refused, Refused::WrongAcc { want: acc, got } if acc == want && got != want));
}

#[test]
fn the_longest_delivery_fits_a_message() {
    let mut world = accepted(&[256]);
    let delivery = FederationMessage::Delivery(leaves(1, 256));
    let decoded = FederationMessage::decode(&delivery.encode()).unwrap();
    world.apply(&decoded).unwrap();
    assert_eq!(world.heads().delivered.count, Count::new(256));
}

#[test]
fn leaves_of_each_kind_are_credited_once_in_order_and_leave_the_queue() {
    let mut world = accepted(&[4, 8]);
    deliver(&mut world, leaves(1, 4)).unwrap();
    for count in 1..=4 {
        let (next, acc) = world.peg().next_leaf().unwrap().unwrap();
        assert_eq!((&next, acc), (&leaf(count), head(world.acc_0(), count).acc));
        world.peg().credited(&next).unwrap();
        assert_eq!(world.heads().credited, head(world.acc_0(), count));
        world.assert_no_stale_slots();
    }
    assert_eq!(world.peg().next_leaf().unwrap(), None);
    deliver(&mut world, leaves(5, 8)).unwrap();
    assert_eq!(world.peg().next_leaf().unwrap().unwrap().0, leaf(5));
}

#[test]
fn credits_add_up_by_asset_with_gas_as_native_coin() {
    let mut world = accepted(&[4]);
    deliver(&mut world, leaves(1, 4)).unwrap();
    while let Some((next, _)) = world.peg().next_leaf().unwrap() {
        world.peg().credited(&next).unwrap();
    }
    world.exit(TOKEN, U256::from(1_000));
    let native = view::totals(&world.slots, NATIVE).unwrap();
    let token = view::totals(&world.slots, TOKEN).unwrap();
    assert_eq!((native.credited, native.exited), (U256::from(101 + 2), U256::ZERO));
    assert_eq!((token.credited, token.exited), (U256::from(1_002), U256::from(1_000)));
    assert_eq!(token.outstanding(), U256::from(2));
}

#[test]
fn crediting_another_leaf_than_the_next_is_a_fault() {
    let mut world = accepted(&[3]);
    deliver(&mut world, leaves(1, 3)).unwrap();
    let before = world.slots.clone();
    world.peg().credited(&leaf(2)).unwrap_err();
    world.peg().credited(&deposit(1, NATIVE, U256::ONE, U256::ZERO)).unwrap_err();
    assert_eq!(world.slots, before);
}

#[test]
fn a_halted_peg_gives_no_leaf() {
    let mut world = accepted(&[3]);
    deliver(&mut world, leaves(1, 3)).unwrap();
    world.peg().halt();
    assert_eq!(world.peg().next_leaf().unwrap(), None);
    assert_eq!(view::next_leaf(&world.slots).unwrap().unwrap().0, leaf(1));
}

#[test]
fn a_hostile_token_of_full_range_wraps_its_sums_and_keeps_what_is_owed() {
    let mut world = World::new(&[1]);
    for count in 1..=2 {
        let leaf = deposit(count, TOKEN, U256::MAX, U256::ZERO);
        let head = world.heads().accepted.extend(&leaf).unwrap();
        world.accept(head);
        deliver(&mut world, vec![leaf.clone()]).unwrap();
        world.peg().credited(&leaf).unwrap();
        assert_eq!(view::totals(&world.slots, TOKEN).unwrap().outstanding(), U256::MAX);
        world.exit(TOKEN, U256::MAX);
        assert_eq!(view::totals(&world.slots, TOKEN).unwrap().outstanding(), U256::ZERO);
    }
}

#[test]
fn destroyed_adds_up_and_does_not_wrap() {
    let mut world = World::new(&[1]);
    world.peg().destroyed(U256::from(3)).unwrap();
    world.peg().destroyed(U256::from(4)).unwrap();
    assert_eq!(view::destroyed(&world.slots).unwrap(), U256::from(7));
    world.peg().destroyed(U256::MAX).unwrap_err();
    assert_eq!(view::destroyed(&world.slots).unwrap(), U256::from(7));
}

/// The root by the definition of spec 2.3: pad to a power of two, hash pairs.
fn naive_root(exits: &[Exit]) -> B256 {
    let mut level: Vec<B256> = exits.iter().map(Exit::leaf).collect();
    level.resize(exits.len().next_power_of_two(), B256::ZERO);
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| node(pair[0], pair[1])).collect();
    }
    root(exits.len() as u64, level[0])
}

#[test]
fn the_stored_frontier_gives_the_root_of_the_whole_tree() {
    let mut world = World::new(&[1]);
    let mut exits = Vec::new();
    for amount in 0..=40u64 {
        let exit_head = world.peg().exit_head().unwrap();
        assert_eq!((exit_head.count, exit_head.root), (amount, naive_root(&exits)));
        exits.push(world.exit(NATIVE, U256::from(amount)));
    }
}

#[test]
fn an_exit_out_of_order_is_a_fault() {
    let mut world = World::new(&[1]);
    let exit = world.exit(NATIVE, U256::ONE);
    world.peg().append_exit(&exit).unwrap_err();
    let skipped = Exit { index: ExitIndex::new(2), recipient: Address::ZERO, ..exit };
    world.peg().append_exit(&skipped).unwrap_err();
    assert_eq!(world.peg().exit_head().unwrap().count, 1);
}

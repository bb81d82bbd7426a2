//! A model of the L1 around the pure state.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use alloy_primitives::{Address, B256, U256, keccak256};
use mooring_client::wallet::Fees;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    exits::Exit,
    state::{
        Accepted, Action, BUMP_BLOCKS, Event, Order, Quorum, Refusal, STEP_IN_BLOCKS, State, View,
    },
};

const GWEI: u128 = 1_000_000_000;

fn member(index: u8) -> Address {
    Address::repeat_byte(index + 1)
}

fn state(index: u8) -> State {
    State::new(member(index), BTreeMap::new(), 100 * GWEI, 0)
}

/// An L1 with the Vault, and a sidechain with exits.
struct World {
    view: View,
    claimed: BTreeSet<u64>,
    /// Exits that a batch cannot pay.
    poison: BTreeSet<u64>,
    /// Hash, order and block of what is in a block.
    included: Vec<(B256, Order, u64)>,
    pool: Vec<(B256, Order)>,
    /// Claims of exits that were paid already: the Vault skips them, and the gas is lost.
    wasted: usize,
}

impl World {
    fn new(exits: u64) -> Self {
        let market = Fees { max_fee: 3 * GWEI, tip: GWEI };
        let view = View {
            l1_height: 100,
            l1_finalized: 98,
            nonce: 0,
            market,
            vault: Accepted { height: 0, exit_count: 0, ring_index: 0 },
            quorum: Some(Quorum { index: 0, height: 10, exit_count: exits }),
            members: (0..4).map(member).collect(),
        };
        Self {
            view,
            claimed: BTreeSet::new(),
            poison: BTreeSet::new(),
            included: Vec::new(),
            pool: Vec::new(),
            wasted: 0,
        }
    }

    /// Mines one block with the best paid transaction of the next nonce.
    fn mine(&mut self) {
        self.view.l1_height += 1;
        self.view.l1_finalized += 1;
        let nonce = self.view.nonce;
        let next = self.pool.iter().filter(|(_, order)| order.nonce == nonce);
        let Some((hash, order)) = next.max_by_key(|(_, order)| order.fees.tip).cloned() else {
            return;
        };
        self.pool.retain(|(_, order)| order.nonce > nonce);
        self.view.nonce += 1;
        let purpose = &order.purpose;
        if let Some(quorum) = purpose.checkpoint {
            let Quorum { height, exit_count, .. } = quorum;
            let ring_index = purpose.ring_index;
            self.view.vault = Accepted { height, exit_count, ring_index };
        }
        for item in &purpose.items {
            assert!(*item < self.view.vault.exit_count, "a claim without a root");
            let paid = purpose.single || !self.poison.contains(item);
            if paid && !self.claimed.insert(*item) {
                self.wasted += 1;
            }
        }
        self.included.push((hash, order, self.view.l1_height));
    }

    /// Lets a member look; what it sends goes into the pool.
    fn look(&mut self, state: &mut State) -> Vec<Order> {
        let mut sent = Vec::new();
        let mut waiting = state.on(Event::View(self.view.clone()));
        let mut budget = 50;
        while let Some(action) = waiting.pop() {
            budget -= 1;
            assert!(budget > 0, "no end of actions");
            let event = match action {
                Action::Scan { first, end } => {
                    let exit = |index| Exit {
                        index,
                        asset: Address::ZERO,
                        fee: U256::ZERO,
                        claimed: self.claimed.contains(&index),
                    };
                    Event::Scanned((first..end).map(exit).collect())
                }
                Action::Check(items) => {
                    let seen = |index| (index, self.claimed.contains(&index));
                    Event::Claimed(items.into_iter().map(seen).collect())
                }
                Action::Look(attempts) => {
                    let found = self.included.iter().find(|(hash, ..)| attempts.contains(hash));
                    Event::Found(found.map(|(hash, _, block)| (*hash, *block)))
                }
                Action::Settle(hash) => {
                    let there = self.included.iter().any(|(found, ..)| *found == hash);
                    Event::Settled { hash, there }
                }
                // As the task does: what is paid already is not sent.
                Action::Send(order)
                    if state.under_way().is_none()
                        && order.purpose.items.iter().any(|item| self.claimed.contains(item)) =>
                {
                    let seen = |index| (index, self.claimed.contains(&index));
                    Event::Claimed(order.purpose.items.into_iter().map(seen).collect())
                }
                Action::Send(order) => {
                    let hash = keccak256(format!("{order:?}"));
                    sent.push(order.clone());
                    self.pool.push((hash, order.clone()));
                    Event::Sent { order, hash }
                }
            };
            waiting.extend(state.on(event));
        }
        sent
    }
}

/// Looks often enough for everything that is due now.
fn settle(world: &mut World, state: &mut State, blocks: u64) {
    for _ in 0..blocks {
        for _ in 0..3 {
            world.look(state);
        }
        world.mine();
    }
}

#[test]
fn a_checkpoint_takes_its_claims_along_and_the_rest_follows() {
    let mut world = World::new(120);
    let mut state = state(0);
    settle(&mut world, &mut state, 12);
    assert_eq!(world.view.vault.height, 10);
    assert_eq!(world.view.vault.ring_index, 1);
    assert_eq!(world.claimed.len(), 120);
    assert_eq!(world.included.len(), 3);
    assert_eq!(state.book().first_open(), 120);
}

#[test]
fn a_poison_exit_blocks_nobody_and_is_retried_alone() {
    let mut world = World::new(5);
    world.poison.insert(2);
    let mut state = state(0);
    settle(&mut world, &mut state, 4);
    assert_eq!(world.claimed.len(), 4);
    settle(&mut world, &mut state, 20);
    assert_eq!(world.claimed.len(), 5);
    let last = &world.included.last().unwrap().1.purpose;
    assert!(last.single && last.items == [2]);
}

#[test]
fn members_submit_in_turns() {
    for (rank, index) in [0u8, 1, 2, 3].into_iter().enumerate() {
        let mut world = World::new(0);
        let mut state = state(index);
        let wait = u64::try_from(rank).unwrap() * STEP_IN_BLOCKS;
        for passed in 0..=wait {
            let sent = world.look(&mut state);
            assert_eq!(sent.is_empty(), passed < wait, "member {index} after {passed} blocks");
            world.view.l1_height += 1;
        }
    }
    let mut stranger = State::new(Address::repeat_byte(99), BTreeMap::new(), GWEI, 0);
    assert_eq!(World::new(3).look(&mut stranger), []);
}

#[test]
fn a_stuck_transaction_is_replaced_with_the_same_nonce_up_to_the_ceiling() {
    let mut world = World::new(0);
    let mut state = state(0);
    let mut last = world.look(&mut state).remove(0);
    let mut replaced = 0;
    for _ in 0..200 {
        world.view.l1_height += 1;
        for order in world.look(&mut state) {
            assert_eq!(order.nonce, last.nonce);
            assert!(order.fees.max_fee * 8 >= last.fees.max_fee * 9);
            assert!(order.fees.tip * 8 >= last.fees.tip * 9);
            assert!(order.fees.max_fee <= 100 * GWEI);
            last = order;
            replaced += 1;
        }
    }
    assert!(replaced > 10, "only {replaced} replacements in {} blocks", 200 / BUMP_BLOCKS);
    assert!(state.waits().unwrap().contains("max_fee_gwei"));
    world.mine();
    world.look(&mut state);
    assert_eq!(world.view.vault.height, 10);
    assert_eq!(state.under_way(), None);
}

#[test]
fn a_reorg_that_drops_the_transaction_sends_it_again() {
    let mut world = World::new(3);
    let mut state = state(0);
    settle(&mut world, &mut state, 1);
    world.look(&mut state);
    assert_eq!(world.claimed.len(), 3);
    world.included.clear();
    world.claimed.clear();
    world.view.nonce = 0;
    world.view.vault = Accepted { height: 0, exit_count: 0, ring_index: 0 };
    settle(&mut world, &mut state, 30);
    assert_eq!((world.view.vault.height, world.claimed.len()), (10, 3));
}

#[test]
fn refusals_are_answered_by_their_type() {
    let mut world = World::new(0);
    let mut state = state(0);
    let Some(Action::Send(order)) = state.on(Event::View(world.view.clone())).pop() else {
        panic!("nothing is sent")
    };
    // Somebody's transaction waits at this nonce: pay more.
    let refused = |refusal| Event::Refused { order: order.clone(), refusal };
    let Some(Action::Send(more)) = state.on(refused(Refusal::Underpriced)).pop() else {
        panic!("no replacement")
    };
    assert!(more.fees.max_fee > order.fees.max_fee && more.nonce == order.nonce);
    // It would revert: wait.
    assert_eq!(state.on(refused(Refusal::Useless)), []);
    assert_eq!(world.look(&mut state), []);
    world.view.l1_height += 10;
    // The nonce was used: the next look takes the new one at once.
    world.view.nonce = 7;
    assert_eq!(state.on(refused(Refusal::NonceUsed)), []);
    assert_eq!(world.look(&mut state)[0].nonce, 7);
}

#[test]
fn gas_above_the_ceiling_is_waited_out() {
    let mut world = World::new(0);
    let mut state = state(0);
    world.view.market = Fees { max_fee: 300 * GWEI, tip: GWEI };
    assert_eq!(world.look(&mut state), []);
    assert!(state.waits().is_some());
    world.view.market = Fees { max_fee: 3 * GWEI, tip: GWEI };
    assert_eq!(world.look(&mut state).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Blocks, new checkpoints, restarts and poison in any order: no claim is made of what is paid,
    /// no proof is for a tree that the Vault does not know, and in the end everything is paid.
    #[test]
    fn every_exit_is_paid_once_in_the_end(
        steps in prop::collection::vec((0u8..5, 0u64..60), 0..40), poison in 0u64..60,
    ) {
        let mut world = World::new(20);
        world.poison.insert(poison);
        let mut relayer = state(0);
        for (step, number) in steps {
            match step {
                0 => world.mine(),
                1 => { world.look(&mut relayer); }
                2 => relayer = state(0),
                3 => {
                    let quorum = world.view.quorum.as_mut().unwrap();
                    quorum.index += 4;
                    quorum.height += 1 + number;
                    quorum.exit_count += number;
                }
                _ => world.view.l1_height += 1,
            }
        }
        for _ in 0..40 {
            settle(&mut world, &mut relayer, 4);
        }
        let quorum = world.view.quorum.unwrap();
        prop_assert_eq!(world.view.vault.height, quorum.height);
        prop_assert_eq!(u64::try_from(world.claimed.len()).unwrap(), quorum.exit_count);
        prop_assert_eq!(world.wasted, 0);
    }
}

//! A model of both chains around the pure state: random orders, duplicates, lies and reorgs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use alloy_primitives::{Address, B256, U256};
use mooring_bridge::{Count, DepositHead, Epoch, Head, Leaf, deposit::Deposit, proof::ProvenHead};
use proptest::prelude::*;
use std::collections::BTreeMap;

use super::state::{Action, Event, MAX_ADVANCE, OpenHead, STEP_IN_BLOCKS, State, Status};

const GENESIS: Head = Head { count: Count::ZERO, acc: B256::repeat_byte(9) };

fn member(index: u8) -> Address {
    Address::repeat_byte(index + 1)
}

/// Leaf `count`; another `salt` is another leaf.
fn leaf(count: u64, salt: u8) -> Leaf {
    Leaf::Deposit(Deposit {
        count: Count::new(count),
        asset: Address::ZERO,
        sender: Address::repeat_byte(salt),
        recipient: Address::repeat_byte(7),
        amount: U256::from(count),
        gas_wei: U256::ZERO,
        refund_to: Address::repeat_byte(7),
    })
}

fn leaves(salts: &[u8]) -> Vec<Leaf> {
    (1..).zip(salts).map(|(count, salt)| leaf(count, *salt)).collect()
}

fn head(leaves: &[Leaf]) -> Head {
    GENESIS.extend_all(leaves).unwrap()
}

/// The sidechain and the L1 of one test.
struct World {
    status: Status,
    l1: Vec<Leaf>,
    block: u64,
}

impl World {
    fn new(members: u8, l1: Vec<Leaf>) -> Self {
        let status = Status {
            height: 1,
            epoch: Epoch::new(1),
            members: (0..members).map(member).collect(),
            accepted: GENESIS,
            delivered: GENESIS,
            undelivered: Vec::new(),
            open: Vec::new(),
            halted: false,
        };
        Self { status, l1, block: 10 }
    }

    fn proven(&self) -> Event {
        let head = head(&self.l1);
        Event::Proven(ProvenHead { head, block_number: self.block, block_time: 0 })
    }

    fn answer(&self, after: Head, to: Head) -> Event {
        let first = usize::try_from(after.count.get()).unwrap();
        let end = usize::try_from(to.count.get()).unwrap().min(self.l1.len());
        let leaves = self.l1.get(first..end).unwrap_or_default().to_vec();
        Event::Leaves { after, to, leaves }
    }

    /// Lets a member look at both chains, with truthful logs; what it posts.
    fn look(&self, state: &mut State) -> Vec<Action> {
        let mut posted = Vec::new();
        let mut waiting = state.on(Event::Status(self.status.clone()));
        waiting.extend(state.on(self.proven()));
        let mut budget = 20;
        while let Some(action) = waiting.pop() {
            match action {
                Action::Read { after, to, .. } if budget > 0 => {
                    budget -= 1;
                    waiting.extend(state.on(self.answer(after, to)));
                }
                Action::Read { .. } => {}
                other => posted.push(other),
            }
        }
        posted
    }

    /// What the chain does with a vote: the same rules as the state transition's.
    fn vote(&mut self, signer: Address, vote: DepositHead) {
        let head = Head { count: vote.count, acc: vote.acc };
        let advance = vote.count.get().saturating_sub(self.status.accepted.count.get());
        assert!((1..=MAX_ADVANCE).contains(&advance), "a vote out of reach");
        let quorum = self.status.members.len() * 2 / 3 + 1;
        let place = self.status.open.iter().position(|open| open.head == head);
        let place = place.unwrap_or_else(|| {
            assert!(self.status.open.iter().all(|open| open.opener != signer), "a second head");
            self.status.open.push(OpenHead { opener: signer, head, signers: Vec::new() });
            self.status.open.len() - 1
        });
        let open = &mut self.status.open[place];
        if !open.signers.contains(&signer) {
            open.signers.push(signer);
        }
        if open.signers.len() >= quorum {
            self.status.accepted = head;
            self.status.undelivered.push(head);
            self.status.open.clear();
        }
    }

    fn deliver(&mut self, head: Head, leaves: &[Leaf]) -> bool {
        if self.status.undelivered.first() != Some(&head) {
            return false;
        }
        assert_eq!(self.status.delivered.extend_all(leaves).unwrap(), head, "a skipped leaf");
        self.status.delivered = head;
        self.status.undelivered.remove(0);
        true
    }
}

/// All members look in turn until nothing is left to do.
fn settle(world: &mut World, states: &mut [State]) {
    for _ in 0..200 {
        world.status.height += 1;
        for (index, state) in (0u8..).zip(states.iter_mut()) {
            for action in world.look(state) {
                match action {
                    Action::Vote(vote) => {
                        if vote.count > world.status.accepted.count {
                            world.vote(member(index), vote);
                        }
                    }
                    Action::Deliver { head, leaves } => {
                        world.deliver(head, &leaves);
                    }
                    Action::Read { .. } => unreachable!("reads are answered in `look`"),
                }
            }
        }
    }
}

#[test]
fn every_leaf_is_accepted_and_delivered_once_also_beyond_one_advance() {
    let salts = vec![1; 600];
    let mut world = World::new(4, leaves(&salts));
    let mut states: Vec<State> = (0..4).map(|i| State::new(member(i), GENESIS)).collect();
    settle(&mut world, &mut states);
    assert_eq!(world.status.delivered, head(&world.l1));
    assert_eq!(world.status.accepted, head(&world.l1));
}

#[test]
fn one_silent_member_of_four_does_not_stop_the_peg() {
    let mut world = World::new(4, leaves(&[1; 9]));
    let mut states: Vec<State> = (0..3).map(|i| State::new(member(i), GENESIS)).collect();
    settle(&mut world, &mut states);
    assert_eq!(world.status.delivered, head(&world.l1));
}

#[test]
fn a_head_that_the_vault_does_not_hold_is_not_signed() {
    let mut world = World::new(4, leaves(&[1, 1, 1]));
    let lie = head(&leaves(&[1, 2, 1]));
    world.status.open.push(OpenHead { opener: member(3), head: lie, signers: vec![member(3)] });
    let mut state = State::new(member(0), GENESIS);
    let posted = world.look(&mut state);
    let truth = head(&world.l1);
    let vote = DepositHead { epoch: Epoch::new(1), count: truth.count, acc: truth.acc };
    assert_eq!(posted, [Action::Vote(vote)]);
    assert!(state.abstains().unwrap().contains("not what the Vault holds"));
}

#[test]
fn logs_that_lie_are_refused_until_one_endpoint_tells_the_truth() {
    let world = World::new(1, leaves(&[1, 1, 1]));
    let mut state = State::new(member(0), GENESIS);
    state.on(Event::Status(world.status.clone()));
    let mut waiting = state.on(world.proven());
    for lie in [leaves(&[1, 2, 1]), leaves(&[1, 1]), vec![leaf(1, 1), leaf(3, 1)], vec![]] {
        let Some(Action::Read { after, to, .. }) = waiting.pop() else { panic!("no read") };
        waiting = state.on(Event::Leaves { after, to, leaves: lie });
        assert!(waiting.iter().all(|action| matches!(action, Action::Read { .. })));
        assert!(state.stopped().is_none(), "a lie is no reorg");
    }
    let attempts: Vec<u64> = waiting
        .iter()
        .map(|action| if let Action::Read { attempt, .. } = action { *attempt } else { 0 })
        .collect();
    assert_eq!(attempts, [4]);
    assert_eq!(world.look(&mut state).len(), 1);
}

#[test]
fn a_reorg_below_the_accepted_head_stops_everything() {
    for accepted in [2, 3] {
        let mut world = World::new(1, leaves(&[1, 1, 1]));
        let old = leaves(&[1, 1, 1]);
        world.status.accepted = head(&old[..accepted]);
        world.status.delivered = head(&old[..accepted]);
        let mut state = State::new(member(0), GENESIS);
        world.look(&mut state);
        assert!(state.stopped().is_none());

        world.l1 = leaves(&[1, 2, 1, 1]);
        world.block += 1;
        world.status.height += 1;
        assert_eq!(world.look(&mut state), []);
        assert!(state.stopped().is_some(), "accepted {accepted}");
        // Nothing makes it sign again.
        world.l1 = old.clone();
        world.block += 1;
        world.status.height += 100;
        assert_eq!(world.look(&mut state), []);

        // A member that starts after the reorg finds it as well.
        world.l1 = leaves(&[1, 2, 1, 1]);
        let mut late = State::new(member(0), GENESIS);
        assert_eq!(world.look(&mut late), []);
        assert!(late.stopped().is_some());
    }
}

#[test]
fn a_reorg_above_the_accepted_head_is_followed() {
    let mut world = World::new(4, leaves(&[1, 1]));
    world.status.accepted = head(&world.l1);
    world.status.delivered = head(&world.l1);
    let mut state = State::new(member(0), GENESIS);
    world.l1 = leaves(&[1, 1, 1]);
    assert_eq!(world.look(&mut state).len(), 1);
    world.l1 = leaves(&[1, 1, 2, 2]);
    world.block += 1;
    world.status.height += 1;
    let truth = head(&world.l1);
    let vote = DepositHead { epoch: Epoch::new(1), count: truth.count, acc: truth.acc };
    assert_eq!(world.look(&mut state), [Action::Vote(vote)]);
    assert!(state.stopped().is_none());
}

#[test]
fn after_a_lost_journal_the_chain_still_shows_what_was_signed() {
    let mut world = World::new(4, leaves(&[1, 1]));
    let signed = head(&leaves(&[1, 3]));
    world.status.open.push(OpenHead { opener: member(0), head: signed, signers: vec![member(0)] });
    let mut state = State::new(member(0), GENESIS);
    assert_eq!(world.look(&mut state), []);
    let truth = head(&world.l1);
    world.status.height += 1;
    world.status.open.push(OpenHead { opener: member(1), head: truth, signers: vec![member(1)] });
    assert_eq!(world.look(&mut state), []);
}

#[test]
fn members_deliver_in_turns() {
    let mut world = World::new(4, leaves(&[1]));
    world.status.accepted = head(&world.l1);
    world.status.undelivered = vec![head(&world.l1)];
    let start = world.status.height;
    // Leaf 1 is member 1's turn, then 2's, 3's and 0's.
    for (rank, index) in [1u8, 2, 3, 0].into_iter().enumerate() {
        let mut state = State::new(member(index), GENESIS);
        let due = start + u64::try_from(rank).unwrap() * STEP_IN_BLOCKS;
        for height in start..=due {
            world.status.height = height;
            let posted = world.look(&mut state);
            assert_eq!(posted.is_empty(), height < due, "member {index} at {height}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in whatever order, no count is ever signed with two accs that the chain of
    /// the moment did not prove, every vote is for what L1 holds, and a delivery skips nothing.
    #[test]
    fn votes_are_always_for_what_is_proven(
        steps in prop::collection::vec((0u8..6, any::<u8>()), 1..60),
    ) {
        let mut world = World::new(4, leaves(&[1, 1]));
        let mut state = State::new(member(0), GENESIS);
        let mut requests: Vec<(Head, Head)> = Vec::new();
        let mut signed: BTreeMap<u64, B256> = BTreeMap::new();
        for (step, byte) in steps {
            let event = match step {
                0 => Event::Status(world.status.clone()),
                1 => {
                    let count = u64::try_from(world.l1.len()).unwrap() + 1;
                    world.l1.push(leaf(count, 1));
                    world.block += 1;
                    world.proven()
                }
                2 => world.proven(),
                3 => match requests.last() {
                    Some((after, to)) => world.answer(*after, *to),
                    None => continue,
                },
                4 => match requests.last() {
                    Some((after, to)) => {
                        let leaves = leaves(&vec![byte; usize::from(byte % 7)]);
                        Event::Leaves { after: *after, to: *to, leaves }
                    }
                    None => continue,
                },
                _ => {
                    world.status.height += u64::from(byte % 12);
                    Event::Status(world.status.clone())
                }
            };
            for action in state.on(event) {
                match action {
                    Action::Read { after, to, .. } => requests.push((after, to)),
                    Action::Vote(vote) => {
                        let count = usize::try_from(vote.count.get()).unwrap();
                        prop_assert_eq!(head(&world.l1[..count]).acc, vote.acc);
                        prop_assert_eq!(*signed.entry(vote.count.get()).or_insert(vote.acc), vote.acc);
                        world.vote(member(0), vote);
                    }
                    Action::Deliver { head, leaves } => {
                        world.deliver(head, &leaves);
                    }
                }
            }
            prop_assert!(state.stopped().is_none());
        }
        // And it acts in the end.
        world.status.height += 20;
        let voted = world.look(&mut state).iter().any(|a| matches!(a, Action::Vote(_)));
        prop_assert!(voted || !world.status.open.is_empty());
    }
}

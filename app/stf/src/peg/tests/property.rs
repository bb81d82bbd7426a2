//! Random sequences of messages, blocks, credits and exits, against what must hold after each.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use mooring_bridge::{
    Count, FederationMessage, Head, Height, NATIVE, federation::CheckpointVote, members::quorum,
};
use proptest::prelude::*;

use super::world::{TOKEN, World, head, leaves};
use crate::peg::{MAX_OPEN_CHECKPOINTS, view};

/// Signers 0..4 are members with these powers, signer 4 is an outsider.
const POWERS: [u128; 4] = [5, 1, 3, 3];
const SIGNERS: usize = 5;

#[derive(Clone, Debug)]
enum Step {
    Head { signer: usize, ahead: u64, forged: bool, epoch: u64 },
    Deliver { cut: usize, skip: u64 },
    Credit,
    Exit { native: bool, amount: u64 },
    Checkpoint { signer: usize, which: usize, off: u64 },
    Block { seconds: u64 },
    Halt,
}

fn step() -> impl Strategy<Value = Step> {
    let epoch = prop_oneof![20 => Just(1u64), 1 => Just(2u64)];
    prop_oneof![
        12 => (0..SIGNERS, 0..6u64, prop::bool::weighted(0.1), epoch).prop_map(
            |(signer, ahead, forged, epoch)| Step::Head { signer, ahead, forged, epoch }
        ),
        6 => (0..5usize, 0..5u64).prop_map(|(cut, skip)| Step::Deliver {
            cut: cut.saturating_sub(3),
            skip: skip.saturating_sub(3),
        }),
        4 => Just(Step::Credit),
        2 => (any::<bool>(), any::<u64>())
            .prop_map(|(native, amount)| Step::Exit { native, amount }),
        12 => (0..SIGNERS, 0..6usize, 0..5u64).prop_map(|(signer, which, off)| Step::Checkpoint {
            signer,
            which,
            off: off.saturating_sub(3),
        }),
        8 => (0..600u64).prop_map(|seconds| Step::Block { seconds }),
        1 => prop::bool::weighted(0.05).prop_map(|halt| if halt { Step::Halt } else { Step::Credit }),
    ]
}

/// The world, and a tally of its own for the heads since the last acceptance.
struct Run {
    world: World,
    height: u64,
    time: u64,
    tally: BTreeMap<Head, u128>,
    forged: bool,
}

impl Run {
    fn new() -> Self {
        let (world, tally) = (World::new(&POWERS), BTreeMap::new());
        let mut run = Self { world, height: 0, time: 0, tally, forged: false };
        run.block(0);
        run
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Head { signer, ahead, forged, epoch } => self.head(signer, ahead, forged, epoch),
            Step::Deliver { cut, skip } => self.deliver(cut, skip),
            Step::Credit => {
                if let Some((leaf, _)) = self.world.peg().next_leaf().unwrap() {
                    self.world.peg().credited(&leaf).unwrap();
                }
            }
            Step::Exit { native, amount } => {
                self.world.exit(if native { NATIVE } else { TOKEN }, U256::from(amount));
            }
            Step::Checkpoint { signer, which, off } => self.checkpoint(signer, which, off),
            Step::Block { seconds } => self.block(seconds),
            Step::Halt => self.world.peg().halt(),
        }
    }

    fn head(&mut self, signer: usize, ahead: u64, forged: bool, epoch: u64) {
        let before = self.world.heads().accepted;
        let count = before.count.get() + ahead;
        let head = if forged {
            Head { count: Count::new(count), acc: B256::repeat_byte(0xbd) }
        } else {
            head(self.world.acc_0(), count)
        };
        let message = self.world.head_vote(signer, epoch, head);
        if self.world.apply(&message).is_err() {
            return;
        }
        assert!(signer < POWERS.len() && epoch == 1 && ahead > 0);
        let power = self.tally.entry(head).or_default();
        *power += POWERS[signer];
        let accepted = quorum(*power, POWERS.iter().sum());
        assert_eq!(self.world.heads().accepted, if accepted { head } else { before });
        if accepted {
            self.tally.clear();
            // Leaves for a forged head do not exist: nothing is delivered any more.
            self.forged |= forged;
        }
    }

    fn deliver(&mut self, cut: usize, skip: u64) {
        let from = self.world.heads().delivered.count.get() + 1;
        let waiting = view::undelivered(&self.world.slots).unwrap();
        let to = waiting.first().map_or(from, |head| head.count.get());
        let mut leaves = leaves(from + skip, to + skip);
        leaves.truncate(leaves.len() - cut.min(leaves.len() - 1));
        let exact = leaves.len() as u64 == to - from + 1 && skip == 0;
        if self.world.apply(&FederationMessage::Delivery(leaves)).is_ok() {
            assert!(exact && !waiting.is_empty());
            assert_eq!(self.world.heads().delivered, waiting[0]);
        } else {
            let halted = self.world.peg().is_halted().unwrap();
            assert!(!exact || waiting.is_empty() || halted || self.forged);
        }
    }

    fn checkpoint(&mut self, signer: usize, which: usize, off: u64) {
        let views = view::checkpoints(&self.world.slots).unwrap();
        let Some(view) = views.get(which % views.len().max(1)) else { return };
        let vote = CheckpointVote {
            epoch: view.checkpoint.epoch,
            height: Height::new(view.checkpoint.height.get() + off),
            signature: self.world.sign(signer, &view.checkpoint),
        };
        if self.world.apply(&FederationMessage::CheckpointVote(vote)).is_ok() {
            assert!(signer < POWERS.len() && off == 0 && view.complete && !view.quorum);
            let power = view.power + POWERS[signer];
            let now = view::checkpoints(&self.world.slots).unwrap();
            let now = now.iter().find(|now| now.index == view.index).unwrap();
            assert_eq!((now.power, now.quorum), (power, quorum(power, POWERS.iter().sum())));
        }
    }

    fn block(&mut self, seconds: u64) {
        self.height += 1;
        self.time += seconds;
        self.world.block(self.height, self.time, 0);
    }

    fn assert_invariants(&self) {
        let heads = self.world.heads();
        assert!(heads.credited.count <= heads.delivered.count);
        assert!(heads.delivered.count <= heads.accepted.count);
        let waiting = view::undelivered(&self.world.slots).unwrap();
        assert_eq!(*waiting.last().unwrap_or(&heads.delivered), heads.accepted);
        let views = view::checkpoints(&self.world.slots).unwrap();
        let quorums = views.iter().filter(|view| view.quorum).count();
        assert!(quorums <= 1 && (views.len() - quorums) as u64 <= MAX_OPEN_CHECKPOINTS);
        let (heights, _) = self.world.named();
        assert!(heights.is_sorted_by(|older, newer| older < newer));
        self.world.assert_no_stale_slots();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_sequence_breaks_the_order_of_the_log_or_leaves_a_stale_slot(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
            run.assert_invariants();
        }
    }
}

//! Random lives of one storage trie.

use crate::model::{
    OWNER, Words, built, check_proof, follow, key, seeded, state_root, storage_leaves,
    storage_root, word, writes,
};
use alloy_primitives::{B256, U256, keccak256};
use mooring_trie::{MemoryNodes, StateTrie};
use proptest::prelude::*;

/// What a version keeps in memory when the next block comes.
#[derive(Debug, Clone, Copy)]
enum Memory {
    All,
    /// All but what is older than so many blocks.
    Recent(u64),
    /// Its root only.
    Nothing,
    /// As much more as fits into so many bytes.
    Ahead(usize),
    /// What an earlier version has.
    Joined,
}

fn block() -> impl Strategy<Value = (Words, bool, Memory)> {
    let memory = prop_oneof![
        Just(Memory::All),
        (0u64..3).prop_map(Memory::Recent),
        Just(Memory::Nothing),
        (0usize..20_000).prop_map(Memory::Ahead),
        Just(Memory::Joined),
    ];
    let writes = prop::collection::btree_map(key(), word(), 0..24);
    (writes, prop::bool::weighted(0.05), memory)
}

/// A state and the store that backs it, which may lag behind it.
struct Life {
    trie: StateTrie,
    nodes: MemoryNodes,
    words: Words,
    /// Of the next block.
    height: u64,
    stored: Option<u64>,
    gone: Vec<mooring_trie::NodeAt>,
    /// The version before, with more of it in memory.
    earlier: StateTrie,
}

impl Life {
    fn new() -> Self {
        Self {
            trie: StateTrie::default(),
            nodes: MemoryNodes::default(),
            words: Words::new(),
            height: 0,
            stored: None,
            gone: Vec::new(),
            earlier: StateTrie::default(),
        }
    }

    fn live(&mut self, block: &Words, wiped: bool) {
        let changes = writes(&self.words, block, wiped);
        let applied = self.trie.apply(&self.nodes, self.height, &changes).unwrap();
        self.height += 1;
        if wiped {
            self.words.clear();
        }
        follow(&mut self.words, block);
        self.gone.extend(applied.gone.iter().copied());
        self.earlier = core::mem::replace(&mut self.trie, applied.trie);
        assert_eq!(self.trie.root(), state_root(&self.words));
        assert_eq!(applied.storage_roots[&OWNER], storage_root(&self.words));
    }

    /// Brings the store up to the state.
    fn store(&mut self) {
        let gone = self.gone.drain(..).collect();
        let applied = mooring_trie::Applied {
            trie: self.trie.clone(),
            storage_roots: std::collections::BTreeMap::new(),
            gone,
        };
        self.nodes.write(self.stored, &applied);
        self.stored = self.height.checked_sub(1);
    }

    fn forget(&mut self, memory: Memory) {
        self.trie = match memory {
            Memory::All => return,
            Memory::Recent(blocks) => {
                let Some(stored) = self.stored else { return };
                self.trie.pruned(stored, self.height.saturating_sub(blocks))
            }
            Memory::Nothing if self.stored != self.height.checked_sub(1) => return,
            Memory::Nothing => StateTrie::at(self.trie.root()),
            Memory::Ahead(budget) => {
                self.trie.read_ahead(&self.nodes, self.height, budget).unwrap()
            }
            Memory::Joined => self.trie.joined(&self.earlier),
        };
        assert_eq!(self.trie.root(), state_root(&self.words));
    }

    /// Memory may know nothing, but nothing that is not so.
    fn check_known(&self, keys: &[B256]) -> usize {
        let knows = |key: &&B256| {
            let word = self.words.get(*key).copied().unwrap_or_default();
            self.trie.known_word(OWNER, **key).inspect(|known| assert_eq!(*known, word)).is_some()
        };
        keys.iter().filter(knows).count()
    }
}

proptest! {
    #![proptest_config(seeded(600))]

    #[test]
    fn roots_and_stores_follow_from_the_words_alone(
        blocks in prop::collection::vec((block(), any::<bool>()), 1..10),
    ) {
        let mut life = Life::new();
        for ((block, wiped, memory), store) in blocks {
            life.live(&block, wiped);
            if store {
                life.store();
                prop_assert_eq!(&life.nodes, &built(&life.words).1);
            }
            life.forget(memory);
        }
        life.store();
        prop_assert_eq!(&life.nodes, &built(&life.words).1);
    }

    #[test]
    fn memory_knows_what_was_read_ahead(
        blocks in prop::collection::vec(block(), 1..5),
        others in prop::collection::vec(key(), 8),
    ) {
        let mut life = Life::new();
        let mut keys = others;
        for (block, wiped, memory) in blocks {
            life.live(&block, wiped);
            life.store();
            life.forget(memory);
            keys.extend(block.keys());
            life.check_known(&keys);
        }
        life.forget(Memory::Ahead(usize::MAX));
        prop_assert_eq!(life.check_known(&keys), keys.len());
        let account = life.trie.known_account(OWNER).unwrap().map(|account| account.storage_root);
        prop_assert_eq!(account.unwrap_or(mooring_trie::EMPTY_ROOT_HASH), storage_root(&life.words));
        let nothing = StateTrie::at(life.trie.root());
        let all = std::mem::replace(&mut life.trie, nothing);
        prop_assert_eq!(life.check_known(&keys), 0);
        life.trie = life.trie.joined(&all);
        prop_assert_eq!(life.check_known(&keys), keys.len());
        prop_assert_eq!(life.trie.resident(), all.resident());
    }

    #[test]
    fn proofs_verify_for_present_and_absent_keys(
        blocks in prop::collection::vec(block(), 1..4),
        others in prop::collection::vec(key(), 8),
    ) {
        let mut life = Life::new();
        for (block, wiped, memory) in blocks {
            life.live(&block, wiped);
            life.store();
            life.forget(memory);
        }
        let (root, leaves) = (storage_root(&life.words), storage_leaves(&life.words));
        for key in leaves.keys().chain(&others) {
            let proof = life.trie.storage_proof(&life.nodes, OWNER, *key).unwrap();
            check_proof(root, *key, leaves.get(key), &proof);
        }
    }

    #[test]
    fn a_version_is_not_touched_by_its_children(first in block(), left in block(), right in block()) {
        let mut life = Life::new();
        life.live(&first.0, false);
        let parent = life.trie.clone();
        for (block, wiped, _) in [left, right] {
            let before = life.words.clone();
            life.live(&block, wiped);
            life.words = before;
            life.trie = parent.clone();
            prop_assert_eq!(parent.root(), state_root(&life.words));
        }
    }

    #[test]
    fn memory_is_counted_and_let_go(blocks in prop::collection::vec(block(), 2..6)) {
        let mut life = Life::new();
        for (block, _, _) in &blocks {
            life.live(block, false);
        }
        let all = life.trie.resident();
        prop_assert!(all > 0);
        life.store();
        let tip = life.stored.unwrap();
        let some = life.trie.pruned(tip, tip);
        prop_assert!(some.resident() <= all);
        prop_assert_eq!(life.trie.pruned(tip, u64::MAX).resident(), 0);
        let next = Words::from([(OWNER, U256::from(1))]);
        life.words.remove(&OWNER);
        life.live(&next, false);
        let unstored = life.trie.pruned(tip, u64::MAX);
        prop_assert!(unstored.resident() > 0, "what the store lacks stays");
        prop_assert_eq!(unstored.root(), life.trie.root());
    }
}

#[test]
fn a_large_trie_agrees_over_hundreds_of_blocks() {
    let mut life = Life::new();
    for round in 0u64..300 {
        let block = (0..60u64)
            .map(|step| {
                let dice = keccak256([round.to_be_bytes(), step.to_be_bytes()].concat());
                let key = keccak256([dice[0] % 16, dice[1]]);
                // The trie grows in the first half and shrinks to nothing in the second.
                let keep = u64::from(dice[2]) < if round < 150 { 200 } else { 300 - round };
                let word = U256::try_from_be_slice(&dice[..1 + usize::from(dice[3] % 32)]).unwrap();
                (key, if keep { word } else { U256::ZERO })
            })
            .collect();
        life.live(&block, false);
        if round % 3 == 0 {
            life.store();
        }
        life.forget(Memory::Recent(round % 7));
        if round % 50 == 0 {
            life.store();
            assert_eq!(life.nodes, built(&life.words).1, "round {round}");
        }
    }
    assert!(life.words.len() > 100);
    let block = life.words.keys().map(|key| (*key, U256::ZERO)).collect();
    life.live(&block, false);
    life.store();
    assert_eq!(life.nodes, built(&Words::new()).1);
}

#[test]
fn one_thread_and_many_make_the_same_trie() {
    let block: Words =
        (0u64..4000).map(|i| (keccak256(i.to_be_bytes()), U256::from(i + 1))).collect();
    let next: Words = (0u64..6000)
        .map(|i| (keccak256((i * 7 % 9001).to_be_bytes()), U256::from(i % 3)))
        .collect();
    let make = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut life = Life::new();
            life.live(&block, false);
            life.store();
            life.live(&next, false);
            let gone: Vec<(Option<B256>, _)> = life.gone.clone();
            life.store();
            (gone, life.trie.root(), life.nodes)
        })
    };
    assert_eq!(make(1), make(8));
}

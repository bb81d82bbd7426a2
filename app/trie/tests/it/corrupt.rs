//! A damaged store gives an error that names the place, and never a root.

use crate::model::{OWNER, Words, built, state_root, writes};
use alloy_primitives::{B256, U256, keccak256};
use core::cell::Cell;
use mooring_trie::{
    AccountChange, Location, MemoryNodes, Nibbles, NodeAt, NodeReader, StateError, StateTrie,
    TrieError, WordChange,
};
use std::collections::BTreeMap;
use std::sync::Mutex;

fn sample() -> (B256, MemoryNodes, Words) {
    let words: Words = (0u8..50).map(|i| (keccak256([i]), U256::MAX - U256::from(i))).collect();
    let (trie, nodes) = built(&words);
    (trie.root(), nodes, words)
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is gone")]
struct DiskGone;

/// A store with one node replaced or unreadable.
struct Damaged<'a> {
    nodes: &'a MemoryNodes,
    at: NodeAt,
    /// The node's bytes, `None` where there are none; an error where the outer is `None`.
    found: Option<Option<Vec<u8>>>,
    asked: Mutex<Cell<usize>>,
}

impl<'a> Damaged<'a> {
    fn new(nodes: &'a MemoryNodes, at: NodeAt, found: Option<Option<Vec<u8>>>) -> Self {
        Self { nodes, at, found, asked: Mutex::default() }
    }
}

impl NodeReader for Damaged<'_> {
    type Error = DiskGone;

    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>, DiskGone> {
        if (owner, *path) == self.at {
            let asked = self.asked.lock().unwrap();
            asked.set(asked.get() + 1);
            return self.found.clone().ok_or(DiskGone);
        }
        Ok(self.nodes.node(owner, path).unwrap())
    }
}

/// Writes that do not tell what was there: every node on the way is read.
fn untold(before: &Words, words: &Words, wiped: bool) -> BTreeMap<B256, AccountChange> {
    let mut changes = writes(before, words, wiped);
    for change in changes.values_mut() {
        change.before = None;
        change.storage.values_mut().for_each(|word| *word = WordChange::to(word.after));
    }
    changes
}

/// Everything that reads the node at `at` on the way to `key`, as errors.
fn errors(store: &Damaged<'_>, root: B256, words: &Words, slot: B256) -> Vec<TrieError<DiskGone>> {
    let trie = StateTrie::at(root);
    let apply = |changes: BTreeMap<B256, AccountChange>| match trie.apply(store, 2, &changes) {
        Err(StateError::Trie(error)) => error,
        other => panic!("{other:?}"),
    };
    vec![
        apply(untold(words, &[(slot, U256::from(1))].into(), false)),
        apply(untold(words, &[(slot, U256::ZERO)].into(), false)),
        apply(untold(words, &Words::new(), true)),
        trie.storage_proof(store, OWNER, slot).unwrap_err(),
    ]
}

/// A slot whose path leads through the node.
fn slot_through(words: &Words, (owner, path): &NodeAt) -> B256 {
    let below = |key: &&B256| owner.is_none() || Nibbles::unpack(key).starts_with(path);
    *words.keys().find(below).unwrap()
}

#[test]
fn each_changed_byte_of_each_node_is_noticed() {
    let (root, nodes, words) = sample();
    for (at, rlp) in nodes.iter() {
        for byte in [0, rlp.len() / 2, rlp.len() - 1] {
            let mut damaged = rlp.to_vec();
            damaged[byte] ^= 1;
            let store = Damaged::new(&nodes, *at, Some(Some(damaged)));
            let place = Location { owner: at.0, path: at.1 };
            for error in errors(&store, root, &words, slot_through(&words, at)) {
                assert!(matches!(error, TrieError::Corrupt { at, .. } if at == place), "{error}");
            }
        }
    }
}

#[test]
fn missing_and_unreadable_nodes_are_named() {
    let (root, nodes, words) = sample();
    for (at, _) in nodes.iter() {
        let slot = slot_through(&words, at);
        let place = Location { owner: at.0, path: at.1 };
        for error in errors(&Damaged::new(&nodes, *at, Some(None)), root, &words, slot) {
            assert!(matches!(error, TrieError::Missing { at, .. } if at == place), "{error}");
        }
        let store = Damaged::new(&nodes, *at, None);
        for error in errors(&store, root, &words, slot) {
            assert!(matches!(error, TrieError::Reader { at, .. } if at == place), "{error}");
        }
        assert!(store.asked.lock().unwrap().get() >= 4);
    }
    let place = Location { owner: Some(OWNER), path: Nibbles::from_nibbles([3, 10]) };
    assert_eq!(place.to_string(), format!("storage trie of {OWNER}, path 0x3a"));
}

#[test]
fn a_leaf_that_was_told_is_not_read() {
    let (root, nodes, mut words) = sample();
    let slot = *words.keys().next().unwrap();
    let changes = writes(&words, &[(slot, U256::from(1))].into(), false);
    let told = |change: &AccountChange| {
        let storage =
            BTreeMap::from([(slot, WordChange { before: words[&slot], after: U256::from(1) })]);
        AccountChange { storage, ..change.clone() }
    };
    let changes = changes.iter().map(|(owner, change)| (*owner, told(change))).collect();
    let is_leaf = |at: &NodeAt| at.0.is_none() || Nibbles::unpack(slot).starts_with(&at.1);
    let (leaf, _) =
        nodes.iter().filter(|(at, _)| is_leaf(at)).max_by_key(|(at, _)| at.1.len()).unwrap();
    let store = Damaged::new(&nodes, *leaf, None);
    let applied = StateTrie::at(root).apply(&store, 2, &changes).unwrap();
    words.insert(slot, U256::from(1));
    assert_eq!(applied.trie.root(), state_root(&words));
    assert_eq!(store.asked.lock().unwrap().get(), 0);
}

#[test]
fn bytes_with_the_right_hash_that_are_no_such_trie_are_refused() {
    let word = [0xa0].into_iter().chain([7; 32]).collect::<Vec<_>>();
    let leaf = |nibbles: usize, value: Vec<u8>| {
        let key = Nibbles::from_nibbles(vec![1; nibbles]);
        alloy_rlp::encode(alloy_trie::nodes::LeafNode::new(key, value))
    };
    let too_short = leaf(3, vec![1; 40]);
    let no_account = leaf(64, vec![1; 40]);
    let nodes = MemoryNodes::default();
    for rlp in [word, too_short, no_account, vec![0xc0], vec![]] {
        let root = keccak256(&rlp);
        let store = Damaged::new(&nodes, (None, Nibbles::new()), Some(Some(rlp)));
        let error = StateTrie::at(root).account_proof(&store, OWNER).unwrap_err();
        assert!(matches!(error, TrieError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_failed_change_leaves_the_version_as_it_was() {
    let (root, nodes, words) = sample();
    for (at, _) in nodes.iter().skip(1) {
        let slot = slot_through(&words, at);
        let trie = StateTrie::at(root);
        let changes = untold(&words, &[(slot, U256::ZERO)].into(), false);
        assert!(trie.apply(&Damaged::new(&nodes, *at, None), 2, &changes).is_err());
        let mut left = words.clone();
        left.remove(&slot);
        let again = trie.apply(&nodes, 2, &changes).unwrap();
        assert_eq!(again.trie.root(), built(&left).0.root());
    }
}

//! Tries built from their leaves in order, against tries that grew.

use crate::model::{OWNER, Words, key, oracle_root, seeded, state_root, storage_leaves, writes};
use alloy_primitives::{B256, U256};
use mooring_trie::{EMPTY_ROOT_HASH, MemoryNodes, NodeAt, StateTrie, TrieBuilder, Unordered};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The nodes and the root of a trie built of these words.
fn built(words: &Words) -> (BTreeMap<NodeAt, Vec<u8>>, B256) {
    let mut nodes = BTreeMap::new();
    let mut visit = |at, rlp| assert_eq!(nodes.insert(at, rlp), None, "told of once");
    let mut builder = TrieBuilder::new(Some(OWNER));
    for (slot, value) in storage_leaves(words) {
        builder.push(slot, value, &mut visit).unwrap();
    }
    let root = builder.finish(&mut visit);
    (nodes, root)
}

proptest! {
    #![proptest_config(seeded(256))]

    #[test]
    fn a_built_trie_has_the_nodes_of_one_that_grew(
        words in prop::collection::btree_map(key(), (1u64..300).prop_map(U256::from), 0..80)
    ) {
        let (nodes, root) = built(&words);
        prop_assert_eq!(root, oracle_root(&storage_leaves(&words)));
        let grown = StateTrie::default()
            .apply(&MemoryNodes::default(), 1, &writes(&Words::new(), &words, false))
            .unwrap();
        prop_assert_eq!(grown.trie.root(), state_root(&words));
        let mut expected = BTreeMap::new();
        grown.trie.changed_since(None, |at, rlp| {
            // They come in the order of what they are stored under.
            prop_assert!(expected.last_key_value().is_none_or(|(last, _)| *last < at));
            expected.insert(at, rlp);
            Ok(())
        })?;
        expected.retain(|(owner, _), _| owner.is_some());
        prop_assert_eq!(nodes, expected);
    }
}

#[test]
fn an_empty_trie_has_the_empty_root_and_no_nodes() {
    assert_eq!(built(&Words::new()), (BTreeMap::new(), EMPTY_ROOT_HASH));
}

#[test]
fn leaves_out_of_order_are_refused() {
    let mut builder = TrieBuilder::new(None);
    let (low, high) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let mut visit = |_, _| ();
    builder.push(high, vec![1], &mut visit).unwrap();
    for key in [low, high] {
        assert_eq!(builder.push(key, vec![1], &mut visit), Err(Unordered(key)));
    }
}

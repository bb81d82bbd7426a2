//! A damaged store gives an error that names the place, and never a root.

use crate::model::{Leaves, built};
use alloy_primitives::{B256, keccak256};
use core::cell::Cell;
use mooring_trie::{Location, MemoryNodes, Nibbles, NodeReader, Trie, TrieError, proof};

const OWNER: Option<B256> = Some(B256::repeat_byte(5));

fn sample() -> (B256, MemoryNodes, Leaves) {
    let leaves: Leaves = (0u8..50).map(|i| (keccak256([i]), vec![i; 40])).collect();
    let (root, nodes) = built(OWNER, &leaves);
    (root, nodes, leaves)
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is gone")]
struct DiskGone;

/// Fails for one path while `broken`.
struct Fails<'a> {
    nodes: &'a MemoryNodes,
    path: Nibbles,
    broken: Cell<bool>,
}

impl NodeReader for Fails<'_> {
    type Error = DiskGone;

    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>, DiskGone> {
        if self.broken.get() && *path == self.path {
            return Err(DiskGone);
        }
        Ok(self.nodes.node(owner, path).unwrap())
    }
}

#[test]
fn each_changed_byte_of_each_node_is_noticed() {
    let (root, nodes, leaves) = sample();
    for (owner, path, rlp) in nodes.iter() {
        for at in [0, rlp.len() / 2, rlp.len() - 1] {
            let mut damaged = rlp.to_vec();
            damaged[at] ^= 1;
            let mut store = nodes.clone();
            store.write(owner, [(*path, Some(damaged))].into());
            let key = *leaves.keys().find(|key| Nibbles::unpack(key).starts_with(path)).unwrap();
            let place = Location { owner, path: *path };
            let is_named = |error| matches!(error, TrieError::Corrupt { at, .. } if at == place);
            assert!(is_named(Trie::open(&store, owner, root).get(key).unwrap_err()));
            assert!(is_named(Trie::open(&store, owner, root).insert(key, vec![1]).unwrap_err()));
            assert!(is_named(Trie::open(&store, owner, root).remove(key).unwrap_err()));
            assert!(is_named(Trie::open(&store, owner, root).clear().unwrap_err()));
            assert!(is_named(proof(&store, owner, root, key).unwrap_err()));
        }
    }
}

#[test]
fn a_missing_node_is_named() {
    let (root, mut nodes, leaves) = sample();
    let key = *leaves.keys().next().unwrap();
    nodes.write(OWNER, [(Nibbles::new(), None)].into());
    let error = Trie::open(&nodes, OWNER, root).get(key).map(drop).unwrap_err();
    assert!(matches!(error, TrieError::Missing { hash, .. } if hash == root));
    let place = Location { owner: OWNER, path: Nibbles::from_nibbles([3, 10]) };
    assert_eq!(place.to_string(), format!("storage trie of {}, path 0x3a", OWNER.unwrap()));
}

#[test]
fn bytes_with_the_right_hash_that_are_no_such_trie_are_refused() {
    let word = [0xa0].into_iter().chain([7; 32]).collect::<Vec<_>>();
    let leaf_too_short = alloy_rlp::encode(alloy_trie::nodes::LeafNode::new(
        Nibbles::from_nibbles([1, 2, 3]),
        vec![1; 40],
    ));
    for rlp in [word, leaf_too_short, vec![0x80], vec![0xc0], vec![]] {
        let mut nodes = MemoryNodes::default();
        let root = keccak256(&rlp);
        if root == mooring_trie::EMPTY_ROOT_HASH {
            continue;
        }
        nodes.write(None, [(Nibbles::new(), Some(rlp))].into());
        let error = Trie::open(&nodes, None, root).get(B256::ZERO).map(drop).unwrap_err();
        assert!(matches!(error, TrieError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_failed_call_changes_nothing() {
    let (root, nodes, leaves) = sample();
    let mut met = 0;
    for (_, path, _) in nodes.iter().skip(1) {
        let reader = Fails { nodes: &nodes, path: *path, broken: Cell::new(true) };
        for key in leaves.keys() {
            let mut trie = Trie::open(&reader, OWNER, root);
            if let Err(error) = trie.remove(*key) {
                assert!(matches!(error, TrieError::Reader { .. }));
                met += 1;
                assert_eq!(trie.commit().root, root);
                // With the disk back, the same trie goes on as if nothing had happened.
                let mut trie = Trie::open(&reader, OWNER, root);
                assert!(trie.remove(*key).is_err());
                reader.broken.set(false);
                trie.remove(*key).unwrap();
                let mut left = leaves.clone();
                left.remove(key);
                assert_eq!(trie.commit().root, built(OWNER, &left).0);
                reader.broken.set(true);
            }
        }
    }
    assert!(met > leaves.len());
}

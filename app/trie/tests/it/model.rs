//! What a trie should be: a sorted map, and the oracle's answers about it.

use alloy_primitives::{B256, keccak256};
use alloy_trie::{HashBuilder, proof::verify_proof};
use mooring_trie::{MemoryNodes, Nibbles, Trie, proof};
use proptest::{prelude::*, test_runner::RngSeed};
use std::collections::BTreeMap;

pub(crate) type Leaves = BTreeMap<B256, Vec<u8>>;

/// The same cases in each run.
pub(crate) fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() }
}

/// Keys of two sorts: far apart, and alike but for their last bytes. The leaves of the latter
/// are deep and short, hence inside their parents where values are short too.
pub(crate) fn key() -> impl Strategy<Value = B256> {
    prop_oneof![
        (0u8..40).prop_map(|seed| keccak256([seed])),
        (0u8..3, 29usize..32, 0u8..4, any::<u8>()).prop_map(|(seed, at, high, low)| {
            let mut key = keccak256([seed]);
            key[at] ^= high << 4;
            key[31] = low;
            key
        }),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(any::<u8>(), 1..4), prop::collection::vec(1u8.., 25..80)]
}

pub(crate) fn oracle_root(leaves: &Leaves) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

/// The nodes and root of a trie built from these leaves alone.
pub(crate) fn built(owner: Option<B256>, leaves: &Leaves) -> (B256, MemoryNodes) {
    let empty = MemoryNodes::default();
    let mut trie = Trie::open(&empty, owner, mooring_trie::EMPTY_ROOT_HASH);
    for (key, value) in leaves {
        trie.insert(*key, value.clone()).unwrap();
    }
    let commit = trie.commit();
    let mut nodes = MemoryNodes::default();
    nodes.write(owner, commit.updates);
    (commit.root, nodes)
}

/// The proof of `key` verifies for its value, and for no other.
pub(crate) fn check_proof(
    nodes: &MemoryNodes,
    owner: Option<B256>,
    root: B256,
    key: B256,
    value: Option<&Vec<u8>>,
) {
    let proof = proof(nodes, owner, root, key).unwrap();
    let path = Nibbles::unpack(key);
    verify_proof(root, path, value.cloned(), &proof).unwrap();
    let other = if value.is_some() { None } else { Some(vec![1]) };
    assert!(verify_proof(root, path, other, &proof).is_err());
}

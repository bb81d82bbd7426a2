//! Roots of a block's lists: tries from the RLP of an index to an item (yellow paper, 4.3.2).

use alloy_primitives::B256;
use alloy_rlp::Encodable;
use alloy_trie::{HashBuilder, Nibbles, nodes::LeafNodeRef};

/// Leaves that are hashed together.
const TOGETHER: usize = 64;

/// A shorter leaf stands in its parent as it is.
const HASHED: usize = 32;

/// The root of the trie of a list whose items `encode` appends. The leaves, nearly all there is to
/// hash, are hashed together; the builder gets their hashes.
pub(super) fn ordered<T>(items: &[T], encode: impl Fn(usize, &T, &mut Vec<u8>)) -> B256 {
    // In order of their keys: the RLP of 0 is 0x80, that of greater numbers up to 0x7f themselves.
    let order = (1..0x80).chain([0]).chain(0x80..items.len()).filter(|i| *i < items.len());
    let keys: Vec<(usize, Nibbles)> =
        order.map(|index| (index, Nibbles::unpack(alloy_rlp::encode(index)))).collect();
    let shared = |a: usize, b: usize| match (keys.get(a), keys.get(b)) {
        (Some((_, a)), Some((_, b))) => a.common_prefix_length(b) + 1,
        _ => 0,
    };
    let mut builder = HashBuilder::default();
    for first in (0..keys.len()).step_by(TOGETHER) {
        let some = &keys[first..keys.len().min(first + TOGETHER)];
        let leaf = |(at, (index, key)): (usize, &(usize, Nibbles))| {
            let depth = shared(at.wrapping_sub(1), at).max(shared(at, at + 1));
            let mut value = Vec::new();
            encode(*index, &items[*index], &mut value);
            let mut rlp = Vec::new();
            LeafNodeRef::new(&key.slice(depth..), &value).encode(&mut rlp);
            (depth, value, rlp)
        };
        let leaves: Vec<_> = (first..).zip(some).map(leaf).collect();
        let rlps: Vec<&[u8]> = leaves.iter().map(|(_, _, rlp)| &rlp[..]).collect();
        let hashes = mooring_keccak::all(&rlps);
        for (((_, key), (depth, value, rlp)), hash) in some.iter().zip(&leaves).zip(hashes) {
            // A leaf alone is the root, which the builder makes of leaves only.
            if *depth == 0 || rlp.len() < HASHED {
                builder.add_leaf(*key, value);
            } else {
                builder.add_branch(key.slice(..*depth), hash, false);
            }
        }
    }
    builder.root()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_trie::root::ordered_trie_root_with_encoder;
    use proptest::{collection::vec, prelude::*};

    fn assert_root(items: &[Vec<u8>]) {
        let expected = ordered_trie_root_with_encoder(items, |item, out| {
            out.extend_from_slice(item);
        });
        assert_eq!(ordered(items, |_, item, out| out.extend_from_slice(item)), expected);
    }

    proptest! {
        #[test]
        fn lists_have_the_root_of_their_leaves_one_by_one(
            lengths in vec(prop_oneof![1..40_usize, 100..600_usize], 0..700),
        ) {
            let items: Vec<_> = (0_u8..=255)
                .cycle()
                .zip(lengths)
                .map(|(byte, length)| vec![byte; length])
                .collect();
            assert_root(&items);
        }
    }

    #[test]
    fn keys_of_every_length_have_their_place() {
        for length in [0, 1, 2, 17, 127, 128, 129, 255, 256, 257, 5000] {
            assert_root(&vec![vec![7; 100]; length]);
        }
    }
}

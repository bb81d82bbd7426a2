//! Merkle proofs as `eth_getProof` gives them (EIP-1186).

use crate::{
    EMPTY_ROOT_HASH, NodeReader, TrieError,
    node::{Child, Kind},
    source::Source,
    trie::nibble,
};
use alloy_primitives::{B256, Bytes};
use alloy_trie::{Nibbles, nodes::RlpNode};

/// The RLP of the stored nodes on the way from the root to `key`: a proof of its value where it
/// is present, and of its absence where it is not. Nodes shorter than 32 bytes are inside their
/// parents and not listed apart; the empty trie's proof is empty.
///
/// # Errors
/// A node on the key's path cannot be read.
pub fn proof<R: NodeReader>(
    reader: R,
    owner: Option<B256>,
    root: B256,
    key: B256,
) -> Result<Vec<Bytes>, TrieError<R::Error>> {
    let source = Source::new(reader, owner);
    let key = Nibbles::unpack_array(&key);
    let mut nodes = Vec::new();
    let mut next = (root != EMPTY_ROOT_HASH).then(|| Child::Closed(RlpNode::word_rlp(&root)));
    let mut depth = 0;
    while let Some(Child::Closed(reference)) = next {
        let (node, rlp) = source.load(reference, key.slice(..depth))?;
        nodes.extend(rlp.map(Bytes::from));
        next = match node.kind {
            Kind::Extension { prefix, child } if key.slice(depth..).starts_with(&prefix) => {
                depth += prefix.len();
                Some(child)
            }
            Kind::Branch(mut children) => {
                depth += 1;
                children[nibble(&key, depth - 1)].take()
            }
            Kind::Leaf { .. } | Kind::Extension { .. } => None,
        };
    }
    Ok(nodes)
}

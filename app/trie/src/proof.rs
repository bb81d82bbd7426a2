//! Merkle proofs as `eth_getProof` gives them (EIP-1186).

use crate::{
    NodeReader, TrieError,
    context::open,
    leaf::Leaf,
    node::{Child, Kind},
    update::nibble,
};
use alloy_primitives::{B256, Bytes};
use alloy_trie::Nibbles;

/// The nodes on the way to a key, and the value there.
pub(crate) type Found<L> = (Vec<Bytes>, Option<L>);

/// The RLP of the stored nodes on the way from the root to `key`: a proof of its value where it
/// is present, and of its absence where it is not. Nodes shorter than 32 bytes are inside their
/// parents and not listed apart; the empty trie's proof is empty.
///
/// # Errors
/// A node on the key's path cannot be read.
pub(crate) fn proof<L: Leaf, R: NodeReader>(
    reader: &R,
    owner: Option<B256>,
    root: Option<&Child<L>>,
    key: B256,
) -> Result<Found<L>, TrieError<R::Error>> {
    let key = Nibbles::unpack_array(&key);
    let mut nodes = Vec::new();
    let mut next = root.cloned();
    let mut depth = 0;
    while let Some(child) = next {
        let path = key.slice(..depth);
        let node = open(reader, owner, 0, &child, path)?;
        if child.is_stored(&path) {
            nodes.push(node.kind.rlp().into());
        }
        next = match &node.kind {
            Kind::Leaf { suffix, value } => {
                let found = *suffix == key.slice(depth..);
                return Ok((nodes, found.then(|| value.clone())));
            }
            Kind::Extension { prefix, child } if key.slice(depth..).starts_with(prefix) => {
                depth += prefix.len();
                Some((**child).clone())
            }
            Kind::Extension { .. } => None,
            Kind::Branch(branch) => {
                depth += 1;
                branch.get(nibble(&key, depth - 1)).cloned()
            }
        };
    }
    Ok((nodes, None))
}

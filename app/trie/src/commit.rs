//! Hashing what changed, and listing what to write.

use crate::{
    EMPTY_ROOT_HASH,
    node::{Child, Children, Kind, Node, extended},
};
use alloy_primitives::{B256, keccak256};
use alloy_trie::{
    Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use std::collections::{BTreeMap, BTreeSet};

/// What to write for one trie, by path: `Some` is a node's RLP to put, `None` a node to delete.
pub type PathUpdates = BTreeMap<Nibbles, Option<Vec<u8>>>;

/// A trie's new root and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The new root hash; [`EMPTY_ROOT_HASH`] for the empty trie.
    pub root: B256,
    /// After these are written, the store holds the new trie's nodes and no others.
    pub updates: PathUpdates,
}

/// Nodes shorter than this are kept inside their parent.
const HASH_LEN: usize = 32;

/// Hashes the changed nodes under `root`. `gone` are the stored nodes that were taken out.
pub(crate) fn commit(gone: BTreeSet<Nibbles>, root: Option<Child>) -> Commit {
    let mut sealer = Sealer { writes: gone.into_iter().map(|path| (path, None)).collect() };
    let root = match root {
        None => EMPTY_ROOT_HASH,
        Some(root) => sealer.root(root),
    };
    // Of two entries for one path the map keeps the later: a node put where one was taken out.
    Commit { root, updates: sealer.writes.into_iter().collect() }
}

struct Sealer {
    writes: Vec<(Nibbles, Option<Vec<u8>>)>,
}

impl Sealer {
    /// The root is stored and named by its hash however short it is.
    fn root(&mut self, root: Child) -> B256 {
        let unchanged = match &root {
            Child::Closed(reference) => Some(reference),
            Child::Open(node) => node.reference.as_ref(),
        };
        if let Some(hash) = unchanged.and_then(RlpNode::as_hash) {
            return hash;
        }
        let rlp = match root {
            Child::Open(node) => self.encode(*node, Nibbles::new()),
            Child::Closed(inline) => inline.to_vec(),
        };
        let hash = keccak256(&rlp);
        self.writes.push((Nibbles::new(), Some(rlp)));
        hash
    }

    /// How the parent of `child` names it, after its changes are listed.
    fn seal(&mut self, child: Child, path: Nibbles) -> RlpNode {
        let mut node = match child {
            Child::Closed(reference) => return reference,
            Child::Open(node) => *node,
        };
        if let Some(reference) = node.reference.take() {
            return reference;
        }
        let stored = node.stored;
        let rlp = self.encode(node, path);
        let reference = RlpNode::from_rlp(&rlp);
        if rlp.len() >= HASH_LEN {
            self.writes.push((path, Some(rlp)));
        } else if stored {
            self.writes.push((path, None));
        }
        reference
    }

    fn encode(&mut self, node: Node, path: Nibbles) -> Vec<u8> {
        match node.kind {
            Kind::Leaf { suffix, value } => alloy_rlp::encode(LeafNodeRef::new(&suffix, &value)),
            Kind::Extension { prefix, child } => {
                let child = self.seal(child, path.join(&prefix));
                alloy_rlp::encode(ExtensionNodeRef::new(&prefix, &child))
            }
            Kind::Branch(children) => self.encode_branch(*children, path),
        }
    }

    fn encode_branch(&mut self, children: Children, path: Nibbles) -> Vec<u8> {
        let mut stack = Vec::with_capacity(children.len());
        let mut mask = 0u16;
        for (index, child) in children.into_iter().enumerate() {
            if let Some(child) = child {
                stack.push(self.seal(child, extended(path, index)));
                mask |= 1 << index;
            }
        }
        alloy_rlp::encode(BranchNodeRef::new(&stack, TrieMask::new(mask)))
    }
}

//! Building a whole trie from its leaves in order, from the bottom up.
//!
//! What is in memory at any time is one path: for each depth the branch that is still open. So a
//! trie of any size is built with the memory of none, and every node is told of once.

use crate::{
    EMPTY_ROOT_HASH,
    leaf::Word,
    node::{Branch, Child, Kind, Slots},
    state::NodeAt,
    update::nibble,
};
use alloy_primitives::{B256, keccak256};
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode},
};

/// A trie under construction. Leaves come in order of their keys; what is complete is visited as
/// `(place, RLP)`: exactly the nodes that a store of this trie holds.
#[derive(Debug)]
pub struct TrieBuilder {
    owner: Option<B256>,
    /// The newest leaf: where it hangs is known when the next one is.
    last: Option<(Nibbles, Vec<u8>)>,
    /// The branches on the newest leaf's path that more children may come to, topmost first.
    open: Vec<Open>,
}

/// A branch that is not complete yet.
#[derive(Debug)]
struct Open {
    depth: usize,
    slots: Slots<Word>,
}

/// A leaf is not above the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leaf {0} is not above the one before it")]
pub struct Unordered(pub B256);

impl TrieBuilder {
    /// An empty trie of `owner`: a hashed address for its storage, `None` for the accounts.
    pub const fn new(owner: Option<B256>) -> Self {
        Self { owner, last: None, open: Vec::new() }
    }

    /// Adds the leaf at `key` that holds the RLP `value`.
    ///
    /// # Errors
    /// The key is not above the one before it.
    pub fn push(
        &mut self,
        key: B256,
        value: Vec<u8>,
        visit: &mut impl FnMut(NodeAt, Vec<u8>),
    ) -> Result<(), Unordered> {
        let path = Nibbles::unpack_array(&key.0);
        let Some((last, _)) = &self.last else {
            self.last = Some((path, value));
            return Ok(());
        };
        if path <= *last {
            return Err(Unordered(key));
        }
        let split = path.common_prefix_length(last);
        self.close(Some(split), visit);
        self.last = Some((path, value));
        Ok(())
    }

    /// Ends the trie and gives its root.
    pub fn finish(mut self, visit: &mut impl FnMut(NodeAt, Vec<u8>)) -> B256 {
        self.close(None, visit).unwrap_or(EMPTY_ROOT_HASH)
    }

    /// Hangs the last leaf where it belongs and completes all branches deeper than `split`, where
    /// the path of the next leaf parts from its; with `None` all there are, which gives the root.
    fn close(
        &mut self,
        split: Option<usize>,
        visit: &mut impl FnMut(NodeAt, Vec<u8>),
    ) -> Option<B256> {
        let (key, value) = self.last.take()?;
        let mut place = self.place(split);
        let at = place.map_or(0, |place| place + 1);
        let leaf = alloy_rlp::encode(LeafNodeRef::new(&key.slice(at..), &value));
        let mut node = self.tell(key.slice(..at), leaf, visit);
        loop {
            let Some(parent) = place else { return Some(root(&node)) };
            self.hang(parent, nibble(&key, parent), node);
            if split.is_some_and(|split| parent <= split) {
                return None;
            }
            let Open { slots, .. } = self.open.pop()?;
            place = self.place(split);
            let rlp = Kind::Branch(Branch::from(slots)).rlp();
            node = self.tell(key.slice(..parent), rlp, visit);
            let at = place.map_or(0, |place| place + 1);
            if at < parent {
                let rlp = alloy_rlp::encode(ExtensionNodeRef::new(&key.slice(at..parent), &node));
                node = self.tell(key.slice(..at), rlp, visit);
            }
        }
    }

    /// The depth of the branch that the newest node hangs from: the deepest open one, or a new one
    /// at `split` where that is deeper.
    fn place(&self, split: Option<usize>) -> Option<usize> {
        self.open.last().map(|open| open.depth).max(split)
    }

    fn hang(&mut self, depth: usize, nibble: usize, node: RlpNode) {
        if self.open.last().is_none_or(|open| open.depth < depth) {
            self.open.push(Open { depth, slots: Slots::default() });
        }
        if let Some(open) = self.open.last_mut() {
            open.slots[nibble] = Some(Child::named(node));
        }
    }

    /// Visits a node where a store would hold it, and gives the name by which its parent knows it.
    fn tell(
        &self,
        path: Nibbles,
        rlp: Vec<u8>,
        visit: &mut impl FnMut(NodeAt, Vec<u8>),
    ) -> RlpNode {
        let name = RlpNode::from_rlp(&rlp);
        if path.is_empty() || name.as_hash().is_some() {
            visit((self.owner, path), rlp);
        }
        name
    }
}

fn root(node: &RlpNode) -> B256 {
    node.as_hash().unwrap_or_else(|| keccak256(node))
}

//! Nodes in memory: as much of a trie as was touched.

use alloy_trie::{
    Nibbles,
    nodes::{RlpNode, TrieNode},
};

/// Nibbles in a key.
pub(crate) const KEY_NIBBLES: usize = 64;

/// A node in memory.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// How the parent names it, while nothing at or below it has changed.
    pub(crate) reference: Option<RlpNode>,
    /// Whether the store holds something at this node's path.
    pub(crate) stored: bool,
}

/// The three shapes of a node.
#[derive(Debug)]
pub(crate) enum Kind {
    Leaf { suffix: Nibbles, value: Vec<u8> },
    Extension { prefix: Nibbles, child: Child },
    Branch(Box<Children>),
}

/// A branch's children by nibble.
pub(crate) type Children = [Option<Child>; 16];

/// A child: named only, or in memory.
#[derive(Debug)]
pub(crate) enum Child {
    /// A hash, or the whole RLP of a node shorter than 32 bytes.
    Closed(RlpNode),
    Open(Box<Node>),
}

impl Node {
    /// A node that did not exist before.
    pub(crate) const fn new(kind: Kind) -> Self {
        Self { kind, reference: None, stored: false }
    }

    pub(crate) const fn leaf(suffix: Nibbles, value: Vec<u8>) -> Self {
        Self::new(Kind::Leaf { suffix, value })
    }

    /// A node read from the store or from inside its parent, where `reference` names it.
    ///
    /// # Errors
    /// What is wrong, for bytes that are no node of a trie with keys of [`KEY_NIBBLES`].
    pub(crate) fn decode(
        mut rlp: &[u8],
        reference: RlpNode,
        stored: bool,
        depth: usize,
    ) -> Result<Self, &'static str> {
        let node = <TrieNode as alloy_rlp::Decodable>::decode(&mut rlp)
            .map_err(|_| "it is not the RLP of a trie node")?;
        if !rlp.is_empty() {
            return Err("bytes follow it");
        }
        let kind = Kind::of(node, KEY_NIBBLES.saturating_sub(depth))?;
        Ok(Self { kind, reference: Some(reference), stored })
    }
}

impl Kind {
    /// Checks that a decoded node can stand where `left` nibbles of the key are left.
    fn of(node: TrieNode, left: usize) -> Result<Self, &'static str> {
        match node {
            TrieNode::EmptyRoot => Err("it is empty"),
            TrieNode::Leaf(leaf) if leaf.key.len() != left => {
                Err("a leaf does not end at the key's length")
            }
            TrieNode::Leaf(leaf) => Ok(Self::Leaf { suffix: leaf.key, value: leaf.value }),
            TrieNode::Extension(ext) if ext.key.is_empty() || ext.key.len() >= left => {
                Err("an extension is empty or as long as the key")
            }
            TrieNode::Extension(ext) => {
                Ok(Self::Extension { prefix: ext.key, child: Child::Closed(ext.child) })
            }
            TrieNode::Branch(branch) if left == 0 || branch.stack.len() < 2 => {
                Err("a branch has fewer than two children or no key left")
            }
            TrieNode::Branch(branch) => {
                let mut children = Box::<Children>::default();
                let mut stack = branch.stack.into_iter();
                for nibble in branch.state_mask.iter() {
                    children[usize::from(nibble)] = stack.next().map(Child::Closed);
                }
                Ok(Self::Branch(children))
            }
        }
    }
}

impl Child {
    /// Moves the child out of a node that is about to be replaced.
    pub(crate) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::Closed(RlpNode::default()))
    }
}

impl From<Node> for Child {
    fn from(node: Node) -> Self {
        Self::Open(Box::new(node))
    }
}

/// The path of the child at `nibble` of a node at `path`.
pub(crate) fn extended(mut path: Nibbles, nibble: usize) -> Nibbles {
    path.push(u8::try_from(nibble).expect("a branch has 16 children"));
    path
}

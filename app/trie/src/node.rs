//! Nodes in memory: as much of a trie as is in use. A node never changes once it is made.

use crate::leaf::Leaf;
use alloy_primitives::B256;
use alloy_rlp::{EMPTY_STRING_CODE, Header};
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};
use std::sync::Arc;

/// From so many bytes on a node is named by its hash.
const HASHED: usize = 32;

/// The RLP of a leaf with so many nibbles of its key is never shorter than that: 30 bytes of key
/// and, of its list, its strings and its value, at least 1 each.
const LONG_SUFFIX: usize = 58;

/// Nibbles in a key.
pub(crate) const KEY_NIBBLES: usize = 64;

/// A node in memory.
#[derive(Debug)]
pub(crate) struct Node<L> {
    pub(crate) kind: Kind<L>,
    /// The height of the block that made it, `None` where it was read from the store.
    pub(crate) changed: Option<u64>,
    /// The height of the block that made or read it.
    pub(crate) used: u64,
    /// Bytes of memory of the node and of all that hangs below it.
    pub(crate) resident: usize,
}

/// The three shapes of a node.
#[derive(Debug)]
pub(crate) enum Kind<L> {
    Leaf { suffix: Nibbles, value: L },
    Extension { prefix: Nibbles, child: Box<Child<L>> },
    Branch(Branch<L>),
}

/// A child: named only, or in memory too. Its parent holds the name, so that to encode a parent
/// is to read no child.
#[derive(Debug, Clone)]
pub(crate) struct Child<L> {
    /// A hash, or the whole RLP of a node shorter than 32 bytes. Empty until the node is named:
    /// see [`crate::naming`].
    pub(crate) reference: RlpNode,
    pub(crate) node: Option<Arc<Node<L>>>,
}

/// A branch's children: those present, in order of their nibbles, in four quarters that versions
/// share. A version that replaces one child copies a quarter and leaves the others alone: to copy
/// a child is to touch its node, which is seldom in the processor's cache.
#[derive(Debug)]
pub(crate) struct Branch<L> {
    mask: u16,
    /// Which quarters have children without names.
    unnamed: [bool; 4],
    quarters: [Option<Arc<[Child<L>]>>; 4],
    /// Bytes of memory of the children.
    below: usize,
}

/// What has no name is in the version alone that is being made.
pub(crate) const UNSHARED: &str = "nodes are named before they are shared";

/// Children in a quarter.
const QUARTER: usize = 4;

/// A branch's children by nibble.
pub(crate) type Slots<L> = [Option<Child<L>>; 16];

impl<L: Leaf> Node<L> {
    /// A node read at `height` from the store or from inside its parent.
    ///
    /// # Errors
    /// What is wrong, for bytes that are no node of a trie with keys of [`KEY_NIBBLES`].
    pub(crate) fn decode(mut rlp: &[u8], depth: usize, height: u64) -> Result<Self, &'static str> {
        let node = <TrieNode as alloy_rlp::Decodable>::decode(&mut rlp)
            .map_err(|_| "it is not the RLP of a trie node")?;
        if !rlp.is_empty() {
            return Err("bytes follow it");
        }
        let kind = Kind::of(node, KEY_NIBBLES.saturating_sub(depth))?;
        let resident = kind.resident();
        Ok(Self { kind, changed: None, used: height, resident })
    }
}

impl<L: Leaf> Node<L> {
    /// The leaf at the end of `suffix` that holds `value`, if it is what `reference` names. A name
    /// is a hash, so it is that leaf, as if it had been read at `height`.
    pub(crate) fn leaf_named(
        reference: &RlpNode,
        suffix: Nibbles,
        value: L,
        height: u64,
    ) -> Option<Self> {
        let kind = Kind::Leaf { suffix, value };
        let resident = kind.resident();
        let is_named = RlpNode::from_rlp(&kind.rlp()) == *reference;
        is_named.then_some(Self { kind, changed: None, used: height, resident })
    }
}

impl<L: Leaf> Kind<L> {
    /// Checks that a decoded node can stand where `left` nibbles of the key are left.
    fn of(node: TrieNode, left: usize) -> Result<Self, &'static str> {
        match node {
            TrieNode::EmptyRoot => Err("it is empty"),
            TrieNode::Leaf(leaf) if leaf.key.len() != left => {
                Err("a leaf does not end at the key's length")
            }
            TrieNode::Leaf(leaf) => {
                Ok(Self::Leaf { suffix: leaf.key, value: L::decode(&leaf.value)? })
            }
            TrieNode::Extension(ext) if ext.key.is_empty() || ext.key.len() >= left => {
                Err("an extension is empty or as long as the key")
            }
            TrieNode::Extension(ext) => {
                Ok(Self::Extension { prefix: ext.key, child: Box::new(Child::named(ext.child)) })
            }
            TrieNode::Branch(branch) if left == 0 || branch.stack.len() < 2 => {
                Err("a branch has fewer than two children or no key left")
            }
            TrieNode::Branch(branch) => {
                let (mask, mut stack) = (branch.state_mask.get(), branch.stack.into_iter());
                Ok(Self::Branch(Branch::new(mask, || stack.next().map(Child::named))))
            }
        }
    }

    /// The node as the yellow paper encodes it.
    pub(crate) fn rlp(&self) -> Vec<u8> {
        match self {
            Self::Leaf { suffix, value } => {
                alloy_rlp::encode(LeafNodeRef::new(suffix, &value.encode()))
            }
            Self::Extension { prefix, child } => {
                alloy_rlp::encode(ExtensionNodeRef::new(prefix, &child.reference))
            }
            Self::Branch(branch) => branch.rlp(),
        }
    }

    /// Whether its parent holds the whole RLP. A child without a name is long.
    fn is_short(&self) -> bool {
        let is_surely_long = match self {
            Self::Leaf { suffix, .. } => suffix.len() >= LONG_SUFFIX,
            Self::Extension { child, .. } => !child.is_short(),
            Self::Branch(branch) => branch.iter().any(|(_, child)| !child.is_short()),
        };
        !is_surely_long && self.rlp().len() < HASHED
    }

    /// Bytes of memory of a node of this shape and of all that hangs below it.
    fn resident(&self) -> usize {
        // An `Arc` keeps two counters beside its value.
        let own = size_of::<Node<L>>() + 2 * size_of::<usize>();
        own + match self {
            Self::Leaf { value, .. } => value.resident(),
            Self::Extension { child, .. } => size_of::<Child<L>>() + child.resident(),
            Self::Branch(branch) => branch.quarters_size() + branch.below,
        }
    }
}

impl<L: Leaf> Child<L> {
    /// The node of this shape, made by the block at `height`. One that needs a hash has no name.
    pub(crate) fn made(kind: Kind<L>, height: u64) -> Self {
        let reference = match kind.is_short() {
            true => RlpNode::from_rlp(&kind.rlp()),
            false => RlpNode::default(),
        };
        let resident = kind.resident();
        let node = Node { kind, changed: Some(height), used: height, resident };
        Self { reference, node: Some(Arc::new(node)) }
    }

    /// The same node, which is `node`, with other parts in memory.
    pub(crate) fn reshaped(&self, node: &Node<L>, kind: Kind<L>) -> Self {
        let resident = kind.resident();
        let node = Node { kind, resident, ..*node };
        Self { reference: self.reference.clone(), node: Some(Arc::new(node)) }
    }
}

impl<L> Child<L> {
    /// A child that is not in memory.
    pub(crate) const fn named(reference: RlpNode) -> Self {
        Self { reference, node: None }
    }

    /// The root of the trie with this root hash.
    pub(crate) fn root(hash: B256) -> Self {
        Self::named(RlpNode::word_rlp(&hash))
    }

    /// Bytes of memory beyond the child itself.
    pub(crate) fn resident(&self) -> usize {
        self.node.as_ref().map_or(0, |node| node.resident)
    }

    /// Gives the node its name; what is below it has its own.
    ///
    /// # Panics
    /// Another version shares it.
    pub(crate) fn give_name(&mut self, reference: RlpNode) {
        if let Some(node) = &mut self.node
            && let Kind::Branch(branch) = &mut Arc::get_mut(node).expect(UNSHARED).kind
        {
            branch.unnamed = [false; 4];
        }
        self.reference = reference;
    }

    pub(crate) fn is_named(&self) -> bool {
        !self.reference.is_empty()
    }

    /// Whether the parent holds all of it.
    fn is_short(&self) -> bool {
        self.is_named() && self.reference.as_hash().is_none()
    }

    /// Whether the store keeps a node of its own for it when it stands at `path`.
    pub(crate) fn is_stored(&self, path: &Nibbles) -> bool {
        path.is_empty() || !self.is_short()
    }
}

impl<L> From<Slots<L>> for Branch<L> {
    fn from(slots: Slots<L>) -> Self {
        let mask = (0..16).filter(|i| slots[*i].is_some()).fold(0, |mask, i| mask | 1 << i);
        let mut children = slots.into_iter().flatten();
        Self::new(mask, || children.next())
    }
}

impl<L> Branch<L> {
    /// A branch with children at the nibbles of `mask`, in order.
    fn new(mask: u16, mut next: impl FnMut() -> Option<Child<L>>) -> Self {
        let (mut below, mut unnamed) = (0, [false; 4]);
        let quarters = core::array::from_fn(|quarter| {
            let count = (mask >> (quarter * QUARTER) & 0xf).count_ones();
            let children: Arc<[Child<_>]> = (0..count).map_while(|_| next()).collect();
            below += children.iter().map(Child::resident).sum::<usize>();
            unnamed[quarter] = !children.iter().all(Child::is_named);
            (!children.is_empty()).then_some(children)
        });
        Self { mask, unnamed, quarters, below }
    }

    /// The quarter of the child at `nibble`, and its place there.
    fn place(&self, nibble: usize) -> Option<(usize, usize)> {
        let quarter = nibble / QUARTER;
        let before = (1_u16 << nibble) - (1 << (quarter * QUARTER));
        let present = self.mask >> nibble & 1 == 1;
        present.then(|| (quarter, (self.mask & before).count_ones() as usize))
    }

    /// The child at `nibble`.
    pub(crate) fn get(&self, nibble: usize) -> Option<&Child<L>> {
        let (quarter, at) = self.place(nibble)?;
        self.quarters[quarter].as_ref()?.get(at)
    }

    /// The children with their nibbles.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Child<L>)> {
        (0..16).filter_map(|nibble| Some((nibble, self.get(nibble)?)))
    }

    /// The children without names, and some of those beside them.
    pub(crate) fn unnamed(&self) -> impl Iterator<Item = &Child<L>> {
        let quarters = self.quarters.iter().zip(self.unnamed);
        quarters.filter_map(|(quarter, any)| quarter.as_deref().filter(|_| any)).flatten()
    }

    /// The same to be named.
    ///
    /// # Panics
    /// Another version shares one of them.
    pub(crate) fn unnamed_mut(&mut self) -> impl Iterator<Item = &mut Child<L>> {
        let quarters = self.quarters.iter_mut().zip(self.unnamed);
        let unnamed = quarters.filter_map(|(quarter, any)| quarter.as_mut().filter(|_| any));
        unnamed.flat_map(|quarter| Arc::get_mut(quarter).expect(UNSHARED))
    }

    /// Bytes of memory of the quarters, which have two counters each.
    fn quarters_size(&self) -> usize {
        let size = |quarter: &Arc<[_]>| size_of_val::<[_]>(quarter) + 2 * size_of::<usize>();
        self.quarters.iter().flatten().map(size).sum()
    }

    /// The same branch with each child replaced by what `replace` makes of it; `None` where it
    /// replaces none.
    pub(crate) fn replaced(
        &self,
        mut replace: impl FnMut(usize, &Child<L>) -> Option<Child<L>>,
    ) -> Option<Self>
    where
        L: Clone,
    {
        let mut quarters = None;
        let (mut below, mut unnamed) = (self.below, self.unnamed);
        for (nibble, child) in self.iter() {
            let Some(other) = replace(nibble, child) else { continue };
            below = below - child.resident() + other.resident();
            let (quarter, at) = self.place(nibble)?;
            unnamed[quarter] |= !other.is_named();
            let quarters = quarters.get_or_insert_with(|| self.quarters.clone());
            Arc::make_mut(quarters[quarter].as_mut()?)[at] = other;
        }
        quarters.map(|quarters| Self { mask: self.mask, unnamed, quarters, below })
    }

    /// A copy by nibble.
    pub(crate) fn slots(&self) -> Slots<L>
    where
        L: Clone,
    {
        core::array::from_fn(|nibble| self.get(nibble).cloned())
    }

    fn rlp(&self) -> Vec<u8> {
        let children: usize = self.iter().map(|(_, child)| child.reference.len()).sum();
        // Absent children and the absent value are empty strings.
        let payload_length = children + 17 - self.mask.count_ones() as usize;
        let mut rlp = Vec::with_capacity(payload_length + 3);
        Header { list: true, payload_length }.encode(&mut rlp);
        for nibble in 0..16 {
            match self.get(nibble) {
                Some(child) => rlp.extend_from_slice(&child.reference),
                None => rlp.push(EMPTY_STRING_CODE),
            }
        }
        rlp.push(EMPTY_STRING_CODE);
        rlp
    }
}

/// The path of the child at `nibble` of a node at `path`.
pub(crate) fn extended(mut path: Nibbles, nibble: usize) -> Nibbles {
    path.push(u8::try_from(nibble).expect("a branch has 16 children"));
    path
}

//! The exit tree: an append-only keccak Merkle tree (spec 2.3).

use crate::{
    types::{Asset, ExitIndex},
    words::Words,
};
use alloy_primitives::{Address, B256, U256, keccak256};
use thiserror::Error;

/// The most exits a tree holds.
pub const MAX_EXITS: u64 = u32::MAX as u64;
/// Levels that hold a complete node in some tree: a frontier has one hash for each.
pub const LEVELS: usize = 32;

/// One entry of the exit tree: a burn on the sidechain, payable on L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its place in the tree.
    pub index: ExitIndex,
    /// What was burnt.
    pub asset: Asset,
    /// Who is paid on L1.
    pub recipient: Address,
    /// How much leaves the Vault, in the asset's smallest unit.
    pub amount: U256,
    /// The part of `amount` that goes to whoever makes the claim.
    pub fee: U256,
}

impl Exit {
    /// `keccak256(0x00 ‖ abi.encode(index, asset, recipient, amount, fee))`.
    pub fn leaf(&self) -> B256 {
        let words = Words::new()
            .u64(self.index.get())
            .address(self.asset)
            .address(self.recipient)
            .u256(self.amount)
            .u256(self.fee)
            .into_vec();
        keccak256([&[0x00], words.as_slice()].concat())
    }
}

/// `keccak256(0x01 ‖ left ‖ right)`.
pub fn node(left: B256, right: B256) -> B256 {
    keccak256([&[0x01], left.as_slice(), right.as_slice()].concat())
}

/// `keccak256(0x02 ‖ abi.encode(count, top))`.
pub fn root(count: u64, top: B256) -> B256 {
    let words = Words::new().u64(count).b256(top).into_vec();
    keccak256([&[0x02], words.as_slice()].concat())
}

/// `ceil(log2(count))`, and 0 for counts 0 and 1: the length of every proof against `count`.
pub const fn height(count: u64) -> usize {
    if count <= 1 { 0 } else { (u64::BITS - (count - 1).leading_zeros()) as usize }
}

/// Top of a tree of padding leaves, for each height.
fn padding(level: usize) -> B256 {
    (0..level).fold(B256::ZERO, |below, _| node(below, below))
}

/// The tree already holds [`MAX_EXITS`] exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the exit tree is full")]
pub struct TreeFull;

/// A node whose subtree holds no padding; it never changes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompleteNode {
    /// Distance from the leaves.
    pub level: usize,
    /// Place among the nodes of its level, from the left.
    pub index: u64,
    /// The node's hash.
    pub hash: B256,
}

/// The right edge of the tree: enough to append and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    count: u64,
    /// For each bit set in `count`, the last complete node of that level; others are stale.
    levels: [B256; LEVELS],
}

impl Frontier {
    /// A frontier as it was stored: the count, and the hash of each level (anything for levels
    /// whose bit of `count` is not set).
    ///
    /// # Errors
    ///
    /// When `count` is above [`MAX_EXITS`].
    pub fn from_parts(count: u64, levels: [B256; LEVELS]) -> Result<Self, TreeFull> {
        if count > MAX_EXITS { Err(TreeFull) } else { Ok(Self { count, levels }) }
    }

    /// How many exits the tree holds; also the index of the next one.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The stored hash of each level.
    pub const fn levels(&self) -> &[B256; LEVELS] {
        &self.levels
    }

    /// Appends a leaf and returns the nodes it completes, from the leaf up. The last of them is
    /// the one level of the frontier that changed.
    ///
    /// # Errors
    ///
    /// When the tree is full.
    pub fn append(&mut self, leaf: B256) -> Result<Vec<CompleteNode>, TreeFull> {
        if self.count >= MAX_EXITS {
            return Err(TreeFull);
        }
        let mut hash = leaf;
        let mut complete = vec![CompleteNode { level: 0, index: self.count, hash }];
        let mut level = 0;
        while self.count >> level & 1 == 1 {
            hash = node(self.levels[level], hash);
            level += 1;
            complete.push(CompleteNode { level, index: self.count >> level, hash });
        }
        self.levels[level] = hash;
        self.count += 1;
        Ok(complete)
    }

    /// The tree's root.
    pub fn root(&self) -> B256 {
        root(self.count, self.top())
    }

    fn top(&self) -> B256 {
        if self.count.is_power_of_two() {
            return self.levels[height(self.count)];
        }
        let mut padding = B256::ZERO;
        let mut edge = None;
        for level in 0..height(self.count) {
            let complete = self.count >> level & 1 == 1;
            edge = match (complete, edge) {
                (true, edge) => Some(node(self.levels[level], edge.unwrap_or(padding))),
                (false, Some(edge)) => Some(node(edge, padding)),
                (false, None) => None,
            };
            padding = node(padding, padding);
        }
        edge.unwrap_or(padding)
    }
}

/// Reads the complete nodes that [`Frontier::append`] returned.
pub trait NodeReader {
    /// The hash of a complete node, `None` if it is not stored.
    fn node(&self, level: usize, index: u64) -> Option<B256>;
}

/// Why a proof could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// The tree of that count has no such exit.
    #[error("exit {index} is not in a tree of {count}")]
    OutOfRange {
        /// The exit asked for.
        index: u64,
        /// The tree asked for.
        count: u64,
    },
    /// A complete node is not stored: the store is damaged or behind.
    #[error("node {index} of level {level} is missing from the exit tree's store")]
    Missing {
        /// Its level.
        level: usize,
        /// Its place in the level.
        index: u64,
    },
}

/// The siblings of exit `index`, leaf to top, in the tree as it was at `count` exits.
///
/// # Errors
///
/// When that tree has no such exit, or a node is missing from the store.
pub fn proof(
    nodes: &impl NodeReader,
    index: ExitIndex,
    count: u64,
) -> Result<Vec<B256>, TreeError> {
    let index = index.get();
    if index >= count || count > MAX_EXITS {
        return Err(TreeError::OutOfRange { index, count });
    }
    (0..height(count)).map(|level| subtree(nodes, level, (index >> level) ^ 1, count)).collect()
}

/// The root of the tree as it was at `count` exits.
///
/// # Errors
///
/// When a node is missing from the store.
pub fn root_at(nodes: &impl NodeReader, count: u64) -> Result<B256, TreeError> {
    if count > MAX_EXITS {
        return Err(TreeError::OutOfRange { index: count, count });
    }
    Ok(root(count, subtree(nodes, height(count), 0, count)?))
}

/// Hash of a node in the tree of `count` exits, complete, partly padded or all padding.
fn subtree(
    nodes: &impl NodeReader,
    level: usize,
    index: u64,
    count: u64,
) -> Result<B256, TreeError> {
    let first = index << level;
    if first >= count {
        return Ok(padding(level));
    }
    if first + (1 << level) <= count {
        return nodes.node(level, index).ok_or(TreeError::Missing { level, index });
    }
    let left = subtree(nodes, level - 1, index * 2, count)?;
    let right = subtree(nodes, level - 1, index * 2 + 1, count)?;
    Ok(node(left, right))
}

/// Whether `leaf` is at `index` in the tree of `count` exits with this `root_hash`.
pub fn verify(
    root_hash: B256,
    count: u64,
    index: ExitIndex,
    leaf: B256,
    siblings: &[B256],
) -> bool {
    let index = index.get();
    if index >= count || count > MAX_EXITS || siblings.len() != height(count) {
        return false;
    }
    let top = siblings.iter().enumerate().fold(leaf, |hash, (level, sibling)| {
        if index >> level & 1 == 1 { node(*sibling, hash) } else { node(hash, *sibling) }
    });
    root(count, top) == root_hash
}

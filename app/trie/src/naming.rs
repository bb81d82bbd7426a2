//! Naming nodes. A node's name is the hash of its RLP, which holds the names of its children. So
//! an update makes nodes without names first and names them after, from the deepest up: those of
//! one level do not wait for each other, and are hashed together.

use crate::{
    leaf::Leaf,
    node::{Child, Kind, UNSHARED},
};
use alloy_trie::nodes::RlpNode;
use std::sync::Arc;

/// Names all nodes at and below `child` that have no name yet.
///
/// # Panics
/// Another version shares one of them.
pub(crate) fn name<L: Leaf>(child: &mut Child<L>) {
    for level in (0..levels(child)).rev() {
        let mut nodes = Vec::new();
        at_level(child, level, &mut nodes);
        let kinds = nodes.iter().filter_map(|child| Some(&child.node.as_ref()?.kind));
        let rlps: Vec<Vec<u8>> = kinds.map(Kind::rlp).collect();
        for (child, hash) in nodes.into_iter().zip(mooring_keccak::all(&rlps)) {
            child.give_name(RlpNode::word_rlp(&hash));
        }
    }
}

/// How many levels of nodes without names there are: below one that has a name there are none.
fn levels<L>(child: &Child<L>) -> usize {
    let Some(node) = child.node.as_ref().filter(|_| !child.is_named()) else { return 0 };
    1 + match &node.kind {
        Kind::Leaf { .. } => 0,
        Kind::Extension { child, .. } => levels(child),
        Kind::Branch(branch) => branch.unnamed().map(levels).max().unwrap_or(0),
    }
}

/// The nodes without names so many levels below `child`.
fn at_level<'a, L>(child: &'a mut Child<L>, level: usize, nodes: &mut Vec<&'a mut Child<L>>) {
    if child.is_named() {
        return;
    }
    let Some(below) = level.checked_sub(1) else { return nodes.push(child) };
    let Some(node) = &mut child.node else { return };
    match &mut Arc::get_mut(node).expect(UNSHARED).kind {
        Kind::Leaf { .. } => {}
        Kind::Extension { child, .. } => at_level(child, below, nodes),
        Kind::Branch(branch) => {
            branch.unnamed_mut().for_each(|child| at_level(child, below, nodes));
        }
    }
}

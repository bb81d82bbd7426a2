//! Walks over whole tries: what a store lacks, what memory can let go, what a wipe removes.

use crate::{
    NodeReader,
    context::{Context, Failure},
    leaf::Leaf,
    node::{Child, Kind, extended},
    state::NodeAt,
    update::packed,
};
use alloy_primitives::{B256, U256};
use alloy_trie::Nibbles;

/// Which nodes memory may let go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// The store holds the nodes of this height and below.
    pub(crate) stored: u64,
    /// Nodes used at this height or above stay.
    pub(crate) used: u64,
}

/// A visit to the nodes of one trie that were made above height `since`; with `None` to all that
/// were made by any block.
pub(crate) struct Changed<'a, V> {
    pub(crate) owner: Option<B256>,
    pub(crate) since: Option<u64>,
    pub(crate) visit: V,
    /// The tries below the leaves that were passed, with their owners.
    pub(crate) below: Vec<(B256, &'a Child<U256>)>,
}

impl<'a, E, V: FnMut(NodeAt, Vec<u8>) -> Result<(), E>> Changed<'a, V> {
    /// Visits the stored ones at and below `child`, in the order of their paths.
    pub(crate) fn walk<L: Leaf>(&mut self, child: &'a Child<L>, path: Nibbles) -> Result<(), E> {
        let Some(node) = child.node.as_ref().filter(|node| node.changed > self.since) else {
            return Ok(());
        };
        if child.is_stored(&path) {
            (self.visit)((self.owner, path), node.kind.rlp())?;
        }
        match &node.kind {
            Kind::Leaf { suffix, value } => {
                let storage = value.storage().map(|root| (packed(&path.join(suffix)), root));
                self.below.extend(storage);
                Ok(())
            }
            Kind::Extension { prefix, child } => self.walk(child, path.join(prefix)),
            Kind::Branch(branch) => branch
                .iter()
                .try_for_each(|(nibble, child)| self.walk(child, extended(path, nibble))),
        }
    }
}

/// The child with the nodes that `limit` names let go; `None` where there are none.
pub(crate) fn pruned<L: Leaf>(child: &Child<L>, limit: Limit) -> Option<Child<L>> {
    let node = child.node.as_ref()?;
    if node.changed <= Some(limit.stored) && node.used < limit.used {
        return Some(Child::named(child.reference.clone()));
    }
    let kind = match &node.kind {
        Kind::Leaf { suffix, value } => Kind::Leaf { suffix: *suffix, value: value.pruned(limit)? },
        Kind::Extension { prefix, child } => {
            Kind::Extension { prefix: *prefix, child: Box::new(pruned(child, limit)?) }
        }
        Kind::Branch(branch) => Kind::Branch(branch.replaced(|_, child| pruned(child, limit))?),
    };
    Some(child.reshaped(node, kind))
}

/// Notes that every stored node at and below `child` is gone. What it reads it does not keep, so
/// that a large trie does not fill the memory.
///
/// # Errors
/// A node cannot be read.
pub(crate) fn forget_all<L: Leaf, R: NodeReader>(
    context: &Context<'_, R>,
    child: &Child<L>,
    path: Nibbles,
) -> Result<(), Failure<R>> {
    let node = context.open(child, path)?;
    if child.is_stored(&path) {
        context.forget(path);
    }
    match &node.kind {
        Kind::Leaf { .. } => Ok(()),
        Kind::Extension { prefix, child } => forget_all(context, child, path.join(prefix)),
        Kind::Branch(branch) => branch
            .iter()
            .try_for_each(|(nibble, child)| forget_all(context, child, extended(path, nibble))),
    }
}

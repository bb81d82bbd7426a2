//! What of a trie is in memory: looking there alone, reading ahead, and taking over.

use crate::{
    NodeReader, TrieError,
    context::read,
    leaf::Leaf,
    node::{Child, Kind, extended},
    update::{nibble, packed},
};
use alloy_primitives::B256;
use alloy_trie::Nibbles;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Down to this depth the children of a branch are read in parallel.
const PARALLEL_DEPTH: usize = 2;

/// What memory says of a key.
#[derive(Debug)]
pub(crate) enum Known<'a, L> {
    /// A node on the way is not in memory.
    Unknown,
    /// The trie does not have it.
    Absent,
    /// Its value.
    Present(&'a L),
}

/// Looks for `key` among the nodes in memory.
pub(crate) fn known<L>(root: Option<&Child<L>>, key: B256) -> Known<'_, L> {
    let key = Nibbles::unpack_array(&key);
    let mut depth = 0;
    let mut next = root;
    while let Some(child) = next {
        let Some(node) = &child.node else { return Known::Unknown };
        next = match &node.kind {
            Kind::Leaf { suffix, value } if *suffix == key.slice(depth..) => {
                return Known::Present(value);
            }
            Kind::Extension { prefix, child } if key.slice(depth..).starts_with(prefix) => {
                depth += prefix.len();
                Some(child)
            }
            Kind::Branch(branch) => {
                depth += 1;
                branch.get(nibble(&key, depth - 1))
            }
            Kind::Leaf { .. } | Kind::Extension { .. } => None,
        };
    }
    Known::Absent
}

/// How nodes are read ahead.
#[derive(Debug)]
pub(crate) struct Ahead<'a, R> {
    pub(crate) reader: &'a R,
    /// The height of the version that is read.
    pub(crate) height: u64,
    /// Bytes of memory that may still be used.
    pub(crate) left: AtomicUsize,
    /// Whether there was more below the levels that were looked at.
    pub(crate) has_more: AtomicBool,
}

impl<'a, R: NodeReader + Sync> Ahead<'a, R> {
    pub(crate) const fn new(reader: &'a R, height: u64, budget: usize) -> Self {
        let (left, has_more) = (AtomicUsize::new(budget), AtomicBool::new(true));
        Self { reader, height, left, has_more }
    }

    /// Whether another level may change something; asking begins that level.
    pub(crate) fn goes_on(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0 && self.has_more.swap(false, Ordering::Relaxed)
    }

    /// The subtrie with the nodes of so many levels in memory; `None` where that changes nothing.
    ///
    /// # Errors
    /// A node cannot be read.
    pub(crate) fn deepened<L: Leaf>(
        &self,
        owner: Option<B256>,
        child: &Child<L>,
        path: Nibbles,
        levels: usize,
    ) -> Result<Option<Child<L>>, TrieError<R::Error>> {
        if levels == 0 {
            self.has_more.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        let Some(node) = &child.node else { return self.opened(owner, child, path) };
        let below = levels - 1;
        let kind = match &node.kind {
            Kind::Leaf { suffix, value } => value
                .deepened(self, packed(&path.join(suffix)), below)?
                .map(|value| Kind::Leaf { suffix: *suffix, value }),
            Kind::Extension { prefix, child } => self
                .deepened(owner, child, path.join(prefix), below)?
                .map(|child| Kind::Extension { prefix: *prefix, child: Box::new(child) }),
            Kind::Branch(branch) => {
                let children: Vec<_> = branch.iter().collect();
                let one = |(nibble, child): &(usize, &Child<L>)| {
                    self.deepened(owner, child, extended(path, *nibble), below)
                };
                let deeper: Result<Vec<_>, _> = if path.len() < PARALLEL_DEPTH {
                    children.par_iter().map(one).collect()
                } else {
                    children.iter().map(one).collect()
                };
                let mut deeper = deeper?.into_iter();
                branch.replaced(|_, _| deeper.next().flatten()).map(Kind::Branch)
            }
        };
        Ok(kind.map(|kind| child.reshaped(node, kind)))
    }

    /// The node behind a name, while there is room.
    fn opened<L: Leaf>(
        &self,
        owner: Option<B256>,
        child: &Child<L>,
        path: Nibbles,
    ) -> Result<Option<Child<L>>, TrieError<R::Error>> {
        if self.left.load(Ordering::Relaxed) == 0 {
            return Ok(None);
        }
        let node = read(self.reader, owner, self.height, &child.reference, path)?;
        let take = |left: usize| Some(left.saturating_sub(node.resident));
        // There may be more below it.
        self.has_more.store(true, Ordering::Relaxed);
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        Ok(Some(Child { reference: child.reference.clone(), node: Some(Arc::new(node)) }))
    }
}

/// The subtrie with those nodes in memory too that `other`, another version of it, has in memory;
/// `None` where there are none.
pub(crate) fn joined<L: Leaf>(child: &Child<L>, other: &Child<L>) -> Option<Child<L>> {
    let theirs = other.node.as_ref()?;
    let Some(mine) = &child.node else {
        return (child.reference == other.reference).then(|| other.clone());
    };
    if Arc::ptr_eq(mine, theirs) {
        return None;
    }
    let kind = match (&mine.kind, &theirs.kind) {
        (Kind::Leaf { suffix, value }, Kind::Leaf { suffix: same, value: other })
            if suffix == same =>
        {
            Kind::Leaf { suffix: *suffix, value: value.joined(other)? }
        }
        (Kind::Extension { prefix, child }, Kind::Extension { prefix: same, child: other })
            if prefix == same =>
        {
            Kind::Extension { prefix: *prefix, child: Box::new(joined(child, other)?) }
        }
        (Kind::Branch(mine), Kind::Branch(theirs)) => {
            Kind::Branch(mine.replaced(|nibble, child| joined(child, theirs.get(nibble)?))?)
        }
        _ => return None,
    };
    Some(child.reshaped(mine, kind))
}

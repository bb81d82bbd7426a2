//! The node store as the trie sees it, its key encoding, and one in memory.

use crate::{Applied, Nibbles, state::NodeAt};
use alloy_primitives::B256;
use core::convert::Infallible;
use std::collections::BTreeMap;

/// Read access to stored nodes.
pub trait NodeReader {
    /// Why a read failed (not: that there is no such node).
    type Error: std::error::Error + Send + 'static;

    /// The RLP of the node at `path` in the trie of `owner` (`None`: the account trie), or `None`
    /// where nothing is stored.
    ///
    /// # Errors
    /// The store's own.
    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<R: NodeReader + ?Sized> NodeReader for &R {
    type Error = R::Error;

    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>, Self::Error> {
        (**self).node(owner, path)
    }
}

/// The bytes under which a store should keep a node: the owner (nothing for the account trie),
/// then one byte a nibble.
///
/// Account keys are at most 64 bytes of 0 to 15. A storage key begins with the 32-byte owner and
/// could look like one, so the two belong in different tables. Within one table, byte order is
/// the order of [`NodeAt`], and all nodes of an owner share a prefix.
pub fn node_key(owner: Option<B256>, path: &Nibbles) -> Vec<u8> {
    let mut key = Vec::with_capacity(32 + path.len());
    if let Some(owner) = owner {
        key.extend_from_slice(owner.as_slice());
    }
    key.extend(path.iter());
    key
}

/// A node store in memory, for tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryNodes(BTreeMap<NodeAt, Vec<u8>>);

impl MemoryNodes {
    /// Makes a store of height `since`, `None` where it is empty, one of the version in `applied`.
    pub fn write(&mut self, since: Option<u64>, applied: &Applied) {
        self.0.retain(|at, _| !applied.gone.contains(at));
        let Ok(()) = applied.trie.changed_since(since, |at, rlp| {
            self.0.insert(at, rlp);
            Ok::<(), Infallible>(())
        });
    }

    /// All nodes in order of owner, then path.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeAt, &[u8])> {
        self.0.iter().map(|(at, rlp)| (at, rlp.as_slice()))
    }
}

impl NodeReader for MemoryNodes {
    type Error = Infallible;

    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(&(owner, *path)).cloned())
    }
}

//! The node store as the trie sees it, its key encoding, and one in memory.

use crate::{Nibbles, PathUpdates, state::NodeUpdates};
use alloy_primitives::B256;
use core::convert::Infallible;
use std::collections::BTreeMap;

/// Read access to stored nodes.
pub trait NodeReader {
    /// Why a read failed (not: that there is no such node).
    type Error: std::error::Error + 'static;

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
/// the order of [`NodeUpdates`], and all nodes of an owner share a prefix.
pub fn node_key(owner: Option<B256>, path: &Nibbles) -> Vec<u8> {
    let mut key = Vec::with_capacity(32 + path.len());
    if let Some(owner) = owner {
        key.extend_from_slice(owner.as_slice());
    }
    key.extend(path.iter());
    key
}

/// A node store in memory: for building a genesis state, and for tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryNodes(BTreeMap<Option<B256>, BTreeMap<Nibbles, Vec<u8>>>);

impl MemoryNodes {
    /// Puts and deletes the nodes of one trie.
    pub fn write(&mut self, owner: Option<B256>, updates: PathUpdates) {
        let nodes = self.0.entry(owner).or_default();
        for (path, node) in updates {
            match node {
                Some(rlp) => nodes.insert(path, rlp),
                None => nodes.remove(&path),
            };
        }
        if nodes.is_empty() {
            self.0.remove(&owner);
        }
    }

    /// Puts and deletes the nodes of all tries of a state commit.
    pub fn write_all(&mut self, updates: NodeUpdates) {
        for (owner, updates) in updates {
            self.write(owner, updates);
        }
    }

    /// All nodes in order of owner, then path.
    pub fn iter(&self) -> impl Iterator<Item = (Option<B256>, &Nibbles, &[u8])> {
        self.0.iter().flat_map(|(owner, nodes)| {
            nodes.iter().map(|(path, rlp)| (*owner, path, rlp.as_slice()))
        })
    }
}

impl NodeReader for MemoryNodes {
    type Error = Infallible;

    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(&owner).and_then(|nodes| nodes.get(path)).cloned())
    }
}

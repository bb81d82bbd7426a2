//! Opening nodes: the one place where the store is read and its bytes are checked.

use crate::{
    Location, NodeReader, TrieError,
    node::{Child, Node},
};
use alloy_primitives::{B256, keccak256};
use alloy_trie::{Nibbles, nodes::RlpNode};
use std::collections::BTreeSet;

/// Where the nodes of one trie come from, and which stored ones are no longer part of it.
#[derive(Debug)]
pub(crate) struct Source<R> {
    reader: R,
    owner: Option<B256>,
    /// Paths whose stored node was taken out. A new node may have come there since.
    pub(crate) gone: BTreeSet<Nibbles>,
}

/// A node, and its RLP where it is stored by itself.
type Loaded = (Node, Option<Vec<u8>>);

impl<R: NodeReader> Source<R> {
    pub(crate) const fn new(reader: R, owner: Option<B256>) -> Self {
        Self { reader, owner, gone: BTreeSet::new() }
    }

    /// The node behind `child`, read at `path` unless it is in memory.
    pub(crate) fn open<'a>(
        &self,
        child: &'a mut Child,
        path: Nibbles,
    ) -> Result<&'a mut Node, TrieError<R::Error>> {
        if let Child::Closed(reference) = child {
            *child = self.load(reference.clone(), path)?.0.into();
        }
        match child {
            Child::Open(node) => Ok(node),
            Child::Closed(_) => unreachable!("it is opened above"),
        }
    }

    /// The node that `reference` names.
    pub(crate) fn load(
        &self,
        reference: RlpNode,
        path: Nibbles,
    ) -> Result<Loaded, TrieError<R::Error>> {
        let rlp = match reference.as_hash() {
            Some(hash) => Some(self.read(path, hash)?),
            None => None,
        };
        let bytes = rlp.as_deref().unwrap_or(&reference);
        let node = Node::decode(bytes, reference.clone(), rlp.is_some(), path.len())
            .map_err(|reason| TrieError::Malformed { at: self.at(path), reason })?;
        Ok((node, rlp))
    }

    fn read(&self, path: Nibbles, expected: B256) -> Result<Vec<u8>, TrieError<R::Error>> {
        let at = self.at(path);
        let rlp = self
            .reader
            .node(self.owner, &path)
            .map_err(|source| TrieError::Reader { at, source })?
            .ok_or(TrieError::Missing { at, hash: expected })?;
        if keccak256(&rlp) != expected {
            return Err(TrieError::Corrupt { at, expected });
        }
        Ok(rlp)
    }

    const fn at(&self, path: Nibbles) -> Location {
        Location { owner: self.owner, path }
    }
}

//! What an update works with: the store it reads, and what it found besides the new trie.

use crate::{
    Location, NodeReader, StateError, TrieError,
    leaf::Leaf,
    node::{Child, Node},
    state::NodeAt,
};
use alloy_primitives::{B256, keccak256};
use alloy_trie::{Nibbles, nodes::RlpNode};
use core::ops::Deref;
use std::sync::{Mutex, PoisonError};

/// What an update finds on its way.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Where a stored node is no longer part of the trie.
    pub(crate) gone: Vec<NodeAt>,
    /// The storage roots of the changed accounts.
    pub(crate) storage_roots: Vec<(B256, B256)>,
}

/// One trie's store during one update.
#[derive(Debug)]
pub(crate) struct Context<'a, R> {
    pub(crate) reader: &'a R,
    pub(crate) owner: Option<B256>,
    /// The height of the version that is made.
    pub(crate) height: u64,
    pub(crate) findings: &'a Mutex<Findings>,
}

/// What goes wrong while a trie is read or changed.
pub(crate) type Failure<R> = StateError<<R as NodeReader>::Error>;

impl<'a, R: NodeReader> Context<'a, R> {
    /// The same update in the storage trie of `owner`.
    pub(crate) const fn of_storage(&self, owner: B256) -> Self {
        Self { owner: Some(owner), ..*self }
    }

    /// Notes that what is stored at `path` is no longer part of the trie.
    pub(crate) fn forget(&self, path: Nibbles) {
        self.note(|findings| findings.gone.push((self.owner, path)));
    }

    pub(crate) fn note(&self, note: impl FnOnce(&mut Findings)) {
        note(&mut self.findings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The node behind `child`, read at `path` unless it is in memory.
    pub(crate) fn open<'c, L: Leaf>(
        &self,
        child: &'c Child<L>,
        path: Nibbles,
    ) -> Result<Opened<'c, L>, TrieError<R::Error>> {
        open(self.reader, self.owner, self.height, child, path)
    }
}

/// A node in memory, or one that was read just now.
#[derive(Debug)]
pub(crate) enum Opened<'c, L> {
    Held(&'c Node<L>),
    Read(Box<Node<L>>),
}

impl<L> Deref for Opened<'_, L> {
    type Target = Node<L>;

    fn deref(&self) -> &Node<L> {
        match self {
            Self::Held(node) => node,
            Self::Read(node) => node,
        }
    }
}

/// The node behind `child` at `path` in the trie of `owner`, read unless it is in memory.
pub(crate) fn open<'c, L: Leaf, R: NodeReader>(
    reader: &R,
    owner: Option<B256>,
    height: u64,
    child: &'c Child<L>,
    path: Nibbles,
) -> Result<Opened<'c, L>, TrieError<R::Error>> {
    match &child.node {
        Some(node) => Ok(Opened::Held(node)),
        None => read(reader, owner, height, &child.reference, path).map(Box::new).map(Opened::Read),
    }
}

/// The node at `path` in the trie of `owner` that `reference` names.
pub(crate) fn read<L: Leaf, R: NodeReader>(
    reader: &R,
    owner: Option<B256>,
    height: u64,
    reference: &RlpNode,
    path: Nibbles,
) -> Result<Node<L>, TrieError<R::Error>> {
    let at = Location { owner, path };
    let read;
    let rlp = match reference.as_hash() {
        Some(hash) => {
            read = stored(reader, at, hash)?;
            &read
        }
        None => reference.as_slice(),
    };
    Node::decode(rlp, path.len(), height).map_err(|reason| TrieError::Malformed { at, reason })
}

/// The stored node at `at`, which must have this hash.
fn stored<R: NodeReader>(
    reader: &R,
    at: Location,
    hash: B256,
) -> Result<Vec<u8>, TrieError<R::Error>> {
    let rlp = reader
        .node(at.owner, &at.path)
        .map_err(|source| TrieError::Reader { at, source })?
        .ok_or(TrieError::Missing { at, hash })?;
    if keccak256(&rlp) != hash {
        return Err(TrieError::Corrupt { at, expected: hash });
    }
    Ok(rlp)
}

//! One trie: reading and inserting. Removal is in `remove`, hashing in `commit`.

use crate::{
    EMPTY_ROOT_HASH, NodeReader, TrieError,
    commit::{self, Commit},
    node::{Child, Children, Kind, Node},
    remove,
    source::Source,
};
use alloy_primitives::B256;
use alloy_trie::{Nibbles, nodes::RlpNode};

/// A trie over a node store: reads what a key needs, keeps changes in memory until
/// [`commit`](Self::commit).
///
/// A method that fails leaves the trie as it was before the call.
#[derive(Debug)]
pub struct Trie<R> {
    source: Source<R>,
    root: Option<Child>,
}

impl<R: NodeReader> Trie<R> {
    /// The trie with this root. `owner` is `None` for the account trie and the hashed address for
    /// a storage trie. Nothing is read yet.
    pub fn open(reader: R, owner: Option<B256>, root: B256) -> Self {
        let root = (root != EMPTY_ROOT_HASH).then(|| Child::Closed(RlpNode::word_rlp(&root)));
        Self { source: Source::new(reader, owner), root }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// A node on the key's path cannot be read.
    pub fn get(&mut self, key: B256) -> Result<Option<&[u8]>, TrieError<R::Error>> {
        let key = Nibbles::unpack_array(&key);
        let mut next = self.root.as_mut();
        let mut depth = 0;
        while let Some(child) = next {
            match &mut self.source.open(child, key.slice(..depth))?.kind {
                Kind::Leaf { suffix, value } => {
                    return Ok((*suffix == key.slice(depth..)).then_some(value.as_slice()));
                }
                Kind::Extension { prefix, child } => {
                    if !key.slice(depth..).starts_with(prefix) {
                        return Ok(None);
                    }
                    depth += prefix.len();
                    next = Some(child);
                }
                Kind::Branch(children) => {
                    next = children[nibble(&key, depth)].as_mut();
                    depth += 1;
                }
            }
        }
        Ok(None)
    }

    /// Sets the value of `key`: the RLP that the leaf holds. An empty value is allowed by the
    /// structure but used by no Ethereum trie; call [`remove`](Self::remove) instead.
    ///
    /// # Errors
    /// A node on the key's path cannot be read.
    pub fn insert(&mut self, key: B256, value_rlp: Vec<u8>) -> Result<(), TrieError<R::Error>> {
        let key = Nibbles::unpack_array(&key);
        match &mut self.root {
            Some(root) => insert(&self.source, root, 0, &key, value_rlp).map(drop),
            None => {
                self.root = Some(Node::leaf(key, value_rlp).into());
                Ok(())
            }
        }
    }

    /// Removes `key`, which need not be there.
    ///
    /// # Errors
    /// A node on the key's path, or the one that takes the place of a branch, cannot be read.
    pub fn remove(&mut self, key: B256) -> Result<(), TrieError<R::Error>> {
        remove::key(&mut self.source, &mut self.root, &Nibbles::unpack_array(&key))
    }

    /// Removes all keys, walking the whole trie so that each of its stored nodes is deleted.
    ///
    /// # Errors
    /// A node cannot be read.
    pub fn clear(&mut self) -> Result<(), TrieError<R::Error>> {
        remove::all(&mut self.source, &mut self.root)
    }

    /// The new root, and what to write so that the store holds the new trie and nothing else.
    pub fn commit(self) -> Commit {
        commit::commit(self.source.gone, self.root)
    }
}

/// The nibble of `key` at `depth`, as an index.
pub(crate) fn nibble(key: &Nibbles, depth: usize) -> usize {
    usize::from(key.get_unchecked(depth))
}

/// Inserts below `child`, which stands at the first `depth` nibbles of `key`. Tells whether
/// anything changed. All reads come before the first change.
fn insert<R: NodeReader>(
    source: &Source<R>,
    child: &mut Child,
    depth: usize,
    key: &Nibbles,
    value: Vec<u8>,
) -> Result<bool, TrieError<R::Error>> {
    let node = source.open(child, key.slice(..depth))?;
    let rest = key.slice(depth..);
    match &mut node.kind {
        Kind::Leaf { suffix, value: old } if *suffix == rest => {
            if *old == value {
                return Ok(false);
            }
            *old = value;
        }
        Kind::Leaf { suffix, value: old } => {
            let old = |suffix| Node::leaf(suffix, core::mem::take(old)).into();
            node.kind = split(*suffix, old, rest, value);
        }
        Kind::Extension { prefix, child } if rest.starts_with(prefix) => {
            if !insert(source, child, depth + prefix.len(), key, value)? {
                return Ok(false);
            }
        }
        Kind::Extension { prefix, child } => {
            let child = child.take();
            node.kind = split(*prefix, |tail| lengthened(tail, child), rest, value);
        }
        Kind::Branch(children) => match &mut children[nibble(key, depth)] {
            Some(child) => {
                if !insert(source, child, depth + 1, key, value)? {
                    return Ok(false);
                }
            }
            vacant => *vacant = Some(Node::leaf(rest.slice(1..), value).into()),
        },
    }
    node.reference = None;
    Ok(true)
}

/// A branch where `old` and `new` part, below an extension over what they share. `below` makes
/// the old side's child from what is left of its nibbles.
fn split(old: Nibbles, below: impl FnOnce(Nibbles) -> Child, new: Nibbles, value: Vec<u8>) -> Kind {
    let shared = old.common_prefix_length(&new);
    let mut children = Box::<Children>::default();
    children[nibble(&old, shared)] = Some(below(old.slice(shared + 1..)));
    children[nibble(&new, shared)] = Some(Node::leaf(new.slice(shared + 1..), value).into());
    let branch = Kind::Branch(children);
    if shared == 0 {
        return branch;
    }
    Kind::Extension { prefix: new.slice(..shared), child: Node::new(branch).into() }
}

/// `child`, below an extension where nibbles are left before it.
fn lengthened(prefix: Nibbles, child: Child) -> Child {
    if prefix.is_empty() { child } else { Node::new(Kind::Extension { prefix, child }).into() }
}

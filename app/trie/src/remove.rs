//! Removing one key, or all.

use crate::{
    NodeReader, TrieError,
    node::{Child, Children, Kind, extended},
    source::Source,
    trie::nibble,
};
use alloy_trie::Nibbles;
use std::collections::BTreeSet;

/// What a removal did to the node it was asked of.
enum Removed {
    /// The key was not there.
    Nothing,
    /// Something at or below the node changed; it stays.
    Changed,
    /// It was all there was: the parent must drop it.
    Emptied,
}

/// The only child left of a branch, with its nibble; `None` where the branch stays.
type LastChild = Option<(usize, Child)>;

/// Removes `key` from the trie under `root`.
pub(crate) fn key<R: NodeReader>(
    source: &mut Source<R>,
    root: &mut Option<Child>,
    key: &Nibbles,
) -> Result<(), TrieError<R::Error>> {
    if let Some(child) = root
        && matches!(below(source, child, 0, key)?, Removed::Emptied)
    {
        forget(&mut source.gone, root.take(), Nibbles::new());
    }
    Ok(())
}

/// Removes every key, so that every stored node is gone.
pub(crate) fn all<R: NodeReader>(
    source: &mut Source<R>,
    root: &mut Option<Child>,
) -> Result<(), TrieError<R::Error>> {
    let mut gone = BTreeSet::new();
    if let Some(root) = root {
        walk(source, root, Nibbles::new(), &mut gone)?;
    }
    source.gone.append(&mut gone);
    *root = None;
    Ok(())
}

/// Collects the paths of all stored nodes at and below `child`. What it opens it closes again, so
/// that a large trie does not stay in memory.
fn walk<R: NodeReader>(
    source: &Source<R>,
    child: &Child,
    path: Nibbles,
    gone: &mut BTreeSet<Nibbles>,
) -> Result<(), TrieError<R::Error>> {
    let opened;
    let node = match child {
        Child::Open(node) => node.as_ref(),
        Child::Closed(reference) => {
            opened = source.load(reference.clone(), path)?.0;
            &opened
        }
    };
    if node.stored {
        gone.insert(path);
    }
    match &node.kind {
        Kind::Leaf { .. } => Ok(()),
        Kind::Extension { prefix, child } => walk(source, child, path.join(prefix), gone),
        Kind::Branch(children) => children
            .iter()
            .enumerate()
            .filter_map(|(nibble, child)| Some((nibble, child.as_ref()?)))
            .try_for_each(|(nibble, child)| walk(source, child, extended(path, nibble), gone)),
    }
}

/// Removes below `child`, which stands at the first `depth` nibbles of `key`. All reads come
/// before the first change.
fn below<R: NodeReader>(
    source: &mut Source<R>,
    child: &mut Child,
    depth: usize,
    key: &Nibbles,
) -> Result<Removed, TrieError<R::Error>> {
    let path = key.slice(..depth);
    let node = source.open(child, path)?;
    let removed = match &mut node.kind {
        Kind::Leaf { suffix, .. } if *suffix == key.slice(depth..) => Removed::Emptied,
        Kind::Leaf { .. } => Removed::Nothing,
        Kind::Extension { prefix, .. } if !key.slice(depth..).starts_with(prefix) => {
            Removed::Nothing
        }
        Kind::Extension { prefix, child } => {
            let (prefix, at) = (*prefix, path.join(prefix));
            let removed = below(source, child, at.len(), key)?;
            if matches!(removed, Removed::Changed) {
                let child = child.take();
                node.kind = joined(&mut source.gone, prefix, child, at);
            }
            removed
        }
        Kind::Branch(children) => {
            let (removed, last) = below_branch(source, children, depth, key)?;
            if let Some((index, child)) = last {
                let at = extended(path, index);
                node.kind = joined(&mut source.gone, at.slice(depth..), child, at);
            }
            removed
        }
    };
    if matches!(removed, Removed::Changed) {
        node.reference = None;
    }
    Ok(removed)
}

/// Removes below a branch at the first `depth` nibbles of `key`. Where one child is left, takes
/// it out, in memory: the branch must give way to it.
fn below_branch<R: NodeReader>(
    source: &mut Source<R>,
    children: &mut Children,
    depth: usize,
    key: &Nibbles,
) -> Result<(Removed, LastChild), TrieError<R::Error>> {
    let index = nibble(key, depth);
    let Some(child) = &mut children[index] else { return Ok((Removed::Nothing, None)) };
    match below(source, child, depth + 1, key)? {
        Removed::Emptied => {}
        removed @ (Removed::Nothing | Removed::Changed) => return Ok((removed, None)),
    }
    let path = key.slice(..depth);
    let mut others =
        children.iter_mut().enumerate().filter(|(i, child)| *i != index && child.is_some());
    let last = match (others.next(), others.next()) {
        (Some((last, Some(child))), None) => {
            source.open(child, extended(path, last))?;
            Some(last)
        }
        _ => None,
    };
    forget(&mut source.gone, children[index].take(), extended(path, index));
    Ok((Removed::Changed, last.and_then(|last| Some((last, children[last].take()?)))))
}

/// `child`, at `at`, moved up by the nibbles of `prefix`. A leaf or an extension takes them in, so
/// that no extension leads to one; a branch stays where it is, below an extension.
fn joined(gone: &mut BTreeSet<Nibbles>, prefix: Nibbles, child: Child, at: Nibbles) -> Kind {
    let Child::Open(mut node) = child else { return Kind::Extension { prefix, child } };
    let kind = match &mut node.kind {
        Kind::Branch(_) => return Kind::Extension { prefix, child: Child::Open(node) },
        Kind::Leaf { suffix, value } => {
            Kind::Leaf { suffix: prefix.join(suffix), value: core::mem::take(value) }
        }
        Kind::Extension { prefix: rest, child } => {
            let child = child.take();
            Kind::Extension { prefix: prefix.join(rest), child }
        }
    };
    forget(gone, Some(Child::Open(node)), at);
    kind
}

/// Notes that the node that stood at `at` is no longer part of the trie.
fn forget(gone: &mut BTreeSet<Nibbles>, child: Option<Child>, at: Nibbles) {
    if let Some(Child::Open(node)) = child
        && node.stored
    {
        gone.insert(at);
    }
}

//! Applying sorted changes to a trie: one pass from the root, each touched node made anew once.

use crate::{
    NodeReader,
    context::{Context, Failure, Opened},
    leaf::Leaf,
    naming::name,
    node::{Branch, Child, Kind, Node, Slots, extended},
};
use alloy_primitives::B256;
use alloy_trie::Nibbles;
use rayon::prelude::*;

/// From how many changes below one branch on its children are worked on in parallel.
const PARALLEL: usize = 128;

/// The change of one key.
#[derive(Debug)]
pub(crate) struct Change<'a, C> {
    pub(crate) key: Nibbles,
    pub(crate) change: &'a C,
}

/// What became of a subtrie.
#[derive(Debug)]
pub(crate) enum Outcome<L> {
    /// It is as it was.
    Same,
    /// It is this now.
    Now(Option<Child<L>>),
}

impl<L: Leaf> Outcome<L> {
    /// The same with a name for every node.
    pub(crate) fn named(mut self) -> Self {
        if let Self::Now(Some(now)) = &mut self {
            name(now);
        }
        self
    }
}

/// Applies `changes`, sorted by key, all below `path`, to the subtrie that stands there.
///
/// Nodes that it makes may be without names.
///
/// # Errors
/// A node cannot be read, or a change does not fit what is there.
pub(crate) fn below<L: Leaf, R: NodeReader + Sync>(
    context: &Context<'_, R>,
    child: Option<&Child<L>>,
    path: Nibbles,
    changes: &[Change<'_, L::Change>],
) -> Result<Outcome<L>, Failure<R>> {
    let Some(child) = child else {
        let leaves = inserted(context, changes)?;
        return Ok(match leaves.is_empty() {
            true => Outcome::Same,
            false => Outcome::Now(built(context.height, path, &leaves)),
        });
    };
    let node = match told(context, child, path, changes) {
        Some(leaf) => Opened::Read(Box::new(leaf)),
        None => context.open(child, path)?,
    };
    let outcome = match &node.kind {
        Kind::Leaf { suffix, value } => below_leaf(context, (suffix, value), path, changes),
        Kind::Extension { prefix, child } => {
            below_extension(context, (prefix, child), path, changes)
        }
        Kind::Branch(branch) => below_branch(context, branch, path, changes),
    }?;
    let is_kept = match &outcome {
        Outcome::Same => true,
        Outcome::Now(now) => now.as_ref().is_some_and(|now| now.is_stored(&path)),
    };
    if !is_kept && child.is_stored(&path) {
        context.forget(path);
    }
    Ok(outcome)
}

/// The leaf behind a child that is not in memory, where the only change below it tells what it
/// was: of a large trie, half of what would be read are leaves that change.
fn told<L: Leaf, R>(
    context: &Context<'_, R>,
    child: &Child<L>,
    path: Nibbles,
    changes: &[Change<'_, L::Change>],
) -> Option<Node<L>> {
    let ([Change { key, change }], None) = (changes, &child.node) else { return None };
    Node::leaf_named(&child.reference, key.slice(path.len()..), L::told(change)?, context.height)
}

fn below_leaf<L: Leaf, R: NodeReader + Sync>(
    context: &Context<'_, R>,
    (suffix, value): (&Nibbles, &L),
    path: Nibbles,
    changes: &[Change<'_, L::Change>],
) -> Result<Outcome<L>, Failure<R>> {
    let key = path.join(suffix);
    let before = changes.partition_point(|change| change.key < key);
    let (smaller, rest) = changes.split_at(before);
    let (hit, larger) = match rest.split_first() {
        Some((hit, larger)) if hit.key == key => (Some(hit), larger),
        _ => (None, rest),
    };
    let now = match hit {
        Some(hit) => L::changed(Some(value), packed(&key), hit.change, context)?,
        None => Some(value.clone()),
    };
    let is_same = now.as_ref() == Some(value) && !hit.is_some_and(|hit| L::is_rewrite(hit.change));
    let mut leaves = inserted(context, smaller)?;
    leaves.extend(now.map(|now| (key, now)));
    leaves.extend(inserted(context, larger)?);
    if is_same && leaves.len() == 1 {
        return Ok(Outcome::Same);
    }
    Ok(Outcome::Now(built(context.height, path, &leaves)))
}

fn below_extension<L: Leaf, R: NodeReader + Sync>(
    context: &Context<'_, R>,
    (prefix, child): (&Nibbles, &Child<L>),
    path: Nibbles,
    changes: &[Change<'_, L::Change>],
) -> Result<Outcome<L>, Failure<R>> {
    let end = path.join(prefix);
    let beside = changes
        .iter()
        .filter(|change| !change.key.starts_with(&end) && !L::is_removal(change.change))
        .map(|change| change.key.common_prefix_length(&end))
        .min();
    if let Some(split) = beside {
        return split_extension(context, (&end, child), path, split, changes);
    }
    let first = changes.partition_point(|change| change.key < end);
    let inside = &changes[first..];
    let inside = &inside[..inside.partition_point(|change| change.key.starts_with(&end))];
    if inside.is_empty() {
        return Ok(Outcome::Same);
    }
    Ok(match below(context, Some(child), end, inside)? {
        Outcome::Same => Outcome::Same,
        Outcome::Now(None) => Outcome::Now(None),
        Outcome::Now(Some(now)) => Outcome::Now(Some(lifted(context, *prefix, &now, end)?)),
    })
}

/// Puts a branch where keys leave the extension, `split` nibbles from the root.
fn split_extension<L: Leaf, R: NodeReader + Sync>(
    context: &Context<'_, R>,
    (end, child): (&Nibbles, &Child<L>),
    path: Nibbles,
    split: usize,
    changes: &[Change<'_, L::Change>],
) -> Result<Outcome<L>, Failure<R>> {
    let at = end.slice(..split);
    let mut slots = Slots::default();
    slots[nibble(end, split)] = Some(extension(context.height, end.slice(split + 1..), child));
    let changes: Vec<_> = changes
        .iter()
        .filter(|change| change.key.starts_with(&at))
        .map(|Change { key, change }| Change { key: *key, change: *change })
        .collect();
    let now = below_branch(context, &Branch::from(slots), at, &changes)?;
    let Outcome::Now(Some(now)) = now else { return Ok(now) };
    Ok(Outcome::Now(Some(lifted(context, at.slice(path.len()..), &now, at)?)))
}

fn below_branch<L: Leaf, R: NodeReader + Sync>(
    context: &Context<'_, R>,
    branch: &Branch<L>,
    path: Nibbles,
    changes: &[Change<'_, L::Change>],
) -> Result<Outcome<L>, Failure<R>> {
    let groups: Vec<_> = changes
        .chunk_by(|a, b| nibble(&a.key, path.len()) == nibble(&b.key, path.len()))
        .map(|group| (nibble(&group[0].key, path.len()), group))
        .collect();
    let one = |(nibble, group): &(usize, &[Change<'_, L::Change>])| {
        let outcome = below(context, branch.get(*nibble), extended(path, *nibble), group)?;
        Ok((*nibble, outcome))
    };
    let outcomes: Vec<(usize, Outcome<L>)> = if changes.len() < PARALLEL {
        groups.iter().map(one).collect::<Result<_, Failure<R>>>()?
    } else {
        let named = |group| one(group).map(|(nibble, outcome)| (nibble, outcome.named()));
        groups.par_iter().map(named).collect::<Result<_, Failure<R>>>()?
    };
    let changed = |(nibble, outcome)| match outcome {
        Outcome::Same => None,
        Outcome::Now(now) => Some((nibble, now)),
    };
    let changed: Vec<(usize, Option<Child<L>>)> =
        outcomes.into_iter().filter_map(changed).collect();
    if changed.iter().all(|(nibble, now)| now.is_some() && branch.get(*nibble).is_some()) {
        let mut changed = changed.into_iter().peekable();
        let now = branch.replaced(|nibble, _| changed.next_if(|(at, _)| *at == nibble)?.1);
        let made = |branch| Child::made(Kind::Branch(branch), context.height);
        return Ok(now.map_or(Outcome::Same, |branch| Outcome::Now(Some(made(branch)))));
    }
    let mut slots = branch.slots();
    for (nibble, now) in changed {
        slots[nibble] = now;
    }
    joined(context, slots, path)
}

/// The branch of these children, or what takes the place of one with too few.
fn joined<L: Leaf, R: NodeReader>(
    context: &Context<'_, R>,
    slots: Slots<L>,
    path: Nibbles,
) -> Result<Outcome<L>, Failure<R>> {
    let mut present = slots.iter().enumerate().filter_map(|(n, child)| Some((n, child.as_ref()?)));
    Ok(Outcome::Now(match (present.next(), present.next()) {
        (None, _) => None,
        (Some((nibble, only)), None) => {
            let at = extended(path, nibble);
            Some(lifted(context, at.slice(path.len()..), only, at)?)
        }
        (Some(_), Some(_)) => Some(Child::made(Kind::Branch(slots.into()), context.height)),
    }))
}

/// `child`, which stands at `at`, moved up by the nibbles of `prefix`. A leaf or an extension
/// takes them in, so that no extension leads to one; a branch stays where it is, below an
/// extension.
fn lifted<L: Leaf, R: NodeReader>(
    context: &Context<'_, R>,
    prefix: Nibbles,
    child: &Child<L>,
    at: Nibbles,
) -> Result<Child<L>, Failure<R>> {
    if prefix.is_empty() {
        return Ok(child.clone());
    }
    let node = context.open(child, at)?;
    let kind = match &node.kind {
        Kind::Branch(_) => return Ok(extension(context.height, prefix, child)),
        Kind::Leaf { suffix, value } => {
            Kind::Leaf { suffix: prefix.join(suffix), value: value.clone() }
        }
        Kind::Extension { prefix: rest, child } => {
            Kind::Extension { prefix: prefix.join(rest), child: child.clone() }
        }
    };
    context.forget(at);
    Ok(Child::made(kind, context.height))
}

/// `child` below `prefix`, or by itself where that is empty.
fn extension<L: Leaf>(height: u64, prefix: Nibbles, child: &Child<L>) -> Child<L> {
    if prefix.is_empty() {
        return child.clone();
    }
    Child::made(Kind::Extension { prefix, child: Box::new(child.clone()) }, height)
}

/// The leaves that changes make where there was none.
fn inserted<L: Leaf, R: NodeReader + Sync>(
    context: &Context<'_, R>,
    changes: &[Change<'_, L::Change>],
) -> Result<Vec<(Nibbles, L)>, Failure<R>> {
    let mut leaves = Vec::new();
    for Change { key, change } in changes {
        if let Some(leaf) = L::changed(None, packed(key), change, context)? {
            leaves.push((*key, leaf));
        }
    }
    Ok(leaves)
}

/// The subtrie at `path` that holds just these leaves, sorted by key.
fn built<L: Leaf>(height: u64, path: Nibbles, leaves: &[(Nibbles, L)]) -> Option<Child<L>> {
    let depth = path.len();
    let (first, last) = match leaves {
        [] => return None,
        [(key, value)] => {
            let (suffix, value) = (key.slice(depth..), value.clone());
            return Some(Child::made(Kind::Leaf { suffix, value }, height));
        }
        [(first, _), .., (last, _)] => (first, last),
    };
    let split = first.common_prefix_length(last);
    let groups: Vec<_> =
        leaves.chunk_by(|a, b| nibble(&a.0, split) == nibble(&b.0, split)).collect();
    let one = |group: &&[(Nibbles, L)]| {
        let at = group[0].0.slice(..=split);
        (nibble(&group[0].0, split), built(height, at, group))
    };
    let children: Vec<_> = if leaves.len() < PARALLEL {
        groups.iter().map(one).collect()
    } else {
        let named = |group| {
            let (nibble, mut child) = one(group);
            child.iter_mut().for_each(name);
            (nibble, child)
        };
        groups.par_iter().map(named).collect()
    };
    let mut slots = Slots::default();
    for (nibble, child) in children {
        slots[nibble] = child;
    }
    let branch = Child::made(Kind::Branch(slots.into()), height);
    Some(extension(height, first.slice(depth..split), &branch))
}

/// The nibble of `key` at `depth`, as an index.
pub(crate) fn nibble(key: &Nibbles, depth: usize) -> usize {
    usize::from(key.get_unchecked(depth))
}

/// A whole key as bytes.
pub(crate) fn packed(key: &Nibbles) -> B256 {
    B256::from_slice(&key.pack())
}

//! The part of the deposit log that this member has read, with what is proven of it.
//!
//! Leaves come from event logs and are hints. A leaf counts only once a hash chain through it ends
//! at a head that a storage proof has shown.

use mooring_bridge::{Count, Head, Leaf};

/// Why leaves were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch;

/// Consecutive leaves from `base` on, each with the head after it. Leaves are taken only when they
/// reach a proven head, which then proves all before it, the base included.
#[derive(Clone, Debug)]
pub struct Log {
    base: Head,
    entries: Vec<(Leaf, Head)>,
}

impl Log {
    /// An empty log that goes on from `base`.
    pub const fn new(base: Head) -> Self {
        Self { base, entries: Vec::new() }
    }

    /// Where it begins.
    pub const fn base(&self) -> Head {
        self.base
    }

    /// Where it ends.
    pub fn tip(&self) -> Head {
        self.entries.last().map_or(self.base, |(_, head)| *head)
    }

    /// Takes leaves that lead from the tip exactly to the proven head, all or none.
    ///
    /// # Errors
    /// When they do not.
    pub fn extend(&mut self, leaves: Vec<Leaf>, proven: Head) -> Result<(), Mismatch> {
        let mut head = self.tip();
        let mut entries = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            head = head.extend(&leaf).map_err(|_| Mismatch)?;
            entries.push((leaf, head));
        }
        if head != proven {
            return Err(Mismatch);
        }
        self.entries.append(&mut entries);
        Ok(())
    }

    /// The head after leaf `count`, if the log reaches from there.
    pub fn head_at(&self, count: Count) -> Option<Head> {
        if count == self.base.count {
            return Some(self.base);
        }
        self.entry(count).map(|(_, head)| *head)
    }

    /// Whether `head` is a part of the proven log.
    pub fn holds(&self, head: Head) -> bool {
        self.head_at(head.count) == Some(head)
    }

    /// The leaves after `from` up to `to`, if the log holds both heads.
    pub fn between(&self, from: Head, to: Head) -> Option<Vec<Leaf>> {
        if !self.holds(from) || !self.holds(to) || from.count >= to.count {
            return None;
        }
        let first = self.place(from.count)?;
        let end = self.place(to.count)?;
        Some(self.entries.get(first..end)?.iter().map(|(leaf, _)| leaf.clone()).collect())
    }

    /// Forgets the leaves up to `head`, if the log holds it.
    pub fn prune(&mut self, head: Head) {
        if let Some(place) = self.place(head.count).filter(|_| self.holds(head)) {
            self.entries.drain(..place);
            self.base = head;
        }
    }

    fn entry(&self, count: Count) -> Option<&(Leaf, Head)> {
        self.entries.get(self.place(count)?.checked_sub(1)?)
    }

    /// How many of the entries are at or below `count`, if it is not outside.
    fn place(&self, count: Count) -> Option<usize> {
        let place = usize::try_from(count.get().checked_sub(self.base.count.get())?).ok()?;
        (place <= self.entries.len()).then_some(place)
    }
}

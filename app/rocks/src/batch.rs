//! Writes that happen together or not at all.

use crate::ColumnFamily;

/// Whether a write waits for the disk. A later synced write makes all earlier ones durable too:
/// they share one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Durable, through a power failure, when the write returns.
    Yes,
    /// Survives the end of the process, but not of the machine, until a synced write follows.
    No,
}

/// Writes, in order, that happen together or not at all. Of two that touch one key the later
/// counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub(crate) writes: Vec<(ColumnFamily, Write)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    Put { key: Vec<u8>, value: Vec<u8> },
    Delete { key: Vec<u8> },
    DeleteRange { from: Vec<u8>, to: Vec<u8> },
}

impl Batch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { writes: Vec::new() }
    }

    /// Sets the value of `key`. Owned vectors are moved, not copied.
    pub fn put(&mut self, cf: ColumnFamily, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push((cf, Write::Put { key: key.into(), value: value.into() }));
    }

    /// Removes `key`, which need not be there.
    pub fn delete(&mut self, cf: ColumnFamily, key: impl Into<Vec<u8>>) {
        self.writes.push((cf, Write::Delete { key: key.into() }));
    }

    /// Removes the keys from `from` up to but not including `to`: nothing where `from >= to`.
    /// Meant for few, large ranges, since each slows later reads a little until compaction.
    pub fn delete_range(
        &mut self,
        cf: ColumnFamily,
        from: impl Into<Vec<u8>>,
        to: impl Into<Vec<u8>>,
    ) {
        let (from, to) = (from.into(), to.into());
        if from < to {
            self.writes.push((cf, Write::DeleteRange { from, to }));
        }
    }

    /// Moves the writes of `other` behind those of this batch.
    pub fn append(&mut self, mut other: Self) {
        self.writes.append(&mut other.writes);
    }

    /// How many writes it holds.
    pub const fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it holds no writes.
    pub const fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Bytes of keys and values in it.
    pub fn bytes(&self) -> usize {
        self.writes.iter().map(|(_, write)| write.bytes()).sum()
    }
}

impl Write {
    const fn bytes(&self) -> usize {
        match self {
            Self::Put { key: a, value: b } | Self::DeleteRange { from: a, to: b } => {
                a.len() + b.len()
            }
            Self::Delete { key } => key.len(),
        }
    }
}

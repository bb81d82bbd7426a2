//! Reading keys in order.

use crate::{Entry, Error};
use core::fmt;
use rocksdb::{DB, DBIteratorWithThreadMode, IteratorMode, PrefixRange, ReadOptions};
use std::ops::Range;

/// Which keys to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys<'a> {
    /// All.
    All,
    /// Those that begin with these bytes.
    Prefix(&'a [u8]),
    /// Those from `start` up to but not including `end`: none where `start >= end`.
    Range(Range<&'a [u8]>),
    /// Those from here on.
    From(&'a [u8]),
    /// Those before, not including, this one.
    Before(&'a [u8]),
}

/// In which order to read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Forward,
    /// Largest first.
    Backward,
}

/// Entries in order, of the database as it was when the scan began. Limit it with
/// [`Iterator::take`]. After an error it ends.
pub struct Scan<'a> {
    inner: DBIteratorWithThreadMode<'a, DB>,
}

impl fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").finish_non_exhaustive()
    }
}

impl<'a> Scan<'a> {
    pub(crate) const fn new(inner: DBIteratorWithThreadMode<'a, DB>) -> Self {
        Self { inner }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.inner.next()?;
        Some(entry.map(|(key, value)| (key.into_vec(), value.into_vec())).map_err(Error::from))
    }
}

impl Keys<'_> {
    pub(crate) fn options(self) -> ReadOptions {
        let mut options = ReadOptions::default();
        match self {
            Keys::All => {}
            Keys::Prefix(prefix) => options.set_iterate_range(PrefixRange(prefix)),
            // RocksDB refuses bounds in the wrong order; equal ones hold nothing.
            Keys::Range(range) if range.start >= range.end => {
                options.set_iterate_range(range.start..range.start);
            }
            Keys::Range(range) => options.set_iterate_range(range),
            Keys::From(start) => options.set_iterate_range(start..),
            Keys::Before(end) => options.set_iterate_range(..end),
        }
        options
    }
}

impl Direction {
    pub(crate) const fn mode(self) -> IteratorMode<'static> {
        match self {
            Self::Forward => IteratorMode::Start,
            Self::Backward => IteratorMode::End,
        }
    }
}

//! The peg's words: typed reads, and drafts that are written whole or not at all.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};

use crate::Fault;

/// Reads the storage of the Peg account.
pub trait ReadSlots {
    /// The word at `slot`, zero when unset.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    fn get(&self, slot: U256) -> Result<U256, Fault>;
}

/// Reads and writes the storage of the Peg account.
pub trait Slots: ReadSlots {
    /// Writes a word; zero removes the slot.
    fn set(&mut self, slot: U256, value: U256);
}

/// Typed reads.
pub(super) trait ReadWords: ReadSlots {
    /// A number of at most 64 bits.
    fn number(&self, slot: U256) -> Result<u64, Fault> {
        let word = self.get(slot)?;
        u64::try_from(word).map_err(|_| Fault::new(format!("peg slot {slot:#x} is no number")))
    }

    /// A hash.
    fn hash(&self, slot: U256) -> Result<B256, Fault> {
        self.get(slot).map(B256::from)
    }

    /// A bit map over members, bit 0 for the first.
    fn bits(&self, slot: U256) -> Result<u128, Fault> {
        let word = self.get(slot)?;
        u128::try_from(word).map_err(|_| Fault::new(format!("peg slot {slot:#x} is no bit map")))
    }
}

impl<S: ReadSlots + ?Sized> ReadWords for S {}

/// Typed writes.
pub(super) trait WriteWords: Slots {
    fn set_number(&mut self, slot: U256, value: u64) {
        self.set(slot, U256::from(value));
    }

    fn set_hash(&mut self, slot: U256, value: B256) {
        self.set(slot, value.into());
    }

    fn delete(&mut self, slot: U256) {
        self.set(slot, U256::ZERO);
    }
}

impl<S: Slots + ?Sized> WriteWords for S {}

/// Writes that are held back over slots that are only read: a message is judged on a draft, so a
/// refused one has changed nothing wherever its check stands.
#[derive(Debug)]
pub(super) struct Draft<'a, S> {
    base: &'a S,
    writes: BTreeMap<U256, U256>,
}

impl<'a, S: ReadSlots> Draft<'a, S> {
    pub(super) const fn new(base: &'a S) -> Self {
        Self { base, writes: BTreeMap::new() }
    }

    /// What was written, by slot.
    pub(super) fn into_writes(self) -> BTreeMap<U256, U256> {
        self.writes
    }
}

impl<S: ReadSlots> ReadSlots for Draft<'_, S> {
    fn get(&self, slot: U256) -> Result<U256, Fault> {
        match self.writes.get(&slot) {
            Some(value) => Ok(*value),
            None => self.base.get(slot),
        }
    }
}

impl<S: ReadSlots> Slots for Draft<'_, S> {
    fn set(&mut self, slot: U256, value: U256) {
        self.writes.insert(slot, value);
    }
}

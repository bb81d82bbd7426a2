//! The Peg account's storage as the peg's state machine sees it.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use mooring_bridge::addresses::PEG;

use crate::{
    Fault, StateReader,
    overlay::Overlay,
    params::PegParams,
    peg::{Peg, ReadSlots, Slots},
};

/// The peg's state after a committed block: for [`crate::peg::view`] and [`crate::peg::check`].
#[derive(Debug)]
pub struct CommittedSlots<'a>(pub &'a dyn StateReader);

impl ReadSlots for CommittedSlots<'_> {
    fn get(&self, slot: U256) -> Result<U256, Fault> {
        self.0.storage(PEG, slot)
    }
}

/// The peg's state inside a block. Writes are held back until [`with_peg`] ends well.
#[derive(Debug)]
pub(crate) struct BlockSlots<'o, 'a> {
    overlay: &'o Overlay<'a>,
    writes: BTreeMap<U256, U256>,
}

impl ReadSlots for BlockSlots<'_, '_> {
    fn get(&self, slot: U256) -> Result<U256, Fault> {
        match self.writes.get(&slot) {
            Some(value) => Ok(*value),
            None => self.overlay.slot(PEG, slot),
        }
    }
}

impl Slots for BlockSlots<'_, '_> {
    fn set(&mut self, slot: U256, value: U256) {
        self.writes.insert(slot, value);
    }
}

/// Runs one step of the peg and takes over its writes, unless it fails.
pub(crate) fn with_peg<'a, T, E: From<Fault>>(
    params: &PegParams,
    overlay: &mut Overlay<'a>,
    step: impl FnOnce(&mut Peg<'_, BlockSlots<'_, 'a>>) -> Result<T, E>,
) -> Result<T, E> {
    let mut slots = BlockSlots { overlay, writes: BTreeMap::new() };
    let done = step(&mut Peg::new(params, &mut slots))?;
    let writes = slots.writes;
    for (slot, value) in writes {
        overlay.set_slot(PEG, slot, value)?;
    }
    Ok(done)
}

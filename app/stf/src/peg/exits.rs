//! The exit tree's frontier and head (spec 2.3).

use alloy_primitives::B256;
use mooring_bridge::{Exit, Frontier, exit::LEVELS, slots};

use super::{
    ReadSlots, Slots,
    store::{ReadWords, WriteWords},
};
use crate::Fault;

/// Writes the root of the empty tree.
pub(super) fn genesis(slots: &mut impl Slots) {
    slots.set_hash(slots::exit_root(), Frontier::default().root());
}

/// Appends `exit`; its index is the tree's count.
pub(super) fn append(slots: &mut impl Slots, exit: &Exit) -> Result<(), Fault> {
    let mut frontier = frontier(slots)?;
    if exit.index.get() != frontier.count() {
        return Err(Fault::new(format!(
            "exit {} does not follow a tree of {}",
            exit.index,
            frontier.count()
        )));
    }
    let complete = frontier
        .append(exit.leaf())
        .map_err(|error| Fault::from_cause(format!("exit {} does not fit", exit.index), error))?;
    // The one level that changed; the levels below it are stale now and not read again before
    // they are written.
    if let Some(edge) = complete.last() {
        slots.set_hash(slots::exit_frontier(edge.level), edge.hash);
    }
    slots.set_number(slots::exit_count(), frontier.count());
    slots.set_hash(slots::exit_root(), frontier.root());
    // Modulo 2^256, as the sum of credits.
    let sum = slots.get(slots::asset_exited(exit.asset))?.wrapping_add(exit.amount);
    slots.set(slots::asset_exited(exit.asset), sum);
    Ok(())
}

/// Reads the levels that the tree's count says are in use.
fn frontier(slots: &impl ReadSlots) -> Result<Frontier, Fault> {
    let count = slots.number(slots::exit_count())?;
    let mut levels = [B256::ZERO; LEVELS];
    for (level, hash) in levels.iter_mut().enumerate() {
        if count >> level & 1 == 1 {
            *hash = slots.hash(slots::exit_frontier(level))?;
        }
    }
    Frontier::from_parts(count, levels)
        .map_err(|error| Fault::from_cause("exit count is damaged", error))
}

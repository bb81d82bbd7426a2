//! Accepted heads, the delivery of their leaves, and the order of credits (spec 3.4).
//!
//! Three marks move along the deposit log: credited <= delivered <= accepted. Heads between
//! delivered and accepted wait in a queue for their leaves; leaves between credited and delivered
//! wait in a queue for their credit.

use alloy_primitives::{B256, U256};
use mooring_bridge::{Asset, Count, Head, Leaf, NATIVE, slots};

use super::{
    PegError, ReadSlots, Refused, Slots,
    store::{ReadWords, WriteWords},
};
use crate::Fault;

/// Words of the longest leaf, a deposit.
const LONGEST_LEAF: usize = 8;
const WORD: usize = 32;

/// Starts all three marks at leaf 0 with `acc_0`.
pub(super) fn genesis(slots: &mut impl Slots, acc_0: B256) {
    slots.set_hash(slots::accepted_acc(), acc_0);
    slots.set_hash(slots::delivered_acc(), acc_0);
    slots.set_hash(slots::credited_acc(), acc_0);
}

/// The newest accepted head.
pub(super) fn accepted(slots: &impl ReadSlots) -> Result<Head, Fault> {
    head(slots, slots::accepted_count(), slots::accepted_acc())
}

/// The head after the last leaf delivered.
pub(super) fn delivered(slots: &impl ReadSlots) -> Result<Head, Fault> {
    head(slots, slots::delivered_count(), slots::delivered_acc())
}

/// The head after the last leaf credited.
pub(super) fn credited_head(slots: &impl ReadSlots) -> Result<Head, Fault> {
    head(slots, slots::credited_count(), slots::credited_acc())
}

/// The accepted heads that wait for their leaves, oldest first.
pub(super) fn undelivered(slots: &impl ReadSlots) -> Result<Vec<Head>, Fault> {
    let first = slots.number(slots::accepted_first())?;
    let next = slots.number(slots::accepted_next())?;
    (first..next).map(|index| queued(slots, index)).collect()
}

fn queued(slots: &impl ReadSlots, index: u64) -> Result<Head, Fault> {
    head(slots, slots::accepted_count_at(index), slots::accepted_acc_at(index))
}

fn head(slots: &impl ReadSlots, count: U256, acc: U256) -> Result<Head, Fault> {
    Ok(Head { count: Count::new(slots.number(count)?), acc: slots.hash(acc)? })
}

fn set_head(slots: &mut impl Slots, count: U256, acc: U256, head: Head) {
    slots.set(count, head.count.word());
    slots.set_hash(acc, head.acc);
}

/// Accepts `head` and queues it for delivery.
pub(super) fn accept(slots: &mut impl Slots, head: Head) -> Result<(), Fault> {
    let next = slots.number(slots::accepted_next())?;
    set_head(slots, slots::accepted_count(), slots::accepted_acc(), head);
    set_head(slots, slots::accepted_count_at(next), slots::accepted_acc_at(next), head);
    slots.set_number(slots::accepted_next(), after(next)?);
    Ok(())
}

/// Takes exactly the leaves of the oldest accepted head not yet delivered.
pub(super) fn deliver(slots: &mut impl Slots, leaves: &[Leaf]) -> Result<(), PegError> {
    let first = slots.number(slots::accepted_first())?;
    if first == slots.number(slots::accepted_next())? {
        return Err(Refused::NothingToDeliver.into());
    }
    let accepted = queued(slots, first)?;
    check_leaves(delivered(slots)?, accepted, leaves)?;
    for leaf in leaves {
        enqueue(slots, leaf);
    }
    set_head(slots, slots::delivered_count(), slots::delivered_acc(), accepted);
    slots.delete(slots::accepted_count_at(first));
    slots.delete(slots::accepted_acc_at(first));
    slots.set_number(slots::accepted_first(), after(first)?);
    Ok(())
}

/// The leaves lead from the delivered head to exactly the accepted one.
fn check_leaves(delivered: Head, accepted: Head, leaves: &[Leaf]) -> Result<(), Refused> {
    let want = accepted.count.get().saturating_sub(delivered.count.get());
    if leaves.len() as u64 != want {
        return Err(Refused::LeafCount { want, got: leaves.len() as u64 });
    }
    let reached = delivered.extend_all(leaves).map_err(|error| Refused::LeafOrder {
        want: error.after.next().unwrap_or(error.after),
        got: error.got,
    })?;
    if reached != accepted {
        return Err(Refused::WrongAcc { want: accepted.acc, got: reached.acc });
    }
    Ok(())
}

fn enqueue(slots: &mut impl Slots, leaf: &Leaf) {
    for (index, word) in leaf.encode().chunks_exact(WORD).enumerate() {
        slots.set_hash(slots::queue(leaf.count(), index), B256::from_slice(word));
    }
}

/// The leaf after the last credited one and the acc after it, if it is delivered.
pub(super) fn next_leaf(slots: &impl ReadSlots) -> Result<Option<(Leaf, B256)>, Fault> {
    let credited = credited_head(slots)?;
    if credited.count >= delivered(slots)?.count {
        return Ok(None);
    }
    let count = credited.count.next().ok_or_else(|| Fault::new("the deposit log is full"))?;
    let leaf = queued_leaf(slots, count)?;
    let damaged = |error| Fault::from_cause(format!("queued leaf {count} is damaged"), error);
    let acc = credited.extend(&leaf).map_err(damaged)?.acc;
    Ok(Some((leaf, acc)))
}

fn queued_leaf(slots: &impl ReadSlots, count: Count) -> Result<Leaf, Fault> {
    let kind = slots.number(slots::queue(count, 0))?;
    let length = match kind {
        1 => LONGEST_LEAF,
        2 => 6,
        3 => 4,
        _ => return Err(Fault::new(format!("queued leaf {count} has kind {kind}"))),
    };
    let mut bytes = Vec::with_capacity(length * WORD);
    for word in 0..length {
        bytes.extend_from_slice(slots.hash(slots::queue(count, word))?.as_slice());
    }
    Leaf::decode(&bytes)
        .map_err(|error| Fault::from_cause(format!("queued leaf {count} is damaged"), error))
}

/// Moves the credited head over `leaf`.
pub(super) fn credited(slots: &mut impl Slots, leaf: &Leaf) -> Result<(), Fault> {
    let acc = match next_leaf(slots)? {
        Some((next, acc)) if next == *leaf => acc,
        _ => return Err(Fault::new(format!("leaf {} is not the next to credit", leaf.count()))),
    };
    let head = Head { count: leaf.count(), acc };
    set_head(slots, slots::credited_count(), slots::credited_acc(), head);
    for word in 0..leaf.encode().len() / WORD {
        slots.delete(slots::queue(leaf.count(), word));
    }
    if let Leaf::Deposit(deposit) = leaf {
        add_credited(slots, deposit.asset, deposit.amount)?;
        add_credited(slots, NATIVE, deposit.gas_wei)?;
    }
    Ok(())
}

/// Sums count modulo 2^256: a hostile token may be deposited and withdrawn at its full range any
/// number of times, and only credited - exited has a meaning, which wrapping leaves exact.
fn add_credited(slots: &mut impl Slots, asset: Asset, amount: U256) -> Result<(), Fault> {
    let sum = slots.get(slots::asset_credited(asset))?.wrapping_add(amount);
    slots.set(slots::asset_credited(asset), sum);
    Ok(())
}

fn after(index: u64) -> Result<u64, Fault> {
    index.checked_add(1).ok_or_else(|| Fault::new("a peg queue's numbers are used up"))
}

//! Epochs: the frozen member lists, and who of them signed.

use alloy_primitives::{Address, B256, U256};
use mooring_bridge::{Epoch, MemberList, Signature, SignedStruct, domain::Domain, members, slots};

use super::{
    PegError, ReadSlots, Refused, Slots,
    store::{ReadWords, WriteWords},
};
use crate::Fault;

/// The first epoch, and the first height that its members sign.
const FIRST: u64 = 1;

/// Writes epoch 1.
pub(super) fn genesis(
    slots: &mut impl Slots,
    members: &MemberList,
    recovery: &MemberList,
) -> Result<(), Fault> {
    if members.len() != recovery.len() {
        return Err(Fault::new("members and recovery keys differ in number"));
    }
    let epoch = Epoch::new(FIRST);
    slots.set(slots::epoch(), epoch.word());
    slots.set(slots::epoch_size(epoch), U256::from(members.len()));
    slots.set(slots::epoch_total(epoch), U256::from(members.total()));
    slots.set_number(slots::epoch_first(epoch), FIRST);
    for (index, (member, recovery)) in members.words().iter().zip(recovery.words()).enumerate() {
        slots.set_hash(slots::epoch_member(epoch, index), *member);
        slots.set_hash(slots::epoch_recovery(epoch, index), recovery);
    }
    Ok(())
}

/// The current epoch.
pub(super) fn current(slots: &impl ReadSlots) -> Result<Epoch, Fault> {
    slots.number(slots::epoch()).map(Epoch::new)
}

/// The hot list of `epoch`.
pub(super) fn members(slots: &impl ReadSlots, epoch: Epoch) -> Result<MemberList, Fault> {
    let size = slots.number(slots::epoch_size(epoch))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(members::MAX_MEMBERS + 1);
    let words: Vec<B256> = (0..size)
        .map(|index| slots.hash(slots::epoch_member(epoch, index)))
        .collect::<Result<_, _>>()?;
    MemberList::from_words(&words)
        .map_err(|error| Fault::from_cause(format!("members of epoch {epoch} are damaged"), error))
}

/// A member that has signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signer {
    /// Place in the epoch's list.
    pub(super) index: usize,
    /// Its hot address.
    pub(super) address: Address,
}

impl Signer {
    /// The member's bit in a map of signers.
    pub(super) const fn bit(self) -> u128 {
        1 << self.index
    }
}

/// Which member of `epoch` signed `statement`.
pub(super) fn signer(
    domain: &Domain,
    epoch: Epoch,
    members: &MemberList,
    statement: &impl SignedStruct,
    signature: &Signature,
) -> Result<Signer, PegError> {
    let address = statement.signer(domain, signature)?;
    let index = members.index_of(address).ok_or(Refused::NotMember { signer: address, epoch })?;
    Ok(Signer { index, address })
}

//! What the peg's state says, for whoever only reads it: RPC, the executor's checks, tests.

use alloy_primitives::{Address, B256, U256};
use mooring_bridge::{Asset, Checkpoint, Epoch, Head, Leaf, MemberList, Signature, slots};

use super::{ReadSlots, delivery, epoch, heads, records, store::ReadWords};
use crate::Fault;

/// Head of the exit tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitHead {
    /// Exits made since genesis.
    pub count: u64,
    /// The tree's root, which binds the count.
    pub root: B256,
}

/// The marks along the deposit log: credited <= delivered <= accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositHeads {
    /// Newest accepted head.
    pub accepted: Head,
    /// Head after the last leaf delivered.
    pub delivered: Head,
    /// Head after the last leaf credited.
    pub credited: Head,
}

/// A head of the deposit log that has signatures but no quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHead {
    /// The member that opened it.
    pub opener: Address,
    /// The head.
    pub head: Head,
    /// The members that signed it, ascending.
    pub signers: Vec<Address>,
    /// Their power.
    pub power: u128,
}

/// A checkpoint record with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointView {
    /// Number of the record, +1 for each checkpoint named.
    pub index: u64,
    /// What members sign; block hash and state root are zero while it is not complete.
    pub checkpoint: Checkpoint,
    /// Time of the named block, in seconds.
    pub time: u64,
    /// Whether the block after the named one has completed it: before, nobody can sign it.
    pub complete: bool,
    /// Who signed and how, ascending by address: the order of the Vault's bundle.
    pub signatures: Vec<(Address, Signature)>,
    /// Power of the signers.
    pub power: u128,
    /// Whether it has quorum; it is then the last that does.
    pub quorum: bool,
}

/// What has come in and gone out of one asset, each modulo 2^256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetTotals {
    /// Sum of all credits, bounced ones included.
    pub credited: U256,
    /// Sum of all exits, bounces included.
    pub exited: U256,
}

impl AssetTotals {
    /// Credited less exited, in the asset's smallest unit: what the sidechain owes beyond genesis.
    pub const fn outstanding(&self) -> U256 {
        self.credited.wrapping_sub(self.exited)
    }
}

/// The current epoch and its hot member list.
///
/// # Errors
/// A [`Fault`] when the store cannot be read or holds no member list.
pub fn members(slots: &impl ReadSlots) -> Result<(Epoch, MemberList), Fault> {
    let epoch = epoch::current(slots)?;
    Ok((epoch, epoch::members(slots, epoch)?))
}

/// The marks along the deposit log.
///
/// # Errors
/// A [`Fault`] when the store cannot be read.
pub fn deposit_heads(slots: &impl ReadSlots) -> Result<DepositHeads, Fault> {
    Ok(DepositHeads {
        accepted: delivery::accepted(slots)?,
        delivered: delivery::delivered(slots)?,
        credited: delivery::credited_head(slots)?,
    })
}

/// The accepted heads that wait for their leaves, oldest first: the next delivery is for the
/// first of them.
///
/// # Errors
/// A [`Fault`] when the store cannot be read.
pub fn undelivered(slots: &impl ReadSlots) -> Result<Vec<Head>, Fault> {
    delivery::undelivered(slots)
}

/// The next leaf to credit with the deposit log's acc after it, halted or not.
///
/// # Errors
/// A [`Fault`] when the store cannot be read or its queue is damaged.
pub fn next_leaf(slots: &impl ReadSlots) -> Result<Option<(Leaf, B256)>, Fault> {
    delivery::next_leaf(slots)
}

/// The open heads, ascending by the address that opened them.
///
/// # Errors
/// A [`Fault`] when the store cannot be read.
pub fn open_heads(slots: &impl ReadSlots) -> Result<Vec<OpenHead>, Fault> {
    let (_, members) = members(slots)?;
    let list = members.as_slice();
    let view = |open: heads::OpenHead| OpenHead {
        opener: list[open.opener].address,
        head: open.head,
        signers: addresses(&members, open.votes),
        power: members.power_of_bits(open.votes),
    };
    Ok(heads::open_heads(slots, members.len())?.into_iter().map(view).collect())
}

/// The checkpoint records kept: the last with quorum, then the open ones, oldest first.
///
/// # Errors
/// A [`Fault`] when the store cannot be read.
pub fn checkpoints(slots: &impl ReadSlots) -> Result<Vec<CheckpointView>, Fault> {
    let quorum = records::last_quorum(slots)?;
    let view = |index| {
        let record = records::read(slots, index)?;
        let members = epoch::members(slots, record.checkpoint.epoch)?;
        let signatures = records::signatures(slots, index)?;
        Ok(CheckpointView {
            index,
            checkpoint: record.checkpoint,
            time: record.time,
            complete: record.is_complete(),
            signatures: signed_by(&members, signatures),
            power: members.power_of_bits(records::votes(slots, index)?),
            quorum: quorum == Some(index),
        })
    };
    records::kept(slots)?.into_iter().map(view).collect()
}

/// Count and root of the exit tree.
///
/// # Errors
/// A [`Fault`] when the store cannot be read.
pub fn exit_head(slots: &impl ReadSlots) -> Result<ExitHead, Fault> {
    Ok(ExitHead {
        count: slots.number(slots::exit_count())?,
        root: slots.hash(slots::exit_root())?,
    })
}

/// The sums of one asset.
///
/// # Errors
/// A [`Fault`] when the store cannot be read.
pub fn totals(slots: &impl ReadSlots, asset: Asset) -> Result<AssetTotals, Fault> {
    Ok(AssetTotals {
        credited: slots.get(slots::asset_credited(asset))?,
        exited: slots.get(slots::asset_exited(asset))?,
    })
}

/// Wei of native coin burnt by self-destructs.
///
/// # Errors
/// A [`Fault`] when the store cannot be read.
pub fn destroyed(slots: &impl ReadSlots) -> Result<U256, Fault> {
    slots.get(slots::destroyed())
}

/// Whether the peg has halted itself.
///
/// # Errors
/// A [`Fault`] when the store cannot be read.
pub fn is_halted(slots: &impl ReadSlots) -> Result<bool, Fault> {
    Ok(!slots.get(slots::halted())?.is_zero())
}

fn addresses(members: &MemberList, votes: u128) -> Vec<Address> {
    let list = members.as_slice();
    let signers = records::members_of(votes).filter_map(|index| list.get(index));
    signers.map(|member| member.address).collect()
}

fn signed_by(
    members: &MemberList,
    signatures: Vec<(usize, Signature)>,
) -> Vec<(Address, Signature)> {
    let list = members.as_slice();
    let named = |(index, signature): (usize, Signature)| {
        list.get(index).map(|member| (member.address, signature))
    };
    signatures.into_iter().filter_map(named).collect()
}

//! Where the peg's state lies in the storage of [`crate::addresses::PEG`] (spec 2.8).
//!
//! A committed test pins each of them: a change here is a change of the chain.

use crate::types::{Asset, Count, Epoch};
use alloy_primitives::{B256, U256, keccak256};

/// A key of a slot.
trait Key {
    fn to_key(self) -> B256;
}

impl Key for u64 {
    fn to_key(self) -> B256 {
        U256::from(self).into()
    }
}

impl Key for usize {
    fn to_key(self) -> B256 {
        U256::from(self).into()
    }
}

impl Key for Epoch {
    fn to_key(self) -> B256 {
        self.word().into()
    }
}

impl Key for Count {
    fn to_key(self) -> B256 {
        self.word().into()
    }
}

impl Key for Asset {
    fn to_key(self) -> B256 {
        self.into_word()
    }
}

/// `keccak256(name as bytes32, left-aligned ‖ keys as words)`.
fn slot(name: &str, keys: &[B256]) -> U256 {
    let name = B256::right_padding_from(name.as_bytes());
    keccak256([name.as_slice(), keys.concat().as_slice()].concat()).into()
}

macro_rules! slots {
    ($($(#[$doc:meta])* $function:ident = $name:literal ($($key:ident: $type:ty),*);)*) => {
        $(
            $(#[$doc])*
            pub fn $function($($key: $type),*) -> U256 {
                slot($name, &[$($key.to_key()),*])
            }
        )*

        #[cfg(test)]
        const NAMES: &[&str] = &[$($name),*];
    };
}

slots! {
    /// Current epoch.
    epoch = "epoch" ();
    /// Number of members of an epoch.
    epoch_size = "epoch.size" (epoch: Epoch);
    /// Total power of an epoch.
    epoch_total = "epoch.total" (epoch: Epoch);
    /// First height that an epoch signs.
    epoch_first = "epoch.first" (epoch: Epoch);
    /// Member word, in list order.
    epoch_member = "epoch.member" (epoch: Epoch, member: usize);
    /// Recovery word, in list order.
    epoch_recovery = "epoch.recovery" (epoch: Epoch, member: usize);
    /// Count of the newest accepted head.
    accepted_count = "accepted.count" ();
    /// Acc of the newest accepted head.
    accepted_acc = "accepted.acc" ();
    /// First accepted head that is not delivered yet.
    accepted_first = "accepted.first" ();
    /// One past the last accepted head.
    accepted_next = "accepted.next" ();
    /// Count of a queued head.
    accepted_count_at = "accepted.count.at" (index: u64);
    /// Acc of a queued head.
    accepted_acc_at = "accepted.acc.at" (index: u64);
    /// Last leaf delivered.
    delivered_count = "delivered.count" ();
    /// Acc after the last leaf delivered.
    delivered_acc = "delivered.acc" ();
    /// Last leaf credited.
    credited_count = "credited.count" ();
    /// Acc after the last leaf credited.
    credited_acc = "credited.acc" ();
    /// A word of a delivered leaf that is not credited yet.
    queue = "queue" (count: Count, word: usize);
    /// Count of a member's open head.
    head_count = "head.count" (member: usize);
    /// Acc of a member's open head.
    head_acc = "head.acc" (member: usize);
    /// Bit map of the signers of a member's open head.
    head_votes = "head.votes" (member: usize);
    /// Number of exits.
    exit_count = "exit.count" ();
    /// Root of the exit tree.
    exit_root = "exit.root" ();
    /// A level of the exit tree's frontier.
    exit_frontier = "exit.frontier" (level: usize);
    /// First checkpoint record kept.
    ckpt_first = "ckpt.first" ();
    /// One past the last checkpoint record.
    ckpt_next = "ckpt.next" ();
    /// Height of a record.
    ckpt_height = "ckpt.height" (index: u64);
    /// Epoch of a record.
    ckpt_epoch = "ckpt.epoch" (index: u64);
    /// Block time of a record, in seconds.
    ckpt_time = "ckpt.time" (index: u64);
    /// Block hash of a record.
    ckpt_block = "ckpt.block" (index: u64);
    /// State root of a record.
    ckpt_state = "ckpt.state" (index: u64);
    /// Exit count of a record.
    ckpt_exits = "ckpt.exits" (index: u64);
    /// Exit root of a record.
    ckpt_exitroot = "ckpt.exitroot" (index: u64);
    /// Credited count of a record.
    ckpt_credited = "ckpt.credited" (index: u64);
    /// Credited acc of a record.
    ckpt_acc = "ckpt.acc" (index: u64);
    /// Bit map of a record's signers.
    ckpt_votes = "ckpt.votes" (index: u64);
    /// r of a member's signature of a record (EIP-2098).
    ckpt_r = "ckpt.r" (index: u64, member: usize);
    /// yParity and s of a member's signature of a record (EIP-2098).
    ckpt_vs = "ckpt.vs" (index: u64, member: usize);
    /// 1 + index of the last record with quorum, 0 when none.
    ckpt_quorum = "ckpt.quorum" ();
    /// Sum credited of an asset.
    asset_credited = "asset.credited" (asset: Asset);
    /// Sum exited of an asset.
    asset_exited = "asset.exited" (asset: Asset);
    /// Native coin burnt by self-destructs (EIP-6780).
    destroyed = "destroyed" ();
    /// 1 when the peg has halted itself.
    halted = "halted" ();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_word() {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
        assert!(names.iter().all(|name| name.len() <= 32));
    }

    #[test]
    fn slot_hashes_the_padded_name_and_the_keys() {
        let mut bytes = [0u8; 96];
        bytes[..12].copy_from_slice(b"epoch.member");
        bytes[63] = 7;
        bytes[95] = 3;
        assert_eq!(epoch_member(Epoch::new(7), 3), U256::from_be_bytes(keccak256(bytes).0));
    }
}

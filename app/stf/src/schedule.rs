//! Which rules hold in which block: the hard-fork table.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::Address;
use revm::{
    precompile::{PrecompileSpecId, Precompiles},
    primitives::hardfork::SpecId,
};

/// When a fork's rules begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// With the block of this height.
    Height(u64),
    /// With the first block whose timestamp is at least this, in seconds since 1970.
    Time(u64),
}

impl Activation {
    const fn is_reached(self, height: u64, timestamp: u64) -> bool {
        match self {
            Self::Height(from) => height >= from,
            Self::Time(from) => timestamp >= from,
        }
    }
}

/// The rules between two forks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The EVM's rules.
    pub spec: SpecId,
    /// Number and price of blobs, where a block may have some (EIP-7840).
    pub blobs: BlobParams,
}

impl Rules {
    /// The rules of an Ethereum fork.
    pub const fn of(spec: SpecId) -> Self {
        let blobs = match spec {
            SpecId::OSAKA | SpecId::AMSTERDAM => BlobParams::osaka(),
            SpecId::PRAGUE => BlobParams::prague(),
            // Before Cancun there are no blobs to count.
            _ => BlobParams::cancun(),
        };
        Self { spec, blobs }
    }

    /// The precompiled contracts by name (EIP-7910).
    pub fn precompiles(&self) -> BTreeMap<String, Address> {
        let all = Precompiles::new(PrecompileSpecId::from_spec_id(self.spec));
        let named = all.inner().iter();
        named.map(|(address, contract)| (contract.id().name().to_owned(), *address)).collect()
    }

    /// Whether these rules contain those of `fork`.
    pub const fn has(&self, fork: SpecId) -> bool {
        self.spec.is_enabled_in(fork)
    }
}

/// The rules of every block of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecSchedule {
    first: Rules,
    /// In the order in which they begin.
    later: Vec<(Activation, Rules)>,
}

impl SpecSchedule {
    /// A chain that has this fork's rules from block 0.
    pub const fn starting(spec: SpecId) -> Self {
        Self::starting_with(Rules::of(spec))
    }

    /// A chain that has these rules from block 0.
    pub const fn starting_with(first: Rules) -> Self {
        Self { first, later: Vec::new() }
    }

    /// The same until `from`, and then these rules. Forks are given in the order in which they
    /// begin.
    #[must_use]
    pub fn then(mut self, from: Activation, rules: Rules) -> Self {
        self.later.push((from, rules));
        self
    }

    /// When the later forks begin, in order.
    pub fn activations(&self) -> impl Iterator<Item = Activation> {
        self.later.iter().map(|(from, _)| *from)
    }

    /// The rules of the block with this height and timestamp.
    pub fn at(&self, height: u64, timestamp: u64) -> Rules {
        let reached = self.later.iter().rev().find(|(from, _)| from.is_reached(height, timestamp));
        reached.map_or(self.first, |(_, rules)| *rules)
    }

    /// The rules of the block after `parent`, as far as they are known before its timestamp is.
    pub fn after(&self, parent: &Header) -> Rules {
        self.at(parent.number.saturating_add(1), parent.timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_fork_that_has_begun_rules() {
        let schedule = SpecSchedule::starting(SpecId::FRONTIER)
            .then(Activation::Height(3), Rules::of(SpecId::HOMESTEAD))
            .then(Activation::Height(3), Rules::of(SpecId::BERLIN))
            .then(Activation::Time(100), Rules::of(SpecId::SHANGHAI));
        let spec = |height, time| schedule.at(height, time).spec;
        assert_eq!(spec(0, 0), SpecId::FRONTIER);
        assert_eq!(spec(2, 99), SpecId::FRONTIER);
        assert_eq!(spec(3, 99), SpecId::BERLIN);
        assert_eq!(spec(9, 100), SpecId::SHANGHAI);
        let parent = Header { number: 2, timestamp: 50, ..Header::default() };
        assert_eq!(schedule.after(&parent).spec, SpecId::BERLIN);
    }

    #[test]
    fn blobs_follow_the_fork_unless_told() {
        assert_eq!(Rules::of(SpecId::CANCUN).blobs.max_blob_count, 6);
        assert_eq!(Rules::of(SpecId::OSAKA).blobs, BlobParams::osaka());
        let rules = Rules { blobs: BlobParams::bpo1(), ..Rules::of(SpecId::OSAKA) };
        let schedule = SpecSchedule::starting(SpecId::OSAKA).then(Activation::Time(7), rules);
        assert_eq!(schedule.at(1, 7).blobs.max_blob_count, 15);
        assert!(schedule.at(1, 7).has(SpecId::PRAGUE) && !schedule.at(1, 7).has(SpecId::AMSTERDAM));
    }
}

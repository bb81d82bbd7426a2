//! Validator sets.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_malachitebft_app::types::core::{self, VotingPower};
use ed25519_consensus::VerificationKey;
use sha2::Sha256;
use tendermint::merkle::simple_hash_from_byte_vectors;
use tendermint_proto::v0_38::crypto::{PublicKey, public_key::Sum};
use tendermint_proto::v0_38::types::SimpleValidator;

use prost::Message;

use super::{Address, Context};
use crate::keys::address_of;

/// CometBFT's limit on the sum of powers: with it no threshold computation overflows.
const MAX_TOTAL_POWER: u64 = (i64::MAX / 8).unsigned_abs();

/// Why a list of keys and powers is not a validator set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValidatorSetError {
    /// Nobody is left to decide.
    #[error("the set is empty")]
    Empty,
    /// The bytes are not a point on the curve.
    #[error("validator key {0} is not an ed25519 key")]
    Key(Address),
    /// The sum of powers exceeds CometBFT's limit.
    #[error("the sum of powers exceeds 2^60")]
    Power,
    /// An update has no ed25519 key or a negative power.
    #[error("a validator update has no ed25519 key or a negative power")]
    Update,
    /// An update removes a validator that is not in the set.
    #[error("validator {0} is removed but not in the set")]
    Unknown(Address),
}

/// A member of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator {
    address: Address,
    key: VerificationKey,
    power: u64,
}

impl Validator {
    pub(crate) fn address(&self) -> Address {
        self.address
    }

    pub(crate) fn key(&self) -> &VerificationKey {
        &self.key
    }

    pub(crate) fn power(&self) -> u64 {
        self.power
    }

    /// The power as CometBFT's protobuf has it.
    pub(crate) fn power_i64(&self) -> i64 {
        i64::try_from(self.power).expect("powers are below 2^60")
    }
}

impl core::Validator<Context> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &VerificationKey {
        &self.key
    }

    fn voting_power(&self) -> VotingPower {
        self.power
    }
}

/// A validator set in CometBFT's order: power descending, then address ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidatorSet {
    validators: Arc<Vec<Validator>>,
    total_power: u64,
}

impl ValidatorSet {
    /// The set of these keys and powers; of equal keys the last wins, power zero is left out.
    pub(crate) fn new(
        members: impl IntoIterator<Item = ([u8; 32], u64)>,
    ) -> Result<Self, ValidatorSetError> {
        let members: BTreeMap<[u8; 32], u64> = members.into_iter().collect();
        let mut validators = Vec::with_capacity(members.len());
        let mut total_power = 0_u64;
        for (bytes, power) in members.into_iter().filter(|(_, power)| *power > 0) {
            let address = Address::new(address_of(&bytes));
            let key =
                VerificationKey::try_from(bytes).map_err(|_| ValidatorSetError::Key(address))?;
            total_power = total_power.saturating_add(power);
            validators.push(Validator { address, key, power });
        }
        match total_power {
            0 => Err(ValidatorSetError::Empty),
            1..=MAX_TOTAL_POWER => {
                validators.sort_by_key(|v| (std::cmp::Reverse(v.power), v.address));
                Ok(Self { validators: Arc::new(validators), total_power })
            }
            _ => Err(ValidatorSetError::Power),
        }
    }

    /// The set after ABCI validator updates; power zero removes.
    pub(crate) fn updated(
        &self,
        updates: &[tendermint_proto::v0_38::abci::ValidatorUpdate],
    ) -> Result<Self, ValidatorSetError> {
        let mut members: BTreeMap<[u8; 32], u64> = self.members().collect();
        for update in updates {
            let (key, power) = parse_update(update)?;
            if power > 0 {
                members.insert(key, power);
            } else if members.remove(&key).is_none() {
                return Err(ValidatorSetError::Unknown(Address::new(address_of(&key))));
            }
        }
        Self::new(members)
    }

    /// Keys and powers, in the set's order.
    pub(crate) fn members(&self) -> impl Iterator<Item = ([u8; 32], u64)> {
        self.validators.iter().map(|v| (v.key.to_bytes(), v.power))
    }

    pub(crate) fn as_slice(&self) -> &[Validator] {
        &self.validators
    }

    pub(crate) fn total_power(&self) -> u64 {
        self.total_power
    }

    /// The total power as CometBFT's protobuf has it.
    pub(crate) fn total_power_i64(&self) -> i64 {
        i64::try_from(self.total_power).expect("the total is at most 2^60")
    }

    /// The place and entry of `address`.
    pub(crate) fn find(&self, address: &Address) -> Option<(usize, &Validator)> {
        self.validators.iter().enumerate().find(|(_, v)| v.address == *address)
    }

    /// Whether `power` is more than two thirds of the total.
    pub(crate) fn is_quorum(&self, power: u64) -> bool {
        u128::from(power) * 3 > u128::from(self.total_power) * 2
    }

    /// CometBFT's `ValidatorSet.Hash`: the Merkle root over `SimpleValidator`s.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let leaves: Vec<Vec<u8>> = self.validators.iter().map(simple_bytes).collect();
        simple_hash_from_byte_vectors::<Sha256>(&leaves)
    }
}

fn simple_bytes(validator: &Validator) -> Vec<u8> {
    SimpleValidator {
        pub_key: Some(PublicKey { sum: Some(Sum::Ed25519(validator.key.to_bytes().to_vec())) }),
        voting_power: validator.power_i64(),
    }
    .encode_to_vec()
}

/// The key and power of an ABCI validator update.
pub(crate) fn parse_update(
    update: &tendermint_proto::v0_38::abci::ValidatorUpdate,
) -> Result<([u8; 32], u64), ValidatorSetError> {
    let sum = update.pub_key.as_ref().and_then(|key| key.sum.as_ref());
    let key = match sum {
        Some(Sum::Ed25519(bytes)) => <[u8; 32]>::try_from(bytes.as_slice()).ok(),
        Some(Sum::Secp256k1(_)) | None => None,
    };
    let power = u64::try_from(update.power).ok();
    key.zip(power).ok_or(ValidatorSetError::Update)
}

impl core::ValidatorSet<Context> for ValidatorSet {
    fn count(&self) -> usize {
        self.validators.len()
    }

    fn total_voting_power(&self) -> VotingPower {
        self.total_power
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.find(address).map(|(_, validator)| validator)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.validators.get(index)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use tendermint_proto::v0_38::abci::ValidatorUpdate;

    fn key(seed: u8) -> [u8; 32] {
        crate::PrivValidatorKey::generate([seed; 32]).public_key()
    }

    fn update(seed: u8, power: i64) -> ValidatorUpdate {
        let sum = Some(Sum::Ed25519(key(seed).to_vec()));
        ValidatorUpdate { pub_key: Some(PublicKey { sum }), power }
    }

    #[test]
    fn hash_is_cometbfts() {
        let set = ValidatorSet::new([(key(1), 10), (key(2), 30), (key(3), 10)]).unwrap();
        let infos = set
            .members()
            .map(|(key, power)| {
                let key = tendermint::PublicKey::from_raw_ed25519(&key).unwrap();
                tendermint::validator::Info::new(key, power.try_into().unwrap())
            })
            .rev_sorted();
        let theirs = tendermint::validator::Set::without_proposer(infos);
        assert_eq!(set.hash().as_slice(), theirs.hash().as_bytes());
        let order: Vec<_> = theirs.validators().iter().map(|v| v.address.as_bytes()).collect();
        let ours: Vec<_> = set.as_slice().iter().map(|v| v.address.bytes().as_slice()).collect();
        assert_eq!(order, ours);
    }

    trait RevSorted {
        fn rev_sorted(self) -> Vec<tendermint::validator::Info>;
    }

    impl<I: Iterator<Item = tendermint::validator::Info>> RevSorted for I {
        /// Hands the members over in the reverse of the right order.
        fn rev_sorted(self) -> Vec<tendermint::validator::Info> {
            let mut all: Vec<_> = self.collect();
            all.reverse();
            all
        }
    }

    #[test]
    fn updates_add_change_and_remove() {
        let set = ValidatorSet::new([(key(1), 10), (key(2), 10)]).unwrap();
        let next = set.updated(&[update(1, 0), update(2, 5), update(3, 7)]).unwrap();
        let expected = ValidatorSet::new([(key(3), 7), (key(2), 5)]).unwrap();
        assert_eq!(next, expected);
        assert_eq!(next.total_power(), 12);
    }

    #[test]
    fn impossible_sets_are_refused() {
        let set = ValidatorSet::new([(key(1), 10)]).unwrap();
        assert_eq!(set.updated(&[update(1, 0)]), Err(ValidatorSetError::Empty));
        assert_eq!(set.updated(&[update(1, -1)]), Err(ValidatorSetError::Update));
        assert!(matches!(set.updated(&[update(2, 0)]), Err(ValidatorSetError::Unknown(_))));
        assert_eq!(set.updated(&[update(2, i64::MAX)]), Err(ValidatorSetError::Power));
        assert_eq!(ValidatorSet::new([]), Err(ValidatorSetError::Empty));
    }

    #[test]
    fn a_quorum_is_strictly_more_than_two_thirds() {
        let set = ValidatorSet::new([(key(1), 1), (key(2), 1), (key(3), 1)]).unwrap();
        assert!(!set.is_quorum(2));
        assert!(set.is_quorum(3));
    }
}

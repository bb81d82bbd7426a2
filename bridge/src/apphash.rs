//! The application's hash and what goes into it (spec 2.7).

use crate::{types::Height, words::Words};
use alloy_primitives::{B256, keccak256};
use sha2::{Digest, Sha256};
use std::cmp::Reverse;

/// What the application's hash commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppState {
    /// Chain id of the sidechain.
    pub chain_id: u64,
    /// The block just executed.
    pub height: Height,
    /// Its Ethereum header's hash.
    pub header_hash: B256,
    /// The exit tree's root after it.
    pub exit_root: B256,
    /// How many exits the tree holds after it.
    pub exit_count: u64,
    /// [`validators_hash`] of the set that signs `height + 2`.
    pub validators_hash: B256,
}

impl AppState {
    /// `keccak256(abi.encode(keccak256("mooring.app.1"), chainId, height, …))`.
    pub fn hash(&self) -> B256 {
        Words::new()
            .b256(keccak256("mooring.app.1"))
            .u64(self.chain_id)
            .u64(self.height.get())
            .b256(self.header_hash)
            .b256(self.exit_root)
            .u64(self.exit_count)
            .b256(self.validators_hash)
            .hash()
    }
}

/// A consensus validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validator {
    /// ed25519 public key.
    pub public_key: B256,
    /// Voting power.
    pub power: u64,
}

/// The address that CometBFT gives an ed25519 key: the first 20 bytes of its SHA-256.
pub fn consensus_address(public_key: B256) -> [u8; 20] {
    let digest: [u8; 32] = Sha256::digest(public_key).into();
    let mut address = [0u8; 20];
    address.copy_from_slice(&digest[..20]);
    address
}

/// Sorts a set as CometBFT does: power descending, then address ascending.
pub fn sort_validators(validators: &mut [Validator]) {
    validators.sort_by_key(|validator| {
        (Reverse(validator.power), consensus_address(validator.public_key))
    });
}

/// `keccak256(abi.encode(pubkey_0, power_0, …))` of a set given in any order.
pub fn validators_hash(validators: &[Validator]) -> B256 {
    let mut sorted = validators.to_vec();
    sort_validators(&mut sorted);
    sorted
        .iter()
        .fold(Words::new(), |words, validator| {
            words.b256(validator.public_key).u64(validator.power)
        })
        .hash()
}

/// The header's mixHash: `keccak256(abi.encode(keccak256("mooring.mix.1"), parentHash, number))`.
/// It is not random.
pub fn mix_hash(parent_hash: B256, number: u64) -> B256 {
    Words::new().b256(keccak256("mooring.mix.1")).b256(parent_hash).u64(number).hash()
}

//! Keys in CometBFT's file formats.

mod file;
mod node;
mod validator;

pub use file::KeyError;
pub use node::NodeKey;
pub use validator::PrivValidatorKey;

pub(crate) use file::write_atomic;

use sha2::{Digest, Sha256};

/// The address of a consensus key: the first 20 bytes of its sha256 (CometBFT `crypto/ed25519`).
pub fn address_of(pub_key: &[u8; 32]) -> [u8; 20] {
    let digest = Sha256::digest(pub_key);
    let mut address = [0; 20];
    address.copy_from_slice(&digest[..20]);
    address
}

#[cfg(test)]
mod tests;

//! The consensus key, in CometBFT's `priv_validator_key.json` format.

use std::fmt;
use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Deserialize, Serialize};
use tendermint::account;

use super::file::{KeyError, TypedKey, read_secret, write_secret};

/// The ed25519 key that signs votes and proposals. Sign only behind [`crate::guard::Guard`].
#[derive(Clone)]
pub struct PrivValidatorKey(SigningKey);

#[derive(Serialize, Deserialize)]
struct File {
    address: String,
    pub_key: TypedKey,
    priv_key: TypedKey,
}

impl PrivValidatorKey {
    /// The key of a 32-byte seed, which must come from a secure random source.
    pub fn generate(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads `priv_validator_key.json`.
    ///
    /// # Errors
    /// The file is missing, open to others, not a key, or its parts disagree.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let format = |reason: String| KeyError::Format { path: path.to_owned(), reason };
        let file: File =
            serde_json::from_slice(&read_secret(path)?).map_err(|e| format(e.to_string()))?;
        let key = Self(file.priv_key.signing_key().map_err(format)?);
        if file.pub_key.public_bytes().map_err(format)? != key.public_key() {
            return Err(format("pub_key does not belong to priv_key".to_owned()));
        }
        if !file.address.eq_ignore_ascii_case(&key.address_hex()) {
            return Err(format("address does not belong to pub_key".to_owned()));
        }
        Ok(key)
    }

    /// Writes `priv_validator_key.json` with mode 0600.
    ///
    /// # Errors
    /// The file exists already or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let file = File {
            address: self.address_hex(),
            pub_key: TypedKey::public(&self.public_key()),
            priv_key: TypedKey::private(&self.0.to_bytes(), &self.public_key()),
        };
        let json = serde_json::to_vec_pretty(&file).expect("strings always serialize");
        write_secret(path, &json)
    }

    /// The public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The consensus address of the public key.
    pub fn address(&self) -> [u8; 20] {
        super::address_of(&self.public_key())
    }

    /// The address as CometBFT prints it: upper-case hex.
    pub fn address_hex(&self) -> String {
        account::Id::new(self.address()).to_string()
    }

    /// Signs without any check.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for PrivValidatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrivValidatorKey").field(&self.address_hex()).finish()
    }
}

//! The network identity, in CometBFT's `node_key.json` format.

use std::fmt;
use std::path::Path;

use ed25519_dalek::SigningKey;
use libp2p_identity::Keypair;
use serde::{Deserialize, Serialize};

use super::file::{KeyError, TypedKey, read_secret, write_secret};

/// The ed25519 key that names this node to its peers. It signs no consensus message.
#[derive(Clone)]
pub struct NodeKey(SigningKey);

#[derive(Serialize, Deserialize)]
struct File {
    priv_key: TypedKey,
}

impl NodeKey {
    /// The key of a 32-byte seed, which must come from a secure random source.
    pub fn generate(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads `node_key.json`.
    ///
    /// # Errors
    /// The file is missing, open to others, or not a key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let format = |reason: String| KeyError::Format { path: path.to_owned(), reason };
        let file: File =
            serde_json::from_slice(&read_secret(path)?).map_err(|e| format(e.to_string()))?;
        file.priv_key.signing_key().map(Self).map_err(format)
    }

    /// Writes `node_key.json` with mode 0600.
    ///
    /// # Errors
    /// The file exists already or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let public = self.0.verifying_key().to_bytes();
        let file = File { priv_key: TypedKey::private(&self.0.to_bytes(), &public) };
        let json = serde_json::to_vec_pretty(&file).expect("two strings always serialize");
        write_secret(path, &json)
    }

    /// The libp2p key pair.
    pub fn keypair(&self) -> Keypair {
        Keypair::ed25519_from_bytes(self.0.to_bytes()).expect("every 32 bytes are an ed25519 seed")
    }

    /// The libp2p peer id, as it stands after `/p2p/` in a multiaddr.
    pub fn peer_id(&self) -> String {
        self.keypair().public().to_peer_id().to_base58()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeKey").field(&self.peer_id()).finish()
    }
}

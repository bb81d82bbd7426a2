//! `network.json`: what a person or a script needs to use a running testnet.

use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::TestnetError;

/// The whole document. Its form is stable: scripts read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// The Ethereum L1.
    pub l1: L1,
    /// The sidechain.
    pub chain: Chain,
    /// The validators, in genesis order.
    pub nodes: Vec<Node>,
    /// The federation's relayers, in genesis order.
    pub relayers: Vec<Relayer>,
    /// Accounts with funds on both chains.
    pub accounts: Vec<Account>,
    /// The page, once there is one.
    pub ui: Option<String>,
}

/// The L1 as the testnet reaches it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct L1 {
    /// What serves it: `anvil`, `builtin` or `external`.
    pub kind: String,
    /// JSON-RPC URL.
    pub rpc: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The Vault.
    pub vault: Address,
    /// An ERC-20 that anyone may mint.
    pub test_token: Address,
}

/// The sidechain as wallets see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chain {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// `malachite`, `cometbft` or `dev`.
    pub engine: String,
    /// The Gateway.
    pub gateway: Address,
    /// The Registry, once there is one.
    pub registry: Option<Address>,
}

/// One validator process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    /// `node0`, …
    pub name: String,
    /// JSON-RPC URL (HTTP and WebSocket).
    pub rpc: String,
    /// Its home, below the testnet's directory.
    pub home: PathBuf,
    /// Process id.
    pub pid: u32,
}

/// One relayer process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Relayer {
    /// `relayer0`, …
    pub name: String,
    /// Base URL of `/livez`, `/readyz`, `/metrics` and `/status`.
    pub status: String,
    /// Its home, below the testnet's directory.
    pub home: PathBuf,
    /// Process id.
    pub pid: u32,
}

/// A development account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Its address, on both chains.
    pub address: Address,
    /// Its key. Everybody knows it.
    pub private_key: B256,
}

impl Network {
    /// The document's place in a testnet's directory.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("network.json")
    }

    /// Reads the document of the testnet in `dir`.
    ///
    /// # Errors
    /// [`TestnetError::NoNetwork`] when there is none, [`TestnetError::File`] when it is unreadable.
    pub fn load(dir: &Path) -> Result<Self, TestnetError> {
        let path = Self::path(dir);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(TestnetError::NoNetwork { dir: dir.to_owned() });
            }
            Err(source) => return Err(TestnetError::File { path, source }),
        };
        serde_json::from_str(&text)
            .map_err(|error| TestnetError::File { path, source: std::io::Error::other(error) })
    }

    /// Writes the document, whole or not at all.
    ///
    /// # Errors
    /// [`TestnetError::File`] when the disk refuses.
    pub fn store(&self, dir: &Path) -> Result<(), TestnetError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| TestnetError::File {
            path: Self::path(dir),
            source: std::io::Error::other(error),
        })?;
        crate::files::write_whole(&Self::path(dir), text.as_bytes(), 0o600)
    }
}

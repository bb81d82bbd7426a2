//! Why a relayer cannot start, or ends.

use std::{net::SocketAddr, path::PathBuf};

use alloy_primitives::{Address, B256};
use mooring_client::ClientError;

/// A relayer cannot start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RelayerError {
    /// A file of the home cannot be read or written.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that would be written is there already.
    #[error("{path} exists and is never overwritten: choose another home", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The configuration cannot be used.
    #[error("{path}: {reason}", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A secret can be read by other users.
    #[error("others can read {path} (mode {mode:o}); run: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A keystore cannot be opened or made.
    #[error("keystore {path}: {reason}", path = path.display())]
    Keystore {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The genesis document breaks a rule.
    #[error("genesis document {path}: {source}", path = path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// The rule.
        source: mooring_genesis::GenesisError,
    },
    /// The chain has no peg.
    #[error("the genesis document has no `l1` section: this chain has no peg to relay for")]
    NoPeg,
    /// The key is nobody's.
    #[error(
        "key {address} is not a member in the genesis document: use the keystore of the `member` key of a validator"
    )]
    NotMember {
        /// The key's address.
        address: Address,
    },
    /// Another process uses the home.
    #[error("another relayer runs in {home}: stop it first", home = home.display())]
    Locked {
        /// The home.
        home: PathBuf,
    },
    /// The status port is taken.
    #[error("cannot listen on {address}: {source}; change `listen` in relayer.toml")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Too few L1 endpoints.
    #[error("{got} of the L1 endpoints can be used, {want} must agree: {reason}")]
    TooFewEndpoints {
        /// How many must agree.
        want: usize,
        /// How many can be used.
        got: usize,
        /// What is wrong with the others.
        reason: String,
    },
    /// A chain answers, but is not what it should be.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no Vault.
    #[error("there is no contract at the Vault's address {vault} on L1 chain {chain}")]
    NoVault {
        /// The address in the genesis document.
        vault: Address,
        /// The L1's chain id.
        chain: u64,
    },
    /// The Vault is another network's.
    #[error(
        "the Vault has domain separator {vault}, the genesis document {genesis}: it is another network's Vault"
    )]
    OtherVault {
        /// What the Vault says.
        vault: B256,
        /// What follows from the genesis document.
        genesis: B256,
    },
    /// The sidechain is another network.
    #[error(
        "{url} serves another network: its domain separator is {node}, the genesis document's {genesis}"
    )]
    OtherSidechain {
        /// The endpoint.
        url: String,
        /// What the node says.
        node: B256,
        /// What follows from the genesis document.
        genesis: B256,
    },
    /// The journal cannot be used.
    #[error("journal: {0}")]
    Journal(#[from] rusqlite::Error),
    /// The journal is another network's or another key's.
    #[error("journal {path} belongs to another network or member key: move it away", path = path.display())]
    OtherJournal {
        /// The file.
        path: PathBuf,
    },
    /// A task ended that never ends.
    #[error("task {task} ended: {reason}")]
    Task {
        /// Its name.
        task: String,
        /// Why.
        reason: String,
    },
}

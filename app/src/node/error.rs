//! Why a node cannot start.

use std::io;
use std::path::PathBuf;

use mooring_genesis::Engine;
use mooring_malachite::KeyError;
use mooring_stf::Fault;

use crate::home::HomeError;
use crate::p2p::GossipError;
use crate::rpc::ServeError;
use crate::store::StoreError;

/// Why a node cannot start. Each says what to do; nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file of the home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A key file cannot be used.
    #[error("load {}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: KeyError,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address is in use or not this machine's.
    #[error("listen on {address}; if the port is in use, change {key} in node.toml")]
    Listen {
        /// The key of `node.toml`.
        key: &'static str,
        /// Its value.
        address: String,
        /// The cause.
        source: io::Error,
    },
    /// A multiaddr is malformed.
    #[error(
        "read {key} = \"{value}\" in node.toml as a multiaddr such as /ip4/127.0.0.1/tcp/26656"
    )]
    Multiaddr {
        /// The key of `node.toml`.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// Gossip cannot start.
    #[error("start transaction gossip; its keys are [p2p] listen and peers in node.toml")]
    Gossip(#[from] GossipError),
    /// JSON-RPC cannot be served.
    #[error("start JSON-RPC; its key is [rpc] listen in node.toml")]
    Rpc(#[from] ServeError),
    /// The genesis names an engine that this command does not run.
    #[error(
        "genesis.json names the engine {0}, which this program does not run; it runs malachite and dev"
    )]
    ExternalEngine(Engine),
    /// Something of the node's own failed.
    #[error("start the node")]
    Fault(#[from] Fault),
}

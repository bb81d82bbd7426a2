//! What a node must know to take part.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tendermint_proto::google::protobuf::Timestamp;

/// The largest `max_block_bytes` accepted: a block and its certificate must fit one sync
/// response, else a node that falls behind can never catch up.
pub const MAX_BLOCK_BYTES_LIMIT: usize = 32 * 1024 * 1024;

/// A validator of the genesis document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenesisValidator {
    /// The ed25519 consensus key.
    pub pub_key: [u8; 32],
    /// The voting power, above zero.
    pub power: u64,
}

/// Height zero, as `InitChain` tells it to the application.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// The chain id, at most 50 bytes (CometBFT's limit).
    pub chain_id: String,
    /// The time of genesis; the first block is later.
    pub time: Timestamp,
    /// The validators of heights 1 and 2, unless `InitChain` returns others.
    pub validators: Vec<GenesisValidator>,
    /// Opaque bytes for the application.
    pub app_state: Bytes,
}

/// The parameters of one node. [`Config::new`] fills in the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Height zero.
    pub genesis: Genesis,
    /// A name for logs and metrics.
    pub moniker: String,
    /// The directory of the engine's write-ahead log; created when absent.
    pub home: PathBuf,
    /// The consensus key (`priv_validator_key.json`); `None` runs a node that only follows.
    pub validator_key: Option<PathBuf>,
    /// The double-sign guard file of that key.
    pub guard: PathBuf,
    /// The network identity (`node_key.json`).
    pub node_key: PathBuf,
    /// Where to listen, a multiaddr such as `/ip4/0.0.0.0/tcp/26656`.
    pub listen: String,
    /// Peers to stay connected to, multiaddrs ending in `/p2p/<peer id>`.
    pub peers: Vec<String>,
    /// Refuses connections from anyone who is not in `peers`.
    pub persistent_peers_only: bool,
    /// The time from one height to the next. The same on every node.
    pub block_interval: Duration,
    /// How long round 0 waits for a proposal before voting nil; later rounds wait longer.
    pub propose_timeout: Duration,
    /// The largest consensus block, in bytes of its protobuf encoding. The same on every node.
    pub max_block_bytes: usize,
    /// The block gas limit hashed into the header's consensus hash; -1 is unlimited.
    pub max_block_gas: i64,
    /// The application's protocol version in block headers. The same on every node.
    pub app_version: u64,
    /// How far ahead of the local clock a proposed block's time may be.
    pub max_clock_drift: Duration,
    /// How long the start waits for peers that hold more than 2/3 of the power.
    pub peer_wait: Duration,
}

impl Config {
    /// The defaults: files under `home` with CometBFT's names, 500 ms blocks of at most 4 MiB.
    pub fn new(genesis: Genesis, home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        Self {
            genesis,
            moniker: "node".to_owned(),
            validator_key: Some(home.join("priv_validator_key.json")),
            guard: home.join("priv_validator_state.json"),
            node_key: home.join("node_key.json"),
            home,
            listen: "/ip4/0.0.0.0/tcp/26656".to_owned(),
            peers: Vec::new(),
            persistent_peers_only: false,
            block_interval: Duration::from_millis(500),
            propose_timeout: Duration::from_secs(1),
            max_block_bytes: 4 * 1024 * 1024,
            max_block_gas: -1,
            app_version: 0,
            max_clock_drift: Duration::from_secs(5),
            peer_wait: Duration::from_secs(3),
        }
    }
}

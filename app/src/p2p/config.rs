//! What a node must know to gossip.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr::Protocol};

/// The parameters of the gossip swarm.
#[derive(Clone, Debug)]
pub struct GossipConfig {
    /// Where to listen, such as `/ip4/0.0.0.0/tcp/26657`; port 0 lets the system choose.
    pub listen: Multiaddr,
    /// Peers to stay connected to, each ending in `/p2p/<peer id>`.
    pub peers: Vec<Multiaddr>,
    /// The node's ed25519 network key.
    pub identity: Keypair,
    /// Names the chain: nodes of other chains do not hear each other.
    pub topic: String,
    /// How often what is still in the pool is published anew.
    pub republish_interval: Duration,
    /// Most transactions published anew each time.
    pub republish_limit: usize,
    /// How long a transaction waits for others to be sent with. Federation messages do not wait.
    pub batch_delay: Duration,
}

impl GossipConfig {
    /// The defaults for the chain with this id and genesis hash.
    pub fn new(
        listen: Multiaddr,
        peers: Vec<Multiaddr>,
        identity: Keypair,
        chain_id: u64,
        genesis_hash: impl std::fmt::Display,
    ) -> Self {
        Self {
            listen,
            peers,
            identity,
            topic: format!("mooring/{chain_id}/{genesis_hash}/tx/2"),
            republish_interval: Duration::from_secs(5),
            republish_limit: 4_096,
            batch_delay: Duration::from_millis(5),
        }
    }

    /// The peer ids with their addresses.
    pub(super) fn persistent(&self) -> Result<Vec<(PeerId, Multiaddr)>, GossipError> {
        self.peers.iter().map(|address| Ok((peer_id(address)?, address.clone()))).collect()
    }
}

fn peer_id(address: &Multiaddr) -> Result<PeerId, GossipError> {
    match address.iter().last() {
        Some(Protocol::P2p(id)) => Ok(id),
        _ => Err(GossipError::NoPeerId(address.clone())),
    }
}

/// Why gossip cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GossipError {
    /// A persistent peer must be named, else anyone at the address would be believed.
    #[error("gossip peer {0} does not end in /p2p/<peer id>")]
    NoPeerId(Multiaddr),
    /// The address is not one, is in use, or is not this machine's.
    #[error("listen for gossip on {address}; is another process using the port?")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The swarm's own parameters do not fit together.
    #[error("set up the gossip swarm")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

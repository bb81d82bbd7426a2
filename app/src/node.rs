//! Wiring: from a home directory to a running node.

mod addresses;
mod error;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;
use mooring_genesis::{Engine, Genesis};
use mooring_malachite as malachite;
use mooring_malachite::{EngineStatus, NodeKey};
use mooring_stf::ChainParams;
use tendermint_proto::google::protobuf::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::application::{APP_VERSION, Application, Chain, Queries, TxSource as _};
use crate::config::NodeConfig;
use crate::dev::{DevControl, DevEngine, DevEngineConfig, Sealing};
use crate::health::{self, Health};
use crate::home::Home;
use crate::mempool::{Mempool, PoolLimits, journal};
use crate::p2p::{Gossip, GossipConfig, GossipHandle};
use crate::rpc::{self, RpcContext};
use crate::store::{Store, StoreError, StoreOptions};
use crate::tasks::Tasks;

pub use crate::tasks::NodeError;
use addresses::{listen, multiaddr, probe};
pub use error::StartError;

/// Starts nodes.
#[derive(Debug)]
pub struct Node;

/// A running node.
#[derive(Debug)]
pub struct NodeHandle {
    tasks: Tasks,
    chain: Chain,
    pool: Mempool,
    rpc: SocketAddr,
    health: SocketAddr,
    gossip: Option<GossipHandle>,
    engine: Option<String>,
}

/// What the parts of a starting node share.
struct Parts {
    home: Home,
    config: NodeConfig,
    chain: Chain,
    pool: Mempool,
    tasks: Tasks,
}

impl Node {
    /// Opens the home and starts every task; all listeners are bound on return. The node stops
    /// when `cancel` is cancelled, and cancels it when it stops by itself.
    ///
    /// # Errors
    /// A file, the data directory, a key or an address cannot be used. Nothing keeps running.
    pub async fn start(
        home: Home,
        config: NodeConfig,
        cancel: CancellationToken,
    ) -> Result<NodeHandle, StartError> {
        let genesis = home.load_genesis()?;
        let engine = genesis.setup().engine;
        // Addresses are tried first: a used port must leave nothing behind.
        match engine {
            Engine::Cometbft => return Err(StartError::ExternalEngine(engine)),
            Engine::Malachite => {
                probe("engine.listen", &config.engine.listen)?;
                probe("p2p.listen", &config.p2p.listen)?;
            }
            Engine::Dev => {}
        }
        drop(listen("rpc.listen", config.rpc.listen).await?);
        let health = listen("health.listen", config.health.listen).await?;
        let chain = open_chain(&home, genesis, config.store_options())?;
        let limits = PoolLimits {
            min_fee: config.mempool.min_fee_wei.max(chain.params.base_fee_floor).into(),
            ..PoolLimits::default()
        };
        let pool = Mempool::new(limits, Arc::clone(&chain.params), chain.store.latest());
        let mut tasks = Tasks::new(cancel.clone());
        let journal = journal::keep(pool.clone(), home.mempool(), cancel.clone());
        tasks.spawn("pool file", async {
            journal.await;
            Ok(())
        });
        let parts = Parts { home, config, chain, pool, tasks };
        let started = match engine {
            Engine::Dev => parts.start_dev(health).await,
            Engine::Malachite => parts.start_malachite(health).await,
            Engine::Cometbft => Err(StartError::ExternalEngine(engine)),
        };
        // What was spawned before the failure must not outlive it.
        started.inspect_err(|_| cancel.cancel())
    }
}

impl NodeHandle {
    /// Where JSON-RPC is served.
    pub const fn rpc_addr(&self) -> SocketAddr {
        self.rpc
    }

    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub const fn health_addr(&self) -> SocketAddr {
        self.health
    }

    /// What others put into their `[p2p] peers`; `None` on a dev node.
    pub fn p2p_addr(&self) -> Option<Multiaddr> {
        self.gossip.as_ref().map(GossipHandle::dial_addr)
    }

    /// What others put into their `[engine] peers`; `None` on a dev node.
    pub fn engine_addr(&self) -> Option<&str> {
        self.engine.as_deref()
    }

    /// The chain.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The mempool.
    pub const fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// Asks the node to stop; [`Self::wait`] tells when it has.
    pub fn shutdown(&self) {
        self.tasks.cancel().cancel();
    }

    /// Waits until the node has stopped.
    ///
    /// # Errors
    /// It stopped by itself: the first task that failed.
    pub async fn wait(self) -> Result<(), NodeError> {
        self.tasks.wait().await
    }
}

/// The chain of a home, opened as a node does.
///
/// # Errors
/// The data directory is in use, of another chain or version, or the disk fails.
pub fn open_chain(
    home: &Home,
    genesis: Genesis,
    options: StoreOptions,
) -> Result<Chain, StoreError> {
    let params = ChainParams::from_genesis(&genesis);
    let first = || mooring_stf::genesis_block(&genesis);
    let store = Store::open_with(&home.database(), genesis.hash(), options, first)?;
    Ok(Chain::new(store, Arc::new(params), Arc::new(genesis)))
}

impl Parts {
    async fn start_dev(mut self, health: TcpListener) -> Result<NodeHandle, StartError> {
        let settings = &self.config.dev;
        let setup = self.chain.genesis.setup();
        let interval = Duration::from_millis(setup.block_interval_ms);
        let sealing =
            if settings.seal_on_arrival { Sealing::OnArrival } else { Sealing::Every(interval) };
        let engine = DevEngineConfig {
            sealing,
            proposer: setup.validators.first().map_or([0; 20], |v| v.consensus_pubkey.address()),
            max_tx_bytes: i64::try_from(setup.max_block_bytes).unwrap_or(i64::MAX),
        };
        let lag = usize::try_from(settings.finality_lag).unwrap_or(usize::MAX);
        let app = self.application().with_finality_lag(lag);
        let (engine, control) = DevEngine::new(engine, app, self.pool.arrivals());
        let cancel = self.tasks.cancel().clone();
        self.tasks.spawn("dev engine", async move {
            engine.run(cancel).await.map_err(|fault| NodeError::Engine(fault.into()))
        });
        let health_state = Health {
            chain: self.chain.clone(),
            pool: self.pool.clone(),
            gossip: None,
            engine: None,
            block_interval: (sealing != Sealing::OnArrival).then_some(interval),
            needs_peers: false,
        };
        self.serve(health, health_state, None, Some(control)).await
    }

    async fn start_malachite(mut self, health: TcpListener) -> Result<NodeHandle, StartError> {
        let key_path = self.home.node_key();
        let node_key = NodeKey::load(&key_path)
            .map_err(|source| StartError::Key { path: key_path, source })?;
        let engine = self.malachite_config();
        let dial = format!("{}/p2p/{}", engine.listen, node_key.peer_id());
        let gossip = Gossip::listen(self.gossip_config(&node_key)?).await?;
        let gossip_handle = gossip.handle();
        let (pool, cancel) = (self.pool.clone(), self.tasks.cancel().clone());
        self.tasks.spawn("gossip", async move {
            gossip.run(pool, cancel).await;
            Ok(())
        });
        let (status, watch) = watch::channel(EngineStatus::default());
        let interval = engine.block_interval;
        let needs_peers = engine.genesis.validators.len() > 1 || engine.validator_key.is_none();
        self.spawn_malachite(engine, status);
        let health_state = Health {
            chain: self.chain.clone(),
            pool: self.pool.clone(),
            gossip: Some(gossip_handle),
            engine: Some(watch),
            block_interval: Some(interval),
            needs_peers,
        };
        self.serve(health, health_state, Some(dial), None).await
    }

    fn application(&self) -> Application {
        Application::new(self.chain.clone(), Arc::new(self.pool.clone()))
    }

    fn spawn_malachite(&mut self, config: malachite::Config, status: watch::Sender<EngineStatus>) {
        let app = Box::new(self.application());
        let info = Arc::new(Queries::new(self.chain.clone(), self.pool.clone()));
        let store = Arc::new(self.chain.store.clone());
        let cancel = self.tasks.cancel().clone();
        self.tasks.spawn("consensus engine", async move {
            Ok(malachite::run(config, app, info, store, status, cancel).await?)
        });
    }

    fn malachite_config(&self) -> malachite::Config {
        let setup = self.chain.genesis.setup();
        let genesis = malachite::Genesis {
            chain_id: self.chain.consensus_id(),
            time: timestamp(setup.genesis_time_ms),
            validators: self.chain.params.validators.iter().map(genesis_validator).collect(),
            app_state: self.chain.app_state().into(),
        };
        let key = self.home.validator_key();
        let mut config = malachite::Config::new(genesis, self.home.engine());
        config.moniker.clone_from(&self.config.moniker);
        config.validator_key = key.exists().then_some(key);
        config.guard = self.home.guard();
        config.node_key = self.home.node_key();
        config.listen.clone_from(&self.config.engine.listen);
        config.peers.clone_from(&self.config.engine.peers);
        config.persistent_peers_only = self.config.engine.persistent_peers_only;
        config.block_interval = Duration::from_millis(setup.block_interval_ms);
        config.max_block_bytes = usize::try_from(setup.max_block_bytes).unwrap_or(usize::MAX);
        config.max_block_gas = i64::try_from(setup.gas_limit).unwrap_or(i64::MAX);
        config.app_version = APP_VERSION;
        config
    }

    fn gossip_config(&self, key: &NodeKey) -> Result<GossipConfig, StartError> {
        let listen = multiaddr("p2p.listen", &self.config.p2p.listen)?;
        let peers = self.config.p2p.peers.iter().map(|peer| multiaddr("p2p.peers", peer));
        let peers = peers.collect::<Result<_, _>>()?;
        let hash = self.chain.genesis.hash();
        Ok(GossipConfig::new(listen, peers, key.keypair(), self.chain.params.chain_id, hash))
    }

    /// Starts what every node serves.
    async fn serve(
        mut self,
        health: TcpListener,
        state: Health,
        engine: Option<String>,
        dev: Option<DevControl>,
    ) -> Result<NodeHandle, StartError> {
        let health_addr = health.local_addr().map_err(|source| StartError::Listen {
            key: "health.listen",
            address: self.config.health.listen.to_string(),
            source,
        })?;
        let gossip = state.gossip.clone();
        let rpc = self.serve_rpc(gossip.clone(), dev).await?;
        let cancel = self.tasks.cancel().clone();
        self.tasks.spawn("health", async move {
            health::serve(health, state, cancel).await.map_err(|e| task_failed("health", e))
        });
        Ok(NodeHandle {
            tasks: self.tasks,
            chain: self.chain,
            pool: self.pool,
            rpc,
            health: health_addr,
            gossip,
            engine,
        })
    }
}

impl Parts {
    async fn serve_rpc(
        &mut self,
        gossip: Option<GossipHandle>,
        dev: Option<DevControl>,
    ) -> Result<SocketAddr, StartError> {
        let mut context = RpcContext::new(self.chain.clone(), self.pool.clone())
            .with_limits(self.config.rpc.limits());
        if let Some(gossip) = gossip {
            context = context.with_gossip(gossip);
        }
        if let Some(dev) = dev {
            context = context.with_dev(dev);
        }
        let (address, server) = rpc::serve(self.config.rpc.listen, context).await?;
        let cancel = self.tasks.cancel().clone();
        self.tasks.spawn("rpc", async move {
            tokio::select! {
                () = cancel.cancelled() => server.stop(),
                () = server.clone().stopped() => {}
            }
            server.stopped().await;
            Ok(())
        });
        Ok(address)
    }
}

fn task_failed(task: &'static str, error: impl Error + Send + Sync + 'static) -> NodeError {
    NodeError::Task { task, source: Box::new(error) }
}

fn timestamp(unix_ms: u64) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(unix_ms % 1000 * 1_000_000).unwrap_or(0),
    }
}

const fn genesis_validator((pub_key, power): &([u8; 32], u64)) -> malachite::GenesisValidator {
    malachite::GenesisValidator { pub_key: *pub_key, power: *power }
}

#[cfg(test)]
mod tests;

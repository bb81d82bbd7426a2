//! Nodes over loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use mooring_malachite::{
    Config, EngineError, EngineStatus, Genesis, GenesisValidator, NodeKey, PrivValidatorKey, run,
};
use tempfile::TempDir;
use tendermint_proto::google::protobuf::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::app::ChainApp;
use crate::store::MemoryStore;

/// Far more than any step needs on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) app: ChainApp,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) config: Config,
    pub(crate) status: watch::Receiver<EngineStatus>,
    sender: watch::Sender<EngineStatus>,
    running: Option<(CancellationToken, JoinHandle<Result<(), EngineError>>)>,
    _home: TempDir,
}

/// `total` nodes that know each other, of which the first `validators` are in genesis.
pub(crate) fn network(total: u8, validators: u8) -> Vec<Node> {
    // Bound all at once, so that no two get the same port.
    let own = own_loopback();
    let listeners: Vec<_> = (0..total).map(|_| TcpListener::bind((own, 0)).unwrap()).collect();
    let addresses: Vec<String> = listeners
        .iter()
        .zip(0..total)
        .map(|(listener, i)| {
            let port = listener.local_addr().unwrap().port();
            let peer = NodeKey::generate(node_seed(i)).peer_id();
            format!("/ip4/{own}/tcp/{port}/p2p/{peer}")
        })
        .collect();
    drop(listeners);
    (0..total).map(|i| node(i, validators, &addresses)).collect()
}

/// A loopback address that no other network has. Nodes need to know the ports of each other before
/// any of them listens; on the common address, a connection of another test could take one then.
fn own_loopback() -> Ipv4Addr {
    static NETWORKS: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, NETWORKS.fetch_add(1, Ordering::Relaxed), high, low)
}

fn node_seed(i: u8) -> [u8; 32] {
    [100 + i; 32]
}

pub(crate) fn validator_key(i: u8) -> PrivValidatorKey {
    PrivValidatorKey::generate([1 + i; 32])
}

fn node(i: u8, validators: u8, addresses: &[String]) -> Node {
    let home = tempfile::tempdir().unwrap();
    let genesis = Genesis {
        chain_id: "mooring-test".to_owned(),
        time: Timestamp { seconds: 1_700_000_000, nanos: 0 },
        validators: (0..validators)
            .map(|v| GenesisValidator { pub_key: validator_key(v).public_key(), power: 10 })
            .collect(),
        app_state: b"genesis".as_slice().into(),
    };
    let mine = usize::from(i);
    let (listen, _) = addresses[mine].split_once("/p2p/").unwrap();
    let others = addresses.iter().enumerate().filter(|(j, _)| *j != mine);
    let config = Config {
        moniker: format!("node{i}"),
        listen: listen.to_owned(),
        peers: others.map(|(_, address)| address.clone()).collect(),
        block_interval: Duration::from_millis(100),
        ..Config::new(genesis, home.path())
    };
    validator_key(i).save(Path::new(config.validator_key.as_ref().unwrap())).unwrap();
    NodeKey::generate(node_seed(i)).save(&config.node_key).unwrap();
    let (sender, status) = watch::channel(EngineStatus::default());
    Node {
        app: ChainApp::default(),
        store: Arc::default(),
        config,
        status,
        sender,
        running: None,
        _home: home,
    }
}

impl Node {
    pub(crate) fn start(&mut self) {
        let cancel = CancellationToken::new();
        let task = tokio::spawn(run(
            self.config.clone(),
            Box::new(self.app.clone()),
            Arc::new(self.app.clone()),
            self.store.clone(),
            self.sender.clone(),
            cancel.clone(),
        ));
        self.running = Some((cancel, task));
    }

    /// Another process that listens where the node is to.
    pub(crate) fn take_port(&self) -> TcpListener {
        let mut parts = self.config.listen.split('/').skip(2);
        let ip: Ipv4Addr = parts.next().unwrap().parse().unwrap();
        let port: u16 = parts.nth(1).unwrap().parse().unwrap();
        TcpListener::bind((ip, port)).unwrap()
    }

    /// Stops the node and waits for it.
    pub(crate) async fn stop(&mut self) -> Result<(), EngineError> {
        let (cancel, task) = self.running.take().unwrap();
        cancel.cancel();
        timeout(PATIENCE, task).await.expect("the node stops in time").unwrap()
    }

    /// The disk of a stopped node is lost, but for the guard file.
    pub(crate) fn lose_data(&mut self) {
        self.store = Arc::default();
        *self.app.committed.lock().unwrap() = Default::default();
        std::fs::remove_file(self.config.home.join("consensus.wal")).unwrap();
        self.sender.send_replace(EngineStatus::default());
    }

    /// The result of a node that ends by itself.
    pub(crate) async fn ended(&mut self) -> Result<(), EngineError> {
        let (_cancel, task) = self.running.take().unwrap();
        timeout(PATIENCE, task).await.expect("the node ends in time").unwrap()
    }

    pub(crate) async fn reaches(&mut self, height: u64) {
        let moniker = &self.config.moniker;
        let (_, running) = self.running.as_mut().expect("the node runs");
        let reached = self.status.wait_for(|status| status.decided_height >= height);
        let reached = tokio::select! {
            reached = timeout(PATIENCE, reached) => reached.is_ok(),
            ended = running => panic!("{moniker} ended before height {height}: {ended:?}"),
        };
        let status = *self.sender.borrow();
        assert!(reached, "{moniker} is at {status:?}, not {height}");
    }
}

pub(crate) async fn all_reach(nodes: &mut [Node], height: u64) {
    for node in nodes {
        node.reaches(height).await;
    }
}

pub(crate) async fn stop_all(nodes: &mut [Node]) {
    for node in nodes {
        if node.running.is_some() {
            node.stop().await.unwrap();
        }
    }
}

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt;
use libp2p::identity::Keypair;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::*;

/// Nothing here is about speed: this only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes what starts with 1; says of what starts with 2 that it could never be valid.
#[derive(Clone)]
struct TestPool {
    taken: Arc<watch::Sender<BTreeSet<Bytes>>>,
    offered: Arc<watch::Sender<BTreeSet<Bytes>>>,
    local: broadcast::Sender<Bytes>,
    backlog: Arc<Mutex<Vec<Bytes>>>,
}

impl TestPool {
    fn new() -> Self {
        Self {
            taken: Arc::new(watch::Sender::new(BTreeSet::new())),
            offered: Arc::new(watch::Sender::new(BTreeSet::new())),
            local: broadcast::channel(16).0,
            backlog: Arc::default(),
        }
    }

    async fn wait_for(set: &watch::Sender<BTreeSet<Bytes>>, raw: &Bytes) {
        let mut seen = set.subscribe();
        timeout(PATIENCE, seen.wait_for(|set| set.contains(raw))).await.unwrap().unwrap();
    }
}

impl GossipPool for TestPool {
    fn offer(&self, raw: Bytes) -> BoxFuture<'static, Verdict> {
        let pool = self.clone();
        async move {
            let verdict = match raw.first() {
                Some(1) => Verdict::Accept,
                Some(2) => Verdict::Reject,
                _ => Verdict::Ignore,
            };
            if verdict == Verdict::Accept {
                pool.taken.send_if_modified(|set| set.insert(raw.clone()));
            }
            pool.offered.send_if_modified(|set| set.insert(raw));
            verdict
        }
        .boxed()
    }

    fn local(&self) -> broadcast::Receiver<Bytes> {
        self.local.subscribe()
    }

    fn backlog(&self, _round: u64, limit: usize) -> Vec<Bytes> {
        self.backlog.lock().unwrap().iter().take(limit).cloned().collect()
    }
}

struct Net {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Net {
    fn new() -> Self {
        Self { stop: CancellationToken::new(), tasks: JoinSet::new() }
    }

    async fn node(&mut self, peers: &[Multiaddr], pool: &TestPool) -> GossipHandle {
        self.node_on("test", peers, pool).await
    }

    async fn node_on(&mut self, chain: &str, peers: &[Multiaddr], pool: &TestPool) -> GossipHandle {
        let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let identity = Keypair::generate_ed25519();
        let mut config = GossipConfig::new(listen, peers.to_vec(), identity, 1, chain);
        config.republish_interval = Duration::from_millis(100);
        let gossip = Gossip::listen(config).await.unwrap();
        let handle = gossip.handle();
        self.tasks.spawn(gossip.run(pool.clone(), self.stop.clone()));
        handle
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = timeout(PATIENCE, self.tasks.join_next()).await.unwrap() {
            ended.unwrap();
        }
    }
}

#[tokio::test]
async fn what_one_pool_takes_reaches_all_and_what_it_refuses_goes_no_further() {
    let (first, middle, last) = (TestPool::new(), TestPool::new(), TestPool::new());
    let mut net = Net::new();
    let hub = net.node(&[], &middle).await;
    // Two ends that know only the middle: what passes is forwarded.
    net.node(&[hub.dial_addr()], &first).await;
    net.node(&[hub.dial_addr()], &last).await;

    let bad = Bytes::from_static(&[2, 2]);
    let ignored = Bytes::from_static(&[3, 3]);
    first.backlog.lock().unwrap().extend([bad.clone(), ignored.clone()]);
    TestPool::wait_for(&middle.offered, &bad).await;
    TestPool::wait_for(&middle.offered, &ignored).await;

    // Sent after the refused ones and forwarded along the same way.
    let good = Bytes::from_static(&[1, 1]);
    last.backlog.lock().unwrap().push(good.clone());
    TestPool::wait_for(&middle.taken, &good).await;
    TestPool::wait_for(&first.taken, &good).await;
    let marker = Bytes::from_static(&[1, 9]);
    middle.backlog.lock().unwrap().push(marker.clone());
    TestPool::wait_for(&last.taken, &marker).await;
    let seen = last.offered.borrow().clone();
    assert!(!seen.contains(&bad) && !seen.contains(&ignored), "{seen:?}");
    net.end().await;
}

#[tokio::test]
async fn local_transactions_are_published_and_late_peers_get_the_backlog() {
    let (here, there) = (TestPool::new(), TestPool::new());
    let mut net = Net::new();
    let hub = net.node(&[], &here).await;
    let old = Bytes::from_static(&[1, 0]);
    here.backlog.lock().unwrap().push(old.clone());
    net.node(&[hub.dial_addr()], &there).await;
    TestPool::wait_for(&there.taken, &old).await;
    assert_eq!(hub.peer_count(), 1);
    let new = Bytes::from_static(&[1, 2]);
    here.local.send(new.clone()).unwrap();
    TestPool::wait_for(&there.taken, &new).await;
    net.end().await;
}

#[tokio::test]
async fn large_transactions_pass() {
    let (here, there) = (TestPool::new(), TestPool::new());
    let mut net = Net::new();
    let hub = net.node(&[], &here).await;
    net.node(&[hub.dial_addr()], &there).await;
    let large = Bytes::from(vec![1; crate::mempool::MAX_TX_BYTES]);
    here.backlog.lock().unwrap().push(large.clone());
    TestPool::wait_for(&there.taken, &large).await;
    net.end().await;
}

#[tokio::test]
async fn a_used_port_and_a_nameless_peer_are_errors() {
    let mut net = Net::new();
    let pool = TestPool::new();
    let taken = net.node(&[], &pool).await;
    let key = Keypair::generate_ed25519();
    let config =
        |listen: Multiaddr, peers| GossipConfig::new(listen, peers, key.clone(), 1, "test");
    let used = Gossip::listen(config(taken.listen_addr().clone(), Vec::new())).await;
    assert!(matches!(used, Err(GossipError::Listen { .. })));
    let nameless = vec![taken.listen_addr().clone()];
    let refused = Gossip::listen(config("/ip4/127.0.0.1/tcp/0".parse().unwrap(), nameless)).await;
    assert!(matches!(refused, Err(GossipError::NoPeerId(_))));
    net.end().await;
}

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt;
use libp2p::identity::Keypair;
use mooring_bridge::federation::FEDERATION_TX_TYPE;
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
    batches: Arc<AtomicUsize>,
}

impl TestPool {
    fn new() -> Self {
        Self {
            taken: Arc::new(watch::Sender::new(BTreeSet::new())),
            offered: Arc::new(watch::Sender::new(BTreeSet::new())),
            local: broadcast::channel(16_384).0,
            backlog: Arc::default(),
            batches: Arc::default(),
        }
    }

    async fn wait_for(set: &watch::Sender<BTreeSet<Bytes>>, raw: &Bytes) {
        let mut seen = set.subscribe();
        timeout(PATIENCE, seen.wait_for(|set| set.contains(raw))).await.unwrap().unwrap();
    }
}

impl GossipPool for TestPool {
    fn offer(&self, batch: Vec<Bytes>) -> BoxFuture<'static, Verdict> {
        let pool = self.clone();
        async move {
            pool.batches.fetch_add(1, Ordering::Relaxed);
            let mut verdict = Verdict::Ignore;
            for raw in batch {
                match raw.first() {
                    Some(1 | &FEDERATION_TX_TYPE) => verdict = Verdict::Accept,
                    Some(2) => verdict = Verdict::Reject,
                    _ => {}
                }
                if verdict == Verdict::Accept {
                    pool.taken.send_if_modified(|set| set.insert(raw.clone()));
                }
                pool.offered.send_if_modified(|set| set.insert(raw));
            }
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

fn config(chain: &str, peers: &[Multiaddr]) -> GossipConfig {
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let identity = Keypair::generate_ed25519();
    let mut config = GossipConfig::new(listen, peers.to_vec(), identity, 1, chain);
    config.republish_interval = Duration::from_millis(100);
    config
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
        self.node_with(config(chain, peers), pool).await
    }

    async fn node_with(&mut self, config: GossipConfig, pool: &TestPool) -> GossipHandle {
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

/// Sends `marker` until `there` has it: the mesh between the two is made then.
async fn connected(here: &TestPool, there: &TestPool, marker: &'static [u8]) {
    let marker = Bytes::from_static(marker);
    here.backlog.lock().unwrap().push(marker.clone());
    TestPool::wait_for(&there.taken, &marker).await;
    here.backlog.lock().unwrap().clear();
}

#[tokio::test]
async fn a_burst_reaches_every_node_of_a_line_in_few_messages() {
    const BURST: u32 = 5_000;
    let pools: Vec<TestPool> = (0..4).map(|_| TestPool::new()).collect();
    let mut net = Net::new();
    let mut before: Vec<Multiaddr> = Vec::new();
    for pool in &pools {
        before = vec![net.node(&before, pool).await.dial_addr()];
    }
    connected(&pools[0], &pools[3], &[1, 0, 0, 0, 0, 0]).await;
    let first = |pool: &TestPool| pool.batches.load(Ordering::Relaxed);
    let counted: Vec<usize> = pools.iter().map(first).collect();
    let burst: BTreeSet<Bytes> = (0..BURST)
        .map(|n| {
            let mut raw = vec![1; 180];
            raw[1..5].copy_from_slice(&n.to_be_bytes());
            raw.into()
        })
        .collect();
    for raw in &burst {
        pools[0].local.send(raw.clone()).unwrap();
    }
    for (pool, counted) in pools.iter().zip(counted).skip(1) {
        let mut seen = pool.taken.subscribe();
        timeout(PATIENCE, seen.wait_for(|set| burst.is_subset(set))).await.unwrap().unwrap();
        let messages = first(pool) - counted;
        assert!(messages < 200, "{messages} messages for {BURST} transactions");
    }
    net.end().await;
}

#[tokio::test]
async fn the_federation_does_not_wait_for_company() {
    let (here, there) = (TestPool::new(), TestPool::new());
    let mut net = Net::new();
    let hub = net.node(&[], &there).await;
    let patient = GossipConfig {
        batch_delay: Duration::from_secs(86_400),
        ..config("test", &[hub.dial_addr()])
    };
    net.node_with(patient, &here).await;
    // As the federation's own messages make the mesh, no batch is ever flushed by time.
    let urgent = Bytes::from_static(&[FEDERATION_TX_TYPE, 1]);
    here.backlog.lock().unwrap().push(urgent.clone());
    TestPool::wait_for(&there.taken, &urgent).await;
    here.backlog.lock().unwrap().clear();
    let user = Bytes::from_static(&[1, 1]);
    here.local.send(user.clone()).unwrap();
    let later = Bytes::from_static(&[FEDERATION_TX_TYPE, 2]);
    here.local.send(later.clone()).unwrap();
    TestPool::wait_for(&there.taken, &later).await;
    assert!(!there.offered.borrow().contains(&user), "it waits for company");
    for n in 0..800_u16 {
        let mut raw = vec![1; 180];
        raw[1..3].copy_from_slice(&n.to_be_bytes());
        here.local.send(raw.into()).unwrap();
    }
    TestPool::wait_for(&there.taken, &user).await;
    net.end().await;
}

#[tokio::test]
async fn rubbish_is_not_offered_and_does_not_stop_a_node() {
    use futures::StreamExt as _;
    use libp2p::{SwarmBuilder, gossipsub::IdentTopic, noise, tcp, yamux};

    let victim = TestPool::new();
    let mut net = Net::new();
    let hub = net.node(&[], &victim).await;
    let topic = IdentTopic::new(config("test", &[]).topic);
    let mut gossip = swarm::gossip(&topic).unwrap();
    gossip.subscribe(&topic).unwrap();
    let mut rogue = SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| gossip)
        .unwrap()
        .build();
    rogue.dial(hub.dial_addr()).unwrap();
    let good = Bytes::from_static(&[1, 7]);
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut sent = 0_u8;
    let mut seen = victim.taken.subscribe();
    let attack = async {
        while !seen.borrow_and_update().contains(&good) {
            tokio::select! {
                _ = rogue.select_next_some() => {}
                _ = ticks.tick() => {
                    // Refused until the victim subscribes.
                    let rubbish = vec![0xff, sent];
                    if rogue.behaviour_mut().publish(topic.clone(), rubbish).is_ok() {
                        let batch = batch::Batch::single(&good);
                        // A duplicate from the second time on.
                        drop(rogue.behaviour_mut().publish(topic.clone(), batch));
                    }
                    sent = sent.wrapping_add(1);
                }
            }
        }
    };
    timeout(PATIENCE, attack).await.unwrap();
    assert_eq!(*victim.offered.borrow(), BTreeSet::from([good]));
    net.end().await;
}

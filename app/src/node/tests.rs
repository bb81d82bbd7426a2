#![allow(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{Address, U256};
use mooring_genesis::{Genesis, PublicKey, Validator};
use mooring_malachite::PrivValidatorKey;
use mooring_stf::testing::{ethereum_genesis, pegged_genesis};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::broadcast;

use super::*;
use crate::application::ChainEvent;
use crate::application::tests::rig::transfer;
use crate::home::HomeKeys;
use crate::mempool::Origin;
use crate::store::{Block, StoreError};

const ETHER: u128 = 1_000_000_000_000_000_000;
const TO: Address = Address::repeat_byte(0x77);
const PAYOUT: Address = Address::repeat_byte(0x99);

fn config() -> NodeConfig {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = NodeConfig::default();
    config.rpc.listen = any;
    config.health.listen = any;
    config.p2p.listen = "/ip4/127.0.0.1/tcp/0".to_owned();
    config.engine.listen = "/ip4/127.0.0.1/tcp/0".to_owned();
    config.dev.seal_on_arrival = true;
    config
}

fn new_home(dir: &tempfile::TempDir, genesis: &Genesis) -> Home {
    let home = Home::new(dir.path());
    let keys = HomeKeys { node: NodeKey::generate([3; 32]), validator: None };
    home.init(genesis, &config(), &keys).unwrap();
    home
}

async fn start(home: &Home) -> Result<NodeHandle, StartError> {
    let config = home.load_config().unwrap();
    Node::start(home.clone(), config, CancellationToken::new()).await
}

/// Status line and body of a plain HTTP request.
async fn http(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

async fn get(address: SocketAddr, path: &str) -> (String, String) {
    http(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
}

async fn call(address: SocketAddr, method: &str) -> String {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#);
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    http(address, &(head + &body)).await.1
}

#[tokio::test]
async fn a_dev_node_seals_serves_and_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(&dir, &ethereum_genesis(ETHER));
    let node = start(&home).await.unwrap();
    let mut events = node.chain().subscribe();
    let raw = transfer(0, 0, TO, 5).into();
    node.pool().submit(raw, Origin::Local).await.unwrap();
    let ChainEvent::Committed(block) = events.recv().await.unwrap() else { panic!("no reorg") };
    assert_eq!((block.number(), block.transactions.len()), (1, 1));

    assert!(call(node.rpc_addr(), "eth_blockNumber").await.contains(r#""result":"0x1""#));
    assert!(get(node.health_addr(), "/livez").await.0.contains("200"));
    let (status, body) = get(node.health_addr(), "/readyz").await;
    assert!(status.contains("200"), "{status} {body}");
    let metrics = get(node.health_addr(), "/metrics").await.1;
    assert!(metrics.contains("\nmooring_height 1\n"), "{metrics}");
    node.shutdown();
    node.wait().await.unwrap();

    let node = start(&home).await.unwrap();
    let view = node.chain().store.latest();
    assert_eq!((view.number(), view.hash()), (1, block.hash));
    assert_eq!(view.account_or_empty(TO).unwrap().balance, U256::from(5));
    node.shutdown();
    node.wait().await.unwrap();
}

/// A chain of the validators with these keys, whose accounts are funded.
fn malachite_genesis(keys: &[PrivValidatorKey]) -> Genesis {
    let mut setup = ethereum_genesis(ETHER).setup().clone();
    setup.engine = Engine::Malachite;
    setup.block_interval_ms = 20;
    let validator = |(index, key): (u8, &PrivValidatorKey)| Validator {
        name: format!("v{index}"),
        consensus_pubkey: PublicKey(key.public_key().into()),
        power: 1,
        payout: PAYOUT,
        member: Address::repeat_byte(0x30 + index),
        recovery: Address::repeat_byte(0x40 + index),
    };
    setup.validators = (0..).zip(keys).map(validator).collect();
    Genesis::unpegged(setup).unwrap()
}

async fn next_block(events: &mut broadcast::Receiver<ChainEvent>) -> Arc<Block> {
    match events.recv().await.unwrap() {
        ChainEvent::Committed(block) => block,
        ChainEvent::Dropped(_) => panic!("consensus drops no block"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malachite_node_decides_executes_and_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let key = PrivValidatorKey::generate([2; 32]);
    let home = Home::new(dir.path());
    let keys = HomeKeys { node: NodeKey::generate([3; 32]), validator: Some(key.clone()) };
    home.init(&malachite_genesis(&[key]), &config(), &keys).unwrap();

    let node = start(&home).await.unwrap();
    let mut events = node.chain().subscribe();
    node.pool().submit(transfer(0, 0, TO, 5).into(), Origin::Local).await.unwrap();
    let mut block = next_block(&mut events).await;
    while block.transactions.is_empty() {
        block = next_block(&mut events).await;
    }
    assert_eq!(block.header.beneficiary, PAYOUT);
    assert!(node.engine_addr().unwrap().contains("/p2p/"));
    assert!(node.p2p_addr().unwrap().to_string().contains("/p2p/"));
    let metrics = get(node.health_addr(), "/metrics").await.1;
    assert!(metrics.contains("\nmooring_engine_height "), "{metrics}");
    node.shutdown();
    node.wait().await.unwrap();

    let node = start(&home).await.unwrap();
    let resumed = node.chain().store.latest();
    assert!(resumed.number() >= block.number());
    assert_eq!(resumed.hash_of(block.number()).unwrap(), Some(block.hash));
    let mut events = node.chain().subscribe();
    assert!(next_block(&mut events).await.number() > block.number());
    let view = node.chain().store.latest();
    assert_eq!(view.account_or_empty(TO).unwrap().balance, U256::from(5));
    node.shutdown();
    node.wait().await.unwrap();
}

/// Ports that were free a moment ago.
async fn free_ports(count: usize) -> Vec<u16> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// Homes of validators that know each other, one for each of `dirs`.
async fn network(dirs: &[tempfile::TempDir]) -> Vec<Home> {
    let count = dirs.len();
    let seeds = || 1..=u8::try_from(count).unwrap();
    let keys: Vec<_> = seeds().map(|seed| PrivValidatorKey::generate([seed; 32])).collect();
    let nodes: Vec<_> = seeds().map(|seed| NodeKey::generate([seed + 100; 32])).collect();
    let genesis = malachite_genesis(&keys);
    let ports = free_ports(2 * count).await;
    let listen = |port: usize| format!("/ip4/127.0.0.1/tcp/{}", ports[port]);
    let peers = |me: usize, first: usize| {
        let others = (0..count).filter(|other| *other != me);
        others.map(|i| format!("{}/p2p/{}", listen(first + i), nodes[i].peer_id())).collect()
    };
    let home = |me: usize| {
        let mut config = config();
        config.engine.listen = listen(me);
        config.engine.peers = peers(me, 0);
        config.p2p.listen = listen(count + me);
        config.p2p.peers = peers(me, count);
        let home = Home::new(dirs[me].path());
        let keys = HomeKeys { node: nodes[me].clone(), validator: Some(keys[me].clone()) };
        home.init(&genesis, &config, &keys).unwrap();
        home
    };
    (0..count).map(home).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_decide_the_same_blocks_with_a_gossiped_transaction() {
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut nodes = Vec::new();
    for home in network(&dirs).await {
        nodes.push(start(&home).await.unwrap());
    }
    let events: Vec<_> = nodes.iter().map(|node| node.chain().subscribe()).collect();
    nodes[0].pool().submit(transfer(0, 0, TO, 5).into(), Origin::Local).await.unwrap();
    let mut found = Vec::new();
    for mut events in events {
        let mut block = next_block(&mut events).await;
        while block.transactions.is_empty() {
            block = next_block(&mut events).await;
        }
        found.push((block.number(), block.hash));
    }
    assert!(found.iter().all(|one| *one == found[0]), "{found:?}");
    for node in nodes {
        node.shutdown();
        node.wait().await.unwrap();
    }
}

#[tokio::test]
async fn a_used_port_is_refused_by_its_key_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(&dir, &ethereum_genesis(ETHER));
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.rpc.listen = taken.local_addr().unwrap();
    let error = Node::start(home.clone(), config, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, StartError::Listen { key: "rpc.listen", .. }), "{error}");
    assert!(error.to_string().contains("rpc.listen"), "{error}");
    assert!(!home.database().exists());
}

#[tokio::test]
async fn a_home_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(&dir, &ethereum_genesis(ETHER));
    let node = start(&home).await.unwrap();
    let error = start(&home).await.unwrap_err();
    assert!(matches!(error, StartError::Store(StoreError::InUse { .. })), "{error}");
    node.shutdown();
    node.wait().await.unwrap();
    let node = start(&home).await.unwrap();
    node.shutdown();
    node.wait().await.unwrap();
}

#[tokio::test]
async fn a_data_directory_of_another_genesis_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(&dir, &ethereum_genesis(ETHER));
    let node = start(&home).await.unwrap();
    node.shutdown();
    node.wait().await.unwrap();
    std::fs::write(home.genesis(), ethereum_genesis(2 * ETHER).to_json()).unwrap();
    let error = start(&home).await.unwrap_err();
    assert!(matches!(error, StartError::Store(StoreError::OtherChain { .. })), "{error}");
    assert!(error.to_string().contains("genesis.json"), "{error}");
}

#[tokio::test]
async fn a_malachite_node_refuses_a_used_engine_port_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let home = new_home(&dir, &pegged_genesis(1));
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    let port = taken.local_addr().unwrap().port();
    config.engine.listen = format!("/ip4/127.0.0.1/tcp/{port}");
    let error = Node::start(home.clone(), config, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, StartError::Listen { key: "engine.listen", .. }), "{error}");
    assert!(!home.database().exists());
}

#[test]
fn multiaddrs_that_are_none_are_refused_by_their_key() {
    let error = probe("engine.listen", "127.0.0.1:26656").unwrap_err();
    assert!(matches!(error, StartError::Multiaddr { key: "engine.listen", .. }), "{error}");
    probe("engine.listen", "/ip4/127.0.0.1/tcp/0").unwrap();
}

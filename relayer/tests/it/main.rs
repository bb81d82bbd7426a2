//! What a relayer refuses to start with, against scripted JSON-RPC servers.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use alloy_primitives::{Address, B256};
use alloy_signer_local::PrivateKeySigner;
use axum::{Json, Router, extract::State, routing::post};
use mooring_client::ClientError;
use mooring_genesis::{Engine, Genesis, L1Section, PublicKey, Setup, Validator};
use mooring_relayer::{RelayerConfig, RelayerError, run};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const L1: u64 = 31337;
const SIDECHAIN: u64 = 42155;

/// A server that gives a fixed answer to each method, and an error to every other.
async fn serve(answers: BTreeMap<&'static str, Value>) -> String {
    async fn answer(
        State(answers): State<BTreeMap<&'static str, Value>>,
        Json(request): Json<Value>,
    ) -> Json<Value> {
        let (id, method) = (request["id"].clone(), request["method"].as_str().unwrap());
        Json(match answers.get(method) {
            Some(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            None => json!({
                "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "no such method" }
            }),
        })
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/", post(answer)).with_state(answers);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

fn l1_answers(genesis: &Genesis) -> BTreeMap<&'static str, Value> {
    let separator = genesis.domain().unwrap().separator();
    BTreeMap::from([
        ("eth_chainId", json!(format!("{L1:#x}"))),
        ("eth_blockNumber", json!("0x10")),
        ("eth_getCode", json!("0x60")),
        ("eth_call", json!(separator)),
    ])
}

fn genesis(member: Address, dev: bool) -> Genesis {
    let mut setup = Setup::new(SIDECHAIN, Engine::Malachite, 1_700_000_000_000);
    setup.dev = dev;
    setup.validators.push(Validator {
        name: "one".into(),
        consensus_pubkey: PublicKey(B256::repeat_byte(5)),
        power: 10,
        payout: Address::repeat_byte(6),
        member,
        recovery: Address::repeat_byte(7),
    });
    let (vault, block_hash) = (Address::repeat_byte(8), B256::repeat_byte(9));
    let l1 = L1Section { chain_id: L1, vault, deploy_block: 1, block_hash };
    Genesis::pegged(setup, l1).unwrap()
}

/// A home with one member, and a port that is free.
struct Home {
    dir: TempDir,
    member: PrivateKeySigner,
    genesis: Genesis,
}

impl Home {
    fn new(dev: bool) -> Self {
        let member = PrivateKeySigner::random();
        let genesis = genesis(member.address(), dev);
        Self { dir: tempfile::tempdir().unwrap(), member, genesis }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, l1: &[String], sidechain: &str, listen: SocketAddr) {
        let config = RelayerConfig {
            listen,
            l1_endpoints: l1.to_vec(),
            sidechain_endpoints: vec![sidechain.to_owned()],
            ..RelayerConfig::default()
        };
        let text = self.genesis.to_json();
        config.write_home(self.path(), &text, &self.member, "secret").unwrap();
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Runs until it refuses; nothing may have been written.
    async fn refusal(&self) -> RelayerError {
        let before = self.files();
        let error = run(self.path(), CancellationToken::new()).await.unwrap_err();
        assert_eq!(self.files(), before, "a refused start wrote something");
        error
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

const NOBODY: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn an_l1_of_another_chain_is_refused() {
    let home = Home::new(true);
    let mut answers = l1_answers(&home.genesis);
    answers.insert("eth_chainId", json!("0x1"));
    home.write(&[serve(answers).await], NOBODY, any_port());
    let error = home.refusal().await;
    let wrong = ClientError::WrongChain { url: String::new(), want: L1, got: 1 };
    match error {
        RelayerError::Client(ClientError::WrongChain { want: L1, got: 1, .. }) => {}
        other => panic!("{other} instead of {wrong}"),
    }
}

#[tokio::test]
async fn a_second_l1_endpoint_of_another_chain_is_refused_too() {
    let home = Home::new(false);
    let right = l1_answers(&home.genesis);
    let mut wrong = right.clone();
    wrong.insert("eth_chainId", json!("0x1"));
    home.write(&[serve(right).await, serve(wrong).await], NOBODY, any_port());
    let error = home.refusal().await;
    assert!(matches!(error, RelayerError::Client(ClientError::WrongChain { .. })), "{error}");
}

#[tokio::test]
async fn one_l1_endpoint_is_too_few_unless_dev() {
    let home = Home::new(false);
    let l1 = serve(l1_answers(&home.genesis)).await;
    home.write(&[l1], NOBODY, any_port());
    let error = home.refusal().await;
    assert!(matches!(error, RelayerError::TooFewEndpoints { want: 2, got: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_missing_or_foreign_vault_is_refused() {
    let home = Home::new(true);
    let mut answers = l1_answers(&home.genesis);
    answers.insert("eth_getCode", json!("0x"));
    home.write(&[serve(answers).await], NOBODY, any_port());
    let error = home.refusal().await;
    assert!(matches!(error, RelayerError::NoVault { .. }), "{error}");

    let home = Home::new(true);
    let mut answers = l1_answers(&home.genesis);
    answers.insert("eth_call", json!(B256::repeat_byte(1)));
    home.write(&[serve(answers).await], NOBODY, any_port());
    let error = home.refusal().await;
    assert!(matches!(error, RelayerError::OtherVault { .. }), "{error}");
}

#[tokio::test]
async fn a_sidechain_of_another_network_is_refused() {
    let home = Home::new(true);
    let l1 = serve(l1_answers(&home.genesis)).await;
    let answers = BTreeMap::from([
        ("eth_chainId", json!(format!("{SIDECHAIN:#x}"))),
        ("eth_blockNumber", json!("0x1")),
        (
            "peg_domain",
            json!({
                "l1ChainId": L1, "vault": Address::ZERO, "deployBlock": 1, "sidechainId": SIDECHAIN,
                "setupHash": B256::ZERO, "separator": B256::repeat_byte(3), "acc0": B256::ZERO,
            }),
        ),
    ]);
    home.write(&[l1], &serve(answers).await, any_port());
    let error = home.refusal().await;
    assert!(matches!(error, RelayerError::OtherSidechain { .. }), "{error}");
}

#[tokio::test]
async fn a_key_that_is_no_member_is_refused() {
    let mut home = Home::new(true);
    home.member = PrivateKeySigner::random();
    home.write(&[NOBODY.to_owned()], NOBODY, any_port());
    let error = home.refusal().await;
    let stranger = home.member.address();
    assert!(matches!(error, RelayerError::NotMember { address } if address == stranger), "{error}");
}

#[tokio::test]
async fn a_port_in_use_and_an_exposed_key_are_refused() {
    let home = Home::new(true);
    let taken = TcpListener::bind(any_port()).await.unwrap();
    home.write(&[NOBODY.to_owned()], NOBODY, taken.local_addr().unwrap());
    let error = home.refusal().await;
    assert!(matches!(error, RelayerError::Listen { .. }), "{error}");

    let key = home.path().join("member.json");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let error = home.refusal().await;
    assert!(matches!(error, RelayerError::Exposed { .. }), "{error}");
}

#[tokio::test]
async fn a_second_relayer_in_one_home_is_refused() {
    let home = Home::new(true);
    let l1 = serve(l1_answers(&home.genesis)).await;
    home.write(&[l1], NOBODY, any_port());
    let lock = fs::File::open(home.path().join("relayer.toml")).unwrap();
    lock.try_lock().unwrap();
    let error = home.refusal().await;
    assert!(matches!(error, RelayerError::Locked { .. }), "{error}");
}

#[tokio::test]
async fn it_waits_for_the_sidechain_and_ends_when_cancelled() {
    let home = Home::new(true);
    let l1 = serve(l1_answers(&home.genesis)).await;
    home.write(&[l1], NOBODY, any_port());
    let cancel = CancellationToken::new();
    let running = run(home.path(), cancel.clone());
    let cancelled = async {
        tokio::task::yield_now().await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(running, cancelled);
    assert!(ended.is_ok());
}

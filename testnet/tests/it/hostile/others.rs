//! What honest clients wait beside each attack. Behind a flag of its own (`make hostile`): it takes
//! minutes, and a figure of time is for people.

use std::{
    future::Future,
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy_primitives::{Bytes, hex};
use mooring_client::{
    Endpoint, Wallet,
    wallet::{Action, Fees},
};
use mooring_testnet::keys;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use super::{
    LARGE, LARGEST, code_call, flooded,
    server::{Client, Server, Waits, frame, head, request, websocket},
};

/// `JUMPDEST PUSH0 JUMP`.
const JUMPS: &str = "0x5b5f56";
/// `JUMPDEST GAS SLOAD POP PUSH0 JUMP`: another slot each time.
const READS: &str = "0x5b5a54505f56";
/// `JUMPDEST PUSH3 1048575 PUSH0 KECCAK256 POP PUSH0 JUMP`.
const HASHES: &str = "0x5b620fffff5f20505f56";
/// Transfers of the large blocks.
const TRANSFERS: u64 = 1_500;
const FEES: Fees = Fees { max_fee: 10_000_000_000, tip: 1 };
/// What the attacking process is told.
const ATTACK: &str = "MOORING_ATTACK";
const ADDRESS: &str = "MOORING_ADDRESS";
const LARGE_BLOCK: &str = "MOORING_LARGE_BLOCK";
/// Blocks to search, each with [`LOGS`] logs.
const BLOCKS: u64 = 1_500;
/// Emits 64 logs: `PUSH1 64; JUMPDEST; PUSH0 PUSH0 LOG0; PUSH1 1 SWAP1 SUB; DUP1 PUSH1 2 JUMPI`.
const LOGS: &str = "0x60405b5f5fa060019003806002575f5ff3";

/// The attacks. Each goes on until it is killed.
const ALL: [&str; 14] = [
    "batches",
    "heavy batches",
    "bodies",
    "nesting",
    "wrong types",
    "endless jumps",
    "endless reads",
    "endless hashes",
    "searches",
    "large blocks",
    "parts of large blocks",
    "WebSockets",
    "slow WebSockets",
    "slow readers",
];

#[tokio::test]
#[ignore = "takes minutes and asserts no times: `make hostile`"]
async fn waits_beside_each_attack() {
    go_first();
    let server = Server::start(&[]).await;
    with_logs(&server).await;
    let large = with_large_blocks(&server).await;
    // The first calls fill pools and caches that stay.
    let _ = honest(server.client).await;
    let only = std::env::var(ATTACK).unwrap_or_default();
    for attack in ALL.into_iter().filter(|attack| only.is_empty() || *attack == only) {
        let alone = honest(server.client).await;
        let before = server.resident();
        let beside = Beside::start(server.client, attack, large);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let busy = honest(server.client).await;
        let grown = server.resident().saturating_sub(before) / (1024 * 1024);
        drop(beside);
        println!("{attack}: the node grew by {grown} MiB");
        for ((call, alone), (_, busy)) in alone.into_iter().zip(busy) {
            println!("  {call:16} alone {alone}, beside {busy}");
        }
    }
}

/// Puts this thread before all others: what an honest client does is not the node's work, and in
/// the field is done elsewhere.
fn go_first() {
    let thread = nix::unistd::gettid().to_string();
    let done = Command::new("chrt")
        .args(["--fifo", "--reset-on-fork", "--pid", "1", &thread])
        .stderr(Stdio::null())
        .status();
    if !done.is_ok_and(|status| status.success()) {
        println!("not allowed to go first: the client's own waits for a processor are counted");
    }
}

/// Waits of cheap calls, of short executions and of short searches.
async fn honest(client: Client) -> [(&'static str, Waits); 3] {
    // PUSH1 32 PUSH0 RETURN.
    let (height, call) = (json!([]), code_call("0x60205ff3"));
    [
        ("eth_blockNumber", client.waits(1_000, &request("eth_blockNumber", &height)).await),
        ("eth_call", client.waits(1_000, &request("eth_call", &call)).await),
        ("eth_getLogs", client.waits(1_000, &request("eth_getLogs", &json!([{}]))).await),
    ]
}

/// A chain of [`BLOCKS`] blocks with logs.
async fn with_logs(server: &Server) {
    let (endpoint, wallet) = wallet(server).await;
    let input = Bytes::from(hex::decode(LOGS).unwrap());
    let action = Action { input, ..Action::default() };
    for nonce in 0..BLOCKS {
        let (_, raw) = wallet.sign(&action, nonce, 200_000, FEES).unwrap();
        endpoint.send_raw(raw).await.unwrap();
        server.client.call("dev_seal", json!([])).await;
    }
    let logs = server.client.call("eth_getLogs", json!([{}])).await;
    assert_eq!(logs["result"].as_array().unwrap().len(), 64, "{logs}");
}

/// Transfers in blocks of some hundred; the block with the most.
async fn with_large_blocks(server: &Server) -> u64 {
    let (endpoint, wallet) = wallet(server).await;
    let action = Action { to: Some(wallet.address()), ..Action::default() };
    for nonce in BLOCKS..BLOCKS + TRANSFERS {
        let (_, raw) = wallet.sign(&action, nonce, 21_000, FEES).unwrap();
        endpoint.send_raw(raw).await.unwrap();
    }
    let (mut most, mut found) = (0, 0);
    let (_, last) = server.honest().await;
    server.block_after(last + 1).await;
    for height in BLOCKS..=last + 1 {
        let height_arg = json!([format!("0x{height:x}")]);
        let count = server.call("eth_getBlockTransactionCountByNumber", height_arg).await;
        let count = count["result"].as_str().unwrap().trim_start_matches("0x").to_owned();
        let count = u64::from_str_radix(&count, 16).unwrap();
        if count > most {
            (most, found) = (count, height);
        }
    }
    println!("the largest block has {most} transactions");
    found
}

async fn wallet(server: &Server) -> (Endpoint, Wallet) {
    let endpoint = Endpoint::new(&format!("http://{}", server.client.address)).unwrap();
    let wallet = Wallet::new(endpoint.clone(), keys::signer_at(0).unwrap()).await.unwrap();
    (endpoint, wallet)
}

/// An attack by a process that runs where nobody else wants to: its clients' work is not the node's.
struct Beside(Child);

impl Beside {
    fn start(client: Client, attack: &str, large_block: u64) -> Self {
        let child = Command::new("chrt")
            .args(["--idle", "0"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "hostile::others::attacker", "--ignored"])
            .env(ATTACK, attack)
            .env(LARGE_BLOCK, format!("0x{large_block:x}"))
            .env(ADDRESS, client.address.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let ended = self.0.try_wait();
        drop(self.0.kill());
        drop(self.0.wait());
        assert!(matches!(ended, Ok(None)), "the attack went on: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the attacker of the other test"]
async fn attacker() {
    let (Ok(name), Ok(address)) = (std::env::var(ATTACK), std::env::var(ADDRESS)) else { return };
    let client = Client { address: address.parse().unwrap() };
    // Its starter ends it.
    timeout(Duration::from_secs(300), attack(&name, client)).await.unwrap_err();
}

/// Goes on for ever.
async fn attack(name: &str, client: Client) {
    if let Some((at_once, bodies)) = posts(name) {
        return repeat(client, at_once, bodies).await;
    }
    match name {
        "bodies" => many(8, async || endless_body(client).await).await,
        "WebSockets" => websockets(client).await,
        "slow WebSockets" => many(8, async || slow_websocket(client).await).await,
        "slow readers" => many(100, async || slow_reader(client).await).await,
        other => panic!("no attack {other}"),
    }
}

/// On how many connections at once an attack posts which bodies, if it does that.
fn posts(name: &str) -> Option<(usize, Vec<Vec<u8>>)> {
    let call = |method, params: Value| request(method, &params).to_string().into_bytes();
    let endless = |code| vec![call("eth_call", code_call(code))];
    Some(match name {
        "batches" => {
            let long = format!("[{}1]", "1,".repeat(99_999)).into_bytes();
            let large = batch(&call("eth_blockNumber", json!([])), 60_000);
            let full = format!("[{}1]", "1,".repeat(999)).into_bytes();
            (8, vec![long, large, full])
        }
        "heavy batches" => (8, vec![batch(&call("eth_call", code_call(JUMPS)), 100)]),
        "nesting" => {
            let deep = "[".repeat(1 << 20);
            let nested = format!("{deep}{}", "]".repeat(1 << 20));
            let params =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{nested}]}}"#);
            (8, [deep, nested, params].map(String::into_bytes).into())
        }
        "wrong types" => {
            let long = "0x".to_owned() + &"f".repeat(4_000_000);
            let wrong = [json!([{}, {}]), json!([[], []]), json!([null]), json!([long])];
            let methods = ["eth_call", "eth_getLogs", "eth_getBalance", "eth_getProof"];
            let calls = methods.iter().flat_map(|m| wrong.iter().map(|p| call(m, p.clone())));
            (8, calls.collect())
        }
        "endless jumps" => (64, endless(JUMPS)),
        "endless reads" => (64, endless(READS)),
        "endless hashes" => (64, endless(HASHES)),
        "searches" => {
            let all = json!({ "fromBlock": "0x0" });
            let none = json!({ "fromBlock": "0x0", "address": format!("0x{}", "ee".repeat(20)) });
            (64, [all, none].map(|filter| call("eth_getLogs", json!([filter]))).into())
        }
        "large blocks" => {
            let block = std::env::var(LARGE_BLOCK).unwrap();
            let whole = call("eth_getBlockByNumber", json!([block, true]));
            let receipts = call("eth_getBlockReceipts", json!([block]));
            (64, vec![whole, receipts])
        }
        "parts of large blocks" => {
            let block = std::env::var(LARGE_BLOCK).unwrap();
            let header = call("eth_getHeaderByNumber", json!([block]));
            let one = call("eth_getTransactionByBlockNumberAndIndex", json!([block, "0x1"]));
            (64, vec![header, one])
        }
        _ => return None,
    })
}

fn batch(call: &[u8], count: usize) -> Vec<u8> {
    [b"[", vec![call; count].join(&b',').as_slice(), b"]"].concat()
}

/// As many WebSockets as the node takes stay open; others come and go.
async fn websockets(client: Client) {
    let mut open = Vec::new();
    for _ in 0..10_000 {
        if let Ok((status, socket)) = websocket(client.address).await
            && status.starts_with("HTTP/1.1 101")
        {
            open.push(socket);
        }
    }
    many(1, async || drop(websocket(client.address).await)).await;
}

async fn slow_websocket(client: Client) {
    let calls = [LARGE, LARGEST]
        .map(|code| frame(&request("eth_call", &code_call(code)).to_string()).repeat(200));
    let _socket = flooded(client, &calls.concat()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
}

async fn slow_reader(client: Client) {
    let body = request("eth_call", &code_call(LARGEST)).to_string();
    let ask = head(client.address, &format!("content-length: {}", body.len())) + &body;
    let Ok(mut stream) = TcpStream::connect(client.address).await else { return };
    drop(stream.write_all(ask.as_bytes()).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Posts the bodies one after the other, on so many connections at once.
async fn repeat(client: Client, at_once: usize, bodies: Vec<Vec<u8>>) {
    let clients = (0..at_once).map(async |_| {
        for body in bodies.iter().cycle() {
            client.try_post(body).await;
        }
    });
    futures::future::join_all(clients).await;
}

/// Makes the attack again and again, so many times at once.
async fn many<F: Future<Output = ()>>(at_once: usize, attack: impl Fn() -> F) {
    let clients = (0..at_once).map(async |_| {
        loop {
            attack().await;
        }
    });
    futures::future::join_all(clients).await;
}

/// A gigabyte without a length, as far as the node takes it.
async fn endless_body(client: Client) {
    let Ok(mut stream) = TcpStream::connect(client.address).await else { return };
    let start = head(client.address, "transfer-encoding: chunked");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut sent = stream.write_all(start.as_bytes()).await;
    for _ in 0..(1 << 30) / 0x10000 {
        if sent.is_err() {
            return;
        }
        sent = stream.write_all(&chunk).await;
    }
}

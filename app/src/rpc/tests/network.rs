//! Over the wire: HTTP, WebSocket, limits, CORS.

use std::{net::SocketAddr, time::Duration};

use mooring_genesis::Genesis;
use mooring_stf::testing::ethereum_genesis;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::bench::{ETHER, outcome, transfer};
use crate::{
    config::NodeConfig,
    home::Home,
    node::{Node, NodeHandle},
};

/// Nothing here is about speed: this only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A dev node that seals when a transaction arrives.
async fn node(dir: &std::path::Path, genesis: &Genesis) -> NodeHandle {
    node_with(dir, genesis, |_| {}).await
}

async fn node_with(
    dir: &std::path::Path,
    genesis: &Genesis,
    change: impl FnOnce(&mut NodeConfig),
) -> NodeHandle {
    let home = Home::new(dir);
    std::fs::create_dir_all(home.genesis().parent().unwrap()).unwrap();
    std::fs::write(home.genesis(), genesis.to_json()).unwrap();
    let mut config = NodeConfig::default();
    config.rpc.listen = "127.0.0.1:0".parse().unwrap();
    config.health.listen = "127.0.0.1:0".parse().unwrap();
    config.dev.seal_on_arrival = true;
    change(&mut config);
    Node::start(home, config, CancellationToken::new()).await.unwrap()
}

/// Status line with headers, and body, of a POST.
async fn post(address: SocketAddr, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         origin: http://example.org\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// The answer to a POST that only announces its body.
async fn announce(address: SocketAddr, length: usize) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut status)).await.unwrap().unwrap();
    String::from_utf8(status.to_vec()).unwrap()
}

fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

async fn call(address: SocketAddr, method: &str, params: Value) -> Value {
    let (_, body) = post(address, &request(method, &params).to_string()).await;
    outcome(serde_json::from_str(&body).unwrap()).unwrap()
}

/// A WebSocket that speaks short text frames.
struct Socket(TcpStream);

impl Socket {
    async fn open(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"));
        Self(stream)
    }

    async fn send(&mut self, value: &Value) {
        let text = value.to_string();
        // Text, final; masked with zeros, as a client must mask.
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    async fn receive(&mut self) -> Value {
        timeout(PATIENCE, self.text()).await.unwrap()
    }

    async fn text(&mut self) -> Value {
        loop {
            let kind = self.0.read_u8().await.unwrap();
            let length = match self.0.read_u8().await.unwrap() {
                126 => u64::from(self.0.read_u16().await.unwrap()),
                127 => self.0.read_u64().await.unwrap(),
                short => short.into(),
            };
            let mut bytes = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut bytes).await.unwrap();
            if kind == 0x81 {
                return serde_json::from_slice(&bytes).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn http_and_websocket_share_a_port() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &ethereum_genesis(ETHER)).await;
    let address = node.rpc_addr();
    let mut socket = Socket::open(address).await;
    let mut ids = Vec::new();
    for params in [json!(["newHeads"]), json!(["newPendingTransactions"])] {
        socket.send(&request("eth_subscribe", &params)).await;
        let id = outcome(socket.receive().await).unwrap();
        assert!(id.as_str().is_some_and(|id| id.starts_with("0x")), "viem drops others: {id}");
        ids.push(id);
    }
    let sent = call(address, "eth_sendRawTransactionSync", json!([transfer(0, 0, 5)])).await;
    assert_eq!(sent["status"], "0x1");
    let mut head = None;
    let mut pending = None;
    while head.is_none() || pending.is_none() {
        let note = socket.receive().await;
        assert_eq!(note["method"], "eth_subscription");
        let result = note["params"]["result"].clone();
        let which = if note["params"]["subscription"] == ids[0] { &mut head } else { &mut pending };
        *which = Some(result);
    }
    let head = head.unwrap();
    assert_eq!(head["hash"], sent["blockHash"]);
    assert_eq!(head["number"], sent["blockNumber"]);
    assert_eq!(pending.unwrap(), sent["transactionHash"]);
    node.shutdown();
    node.wait().await.unwrap();
}

#[tokio::test]
async fn requests_have_bounds_and_browsers_may_ask() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &ethereum_genesis(ETHER)).await;
    let address = node.rpc_addr();
    let one = request("eth_chainId", &json!([]));
    let (head, body) = post(address, &json!([one, one]).to_string()).await;
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let batch: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(batch.as_array().unwrap().len(), 2);
    let (_, body) = post(address, &json!(vec![one; 1_001]).to_string()).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer[0]["error"], json!({ "code": -32600, "message": "batch too large" }));
    let (_, body) = post(address, "{ not json").await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["error"]["code"], -32700);
    assert!(announce(address, 6 * 1024 * 1024).await.starts_with("HTTP/1.1 413"));
    node.shutdown();
    node.wait().await.unwrap();
}

#[tokio::test]
async fn calls_of_a_batch_are_answered_as_by_themselves_and_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let quick = |config: &mut NodeConfig| config.rpc.call_timeout_ms = 50;
    let node = node_with(dir.path(), &ethereum_genesis(ETHER), quick).await;
    let address = node.rpc_addr();
    let chain = request("eth_chainId", &json!([]));
    let to = "0x00000000000000000000000000000000000000cc";
    // JUMPDEST PUSH0 JUMP.
    let code = json!([{ "to": to }, "latest", { to: { "code": "0x5b5f56" } }]);
    let mut calls = vec![
        chain.clone(),
        request("eth_none", &json!([])),
        request("eth_subscribe", &json!(["newHeads"])),
        json!({ "jsonrpc": "2.0", "method": "eth_chainId" }),
        json!(7),
    ];
    calls.extend(vec![request("eth_call", &code); 50]);
    calls.push(chain);
    let (_, body) = post(address, &json!(calls).to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert_eq!(answers.len(), calls.len() - 1, "a notification has no answer");
    assert!(answers[0]["result"].is_string());
    let unknown = "the method eth_none does not exist/is not available";
    assert_eq!(answers[1]["error"], json!({ "code": -32601, "message": unknown }));
    let no_notifications = json!({ "code": -32001, "message": "notifications not supported" });
    assert_eq!(answers[2]["error"], no_notifications);
    assert_eq!(answers[3]["error"]["code"], -32600);
    let overdue = json!({ "code": -32002, "message": "request timed out" });
    assert_eq!(answers.last().unwrap()["error"], overdue, "its turn did not come");
    assert_eq!(answers.last().unwrap()["id"], 1);
    let notification = json!({ "jsonrpc": "2.0", "method": "eth_chainId" });
    for silent in [json!([notification]), notification] {
        let (head, body) = post(address, &silent.to_string()).await;
        assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head} {body}");
    }
    node.shutdown();
    node.wait().await.unwrap();
}

#[tokio::test]
async fn a_dev_chain_can_be_steered() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &ethereum_genesis(ETHER)).await;
    let address = node.rpc_addr();
    assert_eq!(call(address, "dev_seal", json!([])).await, "0x1");
    assert_eq!(call(address, "eth_blockNumber", json!([])).await, "0x1");
    assert_eq!(call(address, "dev_reorg", json!([1])).await, 0, "no finality lag, nothing to drop");
    node.shutdown();
    node.wait().await.unwrap();
}

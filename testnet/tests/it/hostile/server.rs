//! A node of its own process, whose memory can be read, and raw connections to it.

use std::{
    fmt,
    net::SocketAddr,
    ops::Deref,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy_primitives::U256;
use mooring_app::config::{Home, NodeConfig};
use mooring_genesis::{Engine, FeeRule, Genesis, Setup};
use mooring_testnet::keys;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::devnet::{PATIENCE, mooring};

/// How long calls waited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    p50: Duration,
    p99: Duration,
    pub(super) max: Duration,
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, max] = [self.p50, self.p99, self.max].map(|wait| wait.as_secs_f64() * 1e3);
        write!(f, "p50 {p50:.2} p99 {p99:.2} max {max:.2} ms")
    }
}

/// A dev node that seals every 200 ms, in a process of its own.
pub(super) struct Server {
    pub(super) client: Client,
    child: Child,
    _dir: TempDir,
}

impl Server {
    /// Starts it with these flags.
    pub(super) async fn start(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_home(dir.path());
        let log = dir.path().join("log");
        let mut child = Command::new(mooring())
            .args(["node", "start", "--home"])
            .arg(dir.path())
            .args(flags)
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let address = listening(&mut child, &log).await;
        Self { client: Client { address }, child, _dir: dir }
    }

    /// Bytes of memory that the process holds.
    pub(super) fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client that opens a connection for each call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
}

impl Client {
    /// Status line with headers, and body, of a POST.
    pub(super) async fn post(self, body: &[u8]) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = head(self.address, &format!("content-length: {}", body.len()));
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        answer(&mut stream).await
    }

    /// A POST whose answer, if there is one, is of no interest.
    pub(super) async fn try_post(self, body: &[u8]) {
        let Ok(mut stream) = TcpStream::connect(self.address).await else { return };
        let head = head(self.address, &format!("content-length: {}", body.len()));
        if stream.write_all(head.as_bytes()).await.is_ok() {
            drop(stream.write_all(body).await);
            let _ = answer(&mut stream).await;
        }
    }

    pub(super) async fn call(self, method: &str, params: Value) -> Value {
        let (_, body) = self.post(request(method, &params).to_string().as_bytes()).await;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{method}: {error} in {body:?}"))
    }

    /// How long an honest client waits for the newest height, and the height.
    pub(super) async fn honest(self) -> (Duration, u64) {
        let start = Instant::now();
        let answer = self.call("eth_blockNumber", json!([])).await;
        let height = answer["result"].as_str().unwrap().trim_start_matches("0x").to_owned();
        (start.elapsed(), u64::from_str_radix(&height, 16).unwrap())
    }

    /// How long so many of a call wait, one after the other. All are answered.
    pub(super) async fn waits(self, count: usize, call: &Value) -> Waits {
        let call = call.to_string();
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            let (_, body) = self.post(call.as_bytes()).await;
            all.push(start.elapsed());
            let answer: Value = serde_json::from_str(&body).unwrap();
            assert!(answer.get("result").is_some(), "{call}: {answer}");
        }
        all.sort();
        Waits { p50: all[count / 2], p99: all[count * 99 / 100], max: all[count - 1] }
    }

    /// Waits for a block after this height.
    pub(super) async fn block_after(self, height: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.honest().await.1 <= height {
            assert!(Instant::now() < deadline, "no block after {height}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn write_home(dir: &Path) {
    let mut setup = Setup::new(31_337, Engine::Dev, 1_700_000_000_000);
    setup.fee_rule = FeeRule::Ethereum;
    setup.dev = true;
    setup.block_interval_ms = 200;
    let rich = keys::signer_at(0).unwrap().address();
    setup.alloc.insert(rich, U256::from(10).pow(U256::from(21)));
    let genesis = Genesis::unpegged(setup).unwrap();
    let mut config = NodeConfig::default();
    config.rpc.listen = "127.0.0.1:0".parse().unwrap();
    config.health.listen = "127.0.0.1:0".parse().unwrap();
    let home = Home::new(dir);
    home.save_config(&config).unwrap();
    std::fs::write(home.genesis(), genesis.to_json()).unwrap();
}

/// The address in the node's log.
async fn listening(child: &mut Child, log: &Path) -> SocketAddr {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        let line = text.lines().find(|line| line.contains("serving JSON-RPC"));
        if let Some(address) = line.and_then(|line| line.split("address=").nth(1)) {
            return address.trim().parse().unwrap();
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none() && Instant::now() < deadline, "the node does not serve:\n{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The head of a POST whose connection ends with the answer.
pub(super) fn head(address: SocketAddr, length: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         connection: close\r\n{length}\r\n\r\n"
    )
}

/// Head and body; what was read when the other side ends the connection hard.
pub(super) async fn answer(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match timeout(PATIENCE, stream.read(&mut buffer)).await.expect("an answer in time") {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.to_lowercase(), body.to_owned())
}

/// Opens a WebSocket; the status that the server answers, and the socket.
pub(super) async fn websocket(address: SocketAddr) -> std::io::Result<(String, TcpStream)> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let head = format!(
        "GET / HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut status = String::new();
    timeout(PATIENCE, stream.read_line(&mut status)).await.expect("a status in time")?;
    let mut line = String::from("-");
    while !line.trim().is_empty() {
        line.clear();
        timeout(PATIENCE, stream.read_line(&mut line)).await.expect("a head in time")?;
    }
    Ok((status, stream.into_inner()))
}

/// A masked text frame.
pub(super) fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 127];
    frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

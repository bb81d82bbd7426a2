//! Hostile clients against a real node: each is refused by a limit, the node's memory stays where
//! it was, and honest clients are still answered.

mod others;
mod server;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::devnet::PATIENCE;
use server::{Client, Server, answer, frame, head, request, websocket};

/// How much the node's memory may grow under any of this.
const GROWTH: u64 = 64 * 1024 * 1024;
/// How long an honest client may wait on a machine that is busy with this test as well.
const WAIT: Duration = Duration::from_secs(5);

/// The node's memory before, and a check that it is still so.
struct Memory {
    before: u64,
}

impl Memory {
    async fn of(server: &Server) -> Self {
        // The first calls fill pools and caches that stay.
        for _ in 0..50 {
            server.honest().await;
        }
        Self { before: server.resident() }
    }

    fn check(&self, server: &Server, what: &str) {
        let grown = server.resident().saturating_sub(self.before);
        println!("{what}: memory grew by {} KiB", grown / 1024);
        assert!(grown < GROWTH, "{what}: memory grew by {} KiB", grown / 1024);
    }
}

/// Asserts that an honest client is answered, and that blocks go on.
async fn honest_client_is_served(server: &Server) {
    let (wait, height) = server.honest().await;
    assert!(wait < WAIT, "waited {wait:?}");
    server.block_after(height).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_are_refused_before_they_cost_anything() {
    let server = Server::start(&[]).await;
    let memory = Memory::of(&server).await;

    let calls = vec![request("eth_blockNumber", &json!([])); 100_000];
    let calls = serde_json::to_vec(&calls[..60_000]).unwrap();
    assert!(calls.len() < 5 * 1024 * 1024, "it is refused for its calls, not its bytes");
    let (_, body) = server.post(&calls).await;
    let refused: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(refused[0]["error"], json!({ "code": -32600, "message": "batch too large" }));
    assert_eq!(refused[0]["id"], 1);

    let short = format!("[{}1]", "1,".repeat(99_999));
    let (_, body) = server.post(short.as_bytes()).await;
    assert!(body.contains("batch too large"), "{body}");
    memory.check(&server, "batches of 100,000");

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let announced = head(server.address, "content-length: 1073741824");
    stream.write_all(announced.as_bytes()).await.unwrap();
    let (status, body) = answer(&mut stream).await;
    assert!(status.starts_with("http/1.1 413"), "{status}");
    assert!(body.contains("content length too large (1073741824>5242880)"), "{body}");

    let sent = stream_endlessly(&server).await;
    assert!(sent < 64 * 1024 * 1024, "{sent} bytes were taken");
    memory.check(&server, "bodies of 1 GB");
    honest_client_is_served(&server).await;
}

/// Sends a body without a length until the server has enough; bytes sent.
async fn stream_endlessly(server: &Server) -> usize {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let start = head(server.address, "transfer-encoding: chunked");
    stream.write_all(start.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 1 << 30 && stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_errors_and_nothing_else() {
    let server = Server::start(&[]).await;
    let memory = Memory::of(&server).await;
    let deep = "[".repeat(1 << 20);
    let nested = format!("{deep}{}", "]".repeat(1 << 20));
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{nested}]}}"#);
    for body in [deep.as_str(), &nested, &call, "", "{", "nul", "\u{0}", r#"{"id":{}}"#] {
        let (_, answer) = server.post(body.as_bytes()).await;
        assert!(answer.contains("error"), "{answer:?}");
    }
    memory.check(&server, "deep nesting");

    let document = server.call("rpc.discover", json!([])).await;
    let wrong = [
        json!([{}, {}, {}, {}]),
        json!([[], [], []]),
        json!([null, null, null]),
        json!([-1, -1, -1]),
        json!([1.5, 1e300, "0x"]),
        json!([true, false]),
        json!(["0x", "latest", "0xzz"]),
        json!(["é".repeat(1000), "\u{0}"]),
        json!(["0x".to_owned() + &"f".repeat(100_000)]),
        json!({ "block": "latest" }),
        json!("latest"),
        json!(7),
    ];
    for method in document["result"]["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        for params in &wrong {
            let answer = server.call(name, params.clone()).await;
            let code = answer["error"]["code"].as_i64();
            assert_ne!(code, Some(-32603), "{name} of {params}: {answer}");
            assert!(answer.get("result").is_some() || code.is_some(), "{name}: {answer}");
        }
    }
    memory.check(&server, "wrong types");

    // HTTP/2, by which a connection would have requests beside each other: its preface, and a
    // frame of settings.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    let mut taken = Vec::new();
    let ended = tokio::time::timeout(WAIT, stream.read_to_end(&mut taken)).await;
    assert!(ended.is_ok() && !taken.starts_with(&[0]), "it was taken: {taken:?}");
    honest_client_is_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_calls_and_searches_stall_neither_blocks_nor_others() {
    let flags = ["--rpc-max-log-blocks", "3", "--rpc-max-response-bytes", "200000"];
    let server = Server::start(&flags).await;
    server.block_after(8).await;
    let memory = Memory::of(&server).await;

    let logs = server.call("eth_getLogs", json!([{ "fromBlock": "0x0" }])).await;
    assert_eq!(logs["error"]["code"], -32005, "{logs}");
    // JUMPDEST PUSH0 JUMP, and a megabyte of zeros.
    let endless = code_call("0x5b5f56");
    let large = server.call("eth_call", code_call("0x620fffff5ff3")).await;
    assert_eq!(large["error"]["code"], -32003, "{large}");
    let began = Instant::now();
    let one = server.call("eth_call", endless.clone()).await;
    println!("an endless call is over after {:?}", began.elapsed());
    assert_eq!(one["error"], json!({ "code": -32000, "message": "out of gas" }));

    let body = request("eth_call", &endless).to_string();
    let calls = (0..64).map(|_| server.post(body.as_bytes()));
    let height = request("eth_blockNumber", &json!([]));
    let quiet = server.waits(1_000, &height).await;
    let (answers, busy) = tokio::join!(futures::future::join_all(calls), async {
        honest_client_is_served(&server).await;
        server.waits(1_000, &height).await
    });
    // Printed, not asserted: a shared machine has its own pauses.
    println!("honest calls: {quiet} alone, {busy} beside endless ones");
    assert!(busy.max < WAIT, "waited {busy}");
    for (_, body) in answers {
        assert!(body.contains("out of gas") || body.contains("timed out"), "{body}");
    }
    memory.check(&server, "endless calls");
}

/// `eth_call` of an account with this code.
fn code_call(code: &str) -> Value {
    let to = "0x00000000000000000000000000000000000000cc";
    json!([{ "to": to }, "latest", { to: { "code": code } }])
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_websockets_beyond_the_limit_are_refused() {
    let server = Server::start(&["--rpc-max-connections", "256"]).await;
    let memory = Memory::of(&server).await;
    let wanted = descriptors().saturating_sub(500).min(10_000);
    let (mut open, mut refused, mut cut) = (Vec::new(), 0, 0);
    for _ in 0..wanted {
        match websocket(server.address).await {
            Ok((status, socket)) if status.starts_with("HTTP/1.1 101") => open.push(socket),
            Ok((status, _)) if status.starts_with("HTTP/1.1 429") => refused += 1,
            Ok(_) | Err(_) => cut += 1,
        }
    }
    println!("{wanted} WebSockets: {} open, {refused} refused, {cut} cut", open.len());
    assert_eq!(open.len(), 256);
    assert_eq!(open.len() + refused + cut, wanted);
    assert!(refused > 0);
    honest_client_is_served(&server).await;
    memory.check(&server, "idle WebSockets");
    // The places come back.
    drop(open);
    let mut again = websocket(server.address).await.unwrap();
    for _ in 0..100 {
        if again.0.starts_with("HTTP/1.1 101") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        again = websocket(server.address).await.unwrap();
    }
    panic!("no place came back");
}

/// How many files this process may have open.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX)
}

/// Answered with two megabytes, and with ten.
const LARGE: &str = "0x620fffff5ff3";
const LARGEST: &str = "0x624cffff5ff3";

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_are_not_read_from() {
    let server = Server::start(&[]).await;
    let memory = Memory::of(&server).await;
    let mut sockets = Vec::new();
    for code in [LARGE, LARGEST].repeat(4) {
        // What is not read would be 200 answers.
        let flood = frame(&request("eth_call", &code_call(code)).to_string()).repeat(200);
        sockets.push(flooded(server.client, &flood).await);
    }
    for _ in 0..20 {
        honest_client_is_served(&server).await;
        memory.check(&server, "slow WebSockets");
    }
    // Whoever reads is served, if another must go for it.
    honest_client_has(&server, LARGE, 2 << 20).await;
    memory.check(&server, "a large answer beside slow WebSockets");

    let mut readers = Vec::new();
    for code in [LARGE, LARGEST].repeat(50) {
        let body = request("eth_call", &code_call(code)).to_string();
        let ask = head(server.address, &format!("content-length: {}", body.len())) + &body;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(ask.as_bytes()).await.unwrap();
        readers.push(stream);
    }
    for _ in 0..20 {
        honest_client_is_served(&server).await;
        memory.check(&server, "slow HTTP clients");
    }
    honest_client_has(&server, LARGE, 2 << 20).await;
    memory.check(&server, "a large answer beside slow HTTP clients");
}

/// Asserts that an honest client has a large answer in the end: what is late must go first.
async fn honest_client_has(server: &Server, code: &str, bytes: usize) {
    let body = request("eth_call", &code_call(code)).to_string();
    let deadline = Instant::now() + PATIENCE;
    while server.post(body.as_bytes()).await.1.len() < bytes {
        assert!(Instant::now() < deadline, "no answer of {bytes} bytes");
    }
}

/// A WebSocket that was sent as much of `flood` as the server takes within a second.
async fn flooded(client: Client, flood: &[u8]) -> TcpStream {
    let (status, mut socket) = websocket(client.address).await.unwrap();
    assert!(status.starts_with("HTTP/1.1 101"), "{status}");
    drop(tokio::time::timeout(Duration::from_secs(1), socket.write_all(flood)).await);
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_never_end_take_no_memory() {
    let server = Server::start(&[]).await;
    let memory = Memory::of(&server).await;
    // The end of each is missing.
    let mut part = frame(&"x".repeat(5 * 1024 * 1024 - 1));
    part.truncate(5 * 1024 * 1024 - 1024);
    let sockets = futures::future::join_all((0..64).map(|_| flooded(server.client, &part))).await;
    for _ in 0..5 {
        honest_client_is_served(&server).await;
        memory.check(&server, "unfinished WebSocket messages");
    }
    let long = format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"none"}"#; 900].join(","));
    let (_, body) = server.post(long.as_bytes()).await;
    assert!(body.contains("-32601"), "a large request of another client: {body}");
    drop(sockets);

    let mut streams = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let start = head(server.address, "content-length: 5242880");
        stream.write_all(start.as_bytes()).await.unwrap();
        let body = vec![b' '; 5 * 1024 * 1024 - 1024];
        streams.push(tokio::spawn(async move {
            drop(tokio::time::timeout(Duration::from_secs(1), stream.write_all(&body)).await);
            stream
        }));
    }
    let streams = futures::future::join_all(streams).await;
    for _ in 0..5 {
        honest_client_is_served(&server).await;
        memory.check(&server, "unfinished bodies");
    }
    let (_, body) = server.post(long.as_bytes()).await;
    assert!(body.contains("-32601"), "a large request of another client: {body}");
    drop(streams);
}

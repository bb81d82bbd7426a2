//! JSON-RPC, one request a connection: a node that dies in the middle is an error like any other.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::{Value, json};

/// Asks a node.
///
/// # Errors
/// The node is gone or does not speak HTTP.
///
/// # Panics
/// The node answers with an error.
pub(crate) fn ask(node: SocketAddr, method: &str, params: Value) -> io::Result<Value> {
    let answer = call(node, method, params)?;
    assert_eq!(answer.get("error"), None, "{method}: {answer}");
    Ok(answer["result"].clone())
}

/// Asks a node; the whole answer, which may be an error.
///
/// # Errors
/// As [`ask`].
pub(crate) fn call(node: SocketAddr, method: &str, params: Value) -> io::Result<Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let mut stream = TcpStream::connect(node)?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no HTTP answer"))?;
    serde_json::from_str(body).map_err(io::Error::other)
}

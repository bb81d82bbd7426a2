//! Looking at a running testnet: health, heights, logs.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use mooring_client::Endpoint;
use serde::Serialize;

use crate::{Network, TestnetError, process::Table};

/// One line of `mooring testnet status`.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// `l1`, `node0`, `relayer0`, …
    pub name: String,
    /// Process id; none for somebody's L1.
    pub pid: Option<u32>,
    /// Whether the process runs.
    pub running: bool,
    /// Newest block, for a chain's node that answers.
    pub height: Option<u64>,
    /// Where to reach it.
    pub url: String,
}

/// Looks at every part.
///
/// # Errors
/// [`TestnetError::NoNetwork`] when there is no testnet in `dir`.
pub async fn parts(dir: &Path) -> Result<Vec<Part>, TestnetError> {
    let network = Network::load(dir)?;
    let table = Table::load(dir)?;
    let mut parts = Vec::new();
    let mut add = async |name: &str, url: &str, chain: bool| {
        let process = table.get(name);
        let running = process.is_some_and(|p| p.alive());
        let height = if chain { height(url).await } else { None };
        parts.push(Part {
            name: name.to_owned(),
            pid: process.filter(|_| running).map(|p| p.pid),
            running: running || (process.is_none() && height.is_some()),
            height,
            url: url.to_owned(),
        });
    };
    add("l1", &network.l1.rpc, true).await;
    for node in &network.nodes {
        add(&node.name, &node.rpc, true).await;
    }
    for relayer in &network.relayers {
        add(&relayer.name, &relayer.status, false).await;
    }
    Ok(parts)
}

async fn height(url: &str) -> Option<u64> {
    Endpoint::new(url).ok()?.block_number().await.ok()
}

/// Whether `/readyz` below `base` answers 200.
pub async fn ready(base: &str) -> bool {
    let Ok(client) = mooring_client::http::client(Duration::from_secs(2)) else { return false };
    let answer = client.get(format!("{base}/readyz")).send().await;
    answer.is_ok_and(|response| response.status().is_success())
}

/// Where the log of a process is.
pub fn log_path(dir: &Path, name: &str) -> PathBuf {
    dir.join("logs").join(format!("{name}.log"))
}

/// The last `lines` lines of a log; empty when it cannot be read.
pub fn tail(log: &Path, lines: usize) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

//! The settings of one node: `config/node.toml`.

mod snapshots;
mod store;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use crate::home::{Home, HomeError, HomeKeys};
use crate::rpc::Limits;
pub use snapshots::SnapshotConfig;
pub use store::StoreConfig;

/// The settings of one node, `config/node.toml`. Unknown keys are refused; a missing key takes
/// its default. Every listener is on the loopback interface until told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// A name for logs and metrics. Default: empty.
    pub moniker: String,
    /// The store: memory and history.
    pub store: StoreConfig,
    /// Snapshots of the state.
    pub snapshots: SnapshotConfig,
    /// JSON-RPC.
    pub rpc: RpcConfig,
    /// The gossip of transactions.
    pub p2p: P2pConfig,
    /// The embedded consensus engine.
    pub engine: EngineConfig,
    /// The mempool.
    pub mempool: MempoolConfig,
    /// `/livez`, `/readyz`, `/metrics`.
    pub health: HealthConfig,
    /// The dev engine.
    pub dev: DevConfig,
}

/// `[rpc]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Where JSON-RPC is served over HTTP and WebSocket. Default: 127.0.0.1:8545.
    pub listen: SocketAddr,
    /// Most calls in a batch. Default: 1,000.
    pub max_batch: u32,
    /// Most bytes of a request. Default: 5 MiB.
    pub max_request_bytes: u32,
    /// Most bytes of an answer. Default: 10 MiB.
    pub max_response_bytes: u32,
    /// Most WebSockets at once, and most HTTP connections at once. Default: 512.
    pub max_connections: u32,
    /// Most subscriptions of a connection. Default: 128.
    pub max_subscriptions: u32,
    /// Longest time that a call may take, in milliseconds. Default: 10,000.
    pub call_timeout_ms: u64,
    /// Executions, searches and proofs that run at once. Default: half of the processors.
    pub max_heavy_calls: usize,
    /// Most blocks of a log query. Default: 10,000.
    pub max_log_blocks: u64,
    /// Most logs in an answer. Default: 10,000.
    pub max_logs: usize,
    /// Most gas of a call that is not sent. Default: 50,000,000.
    pub gas_cap: u64,
}

impl RpcConfig {
    /// The server's bounds.
    pub fn limits(&self) -> Limits {
        Limits {
            batch: self.max_batch,
            request_bytes: self.max_request_bytes,
            response_bytes: self.max_response_bytes,
            connections: self.max_connections,
            subscriptions: self.max_subscriptions,
            call_time: Duration::from_millis(self.call_timeout_ms),
            heavy_calls: self.max_heavy_calls,
            log_blocks: self.max_log_blocks,
            logs: self.max_logs,
            call_gas: self.gas_cap,
            ..Limits::default()
        }
    }
}

/// `[p2p]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct P2pConfig {
    /// The multiaddr where transaction gossip listens. Default: /ip4/127.0.0.1/tcp/26657.
    pub listen: String,
    /// Multiaddrs of peers, each ending in /p2p/PEER_ID. Default: none.
    pub peers: Vec<String>,
}

/// `[engine]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// The multiaddr where consensus listens. Default: /ip4/127.0.0.1/tcp/26656.
    pub listen: String,
    /// Multiaddrs of peers, each ending in /p2p/PEER_ID. Default: none.
    pub peers: Vec<String>,
    /// Refuses connections from anyone who is not in `peers`. Default: false.
    pub persistent_peers_only: bool,
}

/// `[mempool]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MempoolConfig {
    /// The lowest fee cap accepted from users, in wei a gas, where it is above the genesis floor of
    /// the base fee. Default: 0.
    pub min_fee_wei: u64,
}

/// `[health]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// Where /livez, /readyz and /metrics are served. Default: 127.0.0.1:26660.
    pub listen: SocketAddr,
}

/// `[dev]`: used only when the genesis names the dev engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DevConfig {
    /// Seals at once when a transaction arrives, and only then. Default: false, which seals every
    /// `block_interval` of the genesis.
    pub seal_on_arrival: bool,
    /// Blocks between the newest block and `finalized`; a restart drops those. Default: 0.
    pub finality_lag: u64,
}

impl NodeConfig {
    /// The text of `node.toml`: every key with its meaning. It parses to the same settings.
    ///
    /// # Panics
    /// Never: text, numbers and lists are always TOML values.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("# The settings of this node. Unknown keys are refused.\n\n");
        let mut table = "";
        for (section, key, meaning, value) in self.entries() {
            if section != table {
                text.push_str(&format!("\n[{section}]\n"));
                table = section;
            }
            text.push_str(&format!("# {meaning}\n{key} = {value}\n"));
        }
        text
    }

    fn entries(&self) -> Vec<Entry> {
        let Self { moniker, store, snapshots, rpc, p2p, engine, mempool, health, dev } = self;
        let mut entries = vec![("", "moniker", "A name for logs and metrics.", text(moniker))];
        entries.extend(store.entries());
        entries.extend(snapshots.entries());
        entries.extend(rpc.entries());
        entries.extend([
            ("p2p", "listen", "The multiaddr where transaction gossip listens.", text(&p2p.listen)),
            (
                "p2p",
                "peers",
                "Multiaddrs of peers, each ending in /p2p/<peer id>.",
                list(&p2p.peers),
            ),
            ("engine", "listen", "The multiaddr where consensus listens.", text(&engine.listen)),
            (
                "engine",
                "peers",
                "Multiaddrs of peers, each ending in /p2p/<peer id>.",
                list(&engine.peers),
            ),
            (
                "engine",
                "persistent_peers_only",
                "Refuses connections from anyone who is not in peers.",
                engine.persistent_peers_only.into(),
            ),
            (
                "mempool",
                "min_fee_wei",
                "The lowest fee cap accepted, in wei a gas, where it is above the genesis floor.",
                number(mempool.min_fee_wei),
            ),
            (
                "health",
                "listen",
                "Where /livez, /readyz and /metrics are served.",
                text(&health.listen),
            ),
            (
                "dev",
                "seal_on_arrival",
                "Dev engine only: seals when a transaction arrives, and only then.",
                dev.seal_on_arrival.into(),
            ),
            (
                "dev",
                "finality_lag",
                "Dev engine only: blocks between the newest and `finalized`; lost at a restart.",
                number(dev.finality_lag),
            ),
        ]);
        entries
    }
}

/// Section, key, meaning, value.
type Entry = (&'static str, &'static str, &'static str, toml::Value);

impl RpcConfig {
    fn entries(&self) -> [Entry; 11] {
        let entry = |key, meaning, value| ("rpc", key, meaning, value);
        let count = |value: usize| number(value as u64);
        [
            entry(
                "listen",
                "Where JSON-RPC is served over HTTP and WebSocket.",
                text(&self.listen),
            ),
            entry("max_batch", "Most calls in a batch.", number(self.max_batch.into())),
            entry(
                "max_request_bytes",
                "Most bytes of a request.",
                number(self.max_request_bytes.into()),
            ),
            entry(
                "max_response_bytes",
                "Most bytes of an answer.",
                number(self.max_response_bytes.into()),
            ),
            entry(
                "max_connections",
                "Most WebSockets at once, and most HTTP connections at once.",
                number(self.max_connections.into()),
            ),
            entry(
                "max_subscriptions",
                "Most subscriptions of a connection.",
                number(self.max_subscriptions.into()),
            ),
            entry(
                "call_timeout_ms",
                "Longest time that a call may take, in milliseconds.",
                number(self.call_timeout_ms),
            ),
            entry(
                "max_heavy_calls",
                "Executions, searches and proofs that run at once.",
                count(self.max_heavy_calls),
            ),
            entry("max_log_blocks", "Most blocks of a log query.", number(self.max_log_blocks)),
            entry("max_logs", "Most logs in an answer.", count(self.max_logs)),
            entry("gas_cap", "Most gas of a call that is not sent.", number(self.gas_cap)),
        ]
    }
}

fn text(value: &dyn ToString) -> toml::Value {
    toml::Value::from(value.to_string())
}

fn number(value: u64) -> toml::Value {
    toml::Value::from(i64::try_from(value).unwrap_or(i64::MAX))
}

fn list(values: &[String]) -> toml::Value {
    toml::Value::from(values.to_vec())
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Default for RpcConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            listen: local(8545),
            max_batch: limits.batch,
            max_request_bytes: limits.request_bytes,
            max_response_bytes: limits.response_bytes,
            max_connections: limits.connections,
            max_subscriptions: limits.subscriptions,
            call_timeout_ms: u64::try_from(limits.call_time.as_millis()).unwrap_or(u64::MAX),
            max_heavy_calls: limits.heavy_calls,
            max_log_blocks: limits.log_blocks,
            max_logs: limits.logs,
            gas_cap: limits.call_gas,
        }
    }
}

impl Default for P2pConfig {
    fn default() -> Self {
        Self { listen: "/ip4/127.0.0.1/tcp/26657".to_owned(), peers: Vec::new() }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            listen: "/ip4/127.0.0.1/tcp/26656".to_owned(),
            peers: Vec::new(),
            persistent_peers_only: false,
        }
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { listen: local(26660) }
    }
}

#[cfg(test)]
mod tests;

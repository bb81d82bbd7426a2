//! `/livez`, `/readyz` and `/metrics`: what an operator, a supervisor and Prometheus ask.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use mooring_malachite::EngineStatus;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::application::Chain;
use crate::mempool::Mempool;
use crate::p2p::GossipHandle;

/// The least age at which the newest block counts as old, whatever the block interval.
const LEAST_STALE: Duration = Duration::from_secs(10);
/// Block intervals without a block after which the chain counts as stalled.
const STALE_INTERVALS: u32 = 20;

/// What the health endpoints look at.
#[derive(Clone, Debug)]
pub struct Health {
    /// The chain.
    pub chain: Chain,
    /// The mempool.
    pub pool: Mempool,
    /// Transaction gossip, where there is any.
    pub gossip: Option<GossipHandle>,
    /// The embedded engine, where there is one.
    pub engine: Option<watch::Receiver<EngineStatus>>,
    /// How often blocks are expected; `None` when they come on demand.
    pub block_interval: Option<Duration>,
    /// Whether consensus needs others.
    pub needs_peers: bool,
}

/// Why a node is not ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No block of its own chain yet.
    #[error("no block yet: consensus has not decided height 1")]
    NoBlock,
    /// The newest block is old: the node is syncing, cut off, or the chain stands still.
    #[error(
        "newest block {height} is {age_secs} s old: the node is syncing, cut off, or the chain stalls"
    )]
    Stale {
        /// The newest height.
        height: u64,
        /// Its age in seconds.
        age_secs: u64,
    },
    /// No peer of the consensus engine.
    #[error("no consensus peer is connected; check [engine] peers in node.toml")]
    NoPeers,
}

impl Health {
    /// Everything that keeps the node from serving the newest state at `now`, a Unix time.
    pub fn reasons(&self, now: Duration) -> Vec<NotReady> {
        let mut reasons = Vec::new();
        let view = self.chain.store.latest();
        let height = view.number();
        match self.block_interval {
            Some(_) if height == 0 => reasons.push(NotReady::NoBlock),
            Some(interval) => {
                let age = now.saturating_sub(Duration::from_secs(view.header().timestamp));
                if age > LEAST_STALE.max(interval.saturating_mul(STALE_INTERVALS)) {
                    reasons.push(NotReady::Stale { height, age_secs: age.as_secs() });
                }
            }
            None => {}
        }
        if self.needs_peers && self.engine_status().is_some_and(|status| status.peers == 0) {
            reasons.push(NotReady::NoPeers);
        }
        reasons
    }

    fn engine_status(&self) -> Option<EngineStatus> {
        self.engine.as_ref().map(|status| *status.borrow())
    }

    /// The metrics in Prometheus' text format.
    pub fn metrics(&self) -> String {
        let view = self.chain.store.latest();
        let (pending, queued) = self.pool.status();
        let mut text = String::new();
        let mut gauge = |name: &str, help: &str, value: u64| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        };
        gauge("mooring_height", "Height of the newest block.", view.number());
        gauge(
            "mooring_finalized_height",
            "Height of the newest block that cannot be dropped.",
            view.finalized_number(),
        );
        gauge(
            "mooring_block_timestamp_seconds",
            "Unix time of the newest block.",
            view.header().timestamp,
        );
        gauge("mooring_block_gas_used", "Gas used by the newest block.", view.header().gas_used);
        gauge(
            "mooring_base_fee_wei",
            "Base fee of the newest block, in wei a gas.",
            view.header().base_fee_per_gas.unwrap_or_default(),
        );
        gauge("mooring_exits", "Exits made since genesis.", view.tip().exit_count);
        gauge("mooring_pool_pending", "Transactions the next block could take.", pending as u64);
        gauge("mooring_pool_queued", "Transactions that wait for a lower nonce.", queued as u64);
        if let Some(gossip) = &self.gossip {
            let peers = gossip.peer_count() as u64;
            gauge("mooring_gossip_peers", "Connected peers of transaction gossip.", peers);
        }
        if let Some(engine) = self.engine_status() {
            gauge("mooring_engine_peers", "Connected consensus peers.", engine.peers as u64);
            gauge("mooring_engine_height", "Height being decided.", engine.height);
            gauge("mooring_engine_round", "Round at that height.", engine.round.into());
            gauge(
                "mooring_engine_equivocations",
                "Equivocations seen since the start.",
                engine.equivocations,
            );
        }
        text
    }
}

/// Serves the endpoints until cancelled.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(health));
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let reasons: Vec<String> = health.reasons(now).iter().map(ToString::to_string).collect();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({
        "ready": reasons.is_empty(),
        "height": health.chain.store.latest().number(),
        "reasons": reasons,
    });
    (status, Json(body)).into_response()
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], health.metrics()).into_response()
}

#[cfg(test)]
mod tests;

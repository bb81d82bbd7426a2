//! What one client may ask for.

use std::time::Duration;

/// Bounds of the RPC server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a request.
    pub request_bytes: u32,
    /// Most bytes of an answer.
    pub response_bytes: u32,
    /// Most calls in a batch.
    pub batch: u32,
    /// Most WebSockets at once, and most HTTP connections at once.
    pub connections: u32,
    /// Most subscriptions of a connection.
    pub subscriptions: u32,
    /// Longest time that a call may take.
    pub call_time: Duration,
    /// Most installed polling filters.
    pub filters: usize,
    /// Most blocks of a log search.
    pub log_blocks: u64,
    /// Most logs in an answer.
    pub logs: usize,
    /// Most gas of a call that is not sent, whatever its caller asks for.
    pub call_gas: u64,
    /// Most blocks of a fee history.
    pub fee_history: u64,
    /// Most slots of a storage proof.
    pub proof_slots: usize,
    /// Most exits of `peg_exits`.
    pub exits: u64,
    /// Executions, searches and proofs that run at once; others wait.
    pub heavy_calls: usize,
    /// Other calls that run at once.
    pub light_calls: usize,
    /// Longest wait of `eth_sendRawTransactionSync`.
    pub sync_wait: Duration,
    /// Longest time in which a client must take a part of an answer, or send one of a request.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 5 * 1024 * 1024,
            response_bytes: 10 * 1024 * 1024,
            batch: 1_000,
            connections: 512,
            subscriptions: 128,
            call_time: Duration::from_secs(10),
            filters: 1_024,
            log_blocks: 10_000,
            logs: 10_000,
            call_gas: 50_000_000,
            fee_history: 1_024,
            proof_slots: 1_024,
            exits: 1_000,
            heavy_calls: heavy_calls(),
            light_calls: 16,
            sync_wait: Duration::from_secs(20),
            stall: Duration::from_secs(30),
        }
    }
}

/// Half of the processors: consensus keeps the other half.
fn heavy_calls() -> usize {
    std::thread::available_parallelism().map_or(1, |all| (all.get() / 2).max(1))
}

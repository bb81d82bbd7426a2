//! What a running engine tells about itself.

/// A snapshot of the engine, published through a `tokio::sync::watch` channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStatus {
    /// Connected peers.
    pub peers: usize,
    /// The last decided and committed height, 0 before the first.
    pub decided_height: u64,
    /// The round that decided it.
    pub decided_round: u32,
    /// The height being decided, 0 before consensus starts.
    pub height: u64,
    /// The round being run at that height.
    pub round: u32,
    /// Heights at which somebody equivocated, counted since the start.
    pub equivocations: u64,
}

/// All series of the engine's own metrics, in Prometheus' text format.
pub fn metrics() -> String {
    let mut text = String::new();
    arc_malachitebft_app::metrics::export(&mut text);
    text
}

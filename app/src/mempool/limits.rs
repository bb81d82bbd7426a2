//! The pool's bounds: nobody outside decides how much memory it takes.

/// The largest transaction or federation message accepted, in bytes (geth's `txMaxSize`).
pub use mooring_stf::check::MAX_TX_BYTES;

/// Bounds of the pool. Sizes are those of the encoded transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most bytes of Ethereum transactions.
    pub max_bytes: usize,
    /// Most Ethereum transactions.
    pub max_count: usize,
    /// Most transactions of one sender.
    pub max_per_sender: usize,
    /// How far above the sender's next nonce a transaction may be.
    pub max_nonce_gap: u64,
    /// A replacement pays at least this many per cent more, on both fee fields.
    pub replacement_percent: u128,
    /// Lowest fee cap accepted, in wei a gas: no block ever has a lower base fee.
    pub min_fee: u128,
    /// Most bytes of federation messages; Ethereum transactions take nothing from it.
    pub lane_bytes: usize,
    /// Most federation messages.
    pub lane_count: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024 * 1024,
            max_count: 65_536,
            max_per_sender: 1_024,
            max_nonce_gap: 64,
            replacement_percent: 10,
            min_fee: 0,
            lane_bytes: 16 * 1024 * 1024,
            lane_count: 4_096,
        }
    }
}

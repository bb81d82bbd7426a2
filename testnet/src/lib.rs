//! Breaks the rest: a network with one command, its faults and its end-to-end tests.
//!
//! Everything runs as real processes on this machine: an L1, the `mooring` binary as validators
//! and relayers. A testnet is a directory; commands find it there, whoever started it.

pub mod deploy;
pub mod error;
pub mod files;
pub mod homes;
pub mod keys;
pub mod l1;
pub mod network;
pub mod ports;
pub mod process;
pub mod status;
pub mod up;

pub use error::TestnetError;
pub use l1::L1Choice;
pub use network::Network;

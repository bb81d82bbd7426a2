//! Integration tests of the whole: structure here, scenarios with real processes beside it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a test speaks by failing, and prints what it did"
)]

mod architecture;
mod devnet;
mod faults;
mod hostile;
mod peg_loop;
mod snapshot;

//! Durability: what power cuts, broken disks and flipped bytes leave behind.
//!
//! One run of a program under the shim gives a trace. From it a test works out what a power cut at
//! any step would have left on disk, makes that directory, and opens it: thousands of cuts for one
//! run. `MOORING_SEEDS` sets how many (a multiple of 10), `MOORING_SEED` runs a single one.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test speaks by failing, and prints what it did"
)]

mod chain;
mod child;
mod codec;
mod disk;
mod flips;
mod node;
mod process;
mod rpc;
mod seeds;
mod snapshot;
mod store;
#[allow(unreachable_pub, reason = "public in the shim, whose file it is")]
#[path = "../../src/trace.rs"]
mod trace;

#![allow(clippy::unwrap_used, reason = "tests")]

mod bench;
mod ethereum;
mod network;
mod peg;

#![allow(clippy::unwrap_used, reason = "tests")]

mod bench;
mod ethereum;
mod extras;
mod network;
mod peg;

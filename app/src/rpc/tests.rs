#![allow(clippy::unwrap_used, reason = "tests")]

mod bench;
mod debug;
mod ethereum;
mod extras;
mod network;
mod peg;
mod restored;

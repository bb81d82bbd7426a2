//! Tests of the peg's state machine, over slots in memory and real secp256k1 keys.
#![allow(clippy::unwrap_used, reason = "tests")]

mod checkpoints;
mod deposits;
mod heads;
mod property;
mod world;

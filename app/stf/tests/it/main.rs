//! Blocks on a state in memory, with the contracts as they are deployed.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod calls;
mod decoding;
mod deposits;
mod fees;
mod golden;
mod parts;
mod refusals;
mod roots;
mod simulations;
mod supply;
mod traces;
mod world;

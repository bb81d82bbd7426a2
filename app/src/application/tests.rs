#![allow(clippy::unwrap_used, reason = "tests")]

mod blocks;
mod peg;
mod proposals;
pub(crate) mod rig;

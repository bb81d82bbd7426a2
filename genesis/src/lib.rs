//! Height zero: the genesis document, its checks, its builder. Data only.
//!
//! A chain is born in this order: the [`Setup`] (chain id, members, limits) is agreed on; the Vault
//! is constructed from it on L1; the [`Genesis`] is the setup with the [`L1Section`] that names the
//! Vault; nodes start. So the setup's hash binds every signature of the peg to this chain without
//! the Vault having to know its own address beforehand.
//!
//! This crate must not know about files, sockets or engines: it reads and writes text.

mod canonical;
mod check;
mod document;
mod error;
mod fields;
mod setup;
mod strict;
#[cfg(test)]
mod tests;

pub use check::ANVIL_ACCOUNTS;
pub use document::{Genesis, L1Section, Peg};
pub use error::GenesisError;
pub use mooring_bridge;
pub use setup::{CheckpointParams, Engine, FeeRule, PublicKey, Setup, Validator};

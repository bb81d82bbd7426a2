//! Typed access to both chains, for the relayer, the testnet and the command line.
//!
//! An [`Endpoint`] is one JSON-RPC server of either chain; [`peg`] names what the sidechain's
//! `peg_*` methods answer; [`Wallet`] signs, sends and waits; [`actions`] are the user's verbs.
//! Nothing here decides about the peg: what is read is a hint until the reader has proved it.

pub mod actions;
pub mod endpoint;
pub mod error;
pub mod http;
pub mod peg;
pub mod proof;
pub mod transfer;
pub mod wallet;

pub use endpoint::Endpoint;
pub use error::{ClientError, Verdict};
pub use wallet::Wallet;

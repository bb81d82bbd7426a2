//! The node: store, application, engines, mempool, gossip, RPC and their wiring.
//!
//! ```text
//! engine (Malachite, CometBFT or dev) -> application -> stf
//!                                        |   ^
//!                                   store    mempool <- p2p, rpc
//! ```
//!
//! [`node::Node::start`] wires all of it from a home directory. Outside the engine modules nothing
//! names an engine's type; readers see the chain through [`store::View`] alone.

pub mod application;
pub mod config;
pub mod dev;
pub mod health;
pub mod home;
mod log;
pub mod mempool;
pub mod node;
pub mod p2p;
pub mod replay;
pub mod rpc;
pub mod snapshot;
pub mod store;
mod tasks;

//! The embedded consensus engine: Malachite, driving an ABCI 2.0 application.
//!
//! This is the only crate that names Malachite's types, and the generic engine is
//! compiled here alone. Towards the application it behaves as CometBFT v0.38 does:
//! - consensus blocks, headers, commits and evidence are CometBFT's own objects, hashed
//!   as CometBFT hashes them (`block`);
//! - votes and proposals are signed over CometBFT's canonical bytes (`canonical`), so
//!   that a CometBFT light client can verify a commit of this chain. Since Malachite
//!   rebuilds votes from (height, round, value), every vote for a block carries that
//!   block's time as its timestamp, and a vote for nil the Unix epoch;
//! - validator updates returned at height H take effect at H+2;
//! - keys are in CometBFT's files ([`keys`]), and a guard file refuses double signs ([`guard`]).
//!
//! Two deviations: the block time is the builder's clock (strictly after the parent's, not
//! a median of votes), and the proposer is chosen by a stateless weighted rotation
//! (`context::rotation`).
//!
//! Start with [`run`]; it returns only when cancelled or when the node must stop.

mod block;
mod canonical;
pub mod checkpoint;
mod codec;
pub mod config;
mod context;
mod engine;
pub mod error;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
pub mod guard;
mod handshake;
mod host;
pub mod keys;
mod settings;
mod signing;
pub mod status;

pub use config::{Config, Genesis, GenesisValidator};
pub use engine::run;
pub use error::{EXIT_DOUBLE_SIGN, EngineError};
pub use keys::{KeyError, NodeKey, PrivValidatorKey};
pub use status::{EngineStatus, metrics};

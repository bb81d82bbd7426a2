//! What both chains agree on, byte for byte: types, digests, trees and contract bindings.
//!
//! Normative text: `bridge/docs/spec.md`; each module names its section. Every function here is
//! pure. This crate must not know about sockets, files, clocks, floats, async run times or
//! unordered maps; `clippy.toml` beside it enforces that.
//!
//! The encodings are checked from Rust and from Solidity against `bridge/vectors.json`.

pub mod addresses;
pub mod apphash;
pub mod contracts;
pub mod deposit;
pub mod domain;
pub mod exit;
pub mod federation;
pub mod members;
pub mod proof;
pub mod rpc;
pub mod signature;
pub mod signed;
pub mod slots;
pub mod system_tx;
pub mod types;
mod words;

pub use alloy_primitives;
pub use deposit::{Head, Leaf};
pub use domain::Domain;
pub use exit::{Exit, Frontier};
pub use federation::FederationMessage;
pub use members::{Member, MemberList};
pub use signature::{Signature, SignatureError};
pub use signed::{Checkpoint, DepositHead, FederationUpdate, SignedStruct};
pub use system_tx::SystemTx;
pub use types::{Asset, Count, Epoch, ExitIndex, Height, NATIVE};

//! CometBFT's block: how it is hashed, built and checked.

mod build;
mod check;
mod commit;
mod evidence;
mod hash;
mod state;

#[cfg(test)]
mod tests;

pub(crate) use build::{Proposing, build, empty_commit, max_tx_bytes};
pub(crate) use check::{InvalidBlock, ParsedBlock};
pub(crate) use commit::{commit_info, commit_of, extended_commit_info, verify_commit};
pub(crate) use evidence::{
    Offence, duplicate_vote, evidence_key, misbehavior, offence_height, verify_duplicate_vote,
};
pub(crate) use hash::{consensus_hash, results_hash};
pub(crate) use state::{ChainParams, ChainState};

/// CometBFT's block protocol version in v0.38 (`version/version.go`).
pub(crate) const BLOCK_PROTOCOL: u64 = 11;

//! What the engine of another node must know to go on above a height: for snapshots.
//!
//! A checkpoint is the same on every node: the decided block and the state after it. The
//! certificate that decided the block is not (it holds whichever signatures a node saw), so it
//! travels beside it, and proves itself.

use arc_malachitebft_app::types::core::ExtendedCommitCertificate;
use bytes::Bytes;
use mooring_abci::Fault;
use prost::Message as _;

use crate::block::{ParsedBlock, commit_of, verify_commit};
use crate::codec::Wire as _;
use crate::config::GenesisValidator;
use crate::context::{Context, Height, ValidatorSet};
use crate::host::{STATE, StateRecord, encode_set, set_name};

#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(message, optional, tag = "1")]
    state: Option<StateRecord>,
    #[prost(bytes = "bytes", tag = "2")]
    block: Bytes,
}

/// What a checkpoint is made of, as the consensus store holds it.
pub struct Kept<'a> {
    /// The block decided at the height.
    pub block: Bytes,
    /// The block decided above it; `None` at the tip.
    pub next: Option<Bytes>,
    /// The engine's record of this name.
    pub record: &'a Lookup<'a>,
}

/// Reads a record by its name.
pub type Lookup<'a> = dyn Fn(&[u8]) -> Result<Option<Bytes>, Fault> + 'a;

impl std::fmt::Debug for Kept<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("has_next", &self.next.is_some()).finish_non_exhaustive()
    }
}

/// The checkpoint of a height, in an encoding of this crate.
///
/// # Errors
/// The records cannot be read or are damaged.
pub fn make(kept: Kept<'_>) -> Result<Bytes, Fault> {
    let attempt = "read the engine's state for a snapshot";
    let parse = |block| ParsedBlock::parse(block).map_err(|e| Fault::from_cause(attempt, e));
    let block = parse(kept.block)?;
    let state = match kept.next {
        // The next header commits to the state; at the tip it has a record.
        Some(next) => StateRecord::between(&block, &parse(next)?),
        None => {
            let found = (kept.record)(STATE)?.ok_or_else(|| Fault::new(attempt))?;
            StateRecord::decode(found).map_err(|e| Fault::from_cause(attempt, e))?
        }
    };
    let (expected, found) = (block.height().get(), state.height);
    if expected != found {
        return Err(Fault::new(format!("{attempt}: it is of height {found}, not {expected}")));
    }
    let record = Record { state: Some(state), block: block.bytes().clone() };
    Ok(record.encode_to_vec().into())
}

/// What a checkpoint is checked against: all of it known apart from the snapshot.
#[derive(Clone, Debug)]
pub struct Trusted<'a> {
    /// The consensus chain id.
    pub chain_id: &'a str,
    /// The height of the snapshot.
    pub height: u64,
    /// The application's hash after it.
    pub app_hash: [u8; 32],
    /// The validators that this hash commits to.
    pub validators: &'a [GenesisValidator],
}

/// What a consensus store must hold for the engine to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The block decided at the height.
    pub block: Bytes,
    /// The engine's records by name.
    pub records: Vec<(Vec<u8>, Bytes)>,
}

/// A checkpoint, or its certificate, is not of the chain that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Untrusted(String);

fn untrusted(reason: impl Into<String>) -> Untrusted {
    Untrusted(reason.into())
}

/// Checks a checkpoint that [`make`] made somewhere. `certificate` is as a consensus store holds
/// it; without one the block's id is the word of whoever made the checkpoint, which can stop this
/// node at the next height, and no more: later blocks come with certificates of their own.
///
/// # Errors
/// What differs from what is trusted.
pub fn restore(
    checkpoint: &Bytes,
    certificate: Option<&Bytes>,
    trusted: &Trusted<'_>,
) -> Result<Restored, Untrusted> {
    let record = Record::decode(checkpoint.clone());
    let Record { state, block } = record.map_err(|_| untrusted("it is no protobuf"))?;
    let state = state.ok_or_else(|| untrusted("it holds no state"))?;
    let block = ParsedBlock::parse(block).map_err(|e| untrusted(e.to_string()))?;
    let validators = trusted.validators.iter().map(|v| (v.pub_key, v.power));
    let set = ValidatorSet::new(validators).map_err(|e| untrusted(e.to_string()))?;
    check_state(&state, &set, trusted)?;
    let header = block.header();
    if block.height() != Height::new(trusted.height) || header.chain_id != trusted.chain_id {
        return Err(untrusted("its block is of another height or chain"));
    }
    if header.validators_hash != set.hash() {
        return Err(untrusted("its block is of another validator set"));
    }
    if let Some(certificate) = certificate {
        check_certificate(certificate, &block, &set, trusted)?;
    }
    let name = set_name(&set.hash());
    let records = vec![(STATE.to_vec(), state.encode_to_vec().into()), (name, encode_set(&set))];
    Ok(Restored { block: block.bytes().clone(), records })
}

/// All three sets must be the one that the application's hash commits to: the others hang on the
/// word of whoever made the checkpoint.
fn check_state(
    state: &StateRecord,
    set: &ValidatorSet,
    trusted: &Trusted<'_>,
) -> Result<(), Untrusted> {
    if state.height != trusted.height || state.app_hash != trusted.app_hash.as_slice() {
        return Err(untrusted("its state is of another height or app hash"));
    }
    if state.last_results_hash.len() != trusted.app_hash.len() {
        return Err(untrusted("its hash of results is malformed"));
    }
    let sets = [&state.last_validators, &state.validators, &state.next_validators];
    if sets.iter().any(|hash| **hash != set.hash().as_slice()) {
        return Err(untrusted("its validators are not those that the app hash commits to"));
    }
    Ok(())
}

fn check_certificate(
    certificate: &Bytes,
    block: &ParsedBlock,
    set: &ValidatorSet,
    trusted: &Trusted<'_>,
) -> Result<(), Untrusted> {
    let malformed = |_| untrusted("its certificate is malformed");
    let certificate = ExtendedCommitCertificate::<Context>::from_bytes(certificate.clone());
    let commit = commit_of(&certificate.map_err(malformed)?, set);
    let checked = verify_commit(trusted.chain_id, &commit, block.height(), block.id(), set);
    checked.map_err(|reason| untrusted(format!("its certificate does not hold: {reason}")))
}

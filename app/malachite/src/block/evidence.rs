//! Evidence of double votes, as CometBFT's `DuplicateVoteEvidence`.

use arc_malachitebft_app::types::core::{NilOrVal, Round, SignedVote};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tendermint_proto::v0_38::abci::{Misbehavior, MisbehaviorType, Validator as AbciValidator};
use tendermint_proto::v0_38::types::{self as pb, DuplicateVoteEvidence, evidence::Sum};

use super::hash::piece_bytes;
use crate::canonical::vote_sign_bytes;
use crate::codec::Wire;
use crate::context::{BlockRef, BlockTime, Context, ValidatorSet};

/// Where an offence was committed: what evidence is verified against.
#[derive(Clone, Debug)]
pub(crate) struct Offence {
    /// The set of the height of the votes.
    pub(crate) set: ValidatorSet,
    /// The time of the block decided at that height.
    pub(crate) time: BlockTime,
}

/// The hash that names a piece of evidence.
pub(crate) fn evidence_key(piece: &pb::Evidence) -> [u8; 32] {
    Sha256::digest(piece_bytes(piece)).into()
}

/// The evidence of two conflicting votes; `None` when they do not conflict or the voter was
/// not in the set.
pub(crate) fn duplicate_vote(
    one: &SignedVote<Context>,
    other: &SignedVote<Context>,
    offence: &Offence,
) -> Option<pb::Evidence> {
    let (index, validator) = offence.set.find(&one.message.address)?;
    let (first, second) = if order(one) < order(other) { (one, other) } else { (other, one) };
    let index = i32::try_from(index).ok()?;
    let vote = |vote: &SignedVote<Context>| {
        let vote = vote.to_proto().ok()?;
        Some(pb::Vote { validator_index: index, ..vote })
    };
    let evidence = DuplicateVoteEvidence {
        vote_a: Some(vote(first)?),
        vote_b: Some(vote(second)?),
        total_voting_power: offence.set.total_power_i64(),
        validator_power: validator.power_i64(),
        timestamp: Some(offence.time.to_proto()),
    };
    Some(pb::Evidence { sum: Some(Sum::DuplicateVoteEvidence(evidence)) })
}

/// CometBFT orders the two votes by block id, nil first.
fn order(vote: &SignedVote<Context>) -> Option<BlockRef> {
    match vote.message.value {
        NilOrVal::Val(block) => Some(block),
        NilOrVal::Nil => None,
    }
}

/// The height of the votes, for finding the [`Offence`].
pub(crate) fn offence_height(piece: &pb::Evidence) -> Option<u64> {
    let Some(Sum::DuplicateVoteEvidence(evidence)) = &piece.sum else { return None };
    u64::try_from(evidence.vote_a.as_ref()?.height).ok()
}

/// Checks evidence fully: two valid signatures of one validator for different values in one
/// step, and the powers and time of that height.
pub(crate) fn verify_duplicate_vote(
    chain_id: &str,
    piece: &pb::Evidence,
    offence: &Offence,
) -> Result<(), &'static str> {
    let Some(Sum::DuplicateVoteEvidence(evidence)) = &piece.sum else {
        return Err("evidence is not of a duplicate vote");
    };
    let vote = |vote: &Option<pb::Vote>| {
        let vote = vote.clone().ok_or("evidence lacks a vote")?;
        SignedVote::<Context>::from_proto(vote).map_err(|_| "evidence holds a malformed vote")
    };
    let (one, other) = (vote(&evidence.vote_a)?, vote(&evidence.vote_b)?);
    let (_, validator) =
        offence.set.find(&one.message.address).ok_or("evidence is about no validator")?;
    if !conflicting(&one, &other) {
        return Err("evidence holds votes that do not conflict");
    }
    for vote in [&one, &other] {
        let bytes = vote_sign_bytes(chain_id, &vote.message);
        if !vote.signature.verify(validator.key(), &bytes) {
            return Err("evidence holds an invalid signature");
        }
    }
    // Rebuilding leaves one valid encoding for an offence, so it cannot be punished twice.
    if duplicate_vote(&one, &other, offence).as_ref() != Some(piece) {
        return Err("evidence differs from its canonical form");
    }
    Ok(())
}

fn conflicting(one: &SignedVote<Context>, other: &SignedVote<Context>) -> bool {
    let step = |vote: &SignedVote<Context>| {
        let vote = &vote.message;
        (vote.address, vote.height, vote.round, vote.kind)
    };
    step(one) == step(other)
        && one.message.value != other.message.value
        && one.message.round != Round::Nil
}

/// The evidence as the application is told about it. `piece` has been verified or decided.
pub(crate) fn misbehavior(piece: &pb::Evidence) -> Option<Misbehavior> {
    let Some(Sum::DuplicateVoteEvidence(evidence)) = &piece.sum else { return None };
    let vote = evidence.vote_a.as_ref()?;
    Some(Misbehavior {
        r#type: MisbehaviorType::DuplicateVote.into(),
        validator: Some(AbciValidator {
            address: Bytes::copy_from_slice(&vote.validator_address),
            power: evidence.validator_power,
        }),
        height: vote.height,
        time: evidence.timestamp,
        total_voting_power: evidence.total_voting_power,
    })
}

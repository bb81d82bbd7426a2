//! Commits: a certificate laid out as CometBFT's `Commit`.

use std::collections::BTreeMap;

use arc_malachitebft_app::types::core::{ExtendedCommitCertificate, NilOrVal, Round, VoteType};
use bytes::Bytes;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::abci::{
    CommitInfo, ExtendedCommitInfo, ExtendedVoteInfo, Validator as AbciValidator, VoteInfo,
};
use tendermint_proto::v0_38::types::{BlockIdFlag, Commit, CommitSig};

use crate::canonical::vote_sign_bytes;
use crate::context::{BlockRef, Context, Height, Signature, Validator, ValidatorSet, Vote};

/// Go's zero time, which absent signatures carry.
const GO_ZERO_TIME: Timestamp = Timestamp { seconds: -62_135_596_800, nanos: 0 };

/// The commit of a certificate: one entry per validator of the set, in its order.
pub(crate) fn commit_of(
    certificate: &ExtendedCommitCertificate<Context>,
    set: &ValidatorSet,
) -> Commit {
    let signatures: BTreeMap<_, _> =
        certificate.commit_signatures.iter().map(|s| (s.address, s.signature)).collect();
    let time = certificate.value_id.time.to_proto();
    let entry = |validator: &Validator| match signatures.get(&validator.address()) {
        Some(signature) => CommitSig {
            block_id_flag: BlockIdFlag::Commit.into(),
            validator_address: validator.address().bytes().to_vec(),
            timestamp: Some(time),
            signature: signature.bytes().to_vec(),
        },
        None => absent(),
    };
    Commit {
        height: certificate.height.as_i64(),
        round: i32::try_from(certificate.round.as_i64()).unwrap_or(i32::MAX),
        block_id: Some(certificate.value_id.block_id()),
        signatures: set.as_slice().iter().map(entry).collect(),
    }
}

fn absent() -> CommitSig {
    CommitSig {
        block_id_flag: BlockIdFlag::Absent.into(),
        validator_address: Vec::new(),
        timestamp: Some(GO_ZERO_TIME),
        signature: Vec::new(),
    }
}

/// Checks that `commit` commits `block` at `height`: every signature in it is valid, and
/// their power is a quorum of the set.
pub(crate) fn verify_commit(
    chain_id: &str,
    commit: &Commit,
    height: Height,
    block: BlockRef,
    set: &ValidatorSet,
) -> Result<(), &'static str> {
    if commit.height != height.as_i64() || commit.block_id != Some(block.block_id()) {
        return Err("last_commit is for another block");
    }
    let round = u32::try_from(commit.round).map_err(|_| "last_commit round is negative")?;
    if commit.signatures.len() != set.as_slice().len() {
        return Err("last_commit has another number of entries than the set");
    }
    let vote = |validator: &Validator| Vote {
        kind: VoteType::Precommit,
        height,
        round: Round::new(round),
        value: NilOrVal::Val(block),
        address: validator.address(),
    };
    let mut power = 0_u64;
    for (entry, validator) in commit.signatures.iter().zip(set.as_slice()) {
        if *entry == absent() {
            continue;
        }
        check_entry(entry, validator, block)?;
        let signature = Signature::from_slice(&entry.signature)
            .ok_or("last_commit holds a malformed signature")?;
        if !signature.verify(validator.key(), &vote_sign_bytes(chain_id, &vote(validator))) {
            return Err("last_commit holds an invalid signature");
        }
        power = power.saturating_add(validator.power());
    }
    if set.is_quorum(power) { Ok(()) } else { Err("last_commit has no quorum") }
}

fn check_entry(
    entry: &CommitSig,
    validator: &Validator,
    block: BlockRef,
) -> Result<(), &'static str> {
    if entry.block_id_flag != i32::from(BlockIdFlag::Commit) {
        return Err("last_commit holds a vote for another value");
    }
    if entry.validator_address != validator.address().bytes() {
        return Err("last_commit is not in the order of the set");
    }
    if entry.timestamp != Some(block.time.to_proto()) {
        return Err("last_commit holds another time than the block's");
    }
    Ok(())
}

fn abci_validator(validator: &Validator) -> AbciValidator {
    AbciValidator {
        address: Bytes::copy_from_slice(validator.address().bytes()),
        power: validator.power_i64(),
    }
}

/// The commit as `ProcessProposal` and `FinalizeBlock` tell it to the application.
pub(crate) fn commit_info(commit: &Commit, set: &ValidatorSet) -> CommitInfo {
    let votes = set.as_slice().iter().zip(&commit.signatures);
    CommitInfo {
        round: commit.round,
        votes: votes
            .map(|(validator, entry)| VoteInfo {
                validator: Some(abci_validator(validator)),
                block_id_flag: entry.block_id_flag,
            })
            .collect(),
    }
}

/// The commit as `PrepareProposal` tells it to the application; there are no extensions.
pub(crate) fn extended_commit_info(commit: &Commit, set: &ValidatorSet) -> ExtendedCommitInfo {
    let info = commit_info(commit, set);
    let votes = info.votes.into_iter().map(|vote| ExtendedVoteInfo {
        validator: vote.validator,
        block_id_flag: vote.block_id_flag,
        ..ExtendedVoteInfo::default()
    });
    ExtendedCommitInfo { round: info.round, votes: votes.collect() }
}

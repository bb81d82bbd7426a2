//! The bytes that are signed: CometBFT's `CanonicalVote` and `CanonicalProposal`.
//!
//! Source: CometBFT v0.38 `types/canonical.go`, `proto/tendermint/types/canonical.proto`.

use arc_malachitebft_app::types::core::{NilOrVal, Round, VoteType};
use prost::Message;
use tendermint_proto::v0_38::types::{
    CanonicalBlockId, CanonicalPartSetHeader, CanonicalProposal, CanonicalVote, SignedMsgType,
};

use crate::context::{BlockRef, BlockTime, Proposal, Vote};

/// The time in votes for `value`: the block's own, or the Unix epoch for nil.
pub(crate) fn vote_time(value: &NilOrVal<BlockRef>) -> BlockTime {
    match value {
        NilOrVal::Val(block) => block.time,
        NilOrVal::Nil => BlockTime::default(),
    }
}

/// CometBFT's number of a vote type.
pub(crate) fn vote_type(kind: VoteType) -> SignedMsgType {
    match kind {
        VoteType::Prevote => SignedMsgType::Prevote,
        VoteType::Precommit => SignedMsgType::Precommit,
    }
}

/// The bytes a validator signs for `vote`.
pub(crate) fn vote_sign_bytes(chain_id: &str, vote: &Vote) -> Vec<u8> {
    let block_id = match &vote.value {
        NilOrVal::Val(block) => Some(canonical_block_id(block)),
        NilOrVal::Nil => None,
    };
    CanonicalVote {
        r#type: vote_type(vote.kind).into(),
        height: vote.height.as_i64(),
        round: round(vote.round),
        block_id,
        timestamp: Some(vote_time(&vote.value).to_proto()),
        chain_id: chain_id.to_owned(),
    }
    .encode_length_delimited_to_vec()
}

/// The bytes a proposer signs for `proposal`.
pub(crate) fn proposal_sign_bytes(chain_id: &str, proposal: &Proposal) -> Vec<u8> {
    CanonicalProposal {
        r#type: SignedMsgType::Proposal.into(),
        height: proposal.height.as_i64(),
        round: round(proposal.round),
        pol_round: proposal.pol_round.as_i64(),
        block_id: Some(canonical_block_id(&proposal.value)),
        timestamp: Some(proposal.value.time.to_proto()),
        chain_id: chain_id.to_owned(),
    }
    .encode_length_delimited_to_vec()
}

fn round(round: Round) -> i64 {
    round.as_i64()
}

fn canonical_block_id(block: &BlockRef) -> CanonicalBlockId {
    CanonicalBlockId {
        hash: block.hash.to_vec(),
        part_set_header: Some(CanonicalPartSetHeader {
            total: block.parts.total,
            hash: block.parts.hash.to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests;

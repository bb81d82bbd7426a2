//! Votes and proposals.

use arc_malachitebft_app::types::core::{
    NilOrVal, Round, SignedProposal, SignedVote, Validity, VoteType,
};
use arc_malachitebft_app::types::{ProposedValue, SignedConsensusMsg};
use tendermint_proto::v0_38::types::{self as pb, SignedMsgType};

use super::{CodecError, Wire, address, block_ref, proto, required, round, round_i32, signature};
use crate::canonical::{vote_time, vote_type};
use crate::context::{BlockRef, Context, Height, Proposal, Vote};

impl Wire for BlockRef {
    type Proto = proto::BlockRef;

    fn to_proto(&self) -> Result<proto::BlockRef, CodecError> {
        Ok(proto::BlockRef { block_id: Some(self.block_id()), time: Some(self.time.to_proto()) })
    }

    fn from_proto(proto: proto::BlockRef) -> Result<Self, CodecError> {
        block_ref(&required(proto.block_id, "block_id")?, proto.time.as_ref())
    }
}

/// The vote type of CometBFT's number.
pub(super) fn vote_kind(number: i32) -> Result<VoteType, CodecError> {
    match SignedMsgType::try_from(number) {
        Ok(SignedMsgType::Prevote) => Ok(VoteType::Prevote),
        Ok(SignedMsgType::Precommit) => Ok(VoteType::Precommit),
        Ok(SignedMsgType::Proposal | SignedMsgType::Unknown) | Err(_) => {
            Err(CodecError::Field("type"))
        }
    }
}

fn height(value: i64) -> Result<Height, CodecError> {
    u64::try_from(value).map(Height::new).map_err(|_| CodecError::Field("height"))
}

impl Wire for SignedVote<Context> {
    type Proto = pb::Vote;

    fn to_proto(&self) -> Result<pb::Vote, CodecError> {
        let vote = &self.message;
        Ok(pb::Vote {
            r#type: vote_type(vote.kind).into(),
            height: vote.height.as_i64(),
            round: round_i32(vote.round)?,
            block_id: match &vote.value {
                NilOrVal::Val(block) => Some(block.block_id()),
                NilOrVal::Nil => None,
            },
            timestamp: Some(vote_time(&vote.value).to_proto()),
            validator_address: vote.address.bytes().to_vec(),
            // The index depends on the set, which a vote does not know.
            validator_index: 0,
            signature: self.signature.bytes().to_vec(),
            extension: Vec::new(),
            extension_signature: Vec::new(),
        })
    }

    fn from_proto(proto: pb::Vote) -> Result<Self, CodecError> {
        let value = match &proto.block_id {
            Some(id) => NilOrVal::Val(block_ref(id, proto.timestamp.as_ref())?),
            None => NilOrVal::Nil,
        };
        let vote = Vote {
            kind: vote_kind(proto.r#type)?,
            height: height(proto.height)?,
            round: round(proto.round.into())?,
            value,
            address: address(&proto.validator_address)?,
        };
        Ok(Self::new(vote, signature(&proto.signature)?))
    }
}

impl Wire for SignedProposal<Context> {
    type Proto = proto::SignedProposal;

    fn to_proto(&self) -> Result<proto::SignedProposal, CodecError> {
        let proposal = &self.message;
        let inner = pb::Proposal {
            r#type: SignedMsgType::Proposal.into(),
            height: proposal.height.as_i64(),
            round: round_i32(proposal.round)?,
            pol_round: round_i32(proposal.pol_round)?,
            block_id: Some(proposal.value.block_id()),
            timestamp: Some(proposal.value.time.to_proto()),
            signature: self.signature.bytes().to_vec(),
        };
        let address = proposal.address.bytes().to_vec().into();
        Ok(proto::SignedProposal { proposal: Some(inner), address })
    }

    fn from_proto(proto: proto::SignedProposal) -> Result<Self, CodecError> {
        let inner = required(proto.proposal, "proposal")?;
        let id = required(inner.block_id.as_ref(), "block_id")?;
        let proposal = Proposal {
            height: height(inner.height)?,
            round: round(inner.round.into())?,
            value: block_ref(id, inner.timestamp.as_ref())?,
            pol_round: round(inner.pol_round.into())?,
            address: address(&proto.address)?,
        };
        Ok(Self::new(proposal, signature(&inner.signature)?))
    }
}

impl Wire for SignedConsensusMsg<Context> {
    type Proto = proto::Consensus;

    fn to_proto(&self) -> Result<proto::Consensus, CodecError> {
        let sum = match self {
            Self::Vote(vote) => proto::consensus::Sum::Vote(vote.to_proto()?),
            Self::Proposal(proposal) => proto::consensus::Sum::Proposal(proposal.to_proto()?),
        };
        Ok(proto::Consensus { sum: Some(sum) })
    }

    fn from_proto(proto: proto::Consensus) -> Result<Self, CodecError> {
        match required(proto.sum, "sum")? {
            proto::consensus::Sum::Vote(vote) => Wire::from_proto(vote).map(Self::Vote),
            proto::consensus::Sum::Proposal(p) => Wire::from_proto(p).map(Self::Proposal),
        }
    }
}

impl Wire for ProposedValue<Context> {
    type Proto = proto::ProposedValue;

    fn to_proto(&self) -> Result<proto::ProposedValue, CodecError> {
        Ok(proto::ProposedValue {
            height: self.height.get(),
            round: self.round.as_i64(),
            valid_round: self.valid_round.as_i64(),
            proposer: self.proposer.bytes().to_vec().into(),
            block: Some(self.value.to_proto()?),
            valid: self.validity.is_valid(),
        })
    }

    fn from_proto(proto: proto::ProposedValue) -> Result<Self, CodecError> {
        Ok(Self {
            height: Height::new(proto.height),
            round: round(proto.round)?,
            valid_round: round(proto.valid_round)?,
            proposer: address(&proto.proposer)?,
            value: Wire::from_proto(required(proto.block, "block")?)?,
            validity: Validity::from_bool(proto.valid),
        })
    }
}

/// A vote's rounds are always defined; certificates reuse the check.
pub(super) fn defined(value: i64) -> Result<Round, CodecError> {
    round(value).and_then(|r| if r.is_defined() { Ok(r) } else { Err(CodecError::Field("round")) })
}

#![allow(clippy::unwrap_used, reason = "tests")]

use prost::Message as _;
use tendermint_proto::Protobuf;
use tendermint_proto::v0_38::types as pb;

use super::*;
use crate::context::{Address, Height, PartSet};

fn block() -> BlockRef {
    let time = tendermint_proto::google::protobuf::Timestamp { seconds: 1_700_000_000, nanos: 5 };
    BlockRef {
        hash: [7; 32],
        parts: PartSet { total: 3, hash: [9; 32] },
        time: BlockTime::from_proto(&time).unwrap(),
    }
}

fn vote(kind: VoteType, round: u32, value: NilOrVal<BlockRef>) -> Vote {
    Vote {
        kind,
        height: Height::new(42),
        round: round.into(),
        value,
        address: Address::new([1; 20]),
    }
}

/// The same vote as CometBFT's own object.
fn theirs(vote: &Vote) -> tendermint::Vote {
    let block_id = match &vote.value {
        NilOrVal::Val(block) => Some(block.block_id()),
        NilOrVal::Nil => None,
    };
    pb::Vote {
        r#type: vote_type(vote.kind).into(),
        height: 42,
        round: i32::try_from(vote.round.as_i64()).unwrap(),
        block_id,
        timestamp: Some(vote_time(&vote.value).to_proto()),
        validator_address: vec![1; 20],
        validator_index: 0,
        signature: vec![3; 64],
        extension: Vec::new(),
        extension_signature: Vec::new(),
    }
    .try_into()
    .unwrap()
}

#[test]
fn vote_bytes_are_cometbfts() {
    for kind in [VoteType::Prevote, VoteType::Precommit] {
        for round in [0, 7] {
            let vote = vote(kind, round, NilOrVal::Val(block()));
            let chain = "mooring-1".try_into().unwrap();
            assert_eq!(vote_sign_bytes("mooring-1", &vote), theirs(&vote).into_signable_vec(chain));
        }
    }
}

#[test]
fn nil_vote_bytes_carry_no_block_and_the_epoch() {
    let bytes = vote_sign_bytes("c", &vote(VoteType::Prevote, 1, NilOrVal::Nil));
    let decoded = CanonicalVote::decode_length_delimited(bytes.as_slice()).unwrap();
    assert_eq!(decoded.block_id, None);
    assert_eq!(decoded.timestamp, Some(Default::default()));
    // CometBFT always writes the timestamp field, be it empty: tag 5, length 0.
    assert!(bytes.windows(2).any(|w| w == [0x2a, 0x00]));
}

#[test]
fn vote_bytes_match_a_vector_of_cometbft() {
    // types/vote_test.go TestVoteSignBytesTestVectors: precommit, height 1, round 1, zero time.
    let bytes = CanonicalVote {
        r#type: SignedMsgType::Precommit.into(),
        height: 1,
        round: 1,
        block_id: None,
        timestamp: Some(tendermint_proto::google::protobuf::Timestamp {
            seconds: -62_135_596_800,
            nanos: 0,
        }),
        chain_id: String::new(),
    }
    .encode_length_delimited_to_vec();
    let expected = [
        0x21, 0x8, 0x2, 0x11, 0x1, 0, 0, 0, 0, 0, 0, 0, 0x19, 0x1, 0, 0, 0, 0, 0, 0, 0, 0x2a, 0xb,
        0x8, 0x80, 0x92, 0xb8, 0xc3, 0x98, 0xfe, 0xff, 0xff, 0xff, 0x1,
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn proposal_bytes_are_cometbfts() {
    for pol_round in [Round::Nil, Round::new(1)] {
        let proposal = Proposal {
            height: Height::new(42),
            round: Round::new(2),
            value: block(),
            pol_round,
            address: Address::new([1; 20]),
        };
        let theirs: tendermint::Proposal = pb::Proposal {
            r#type: SignedMsgType::Proposal.into(),
            height: 42,
            round: 2,
            pol_round: i32::try_from(pol_round.as_i64()).unwrap(),
            block_id: Some(block().block_id()),
            timestamp: Some(block().time.to_proto()),
            signature: vec![3; 64],
        }
        .try_into()
        .unwrap();
        let chain = "mooring-1".try_into().unwrap();
        let canonical = tendermint::proposal::CanonicalProposal::new(theirs, chain);
        let expected = Protobuf::<CanonicalProposal>::encode_length_delimited_vec(canonical);
        assert_eq!(proposal_sign_bytes("mooring-1", &proposal), expected);
    }
}

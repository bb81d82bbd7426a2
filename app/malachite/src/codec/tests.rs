#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;

use arc_malachitebft_app::streaming::StreamContent;
use arc_malachitebft_app::types::PeerId;
use arc_malachitebft_app::types::codec::{Codec as _, HasEncodedLen as _};
use arc_malachitebft_app::types::core::{
    ExtendedCommitSignature, NilOrVal, PolkaSignature, RoundCertificate, RoundCertificateType,
    RoundSignature, SignedMessage, SignedProposal, SignedVote, Validity, VoteType,
};
use arc_malachitebft_app::types::streaming::StreamId;
use arc_malachitebft_app::types::sync::RawDecidedValue;
use arc_malachitebft_sync::{ValueRequest, ValueResponse};
use proptest::prelude::*;

use super::*;
use crate::context::{Height, Proposal, StreamInit, Vote};

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::new)
}

fn signature() -> impl Strategy<Value = Signature> {
    prop::collection::vec(any::<u8>(), 64).prop_map(|b| Signature::from_slice(&b).unwrap())
}

fn block() -> impl Strategy<Value = BlockRef> {
    (
        any::<[u8; 32]>(),
        any::<[u8; 32]>(),
        any::<u32>(),
        0_i64..253_402_300_800,
        0..1_000_000_000_i32,
    )
        .prop_map(|(hash, parts, total, seconds, nanos)| BlockRef {
            hash,
            parts: PartSet { total, hash: parts },
            time: BlockTime::from_proto(&Timestamp { seconds, nanos }).unwrap(),
        })
}

fn value() -> impl Strategy<Value = NilOrVal<BlockRef>> {
    prop_oneof![Just(NilOrVal::Nil), block().prop_map(NilOrVal::Val)]
}

fn kind() -> impl Strategy<Value = VoteType> {
    prop_oneof![Just(VoteType::Prevote), Just(VoteType::Precommit)]
}

fn height() -> impl Strategy<Value = Height> {
    (0..u64::MAX / 2).prop_map(Height::new)
}

fn some_round() -> impl Strategy<Value = Round> {
    (0..u32::MAX / 2).prop_map(Round::new)
}

fn any_round() -> impl Strategy<Value = Round> {
    prop_oneof![Just(Round::Nil), some_round()]
}

fn vote() -> impl Strategy<Value = SignedVote<Context>> {
    (kind(), height(), some_round(), value(), address(), signature()).prop_map(
        |(kind, height, round, value, address, signature)| {
            SignedMessage::new(Vote { kind, height, round, value, address }, signature)
        },
    )
}

fn proposal() -> impl Strategy<Value = SignedProposal<Context>> {
    (height(), some_round(), block(), any_round(), address(), signature()).prop_map(
        |(height, round, value, pol_round, address, signature)| {
            let proposal = Proposal { height, round, value, pol_round, address };
            SignedMessage::new(proposal, signature)
        },
    )
}

fn signatures() -> impl Strategy<Value = Vec<(Address, Signature)>> {
    prop::collection::vec((address(), signature()), 0..5)
}

fn polka() -> impl Strategy<Value = PolkaCertificate<Context>> {
    (height(), some_round(), block(), signatures()).prop_map(
        |(height, round, value_id, signatures)| PolkaCertificate {
            height,
            round,
            value_id,
            polka_signatures: signatures
                .into_iter()
                .map(|(address, signature)| PolkaSignature::new(address, signature))
                .collect(),
        },
    )
}

fn commit() -> impl Strategy<Value = ExtendedCommitCertificate<Context>> {
    polka().prop_map(|polka| ExtendedCommitCertificate {
        height: polka.height,
        round: polka.round,
        value_id: polka.value_id,
        commit_signatures: polka
            .polka_signatures
            .into_iter()
            .map(|s| ExtendedCommitSignature::new(s.address, s.signature, None))
            .collect(),
    })
}

fn round_certificate() -> impl Strategy<Value = RoundCertificate<Context>> {
    let signature = (kind(), value(), address(), signature())
        .prop_map(|(kind, value, address, s)| RoundSignature::new(kind, value, address, s));
    (height(), some_round(), any::<bool>(), prop::collection::vec(signature, 0..5)).prop_map(
        |(height, round, skip, round_signatures)| RoundCertificate {
            height,
            round,
            cert_type: if skip {
                RoundCertificateType::Skip
            } else {
                RoundCertificateType::Precommit
            },
            round_signatures,
        },
    )
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        (height(), some_round(), any_round(), address(), any::<u32>()).prop_map(
            |(height, round, valid_round, proposer, size)| {
                Part::Init(StreamInit { height, round, valid_round, proposer, size })
            }
        ),
        (prop::collection::vec(any::<u8>(), 0..99), any::<bool>())
            .prop_map(|(bytes, last)| Part::Data { bytes: bytes.into(), last }),
    ]
}

fn proposed() -> impl Strategy<Value = ProposedValue<Context>> {
    (height(), some_round(), any_round(), address(), block(), any::<bool>()).prop_map(
        |(height, round, valid_round, proposer, value, valid)| ProposedValue {
            height,
            round,
            valid_round,
            proposer,
            value,
            validity: Validity::from_bool(valid),
        },
    )
}

fn round_trips<T: Wire + PartialEq + Debug>(message: T) {
    assert_eq!(T::from_bytes(message.to_bytes().unwrap()).unwrap(), message);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn consensus_messages_round_trip(vote in vote(), proposal in proposal()) {
        round_trips(SignedConsensusMsg::Vote(vote));
        round_trips(SignedConsensusMsg::Proposal(proposal));
    }

    #[test]
    fn liveness_messages_round_trip(v in vote(), p in polka(), r in round_certificate()) {
        round_trips(p.clone());
        round_trips(LivenessMsg::Vote(v));
        round_trips(LivenessMsg::PolkaCertificate(p));
        round_trips(LivenessMsg::SkipRoundCertificate(r));
    }

    #[test]
    fn streams_and_values_round_trip(
        part in part(), value in proposed(), id in any::<[u8; 8]>(), sequence in any::<u64>(),
    ) {
        round_trips(part.clone());
        round_trips(value);
        let id = StreamId::new(id.to_vec().into());
        round_trips(StreamMessage::new(id.clone(), sequence, StreamContent::Data(part)));
        round_trips(StreamMessage::<Part>::new(id, sequence, StreamContent::Fin));
    }

    #[test]
    fn sync_messages_round_trip(
        certificate in commit(), start in height(), end in height(), body in any::<[u8; 40]>(),
        signature in signature(),
    ) {
        let peer = crate::NodeKey::generate([1; 32]).keypair().public().to_peer_id().to_bytes();
        let peer_id = PeerId::from_bytes(&peer).unwrap();
        round_trips(Status::<Context> { peer_id, tip_height: start, history_min_height: end });
        round_trips(Request::<Context>::ValueRequest(ValueRequest::new(start..=end)));
        round_trips(ValidatorProof::<Context>::new(body.to_vec(), peer, signature));
        round_trips(certificate.clone());
        let value = RawDecidedValue::new(body.to_vec().into(), certificate);
        let response: Response<Context> =
            Response::ValueResponse(ValueResponse::new(start, vec![value.clone(), value]));
        let bytes = Codec.encode(&response).unwrap();
        prop_assert_eq!(Codec.encoded_len(&response).unwrap(), bytes.len());
        round_trips(response);
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = SignedConsensusMsg::<Context>::from_bytes(bytes.clone());
        let _ = LivenessMsg::<Context>::from_bytes(bytes.clone());
        let _ = StreamMessage::<Part>::from_bytes(bytes.clone());
        let _ = Response::<Context>::from_bytes(bytes.clone());
        let _ = crate::block::ParsedBlock::parse(bytes);
    }
}

#[test]
fn a_round_beyond_cometbfts_field_is_refused() {
    let vote = Vote {
        kind: VoteType::Prevote,
        height: Height::new(1),
        round: Round::new(u32::MAX),
        value: NilOrVal::Nil,
        address: Address::new([0; 20]),
    };
    let signed = SignedMessage::new(vote, Signature::new([0; 64]));
    assert!(SignedConsensusMsg::<Context>::Vote(signed).to_bytes().is_err());
}

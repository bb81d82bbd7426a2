//! The protobuf messages. Votes, proposals and block ids are CometBFT's.

use bytes::Bytes;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::types as pb;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BlockRef {
    #[prost(message, optional, tag = "1")]
    pub(crate) block_id: Option<pb::BlockId>,
    #[prost(message, optional, tag = "2")]
    pub(crate) time: Option<Timestamp>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SignedProposal {
    #[prost(message, optional, tag = "1")]
    pub(crate) proposal: Option<pb::Proposal>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) address: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Consensus {
    #[prost(oneof = "consensus::Sum", tags = "1, 2")]
    pub(crate) sum: Option<consensus::Sum>,
}

pub(crate) mod consensus {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Sum {
        #[prost(message, tag = "1")]
        Vote(super::pb::Vote),
        #[prost(message, tag = "2")]
        Proposal(super::SignedProposal),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Signature {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) address: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) signature: Bytes,
}

/// A polka or commit certificate.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Certificate {
    #[prost(uint64, tag = "1")]
    pub(crate) height: u64,
    #[prost(int64, tag = "2")]
    pub(crate) round: i64,
    #[prost(message, optional, tag = "3")]
    pub(crate) block: Option<BlockRef>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) signatures: Vec<Signature>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RoundSignature {
    #[prost(enumeration = "pb::SignedMsgType", tag = "1")]
    pub(crate) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) block: Option<BlockRef>,
    #[prost(message, optional, tag = "3")]
    pub(crate) signature: Option<Signature>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RoundCertificate {
    #[prost(uint64, tag = "1")]
    pub(crate) height: u64,
    #[prost(int64, tag = "2")]
    pub(crate) round: i64,
    /// Whether f+1 votes skip into the round; else 2f+1 precommits end it.
    #[prost(bool, tag = "3")]
    pub(crate) skip: bool,
    #[prost(message, repeated, tag = "4")]
    pub(crate) signatures: Vec<RoundSignature>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Liveness {
    #[prost(oneof = "liveness::Sum", tags = "1, 2, 3")]
    pub(crate) sum: Option<liveness::Sum>,
}

pub(crate) mod liveness {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Sum {
        #[prost(message, tag = "1")]
        Vote(super::pb::Vote),
        #[prost(message, tag = "2")]
        Polka(super::Certificate),
        #[prost(message, tag = "3")]
        Round(super::RoundCertificate),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Init {
    #[prost(uint64, tag = "1")]
    pub(crate) height: u64,
    #[prost(int64, tag = "2")]
    pub(crate) round: i64,
    #[prost(int64, tag = "3")]
    pub(crate) valid_round: i64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) proposer: Bytes,
    #[prost(uint32, tag = "5")]
    pub(crate) size: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Data {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) bytes: Bytes,
    #[prost(bool, tag = "2")]
    pub(crate) last: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Part {
    #[prost(oneof = "part::Sum", tags = "1, 2")]
    pub(crate) sum: Option<part::Sum>,
}

pub(crate) mod part {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Sum {
        #[prost(message, tag = "1")]
        Init(super::Init),
        #[prost(message, tag = "2")]
        Data(super::Data),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamMessage {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) stream_id: Bytes,
    #[prost(uint64, tag = "2")]
    pub(crate) sequence: u64,
    /// Absent at the end of a stream.
    #[prost(message, optional, tag = "3")]
    pub(crate) part: Option<Part>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ValidatorProof {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) public_key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) peer_id: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) signature: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Status {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) peer_id: Bytes,
    #[prost(uint64, tag = "2")]
    pub(crate) tip_height: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) history_min_height: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Request {
    #[prost(uint64, tag = "1")]
    pub(crate) start: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) end: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DecidedValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) value: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(crate) certificate: Option<Certificate>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Response {
    #[prost(uint64, tag = "1")]
    pub(crate) start: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) values: Vec<DecidedValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProposedValue {
    #[prost(uint64, tag = "1")]
    pub(crate) height: u64,
    #[prost(int64, tag = "2")]
    pub(crate) round: i64,
    #[prost(int64, tag = "3")]
    pub(crate) valid_round: i64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) proposer: Bytes,
    #[prost(message, optional, tag = "5")]
    pub(crate) block: Option<BlockRef>,
    #[prost(bool, tag = "6")]
    pub(crate) valid: bool,
}

/// A proposed block in our store: the verdict and the body.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Stored {
    #[prost(message, optional, tag = "1")]
    pub(crate) value: Option<ProposedValue>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) block: Bytes,
}

//! Proposal parts, their stream, and the proof that binds a peer to a consensus key.

use arc_malachitebft_app::streaming::StreamContent;
use arc_malachitebft_app::types::core::ValidatorProof;
use arc_malachitebft_app::types::streaming::{StreamId, StreamMessage};

use super::consensus::defined;
use super::{CodecError, Wire, address, proto, required, round, signature};
use crate::context::{Context, Height, Part, StreamInit};

impl Wire for Part {
    type Proto = proto::Part;

    fn to_proto(&self) -> Result<proto::Part, CodecError> {
        use proto::part::Sum;
        let sum = match self {
            Self::Init(init) => Sum::Init(proto::Init {
                height: init.height.get(),
                round: init.round.as_i64(),
                valid_round: init.valid_round.as_i64(),
                proposer: init.proposer.bytes().to_vec().into(),
                size: init.size,
            }),
            Self::Data { bytes, last } => {
                Sum::Data(proto::Data { bytes: bytes.clone(), last: *last })
            }
        };
        Ok(proto::Part { sum: Some(sum) })
    }

    fn from_proto(proto: proto::Part) -> Result<Self, CodecError> {
        use proto::part::Sum;
        match required(proto.sum, "sum")? {
            Sum::Init(init) => Ok(Self::Init(StreamInit {
                height: Height::new(init.height),
                round: defined(init.round)?,
                valid_round: round(init.valid_round)?,
                proposer: address(&init.proposer)?,
                size: init.size,
            })),
            Sum::Data(data) => Ok(Self::Data { bytes: data.bytes, last: data.last }),
        }
    }
}

impl Wire for StreamMessage<Part> {
    type Proto = proto::StreamMessage;

    fn to_proto(&self) -> Result<proto::StreamMessage, CodecError> {
        let part = match &self.content {
            StreamContent::Data(part) => Some(part.to_proto()?),
            StreamContent::Fin => None,
        };
        let stream_id = self.stream_id.to_bytes();
        Ok(proto::StreamMessage { stream_id, sequence: self.sequence, part })
    }

    fn from_proto(proto: proto::StreamMessage) -> Result<Self, CodecError> {
        let content = match proto.part {
            Some(part) => StreamContent::Data(Wire::from_proto(part)?),
            None => StreamContent::Fin,
        };
        Ok(Self::new(StreamId::new(proto.stream_id), proto.sequence, content))
    }
}

impl Wire for ValidatorProof<Context> {
    type Proto = proto::ValidatorProof;

    fn to_proto(&self) -> Result<proto::ValidatorProof, CodecError> {
        Ok(proto::ValidatorProof {
            public_key: self.public_key.clone().into(),
            peer_id: self.peer_id.clone().into(),
            signature: self.signature.bytes().to_vec().into(),
        })
    }

    fn from_proto(proto: proto::ValidatorProof) -> Result<Self, CodecError> {
        let signature = signature(&proto.signature)?;
        Ok(Self::new(proto.public_key.into(), proto.peer_id.into(), signature))
    }
}

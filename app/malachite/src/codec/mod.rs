//! The engine's ten message types as protobuf: on the wire, in its log, and in our store.

mod certificate;
mod consensus;
mod proto;
mod stream;
mod sync;

#[cfg(test)]
mod tests;

use arc_malachitebft_app::consensus::LivenessMsg;
use arc_malachitebft_app::types::codec;
use arc_malachitebft_app::types::core::{
    ExtendedCommitCertificate, PolkaCertificate, Round, ValidatorProof,
};
use arc_malachitebft_app::types::streaming::StreamMessage;
use arc_malachitebft_app::types::sync::{Request, Response, Status};
use arc_malachitebft_app::types::{ProposedValue, SignedConsensusMsg};
use bytes::Bytes;
use prost::Message;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::types as pb;

use crate::context::{Address, BlockRef, BlockTime, Context, Part, PartSet, Signature};

pub(crate) use proto::Stored;

/// Bytes that are not a message of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    /// Not protobuf.
    #[error("decode protobuf")]
    Protobuf(#[from] prost::DecodeError),
    /// Protobuf, but a field is missing or out of range.
    #[error("read field {0}")]
    Field(&'static str),
}

/// A type with a protobuf form.
pub(crate) trait Wire: Sized {
    type Proto: Message + Default;

    fn to_proto(&self) -> Result<Self::Proto, CodecError>;
    fn from_proto(proto: Self::Proto) -> Result<Self, CodecError>;

    fn to_bytes(&self) -> Result<Bytes, CodecError> {
        Ok(self.to_proto()?.encode_to_vec().into())
    }

    fn from_bytes(bytes: Bytes) -> Result<Self, CodecError> {
        Self::from_proto(Self::Proto::decode(bytes)?)
    }
}

/// The codec handed to the engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codec;

macro_rules! codec_for {
    ($($message:ty),* $(,)?) => {$(
        impl codec::Codec<$message> for Codec {
            type Error = CodecError;

            fn decode(&self, bytes: Bytes) -> Result<$message, CodecError> {
                Wire::from_bytes(bytes)
            }

            fn encode(&self, message: &$message) -> Result<Bytes, CodecError> {
                message.to_bytes()
            }
        }
    )*};
}

codec_for!(
    Part,
    SignedConsensusMsg<Context>,
    LivenessMsg<Context>,
    StreamMessage<Part>,
    ValidatorProof<Context>,
    Status<Context>,
    Request<Context>,
    Response<Context>,
    ProposedValue<Context>,
    PolkaCertificate<Context>,
    ExtendedCommitCertificate<Context>,
);

impl codec::HasEncodedLen<Response<Context>> for Codec {
    fn encoded_len(&self, message: &Response<Context>) -> Result<usize, CodecError> {
        Ok(message.to_proto()?.encoded_len())
    }
}

fn required<T>(field: Option<T>, name: &'static str) -> Result<T, CodecError> {
    field.ok_or(CodecError::Field(name))
}

fn address(bytes: &[u8]) -> Result<Address, CodecError> {
    required(Address::from_slice(bytes), "address")
}

fn signature(bytes: &[u8]) -> Result<Signature, CodecError> {
    required(Signature::from_slice(bytes), "signature")
}

/// A round that may be nil, as -1.
fn round(value: i64) -> Result<Round, CodecError> {
    match value {
        -1 => Ok(Round::Nil),
        _ => u32::try_from(value).map(Round::new).map_err(|_| CodecError::Field("round")),
    }
}

/// A round in CometBFT's 32-bit field.
fn round_i32(value: Round) -> Result<i32, CodecError> {
    i32::try_from(value.as_i64()).map_err(|_| CodecError::Field("round"))
}

fn hash(bytes: &[u8]) -> Result<[u8; 32], CodecError> {
    bytes.try_into().map_err(|_| CodecError::Field("hash"))
}

/// The block that a CometBFT block id and time name.
fn block_ref(id: &pb::BlockId, time: Option<&Timestamp>) -> Result<BlockRef, CodecError> {
    let parts = required(id.part_set_header.as_ref(), "part_set_header")?;
    Ok(BlockRef {
        hash: hash(&id.hash)?,
        parts: PartSet { total: parts.total, hash: hash(&parts.hash)? },
        time: required(time.and_then(BlockTime::from_proto), "time")?,
    })
}

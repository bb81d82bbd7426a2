//! Federation messages: the consensus transactions that are not Ethereum's (spec 2.5).
//!
//! A message is `0x7d ‖ rlp([kind, …])`. What decodes encodes to the same bytes again, so a
//! message has one hash.

use crate::{
    deposit::{Leaf, LeafError},
    signature::{LENGTH, Signature, SignatureError},
    signed::{DepositHead, FederationUpdate},
    types::{Epoch, Height},
};
use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::{BufMut, Decodable, Encodable, Header};
use thiserror::Error;

/// First byte of every federation message; no Ethereum transaction starts with it.
pub const FEDERATION_TX_TYPE: u8 = 0x7d;
/// The longest message, in bytes with its first byte.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;

const HEAD_VOTE: u8 = 1;
const DELIVERY: u8 = 2;
const CHECKPOINT_VOTE: u8 = 3;
const UPDATE_VOTE: u8 = 4;

/// One federation message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FederationMessage {
    /// A member's signature of a head of the deposit log.
    HeadVote(HeadVote),
    /// The leaves of the oldest accepted head not yet delivered.
    Delivery(Vec<Leaf>),
    /// A member's signature of a checkpoint.
    CheckpointVote(CheckpointVote),
    /// A member's signature of a new member list.
    UpdateVote(UpdateVote),
}

/// A member's signature of a head of the deposit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadVote {
    /// What is signed.
    pub head: DepositHead,
    /// Over the head's digest.
    pub signature: Signature,
}

/// A member's signature of the record that the chain itself keeps of a height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointVote {
    /// The epoch in the signed checkpoint.
    pub epoch: Epoch,
    /// The height in the signed checkpoint.
    pub height: Height,
    /// Over the checkpoint's digest.
    pub signature: Signature,
}

/// A member's signature of a new member list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateVote {
    /// What is signed.
    pub update: FederationUpdate,
    /// Over the update's digest.
    pub signature: Signature,
}

/// Why bytes are not a federation message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Longer than [`MAX_MESSAGE_BYTES`].
    #[error("message has {0} bytes, at most 131072 are allowed")]
    TooLong(usize),
    /// Another first byte.
    #[error("message does not start with 0x7d")]
    Type,
    /// A kind that the spec does not have.
    #[error("no federation message has kind {0}")]
    Kind(u8),
    /// A delivery without leaves changes nothing.
    #[error("delivery has no leaves")]
    EmptyDelivery,
    /// Not the RLP of a message.
    #[error("message is not well-formed RLP: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    /// A leaf of a delivery is not one.
    #[error("delivery has a bad leaf")]
    Leaf(#[from] LeafError),
    /// The signature has not the accepted form.
    #[error("message has a bad signature")]
    Signature(#[from] SignatureError),
    /// Another encoding of the same message.
    #[error("message is not in its canonical encoding")]
    NotCanonical,
}

impl FederationMessage {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        match self {
            Self::HeadVote(vote) => vote.encode_fields(&mut fields),
            Self::Delivery(leaves) => encode_leaves(leaves, &mut fields),
            Self::CheckpointVote(vote) => vote.encode_fields(&mut fields),
            Self::UpdateVote(vote) => vote.encode_fields(&mut fields),
        }
        let mut bytes = vec![FEDERATION_TX_TYPE];
        Header { list: true, payload_length: fields.len() }.encode(&mut bytes);
        bytes.extend_from_slice(&fields);
        bytes
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one message in its only encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(MessageError::TooLong(bytes.len()));
        }
        let Some((&FEDERATION_TX_TYPE, mut rest)) = bytes.split_first() else {
            return Err(MessageError::Type);
        };
        let mut fields = Header::decode_bytes(&mut rest, true)?;
        let message = Self::decode_fields(&mut fields)?;
        if !rest.is_empty() || !fields.is_empty() || message.encode() != bytes {
            return Err(MessageError::NotCanonical);
        }
        Ok(message)
    }

    /// `keccak256` of the bytes.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }

    fn decode_fields(fields: &mut &[u8]) -> Result<Self, MessageError> {
        match u8::decode(fields)? {
            HEAD_VOTE => HeadVote::decode_fields(fields).map(Self::HeadVote),
            DELIVERY => decode_leaves(fields).map(Self::Delivery),
            CHECKPOINT_VOTE => CheckpointVote::decode_fields(fields).map(Self::CheckpointVote),
            UPDATE_VOTE => UpdateVote::decode_fields(fields).map(Self::UpdateVote),
            kind => Err(MessageError::Kind(kind)),
        }
    }
}

impl HeadVote {
    fn encode_fields(&self, out: &mut dyn BufMut) {
        HEAD_VOTE.encode(out);
        self.head.epoch.encode(out);
        self.head.count.encode(out);
        self.head.acc.encode(out);
        self.signature.as_bytes().encode(out);
    }

    fn decode_fields(fields: &mut &[u8]) -> Result<Self, MessageError> {
        let head = DepositHead {
            epoch: Decodable::decode(fields)?,
            count: Decodable::decode(fields)?,
            acc: Decodable::decode(fields)?,
        };
        Ok(Self { head, signature: decode_signature(fields)? })
    }
}

impl CheckpointVote {
    fn encode_fields(&self, out: &mut dyn BufMut) {
        CHECKPOINT_VOTE.encode(out);
        self.epoch.encode(out);
        self.height.encode(out);
        self.signature.as_bytes().encode(out);
    }

    fn decode_fields(fields: &mut &[u8]) -> Result<Self, MessageError> {
        Ok(Self {
            epoch: Decodable::decode(fields)?,
            height: Decodable::decode(fields)?,
            signature: decode_signature(fields)?,
        })
    }
}

impl UpdateVote {
    fn encode_fields(&self, out: &mut dyn BufMut) {
        UPDATE_VOTE.encode(out);
        self.update.epoch.encode(out);
        self.update.first_height.encode(out);
        self.update.members_hash.encode(out);
        self.update.recovery_hash.encode(out);
        self.update.total_power.encode(out);
        self.signature.as_bytes().encode(out);
    }

    fn decode_fields(fields: &mut &[u8]) -> Result<Self, MessageError> {
        let update = FederationUpdate {
            epoch: Decodable::decode(fields)?,
            first_height: Decodable::decode(fields)?,
            members_hash: Decodable::decode(fields)?,
            recovery_hash: Decodable::decode(fields)?,
            total_power: U256::decode(fields)?,
        };
        Ok(Self { update, signature: decode_signature(fields)? })
    }
}

fn decode_signature(fields: &mut &[u8]) -> Result<Signature, MessageError> {
    let bytes = <[u8; LENGTH]>::decode(fields)?;
    Ok(Signature::parse(&bytes)?)
}

fn encode_leaves(leaves: &[Leaf], out: &mut Vec<u8>) {
    DELIVERY.encode(out);
    let mut items = Vec::new();
    for leaf in leaves {
        leaf.encode().as_slice().encode(&mut items);
    }
    Header { list: true, payload_length: items.len() }.encode(out);
    out.extend_from_slice(&items);
}

fn decode_leaves(fields: &mut &[u8]) -> Result<Vec<Leaf>, MessageError> {
    let mut items = Header::decode_bytes(fields, true)?;
    let mut leaves = Vec::new();
    while !items.is_empty() {
        leaves.push(Leaf::decode(Header::decode_bytes(&mut items, false)?)?);
    }
    if leaves.is_empty() { Err(MessageError::EmptyDelivery) } else { Ok(leaves) }
}

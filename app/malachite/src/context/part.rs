//! The parts a proposed block is streamed in. They are unrelated to CometBFT's 64 KiB parts,
//! which are only hashed.

use arc_malachitebft_app::types::core::{self, Round};
use bytes::Bytes;

use super::{Address, Context, Height};

/// The first part: what the stream is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamInit {
    pub(crate) height: Height,
    pub(crate) round: Round,
    /// The round of the polka when the block is proposed again, else nil.
    pub(crate) valid_round: Round,
    /// The proposer of `round`, who need not be the block's builder.
    pub(crate) proposer: Address,
    /// The length of the encoded block in bytes.
    pub(crate) size: u32,
}

/// A part of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Sequence 0.
    Init(StreamInit),
    /// Sequences 1 and up: slices of the encoded block.
    Data {
        /// The slice, [`crate::host::PART_BYTES`] long except the last.
        bytes: Bytes,
        /// Whether the stream ends here.
        last: bool,
    },
}

impl core::ProposalPart<Context> for Part {
    fn is_first(&self) -> bool {
        matches!(self, Self::Init(_))
    }

    fn is_last(&self) -> bool {
        matches!(self, Self::Data { last: true, .. })
    }
}

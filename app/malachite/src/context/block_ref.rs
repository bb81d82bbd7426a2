//! What votes are about: a block, by its hashes and its time.

use std::fmt;
use std::time::Duration;

use arc_malachitebft_app::types::core;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::types::{BlockId, PartSetHeader};

/// CometBFT's part-set header: the count of 64 KiB parts and the Merkle root over them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartSet {
    pub(crate) total: u32,
    pub(crate) hash: [u8; 32],
}

/// A block time with nanoseconds, ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockTime {
    seconds: i64,
    nanos: u32,
}

const NANOS_PER_SECOND: u32 = 1_000_000_000;
/// 9999-12-31T23:59:59Z, the last second protobuf timestamps may hold.
const MAX_SECONDS: i64 = 253_402_300_799;

impl BlockTime {
    /// The time of a protobuf timestamp from 1970 to 9999; `None` outside.
    pub(crate) fn from_proto(time: &Timestamp) -> Option<Self> {
        let nanos = u32::try_from(time.nanos).ok().filter(|n| *n < NANOS_PER_SECOND)?;
        (0..=MAX_SECONDS).contains(&time.seconds).then_some(Self { seconds: time.seconds, nanos })
    }

    pub(crate) fn to_proto(self) -> Timestamp {
        let nanos = i32::try_from(self.nanos).expect("nanos are below 10^9");
        Timestamp { seconds: self.seconds, nanos }
    }

    /// A duration since the Unix epoch, saturating at the year 9999.
    pub(crate) fn since_epoch(elapsed: Duration) -> Self {
        let seconds = i64::try_from(elapsed.as_secs()).unwrap_or(MAX_SECONDS).min(MAX_SECONDS);
        Self { seconds, nanos: elapsed.subsec_nanos() }
    }

    pub(crate) fn saturating_add(self, more: Duration) -> Self {
        let seconds = u64::try_from(self.seconds).expect("block times are not before 1970");
        Self::since_epoch(Duration::new(seconds, self.nanos).saturating_add(more))
    }
}

/// The value of consensus: (block hash, part-set header, block time).
///
/// The time is redundant, since the header that the hash commits to holds it, but votes
/// must be rebuilt from this reference alone, and their signed bytes carry a timestamp.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockRef {
    pub(crate) hash: [u8; 32],
    pub(crate) parts: PartSet,
    pub(crate) time: BlockTime,
}

impl BlockRef {
    /// CometBFT's `BlockID`, as in headers and commits.
    pub(crate) fn block_id(&self) -> BlockId {
        BlockId {
            hash: self.hash.to_vec(),
            part_set_header: Some(PartSetHeader {
                total: self.parts.total,
                hash: self.parts.hash.to_vec(),
            }),
        }
    }
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockRef({self})")
    }
}

impl fmt::Debug for PartSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartSet").field("total", &self.total).finish_non_exhaustive()
    }
}

impl core::Value for BlockRef {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

//! Reassembling streamed blocks, within bounds.

use std::collections::BTreeMap;

use arc_malachitebft_app::streaming::StreamContent;
use arc_malachitebft_app::types::PeerId;
use arc_malachitebft_app::types::streaming::{StreamId, StreamMessage};
use bytes::{Bytes, BytesMut};

use super::PART_BYTES;
use crate::context::{Part, StreamInit};

/// The open streams kept per publisher; a further one replaces the oldest.
const MAX_STREAMS_PER_PEER: usize = 4;
/// Stream ids longer than ours are refused.
const MAX_STREAM_ID_BYTES: usize = 64;

/// The open streams of all publishers.
///
/// A publisher takes at most `MAX_STREAMS_PER_PEER * max_block_bytes` of memory, and its
/// number is bounded by the connections the engine accepts.
#[derive(Debug)]
pub(crate) struct Streams {
    max_block_bytes: usize,
    open: BTreeMap<PeerId, Vec<(StreamId, Stream)>>,
}

#[derive(Debug, Default)]
struct Stream {
    init: Option<StreamInit>,
    parts: BTreeMap<u64, Bytes>,
    bytes: usize,
}

impl Streams {
    pub(crate) fn new(max_block_bytes: usize) -> Self {
        Self { max_block_bytes, open: BTreeMap::new() }
    }

    /// Takes a part; returns the block when its stream is complete.
    pub(crate) fn insert(
        &mut self,
        peer: PeerId,
        message: StreamMessage<Part>,
    ) -> Option<(StreamInit, Bytes)> {
        let StreamMessage { stream_id, sequence, content } = message;
        let StreamContent::Data(part) = content else { return None };
        if stream_id.to_bytes().len() > MAX_STREAM_ID_BYTES {
            return None;
        }
        let max_block_bytes = self.max_block_bytes;
        let streams = self.open.entry(peer).or_default();
        let index = position(streams, &stream_id);
        let stream = &mut streams[index].1;
        if !stream.accept(sequence, part, max_block_bytes) {
            streams.remove(index);
            return None;
        }
        let block = stream.complete()?;
        streams.remove(index);
        Some(block)
    }

    /// Forgets the streams about heights at and below `height`. Those whose first part is
    /// still to come stay, within the bounds.
    pub(crate) fn prune(&mut self, height: crate::context::Height) {
        for streams in self.open.values_mut() {
            streams.retain(|(_, s)| s.init.as_ref().is_none_or(|init| init.height > height));
        }
        self.open.retain(|_, streams| !streams.is_empty());
    }
}

/// The place of a stream, which is opened when it is new.
fn position(streams: &mut Vec<(StreamId, Stream)>, id: &StreamId) -> usize {
    if let Some(index) = streams.iter().position(|(open, _)| open == id) {
        return index;
    }
    if streams.len() >= MAX_STREAMS_PER_PEER {
        streams.remove(0);
    }
    streams.push((id.clone(), Stream::default()));
    streams.len() - 1
}

impl Stream {
    /// Takes a part; false when the stream breaks a rule and must be dropped.
    fn accept(&mut self, sequence: u64, part: Part, max_block_bytes: usize) -> bool {
        match part {
            Part::Init(init) => {
                let fits = size(&init) <= max_block_bytes;
                let fresh = self.init.as_ref().is_none_or(|known| *known == init);
                self.init = Some(init);
                sequence == 0 && fits && fresh
            }
            Part::Data { bytes, .. } => {
                if sequence == 0 || bytes.is_empty() || bytes.len() > PART_BYTES {
                    return false;
                }
                if !self.parts.contains_key(&sequence) {
                    self.bytes = self.bytes.saturating_add(bytes.len());
                    self.parts.insert(sequence, bytes);
                }
                let limit = self.init.as_ref().map_or(max_block_bytes, size);
                self.bytes <= limit
            }
        }
    }

    /// The block, once as many bytes are there as the first part announced.
    fn complete(&mut self) -> Option<(StreamInit, Bytes)> {
        let init = self.init.as_ref().filter(|init| self.bytes == size(init))?;
        let in_order = (1_u64..).zip(self.parts.keys()).all(|(expected, got)| expected == *got);
        if !in_order {
            return None;
        }
        let mut block = BytesMut::with_capacity(self.bytes);
        self.parts.values().for_each(|part| block.extend_from_slice(part));
        Some((init.clone(), block.freeze()))
    }
}

fn size(init: &StreamInit) -> usize {
    usize::try_from(init.size).unwrap_or(usize::MAX)
}

/// The parts of a block, ready to publish in this order.
pub(crate) fn split(id: &StreamId, init: StreamInit, block: &Bytes) -> Vec<StreamMessage<Part>> {
    let count = block.len().div_ceil(PART_BYTES);
    let data = (0..count).map(|i| {
        let start = i * PART_BYTES;
        let end = block.len().min(start + PART_BYTES);
        Part::Data { bytes: block.slice(start..end), last: i + 1 == count }
    });
    (0_u64..)
        .zip(std::iter::once(Part::Init(init)).chain(data))
        .map(|(sequence, part)| StreamMessage::new(id.clone(), sequence, StreamContent::Data(part)))
        .collect()
}

#[cfg(test)]
mod tests;

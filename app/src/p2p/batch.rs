//! Several transactions in one gossip message.
//!
//! A message of its own for each transaction costs more than the transaction: an id, a verdict, a
//! place in every peer's queue. So transactions wait a few milliseconds for company.
//!
//! Encoding: the version byte, then each transaction after its length as four big-endian bytes.
//! Nothing may follow, and no batch is empty.

use bytes::{Buf, Bytes};

use crate::mempool::MAX_TX_BYTES;

/// The first byte of every batch.
const VERSION: u8 = 1;
/// Bytes of a length.
const LEN: usize = 4;
/// A batch is sent before it grows beyond this, unless it is a single transaction.
const FULL_BYTES: usize = 64 * 1024;
/// Most transactions in a batch: as many as the smallest real ones fill it with.
const MAX_COUNT: usize = 1_024;
/// The longest batch: the largest transaction alone.
pub const MAX_BATCH_BYTES: usize = 1 + LEN + MAX_TX_BYTES;

/// Why bytes are no batch. Nobody who follows the protocol sends such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// More bytes than [`MAX_BATCH_BYTES`].
    #[error("batch of {0} bytes, limit {MAX_BATCH_BYTES}")]
    TooLong(usize),
    /// The first byte is missing, or of a version that this program does not know.
    #[error("batch version {0:?}, expected {VERSION}")]
    Version(Option<u8>),
    /// Nothing follows the version.
    #[error("batch without a transaction")]
    Empty,
    /// More transactions than a batch may hold.
    #[error("batch of more than {MAX_COUNT} transactions")]
    TooMany,
    /// A transaction that says it is longer than one may be.
    #[error("transaction of {0} bytes in a batch, limit {MAX_TX_BYTES}")]
    TooLarge(usize),
    /// The bytes end before a transaction that was announced.
    #[error("batch ends inside a transaction")]
    Truncated,
}

/// The transactions of a batch, which share its memory.
///
/// # Errors
/// The bytes are no batch.
pub fn decode(mut bytes: Bytes) -> Result<Vec<Bytes>, BatchError> {
    if bytes.len() > MAX_BATCH_BYTES {
        return Err(BatchError::TooLong(bytes.len()));
    }
    if bytes.first() != Some(&VERSION) {
        return Err(BatchError::Version(bytes.first().copied()));
    }
    bytes.advance(1);
    let mut batch = Vec::new();
    while !bytes.is_empty() {
        if batch.len() == MAX_COUNT {
            return Err(BatchError::TooMany);
        }
        let len = bytes.try_get_u32().map_err(|_| BatchError::Truncated)? as usize;
        if len > MAX_TX_BYTES {
            return Err(BatchError::TooLarge(len));
        }
        if len > bytes.len() {
            return Err(BatchError::Truncated);
        }
        batch.push(bytes.split_to(len));
    }
    if batch.is_empty() { Err(BatchError::Empty) } else { Ok(batch) }
}

/// A batch being filled.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    count: usize,
}

impl Batch {
    /// A batch of one.
    pub fn single(raw: &[u8]) -> Vec<u8> {
        let mut batch = Self::default();
        batch.append(raw);
        batch.bytes
    }

    /// Whether nothing is here.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a transaction of at most [`MAX_TX_BYTES`]. When it does not fit beside what is here,
    /// that is returned, ready to be sent.
    pub fn push(&mut self, raw: &[u8]) -> Option<Vec<u8>> {
        let length = self.bytes.len().saturating_add(LEN).saturating_add(raw.len());
        let full = (length > FULL_BYTES || self.count == MAX_COUNT).then(|| self.take()).flatten();
        self.append(raw);
        full
    }

    /// What is here; `None` when that is nothing.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let Self { bytes, count } = std::mem::take(self);
        (count > 0).then_some(bytes)
    }

    fn append(&mut self, raw: &[u8]) {
        if self.is_empty() {
            self.bytes.push(VERSION);
        }
        // Whatever is in the pool is at most `MAX_TX_BYTES` long.
        let len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(raw);
        self.count = self.count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn pack(transactions: &[Vec<u8>]) -> Vec<Bytes> {
        let mut batch = Batch::default();
        let mut messages: Vec<_> =
            transactions.iter().filter_map(|raw| batch.push(raw)).map(Bytes::from).collect();
        messages.extend(batch.take().map(Bytes::from));
        messages
    }

    fn transactions() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let small = prop::collection::vec(any::<u8>(), 0..300);
        let any_size = (any::<u8>(), 0..=MAX_TX_BYTES).prop_map(|(byte, len)| vec![byte; len]);
        prop::collection::vec(prop_oneof![20 => small, 1 => any_size], 0..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]

        #[test]
        fn what_is_packed_is_unpacked_in_order(transactions in transactions()) {
            let messages = pack(&transactions);
            let unpacked: Vec<Vec<u8>> =
                messages.iter().flat_map(|m| decode(m.clone()).unwrap()).map(Vec::from).collect();
            prop_assert_eq!(unpacked, transactions);
            for message in &messages {
                let single = decode(message.clone()).unwrap().len() == 1;
                prop_assert!(message.len() <= FULL_BYTES || single);
            }
        }

        #[test]
        fn a_truncated_batch_is_refused_or_ends_between_transactions(
            transactions in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let message = pack(&transactions).remove(0);
            let short = message.slice(..cut.index(message.len()));
            if let Ok(fewer) = decode(short.clone()) {
                let fewer: Vec<Vec<u8>> = fewer.into_iter().map(Vec::from).collect();
                prop_assert_eq!(&fewer[..], &transactions[..fewer.len()]);
                prop_assert_eq!(&pack(&fewer)[0], &short);
            }
        }

        #[test]
        fn random_bytes_are_one_encoding_or_an_error(
            mut bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(1)], 0..200),
            versioned in any::<bool>(),
        ) {
            if versioned && let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            if let Ok(batch) = decode(bytes.clone().into()) {
                let batch: Vec<Vec<u8>> = batch.into_iter().map(Vec::from).collect();
                prop_assert_eq!(&pack(&batch)[0][..], &bytes[..]);
            }
        }
    }

    #[test]
    fn limits_hold_when_batches_are_read() {
        let read = |bytes: Vec<u8>| decode(bytes.into());
        assert_eq!(read(vec![]), Err(BatchError::Version(None)));
        assert_eq!(read(vec![2, 0, 0, 0, 0]), Err(BatchError::Version(Some(2))));
        assert_eq!(read(vec![1]), Err(BatchError::Empty));
        assert_eq!(
            read(vec![1; MAX_BATCH_BYTES + 1]),
            Err(BatchError::TooLong(MAX_BATCH_BYTES + 1))
        );
        assert_eq!(read(vec![1, 0xff, 0, 0, 0]), Err(BatchError::TooLarge(0xff00_0000)));
        let mut empty_ones = vec![0; 1 + LEN * MAX_COUNT];
        empty_ones[0] = VERSION;
        assert_eq!(read(empty_ones.clone()).unwrap().len(), MAX_COUNT);
        empty_ones.extend([0; LEN]);
        assert_eq!(read(empty_ones), Err(BatchError::TooMany));
        let largest = Batch::single(&vec![7; MAX_TX_BYTES]);
        assert_eq!(largest.len(), MAX_BATCH_BYTES);
        assert_eq!(read(largest).unwrap(), [vec![7; MAX_TX_BYTES]]);
    }
}

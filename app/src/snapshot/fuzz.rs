//! A door for `make fuzz`: what strangers send as snapshots. It panics when a rule is broken.

use alloy_primitives::B256;
use bytes::Bytes;
use mooring_abci::proto::abci::Snapshot;

use super::Manifest;
use super::format::{FORMAT, MAX_CHUNK, Record};

/// Reads a chunk to its end or to what is no record: each record is written and read again as the
/// same, and none is longer than what it was read from.
///
/// # Panics
/// When that does not hold.
pub fn chunk(bytes: &[u8]) {
    assert!(bytes.len() <= MAX_CHUNK, "a longer one is refused unread");
    let mut rest = bytes;
    while !rest.is_empty() {
        let Ok(record) = Record::read(&mut rest) else { return };
        let mut again = Vec::new();
        record.write(&mut again).expect("what was read is short enough");
        let mut written = &again[..];
        assert_eq!(Record::read(&mut written), Ok(record), "it is the same again");
        assert!(written.is_empty(), "it is one record");
    }
}

/// Reads what is told of a snapshot; what is accepted is told again in the same words.
///
/// # Panics
/// When that does not hold.
pub fn manifest(height: u64, chunks: u32, metadata: &[u8]) {
    let metadata = Bytes::copy_from_slice(metadata);
    let told =
        |hash: Bytes| Snapshot { height, format: FORMAT, chunks, hash, metadata: metadata.clone() };
    assert!(Manifest::from_abci(&told(Bytes::new())).is_err(), "it has no hash");
    let names = metadata.get(65..).unwrap_or_default().as_chunks::<32>().0;
    let names = names.iter().copied().map(B256::new).collect();
    let named = Manifest { height, chain: B256::ZERO, app_hash: B256::ZERO, chunks: names };
    let snapshot = told(Bytes::copy_from_slice(named.hash().as_slice()));
    if let Ok(manifest) = Manifest::from_abci(&snapshot) {
        assert_eq!(manifest.to_abci().expect("it was told before"), snapshot);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn random_bytes_break_nothing(
            tag in 0_u8..8,
            body in prop::collection::vec(any::<u8>(), 0..200),
            height in 0_u64..3,
            count in 0_u32..8,
        ) {
            let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
            super::chunk(&[&[tag], &length[..], &body].concat());
            super::manifest(height, count, &[&[1], &body[..]].concat());
        }

        #[test]
        fn whole_metadata_is_read(height in 1_u64..9, names in 1_u32..5) {
            super::manifest(height, names, &[&[1][..], &[7; 64], &vec![9; 32 * names as usize]].concat());
        }
    }
}

//! The engine's records.

use bytes::Bytes;
use mooring_abci::{ConsensusStore as _, DecidedBlock, ProposedBlock};

use super::fixture::open;

fn decided(n: u8) -> DecidedBlock {
    DecidedBlock { block: Bytes::from(vec![n; 3]), certificate: Bytes::from(vec![n; 2]) }
}

fn proposed(key: &'static [u8]) -> ProposedBlock {
    ProposedBlock { key: Bytes::from_static(key), value: Bytes::from(key.repeat(2)) }
}

#[test]
fn decided_blocks_are_kept_by_height() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        assert_eq!((store.tip().unwrap(), store.base().unwrap()), (0, 0));
        for height in 1..=300 {
            store.put_decided(height, &decided(u8::try_from(height % 256).unwrap())).unwrap();
        }
        store.put_certificate(256, &Bytes::from_static(b"more")).unwrap();
    }
    let store = open(dir.path());
    assert_eq!((store.tip().unwrap(), store.base().unwrap()), (300, 1));
    assert_eq!(store.decided(255).unwrap(), Some(decided(255)));
    let changed = store.decided(256).unwrap().unwrap();
    assert_eq!(changed.block, decided(0).block);
    assert_eq!(changed.certificate, Bytes::from_static(b"more"));
    assert_eq!(store.decided(301).unwrap(), None);
}

#[test]
fn proposals_are_listed_in_order_and_pruned_by_height() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put_proposed(7, &proposed(b"b")).unwrap();
    store.put_proposed(7, &proposed(b"a")).unwrap();
    store.put_proposed(8, &proposed(b"c")).unwrap();
    assert_eq!(store.proposed(7).unwrap(), [proposed(b"a"), proposed(b"b")]);
    store.prune_proposed(7).unwrap();
    assert_eq!(store.proposed(7).unwrap(), []);
    assert_eq!(store.proposed(8).unwrap(), [proposed(b"c")]);
}

#[test]
fn named_records_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.record(b"set").unwrap(), None);
    store.put_record(b"set", &Bytes::from_static(b"1")).unwrap();
    store.put_record(b"set", &Bytes::new()).unwrap();
    assert_eq!(store.record(b"set").unwrap(), Some(Bytes::new()));
}

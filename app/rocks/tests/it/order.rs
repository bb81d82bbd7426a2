//! Scans against a sorted map.

use crate::{ORDERED, open};
use mooring_rocks::{Batch, Direction, Entry, Keys, Sync};
use proptest::{prelude::*, test_runner::RngSeed};
use std::collections::BTreeMap;
use tempfile::tempdir;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Short keys of few letters, with the last byte among them: its prefixes have no upper bound.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0u8, 1, 0x7f, 0xfe, 0xff]), 0..4)
}

fn expected(model: &Model, wanted: impl Fn(&[u8]) -> bool) -> Vec<Entry> {
    model.iter().filter(|(key, _)| wanted(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn scans_give_the_wanted_keys_in_order(
        flushed in prop::collection::btree_map(key(), key(), 0..60),
        buffered in prop::collection::btree_map(key(), key(), 0..30),
        bounds in prop::collection::vec((key(), key()), 20),
        limit in 0usize..9,
    ) {
        let dir = tempdir().unwrap();
        let db = open(dir.path());
        for entries in [&flushed, &buffered] {
            let mut batch = Batch::new();
            entries.iter().for_each(|(key, value)| batch.put(ORDERED, key.clone(), value.clone()));
            db.flush().unwrap();
            db.write(batch, Sync::No).unwrap();
        }
        let model: Model = flushed.into_iter().chain(buffered).collect();
        for (a, b) in &bounds {
            let cases = [
                (Keys::All, expected(&model, |_| true)),
                (Keys::Prefix(a), expected(&model, |key| key.starts_with(a))),
                (Keys::Range(a..b), expected(&model, |key| a.as_slice() <= key && key < b)),
                (Keys::From(a), expected(&model, |key| a.as_slice() <= key)),
                (Keys::Before(b), expected(&model, |key| key < b.as_slice())),
            ];
            for (keys, mut entries) in cases {
                for direction in [Direction::Forward, Direction::Backward] {
                    let scan = db.scan(ORDERED, keys.clone(), direction).unwrap();
                    let found: Vec<_> = scan.take(limit).map(Result::unwrap).collect();
                    prop_assert_eq!(&found, &entries[..limit.min(entries.len())], "{:?}", keys);
                    entries.reverse();
                }
            }
        }
    }
}

#[test]
fn a_scan_does_not_see_later_writes() {
    let dir = tempdir().unwrap();
    let db = open(dir.path());
    let write = |key: &str| {
        let mut batch = Batch::new();
        batch.put(ORDERED, key, "");
        db.write(batch, Sync::No).unwrap();
    };
    write("a");
    let scan = db.scan(ORDERED, Keys::All, Direction::Forward).unwrap();
    write("b");
    assert_eq!(scan.count(), 1);
    assert_eq!(db.scan(ORDERED, Keys::All, Direction::Forward).unwrap().count(), 2);
}

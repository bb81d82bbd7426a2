#![allow(clippy::unwrap_used, reason = "tests")]

mod chain;
mod damage;
mod forged;
mod server;

use alloy_primitives::{Address, B256, U256};
use mooring_rocks::Error as RocksError;
use mooring_stf::testing::wallet;
use mooring_stf::{Fault, StateReader as _};
use proptest::prelude::*;

use super::*;
use crate::store::StoreOptions;
use chain::{Home, Script, busy, files, same_chain, until};

/// A snapshot of this height of the script's chain, in small chunks.
fn snapshot_at(script: &Script, height: u64, options: StoreOptions) -> (Home, Saved) {
    let mut home = Home::open(script, options);
    home.play(script, height);
    let saved = create(&home.rig.chain.store, &home.snapshots().in_chunks_of(4096)).unwrap();
    (home, saved)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(23),
        ..Default::default()
    })]

    #[test]
    fn a_restored_chain_goes_on_as_the_original(seed in any::<u64>(), at in 1..20u64) {
        let script = Script::of(seed, 24);
        let (mut original, saved) = snapshot_at(&script, at, StoreOptions::default());
        let (_other, again) = snapshot_at(&script, at, busy());
        prop_assert_eq!(files(&saved), files(&again), "whatever else a node keeps");
        let app_hash = original.rig.latest().tip().app_hash;
        prop_assert_eq!(saved.manifest().app_hash, app_hash);

        let restored = Home::open(&script, busy());
        let rules = script.rules();
        let checked = restore(&saved, &rules, &restored.rig.chain.store, app_hash).unwrap();
        prop_assert_eq!((checked.height, checked.app_hash), (at, app_hash));
        same_chain(&original.rig.latest(), &restored.rig.latest());
        let mut restored = restored.reopened(&script);
        same_chain(&original.rig.latest(), &restored.rig.latest());
        for height in at + 1..=24 {
            original.play(&script, height);
            restored.play(&script, height);
            same_chain(&original.rig.latest(), &restored.rig.latest());
        }
        let restored = restored.reopened(&script);
        same_chain(&original.rig.latest(), &restored.rig.latest());
        let mine = create(&restored.rig.chain.store, &restored.snapshots()).unwrap();
        let theirs = create(&original.rig.chain.store, &original.snapshots()).unwrap();
        prop_assert_eq!(files(&mine), files(&theirs), "from a snapshot or from genesis");
    }
}

#[test]
fn nodes_write_equal_snapshots_while_the_chain_goes_on() {
    let script = Script::of(5, 40);
    let mut seen: Option<Vec<(String, Vec<u8>)>> = None;
    for (threads, options) in [(1, StoreOptions::default()), (4, busy())] {
        let options = StoreOptions { snapshot_interval: 10, ..options };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut home = Home::open(&script, options);
        // Each is waited for: the thread takes one while another waits, and no more.
        for height in [13, 27, 36, 40] {
            pool.install(|| home.play(&script, height));
            home.rig.chain.store.flush().unwrap();
            until(|| home.snapshots().heights().unwrap().first() == Some(&(height / 10 * 10)));
        }
        until(|| home.snapshots().heights().unwrap() == [40, 30]);
        let found = files(&home.snapshots().get(40).unwrap());
        assert_eq!(*seen.get_or_insert_with(|| found.clone()), found, "{threads} threads");
    }
}

#[test]
fn what_lies_below_a_snapshot_is_told_as_not_kept() {
    let script = Script::of(7, 12);
    let (original, saved) = snapshot_at(&script, 9, StoreOptions::default());
    let app_hash = saved.manifest().app_hash;
    let mut home = Home::open(&script, StoreOptions::default());
    let rules = script.rules();
    restore(&saved, &rules, &home.rig.chain.store, app_hash).unwrap();
    home.play(&script, 12);
    let store = &home.rig.chain.store;
    let (view, theirs) = (store.latest(), original.rig.latest());
    let kept = store.kept();
    assert_eq!((kept.state, kept.blocks), (9, 10));
    for height in 1..9 {
        assert!(!view.has_block(height));
        assert!(view.block(height).unwrap().is_none() && view.tip_at(height).unwrap().is_none());
        assert!(view.receipts(height).unwrap().is_none() && store.at(height).unwrap().is_none());
        let header = view.header_at(height).unwrap();
        assert_eq!(header, theirs.header_at(height).unwrap(), "BLOCKHASH needs it");
    }
    assert!(view.block(9).unwrap().is_none() && store.at(9).unwrap().is_some());
    for height in [0, 10, 11, 12] {
        assert_eq!(view.block(height).unwrap().unwrap().number(), height);
    }
    let scratch = tempfile::tempdir().unwrap();
    let replayed = crate::replay::replay(store, &script.genesis, 12, scratch.path(), |_| ());
    let said = replayed.unwrap_err().to_string();
    assert!(said.contains("restored from a snapshot"), "{said}");
}

#[test]
fn a_store_that_is_not_empty_takes_no_snapshot() {
    let script = Script::of(7, 4);
    let (mut home, saved) = snapshot_at(&script, 3, StoreOptions::default());
    let (rules, app_hash) = (script.rules(), saved.manifest().app_hash);
    let refused = restore(&saved, &rules, &home.rig.chain.store, app_hash).unwrap_err();
    assert!(matches!(refused, SnapshotError::NotEmpty { height: 3 }), "{refused}");
    home.play(&script, 4);
}

#[test]
fn there_is_no_snapshot_of_genesis() {
    let script = Script::of(7, 1);
    let home = Home::open(&script, StoreOptions::default());
    let refused = create(&home.rig.chain.store, &home.snapshots()).unwrap_err();
    assert!(matches!(refused, SnapshotError::NothingYet), "{refused}");
}

#[test]
fn a_load_cut_off_leaves_an_empty_store_that_can_begin_again() {
    let script = Script::of(3, 12);
    let (original, saved) = snapshot_at(&script, 10, StoreOptions::default());
    let (rules, app_hash) = (script.rules(), saved.manifest().app_hash);
    for cut in [0, 1, 40, 300] {
        let mut home = Home::open(&script, StoreOptions::default());
        let store = home.rig.chain.store.clone();
        let failed = store.load(|loader| {
            let mut left = cut;
            let mut sink = Failing { loader, left: &mut left };
            rebuild::rebuild(&saved, &script.params(), &mut sink)?;
            Err(Fault::new("end").into())
        });
        assert!(matches!(failed, Err(SnapshotError::Fault(_))), "{failed:?}");
        assert!(home.decide(&script, 1).is_err(), "it is no chain to build on");
        drop(store);
        let mut home = home.reopened(&script);
        assert_eq!(home.rig.latest().number(), 0);
        if cut == 40 {
            // It is as good as new.
            home.play(&script, 10);
        } else {
            restore(&saved, &rules, &home.rig.chain.store, app_hash).unwrap();
        }
        same_chain(&original.rig.latest(), &home.rig.latest());
    }
}

/// Takes so many entries, writes what it has, and fails.
struct Failing<'a, S> {
    loader: &'a mut S,
    left: &'a mut usize,
}

impl<S: Sink> Sink for Failing<'_, S> {
    fn put(&mut self, entry: Entry<'_>) -> Result<(), Fault> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| {
            Fault::from_cause("write", RocksError::Io("No space left on device".to_owned()))
        })?;
        self.loader.put(entry)
    }
}

#[test]
fn balances_words_and_code_are_there_after_a_restore() {
    let script = Script::of(11, 20);
    let (original, saved) = snapshot_at(&script, 20, StoreOptions::default());
    let home = Home::open(&script, StoreOptions::default());
    let (rules, app_hash) = (script.rules(), saved.manifest().app_hash);
    restore(&saved, &rules, &home.rig.chain.store, app_hash).unwrap();
    let (mine, theirs) = (home.rig.latest(), original.rig.latest());
    assert!(!script.contracts.is_empty() && theirs.tip().exit_count > 0, "the script has them");
    let people = wallet::KEYS.map(wallet::address);
    for address in script.contracts.iter().copied().chain(people).chain([Address::ZERO]) {
        assert_eq!(mine.account(address).unwrap(), theirs.account(address).unwrap());
        assert_eq!(mine.code_at(address).unwrap(), theirs.code_at(address).unwrap());
        for slot in (0..6).map(U256::from) {
            let word = mine.storage(address, slot).unwrap();
            assert_eq!(word, theirs.storage(address, slot).unwrap());
        }
    }
    assert_eq!(mine.hash_of(19).unwrap(), theirs.hash_of(19).unwrap());
    assert_ne!(mine.hash_of(19).unwrap(), Some(B256::ZERO));
}

//! Copies that broke on the way: the first thing that is wrong is named.

use std::fs;
use std::path::{Path, PathBuf};

use alloy_primitives::B256;
use mooring_stf::testing::ethereum_genesis;
use tempfile::TempDir;

use super::chain::{Home, Script};
use super::snapshot_at;
use crate::snapshot::{Rules, Saved, SnapshotError, restore, verify};
use crate::store::StoreOptions;

/// A snapshot and a home that could be restored from it.
struct Copy {
    script: Script,
    dir: TempDir,
    app_hash: B256,
}

impl Copy {
    fn new() -> Self {
        let script = Script::of(2, 12);
        let (_home, saved) = snapshot_at(&script, 12, StoreOptions::default());
        assert!(saved.manifest().chunks.len() > 3, "{} chunks", saved.manifest().chunks.len());
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in super::files(&saved) {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        Self { script, dir, app_hash: saved.manifest().app_hash }
    }

    fn chunk(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("{index:06}.chunk"))
    }

    fn verified(&self) -> Result<(), SnapshotError> {
        let saved = Saved::open(self.dir.path())?;
        verify(&saved, &self.script.rules(), Some(self.app_hash)).map(drop)
    }

    /// Changes a file, and puts it back after the check.
    fn with(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> SnapshotError {
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        fs::write(path, &bad).unwrap();
        let refused = self.verified().unwrap_err();
        fs::write(path, good).unwrap();
        assert!(refused.is_invalid(), "{refused}");
        refused
    }
}

#[test]
fn a_damaged_chunk_is_named() {
    let copy = Copy::new();
    copy.verified().unwrap();
    let is_chunk = |refused: &SnapshotError, at| match refused {
        SnapshotError::Chunk { index, .. } => assert_eq!(*index, at, "{refused}"),
        other => panic!("{other}"),
    };
    is_chunk(&copy.with(&copy.chunk(1), |bytes| bytes[77] ^= 1), 1);
    is_chunk(&copy.with(&copy.chunk(2), |bytes| bytes.truncate(bytes.len() - 1)), 2);
    is_chunk(&copy.with(&copy.chunk(0), Vec::clear), 0);
    is_chunk(&copy.with(&copy.chunk(3), |bytes| bytes.push(0)), 3);
    let (one, two) = (fs::read(copy.chunk(1)).unwrap(), fs::read(copy.chunk(2)).unwrap());
    fs::write(copy.chunk(1), &two).unwrap();
    fs::write(copy.chunk(2), &one).unwrap();
    is_chunk(&copy.verified().unwrap_err(), 1);
    fs::write(copy.chunk(1), &one).unwrap();
    fs::write(copy.chunk(2), &two).unwrap();
    fs::remove_file(copy.chunk(2)).unwrap();
    let missing = copy.verified().unwrap_err();
    assert!(missing.to_string().contains("chunk 2 of the snapshot is damaged: it is missing"));
    fs::write(copy.chunk(2), &two).unwrap();
    copy.verified().unwrap();
}

#[test]
fn no_byte_of_the_manifest_can_be_changed() {
    let copy = Copy::new();
    let manifest = copy.dir.path().join("manifest");
    let length = fs::read(&manifest).unwrap().len();
    for at in 0..length {
        for bit in [1, 0x80] {
            copy.with(&manifest, |bytes| bytes[at] ^= bit);
        }
        copy.with(&manifest, |bytes| bytes.truncate(at));
    }
    // A length that nobody has memory for.
    copy.with(&manifest, |bytes| bytes.extend([0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f]));
}

#[test]
fn the_snapshot_of_something_else_is_refused_before_it_is_read() {
    let copy = Copy::new();
    let saved = Saved::open(copy.dir.path()).unwrap();
    let rules = copy.script.rules();
    let wrong = B256::repeat_byte(7);
    let refused = verify(&saved, &rules, Some(wrong)).unwrap_err();
    let SnapshotError::OtherAppHash { expected, found } = refused else { panic!("{refused}") };
    assert_eq!((expected, found), (wrong, copy.app_hash));
    let other = Rules::of(&ethereum_genesis(1));
    let refused = verify(&saved, &other, None).unwrap_err();
    assert!(matches!(refused, SnapshotError::OtherChain { .. }), "{refused}");
    let nothing = tempfile::tempdir().unwrap();
    let refused = Saved::open(nothing.path()).unwrap_err();
    assert!(matches!(refused, SnapshotError::Missing { .. }), "{refused}");
}

#[test]
fn a_refused_snapshot_leaves_a_store_that_takes_the_right_one() {
    let copy = Copy::new();
    let mut home = Home::open(&copy.script, StoreOptions::default());
    let rules = copy.script.rules();
    let good = fs::read(copy.chunk(2)).unwrap();
    fs::write(copy.chunk(2), &good[1..]).unwrap();
    let saved = Saved::open(copy.dir.path()).unwrap();
    restore(&saved, &rules, &home.rig.chain.store, copy.app_hash).unwrap_err();
    // Nothing was written: the chain could begin at genesis as well.
    home.decide(&copy.script, 1).unwrap();
    let home = Home::open(&copy.script, StoreOptions::default());
    fs::write(copy.chunk(2), &good).unwrap();
    restore(&saved, &rules, &home.rig.chain.store, copy.app_hash).unwrap();
    assert_eq!(home.rig.latest().tip().app_hash, copy.app_hash);
}

//! A snapshot is the database at one moment, and keeps it open.

use crate::{ALL, POINT, open};
use mooring_rocks::{Batch, Db, OpenError, Sync};
use std::sync::Arc;
use tempfile::tempdir;

#[test]
fn a_snapshot_does_not_see_later_writes() {
    let dir = tempdir().unwrap();
    let db = Arc::new(open(dir.path()));
    let mut batch = Batch::new();
    batch.put(POINT, "changed", "old");
    batch.put(POINT, "removed", "old");
    db.write(batch, Sync::No).unwrap();
    let snapshot = db.snapshot();
    let mut batch = Batch::new();
    batch.put(POINT, "changed", "new");
    batch.delete(POINT, "removed");
    batch.put(POINT, "added", "new");
    db.write(batch, Sync::No).unwrap();
    db.flush().unwrap();
    let keys = ["changed", "removed", "added"];
    let then = keys.map(|key| snapshot.get(POINT, key).unwrap());
    assert_eq!(then, [Some(b"old".to_vec()), Some(b"old".to_vec()), None]);
    let now = keys.map(|key| db.get(POINT, key).unwrap());
    assert_eq!(now, [Some(b"new".to_vec()), None, Some(b"new".to_vec())]);
}

#[test]
fn the_database_stays_open_until_its_last_snapshot_is_dropped() {
    let dir = tempdir().unwrap();
    let db = Arc::new(open(dir.path()));
    let mut batch = Batch::new();
    batch.put(POINT, "key", "value");
    db.write(batch, Sync::No).unwrap();
    let snapshot = db.snapshot();
    drop(db);
    assert!(matches!(Db::open(dir.path(), &ALL), Err(OpenError::InUse { .. })));
    let read = std::thread::spawn(move || snapshot.get(POINT, "key").unwrap());
    assert_eq!(read.join().unwrap().unwrap(), b"value");
    assert_eq!(open(dir.path()).get(POINT, "key").unwrap().unwrap(), b"value");
}

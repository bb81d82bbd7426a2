//! Table files: whole or not at all.

use mooring_rocks::{Batch, ColumnFamily, Db, Direction, Error, Keys, Kind, Sync};
use std::sync::Arc;

const TABLE: ColumnFamily = ColumnFamily { name: "table", kind: Kind::Point };
const OTHER: ColumnFamily = ColumnFamily { name: "other", kind: Kind::Records };

fn open(dir: &std::path::Path) -> Arc<Db> {
    Arc::new(Db::open(dir, &[TABLE, OTHER]).unwrap())
}

fn put(db: &Db, entries: &[(&[u8], Option<&[u8]>)]) -> Result<(), Error> {
    db.ingest(TABLE, |file| {
        for (key, value) in entries {
            match value {
                Some(value) => file.put(key, value)?,
                None => file.delete(key)?,
            }
        }
        Ok(())
    })
}

#[test]
fn later_files_win_and_snapshots_keep_their_moment() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    put(&db, &[(b"a", Some(b"1")), (b"b", Some(b"1"))]).unwrap();
    let before = db.snapshot();
    put(&db, &[(b"a", None), (b"b", Some(b"2")), (b"c", Some(b"3"))]).unwrap();
    let after = db.snapshot();
    let all = |snapshot: &mooring_rocks::Snapshot| -> Vec<_> {
        let scan = snapshot.scan(TABLE, Keys::All, Direction::Forward).unwrap();
        scan.map(Result::unwrap).collect()
    };
    let entry = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    assert_eq!(all(&before), [entry(b"a", b"1"), entry(b"b", b"1")]);
    assert_eq!(all(&after), [entry(b"b", b"2"), entry(b"c", b"3")]);
    drop((before, after, db));
    assert_eq!(all(&open(dir.path()).snapshot()), [entry(b"b", b"2"), entry(b"c", b"3")]);
}

#[test]
fn a_file_that_is_not_finished_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let stopped: Result<(), Error> = db.ingest(TABLE, |file| {
        file.put(b"a", b"1")?;
        Err(Error::Other("stop".to_owned()))
    });
    assert!(stopped.is_err());
    assert!(put(&db, &[(b"b", Some(b"1")), (b"a", Some(b"1"))]).is_err(), "out of order");
    assert_eq!(db.get(TABLE, b"a").unwrap(), None);
    assert_eq!(db.get(TABLE, b"b").unwrap(), None);
    put(&db, &[]).unwrap();
    put(&db, &[(b"c", Some(b"1"))]).unwrap();
    assert_eq!(db.get(TABLE, b"c").unwrap().unwrap(), b"1");
}

#[test]
fn writes_go_on_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    for n in 0u32..50 {
        let mut batch = Batch::new();
        batch.put(OTHER, n.to_be_bytes(), b"x");
        db.write(batch, Sync::Yes).unwrap();
        put(&db, &[(&n.to_be_bytes(), Some(b"y")), (b"\xff", Some(&n.to_be_bytes()))]).unwrap();
    }
    drop(db);
    let db = open(dir.path());
    assert_eq!(db.get(TABLE, b"\xff").unwrap().unwrap(), 49u32.to_be_bytes());
    assert_eq!(db.get(OTHER, 49u32.to_be_bytes()).unwrap().unwrap(), b"x");
    assert_eq!(db.get(TABLE, 7u32.to_be_bytes()).unwrap().unwrap(), b"y");
}

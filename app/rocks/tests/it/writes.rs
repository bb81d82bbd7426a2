//! What is written is read, all of a batch or nothing, also after opening again.

use crate::{ALL, ORDERED, POINT, RECORDS, open};
use mooring_rocks::{Batch, ColumnFamily, Db, Direction, Error, Keys, Kind, Sync};
use tempfile::tempdir;

const STRANGER: ColumnFamily = ColumnFamily { name: "stranger", kind: Kind::Point };

#[test]
fn each_column_family_returns_what_was_put_there() {
    let dir = tempdir().unwrap();
    let db = open(dir.path());
    let mut batch = Batch::new();
    for cf in ALL {
        batch.put(cf, "key", cf.name);
        batch.put(cf, "", "empty key");
        batch.put(cf, "empty value", "");
    }
    batch.put(RECORDS, "big", vec![7; 3 << 20]);
    db.write(batch, Sync::No).unwrap();
    for cf in ALL {
        assert_eq!(db.get(cf, "key").unwrap().unwrap(), cf.name.as_bytes());
        assert_eq!(db.get(cf, "").unwrap().unwrap(), b"empty key");
        assert_eq!(db.get(cf, "empty value").unwrap().unwrap(), b"");
        assert_eq!(db.get(cf, "absent").unwrap(), None);
    }
    assert_eq!(db.get(RECORDS, "big").unwrap().unwrap(), vec![7; 3 << 20]);
    let many = db.get_many(POINT, &["absent", "key", ""]).unwrap();
    assert_eq!(many, [None, Some(b"point".to_vec()), Some(b"empty key".to_vec())]);
    assert!(db.get_many::<&str>(POINT, &[]).unwrap().is_empty());
}

#[test]
fn of_two_writes_to_one_key_the_later_counts() {
    let dir = tempdir().unwrap();
    let db = open(dir.path());
    let mut batch = Batch::new();
    batch.put(POINT, "a", "1");
    batch.put(POINT, "a", "2");
    batch.put(POINT, "b", "1");
    batch.delete(POINT, "b");
    batch.delete(POINT, "c");
    batch.put(POINT, "c", "1");
    db.write(batch, Sync::Yes).unwrap();
    let values = db.get_many(POINT, &["a", "b", "c"]).unwrap();
    assert_eq!(values, [Some(b"2".to_vec()), None, Some(b"1".to_vec())]);
}

#[test]
fn a_range_is_removed_without_its_end_and_only_in_its_column_family() {
    let dir = tempdir().unwrap();
    let db = open(dir.path());
    let mut batch = Batch::new();
    for key in ["a", "b", "c", "d"] {
        batch.put(POINT, key, key);
        batch.put(ORDERED, key, key);
    }
    batch.delete_range(POINT, "b", "d");
    batch.delete_range(ORDERED, "d", "b");
    db.write(batch, Sync::No).unwrap();
    let keys = |cf| -> Vec<_> {
        db.scan(cf, Keys::All, Direction::Forward).unwrap().map(|entry| entry.unwrap().0).collect()
    };
    assert_eq!(keys(POINT), [b"a", b"d"]);
    assert_eq!(keys(ORDERED), [b"a", b"b", b"c", b"d"]);
}

#[test]
fn a_batch_with_an_unknown_column_family_writes_nothing() {
    let dir = tempdir().unwrap();
    let db = open(dir.path());
    let mut batch = Batch::new();
    batch.put(POINT, "key", "value");
    batch.put(STRANGER, "key", "value");
    let error = db.write(batch, Sync::Yes).unwrap_err();
    assert!(matches!(error, Error::UnknownColumnFamily("stranger")));
    assert_eq!(db.get(POINT, "key").unwrap(), None);
    assert!(matches!(db.get(STRANGER, "key"), Err(Error::UnknownColumnFamily("stranger"))));
}

#[test]
fn all_writes_are_there_after_opening_again() {
    let dir = tempdir().unwrap();
    let write = |db: &Db, n: u8, sync| {
        let mut batch = Batch::new();
        ALL.into_iter().for_each(|cf| batch.put(cf, [n], vec![n; 100]));
        db.write(batch, sync).unwrap();
    };
    let db = open(dir.path());
    write(&db, 0, Sync::No);
    db.flush().unwrap();
    write(&db, 1, Sync::Yes);
    write(&db, 2, Sync::No);
    db.sync().unwrap();
    drop(db);
    let db = open(dir.path());
    write(&db, 3, Sync::No);
    for (cf, n) in ALL.into_iter().flat_map(|cf| (0..4).map(move |n| (cf, n))) {
        assert_eq!(db.get(cf, [n]).unwrap().unwrap(), vec![n; 100]);
    }
}

/// A copy of the files as they are while the database is open is what a crash would leave.
#[test]
fn a_batch_torn_by_a_crash_is_absent_as_a_whole() {
    let dir = tempdir().unwrap();
    let db = open(&dir.path().join("live"));
    for n in 0..20u8 {
        let mut batch = Batch::new();
        ALL.into_iter().for_each(|cf| batch.put(cf, [n], vec![n; 200]));
        db.write(batch, Sync::Yes).unwrap();
    }
    let mut torn = 0;
    for cut in [0, 1, 100, 650, 700, 5_000] {
        let copy = dir.path().join(cut.to_string());
        std::fs::create_dir(&copy).unwrap();
        for file in std::fs::read_dir(dir.path().join("live")).unwrap() {
            let file = file.unwrap().path();
            let to = copy.join(file.file_name().unwrap());
            std::fs::copy(&file, &to).unwrap();
            if file.extension().is_some_and(|extension| extension == "log") {
                let length = std::fs::metadata(&to).unwrap().len();
                let file = std::fs::File::options().write(true).open(&to).unwrap();
                file.set_len(length - cut).unwrap();
            }
        }
        let db = open(&copy);
        let count = |cf| db.scan(cf, Keys::All, Direction::Forward).unwrap().count();
        assert_eq!((count(POINT), count(ORDERED)), (count(RECORDS), count(RECORDS)));
        torn += 20 - count(POINT);
    }
    assert!(torn > 5);
}

#[test]
fn a_batch_counts_its_writes_and_bytes() {
    let mut batch = Batch::new();
    assert!(batch.is_empty());
    batch.put(POINT, "key", "value");
    let mut other = Batch::new();
    other.delete(POINT, "gone");
    other.delete_range(POINT, "x", "yz");
    batch.append(other);
    assert_eq!((batch.len(), batch.bytes()), (3, 8 + 4 + 3));
}

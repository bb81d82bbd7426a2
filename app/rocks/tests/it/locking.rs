//! Who may open a database, and what the others are told.

use crate::{ALL, POINT, RECORDS, open};
use mooring_rocks::{Batch, Db, OpenError, Sync};
use tempfile::tempdir;

#[test]
fn a_second_handle_is_refused_until_the_first_is_dropped() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("made/on/the/way");
    let db = open(&path);
    let error = Db::open(&path, &ALL).unwrap_err();
    let text = error.to_string();
    assert!(matches!(&error, OpenError::InUse { path: named, .. } if *named == path));
    assert!(text.contains(path.to_str().unwrap()) && text.contains("in use by this process"));
    assert!(text.contains("another data directory"));
    assert_eq!(db.path(), path);
    drop(db);
    open(&path);
}

#[test]
fn a_database_with_unknown_column_families_is_refused_by_name() {
    let dir = tempdir().unwrap();
    drop(open(dir.path()));
    let error = Db::open(dir.path(), &[RECORDS]).unwrap_err();
    assert!(
        matches!(error, OpenError::UnknownColumnFamilies { names, .. } if names == ["ordered", "point"])
    );
}

#[test]
fn new_column_families_are_made() {
    let dir = tempdir().unwrap();
    drop(Db::open(dir.path(), &[RECORDS]).unwrap());
    assert_eq!(open(dir.path()).get(POINT, "key").unwrap(), None);
}

#[test]
fn a_damaged_manifest_is_called_corrupt() {
    let dir = tempdir().unwrap();
    drop(open(dir.path()));
    let name = std::fs::read_to_string(dir.path().join("CURRENT")).unwrap();
    let manifest = dir.path().join(name.trim());
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes[10] ^= 0xff;
    std::fs::write(manifest, bytes).unwrap();
    let error = Db::open(dir.path(), &ALL).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_damaged_table_fails_the_read_and_gives_no_value() {
    let dir = tempdir().unwrap();
    let db = open(dir.path());
    let mut batch = Batch::new();
    batch.put(POINT, "key", vec![1; 2_000]);
    db.write(batch, Sync::Yes).unwrap();
    db.flush().unwrap();
    drop(db);
    for file in std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "sst") {
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[5] ^= 0xff;
            std::fs::write(file, bytes).unwrap();
        }
    }
    let read = Db::open(dir.path(), &ALL).map(|db| db.get(POINT, "key"));
    assert!(
        matches!(read, Ok(Err(mooring_rocks::Error::Corrupt(_))) | Err(OpenError::Corrupt { .. })),
        "{read:?}"
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_a_disk_error() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "no directory").unwrap();
    assert!(matches!(Db::open(&path, &ALL), Err(OpenError::Io { .. })));
}

//! Record files that RocksDB's reader would never come to the end of.

use super::{ALL, POINT, open};
use mooring_rocks::{Batch, Db, OpenError, Sync};
use std::{fs, path::Path};

/// Where the records of a file begin that has one block.
fn records(bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 7 <= bytes.len() {
        found.push(at);
        at += 7 + usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
    }
    found
}

#[test]
fn a_type_of_recycled_files_is_refused_where_it_would_be_read_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    for key in 0..10_u8 {
        let mut batch = Batch::default();
        batch.put(POINT, [key], [key]);
        db.write(batch, Sync::Yes).unwrap();
    }
    drop(db);
    let is_one = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".log") || name.starts_with("MANIFEST-")
    };
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.is_file() && is_one(path)).collect();
    let mut flips = 0;
    for file in &files {
        let whole = fs::read(file).unwrap();
        for at in records(&whole) {
            for kind in [5, 6, 7, 8, 11, 131] {
                let mut bytes = whole.clone();
                bytes[at + 6] = kind;
                fs::write(file, bytes).unwrap();
                let Err(OpenError::Corrupt { source, .. }) = Db::open(dir.path(), &ALL) else {
                    panic!("{} at {at} is not found to be damaged", file.display());
                };
                let name = file.file_name().unwrap().to_str().unwrap();
                assert!(source.to_string().contains(name), "{source}");
                flips += 1;
            }
        }
        fs::write(file, whole).unwrap();
    }
    assert!(files.len() >= 2 && flips >= 6 * 11, "{flips} flips in {} files", files.len());
    drop(open(dir.path()));
}

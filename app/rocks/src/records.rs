//! A look at RocksDB's record files before RocksDB reads them.
//!
//! Its reader never ends at a record whose type says that the file was recycled where the records
//! before it say that it was not: one flipped byte of a manifest or log would hang the node that
//! opens it (`Reader::ReadPhysicalRecord` in `db/log_reader.cc`, seen in 11.8.1). All else that is
//! wrong RocksDB finds by itself.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::Path,
};

use crate::{Error, OpenError};

/// Records do not cross a multiple of so many bytes (RocksDB's `log_format.h`).
const BLOCK: usize = 32 * 1024;
/// Checksum, length and type of a record.
const HEAD: usize = 7;

/// Whether a record of this type is in recycled files alone, of which we have none.
const fn is_of_recycled(kind: u8) -> bool {
    matches!(kind, 5..=8 | 11 | 131)
}

/// Refuses the database in `path` if one of its record files would keep RocksDB reading for ever.
pub(crate) fn check(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_log = file.extension().is_some_and(|extension| extension == "log");
        if !is_log && !name.starts_with("MANIFEST-") {
            continue;
        }
        let records = File::open(&file).map_err(failed)?;
        if let Some((at, kind)) = find(BufReader::new(records)).map_err(failed)? {
            let what = format!("{name}: a record of type {kind} at byte {at} has no place there");
            return Err(OpenError::Corrupt { path: path.to_owned(), source: Error::Corrupt(what) });
        }
    }
    Ok(())
}

/// Where the first record of a recycled file begins, and its type.
fn find(mut file: impl Read) -> io::Result<Option<(u64, u8)>> {
    let mut start: u64 = 0;
    loop {
        let mut block = Vec::with_capacity(BLOCK);
        file.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        if let Some((at, kind)) = find_in(&block) {
            return Ok(Some((start.saturating_add(at as u64), kind)));
        }
        if block.len() < BLOCK {
            return Ok(None);
        }
        start = start.saturating_add(BLOCK as u64);
    }
}

/// The same in one block. What a length leads to beyond its end RocksDB skips.
fn find_in(block: &[u8]) -> Option<(usize, u8)> {
    let mut at: usize = 0;
    while let Some([_, _, _, _, low, high, kind]) = block.get(at..at.saturating_add(HEAD)) {
        if is_of_recycled(*kind) {
            return Some((at, *kind));
        }
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        // Reserved and never written.
        if *kind == 0 && length == 0 {
            return None;
        }
        at = at.saturating_add(HEAD).saturating_add(length);
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn record(kind: u8, payload: usize) -> Vec<u8> {
        let length = u16::try_from(payload).unwrap().to_le_bytes();
        let mut bytes = vec![1, 2, 3, 4, length[0], length[1], kind];
        bytes.resize(HEAD + payload, 5);
        bytes
    }

    #[test]
    fn it_is_found_in_any_block() {
        let mut file = [record(1, 100), record(2, BLOCK - 2 * HEAD - 100 - 3)].concat();
        // Three bytes are no room for a record.
        file.extend([7; 3]);
        file.extend([record(4, 10), record(1, 0)].concat());
        assert_eq!(find(&file[..]).unwrap(), None);
        let at = file.len() as u64;
        file.extend(record(7, 10));
        assert_eq!(find(&file[..]).unwrap(), Some((at, 7)));
    }

    #[test]
    fn what_is_torn_or_reserved_is_not_looked_at() {
        let torn = record(1, 100);
        for length in 0..torn.len() {
            assert_eq!(find(&torn[..length]).unwrap(), None);
        }
        let reserved = [record(1, 100), vec![0; HEAD], record(7, 10)].concat();
        assert_eq!(find(&reserved[..]).unwrap(), None);
    }
}

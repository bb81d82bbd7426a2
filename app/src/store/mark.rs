//! The newest block that was on disk, noted beside the database.
//!
//! RocksDB cannot tell a damaged record of its write-ahead log from one that a power cut tore: it
//! ends recovery there and says nothing. Blocks that were synced, and told of, would be gone in
//! silence. The note is written after each sync and never before, so a database below its note has
//! lost blocks. It is not synced itself: after a power cut it may be older than the database, which
//! harms nothing.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use alloy_primitives::keccak256;

/// The note's file name, in the database's directory.
pub(super) const FILE: &str = "COMMITTED";
/// Bytes of a height, and of its check.
const WORD: usize = 8;

/// The note, open for writing.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// The height noted in `dir`; `None` when there is no note, or it is torn.
    pub(super) fn read(dir: &Path) -> io::Result<Option<u64>> {
        match fs::read(dir.join(FILE)) {
            Ok(bytes) => Ok(decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the note where there is none.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(FILE);
        File::options().write(true).create(true).truncate(false).open(path).map(Self)
    }

    /// Notes that the block `height` is on disk.
    pub(super) fn set(&self, height: u64) -> io::Result<()> {
        self.0.write_all_at(&encode(height), 0)
    }
}

/// The names of the log files in `dir`, sorted: where lost blocks were.
pub(super) fn logs(dir: &Path) -> Vec<String> {
    // A directory that cannot be read is told of by the database.
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut logs: Vec<_> = names.filter(|name| name.ends_with(".log")).collect();
    logs.sort();
    logs
}

fn encode(height: u64) -> [u8; 2 * WORD] {
    let height = height.to_be_bytes();
    let check = keccak256(height);
    let mut note = [0; 2 * WORD];
    for (to, from) in note.iter_mut().zip(height.iter().chain(check.iter())) {
        *to = *from;
    }
    note
}

fn decode(note: &[u8]) -> Option<u64> {
    let (height, _) = note.split_first_chunk::<WORD>()?;
    let height = u64::from_be_bytes(*height);
    (encode(height) == note).then_some(height)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_note_reads_back_and_a_torn_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Mark::read(dir.path()).unwrap(), None);
        let mark = Mark::open(dir.path()).unwrap();
        assert_eq!(Mark::read(dir.path()).unwrap(), None, "empty");
        for height in [0, 7, u64::MAX] {
            mark.set(height).unwrap();
            assert_eq!(Mark::read(dir.path()).unwrap(), Some(height));
        }
        let whole = encode(5);
        for at in 0..whole.len() {
            let mut flipped = whole;
            flipped[at] ^= 1;
            assert_eq!(decode(&flipped), None);
            assert_eq!(decode(&whole[..at]), None);
        }
    }
}

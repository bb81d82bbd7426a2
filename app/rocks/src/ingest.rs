//! Table files made apart and taken over whole.

use crate::{ColumnFamily, Db, Error, options};
use core::fmt;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use rocksdb::{IngestExternalFileOptions, SstFileWriter};
use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// Where table files are written before the database takes them over.
const DIRECTORY: &str = "incoming";
/// The file that is written there.
const FILE: &str = "next.sst";

/// A table file that is being written.
pub struct TableFile<'a> {
    inner: SstFileWriter<'a>,
    entries: usize,
}

impl fmt::Debug for TableFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableFile").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl TableFile<'_> {
    /// Sets the value of `key`, which must be greater than all before it.
    ///
    /// # Errors
    /// The key is not greater, or the disk fails or is full.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.entries += 1;
        Ok(self.inner.put(key, value)?)
    }

    /// Removes `key`, which must be greater than all before it and need not be there.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        self.entries += 1;
        Ok(self.inner.delete(key)?)
    }
}

impl Db {
    /// Writes a table file and lets the column family take it over: when this returns, all its
    /// entries are there and durable; after a failure or a crash on the way, none are. Much
    /// cheaper than as many writes, and no other write waits for it. A column family that is
    /// written in this way should be written in no other.
    ///
    /// # Errors
    /// What `fill` says, or the disk fails or is full.
    pub fn ingest<E: From<Error>>(
        &self,
        cf: ColumnFamily,
        fill: impl FnOnce(&mut TableFile<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let directory = self.path().join(DIRECTORY);
        let file = directory.join(FILE);
        let io = |e| Error::Io(format!("{}: {e}", directory.display()));
        make_room(self.path(), &directory, &file).map_err(io)?;
        let settings = options::column_family(cf.kind, self.cache())?;
        let mut table = TableFile { inner: SstFileWriter::create(&settings), entries: 0 };
        table.inner.open(&file).map_err(Error::from)?;
        fill(&mut table)?;
        if table.entries == 0 {
            return Ok(());
        }
        table.inner.finish().map_err(Error::from)?;
        drop(table);
        sync(&directory).map_err(io)?;
        // Nothing but a reader's wait depends on it.
        let _ = keep_at_hand(&file);
        let mut how = IngestExternalFileOptions::default();
        how.set_move_files(true);
        let handle = self.handle(cf)?;
        Ok(self
            .inner
            .ingest_external_file_cf_opts(&handle, &how, vec![&file])
            .map_err(Error::from)?)
    }
}

/// Removes what was left by an earlier file, which was taken over or never will be.
fn make_room(database: &Path, directory: &Path, file: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Ok(()) => sync(database)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Asks the system to have the file in memory. RocksDB lets it go once it is written, but nothing
/// is read sooner: by the next compaction, and by whoever opens the database after a crash.
fn keep_at_hand(file: &Path) -> io::Result<()> {
    // Linux reads about so much for one request.
    const REQUEST: i64 = 128 << 10;
    let file = fs::File::open(file)?;
    let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
    let advice = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
    let mut offset = 0;
    while offset < length {
        posix_fadvise(&file, offset, REQUEST, advice)?;
        offset += REQUEST;
    }
    Ok(())
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// Gives a table file back that RocksDB misses, when it can be the one whose taking over failed.
///
/// RocksDB removes its name of a file that it could not enter in the manifest. When the manifest's
/// write arrived and its sync failed, the entry is there all the same and opening fails for ever;
/// the file still has the name that it was written under. Should it be another file, RocksDB sees
/// that: the manifest has the file's unique identity.
///
/// Returns the name it has now, where there is a reason to open again.
pub(crate) fn give_back(database: &Path, error: &Error) -> io::Result<Option<PathBuf>> {
    let Error::Corrupt(text) = error else { return Ok(None) };
    let Some(name) = missing_table(text) else { return Ok(None) };
    let table = database.join(name);
    match fs::hard_link(database.join(DIRECTORY).join(FILE), &table) {
        Ok(()) => sync(database).map(|()| Some(table)),
        // There is no such file, or the table was not what was missing.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The name of the table file that RocksDB says it did not find.
fn missing_table(text: &str) -> Option<&str> {
    let (before, _) = text.split_once(".sst: No such file")?;
    let start = before.rfind('/')? + 1;
    let number = before.get(start..)?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.get(start..before.len() + ".sst".len()))?
}

#[cfg(test)]
mod tests {
    use super::missing_table;

    #[test]
    fn the_missing_table_is_found_in_the_words_of_rocksdb() {
        let said = "Corruption: IO error: No such file or directory: While open a file for random \
                    read: /data/000059.sst: No such file or directory  The file \
                    /data/MANIFEST-000054 may be corrupted.";
        assert_eq!(missing_table(said), Some("000059.sst"));
        assert_eq!(missing_table("IO error: /data/000004.log: No such file or directory"), None);
        assert_eq!(missing_table("/data/incoming/next.sst: No such file or directory"), None);
        assert_eq!(missing_table(""), None);
    }
}

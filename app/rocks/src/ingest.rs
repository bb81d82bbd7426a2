//! Table files made apart and taken over whole.

use crate::{ColumnFamily, Db, Error, options};
use core::fmt;
use rocksdb::{IngestExternalFileOptions, SstFileWriter};
use std::{fs, io, path::Path};

/// Where table files are written before the database takes them over.
const DIRECTORY: &str = "incoming";

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
        let file = directory.join("next.sst");
        make_empty(&directory).map_err(|e| Error::Io(format!("{}: {e}", directory.display())))?;
        let settings = options::column_family(cf.kind, self.cache());
        let mut table = TableFile { inner: SstFileWriter::create(&settings), entries: 0 };
        table.inner.open(&file).map_err(Error::from)?;
        fill(&mut table)?;
        if table.entries == 0 {
            return Ok(());
        }
        table.inner.finish().map_err(Error::from)?;
        drop(table);
        let mut how = IngestExternalFileOptions::default();
        how.set_move_files(true);
        let handle = self.handle(cf)?;
        Ok(self
            .inner
            .ingest_external_file_cf_opts(&handle, &how, vec![&file])
            .map_err(Error::from)?)
    }
}

/// A file left by a crash was never taken over: it is of no use.
fn make_empty(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir(directory)
}

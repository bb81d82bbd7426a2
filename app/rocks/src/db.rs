//! The database.

use crate::{
    Batch, ColumnFamily, Direction, Error, Keys, Memory, OpenError, Scan, Sync, batch::Write,
    ingest, lock::Lock, options, records,
};
use core::fmt;
use rocksdb::{
    BoundColumnFamily, Cache, ColumnFamilyDescriptor, DB, DEFAULT_COLUMN_FAMILY_NAME, FlushOptions,
    WriteBatch, WriteOptions,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// An open database. Reads and writes from several threads may run at the same time; dropping it
/// closes it.
pub struct Db {
    // Fields drop in this order: the database is closed before another may open it.
    pub(crate) inner: DB,
    path: PathBuf,
    columns: Vec<ColumnFamily>,
    cache: Cache,
    _lock: Lock,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens the database in the directory `path`, made where missing, with all its column
    /// families, of which new ones are made.
    ///
    /// # Errors
    /// It is open elsewhere, damaged, written by another version, or the disk fails.
    pub fn open(path: &Path, columns: &[ColumnFamily]) -> Result<Self, OpenError> {
        Self::open_with(path, columns, Memory::default())
    }

    /// The same with other bounds on memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        path: &Path,
        columns: &[ColumnFamily],
        memory: Memory,
    ) -> Result<Self, OpenError> {
        let lock = Lock::take(path)?;
        records::check(path)?;
        check_names(path, columns)?;
        let cache = options::cache(memory);
        let open = || {
            let default = (DEFAULT_COLUMN_FAMILY_NAME, options::Kind::Point);
            let all = columns.iter().map(|cf| (cf.name, cf.kind)).chain([default]);
            let all = all.map(|(name, kind)| {
                Ok(ColumnFamilyDescriptor::new(name, options::column_family(kind, &cache)?))
            });
            let all: Vec<_> = all.collect::<Result<_, Error>>()?;
            DB::open_cf_descriptors(&options::database(memory), path, all).map_err(Error::from)
        };
        let inner = open().or_else(|error| {
            let io = |source| OpenError::Io { path: path.to_owned(), source };
            match ingest::give_back(path, &error).map_err(io)? {
                None => Err(open_error(path, error)),
                Some(table) => open().or_else(|error| {
                    std::fs::remove_file(table).map_err(io)?;
                    Err(open_error(path, error))
                }),
            }
        })?;
        Ok(Self { inner, path: path.to_owned(), columns: columns.to_vec(), cache, _lock: lock })
    }

    /// The database's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// The disk fails, or the stored bytes are corrupt.
    pub fn get(&self, cf: ColumnFamily, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.inner.get_cf(&self.handle(cf)?, key)?)
    }

    /// The values of `keys`, in their order, of the database as it is at one moment. Cheaper than
    /// as many calls of [`get`](Self::get).
    ///
    /// # Errors
    /// As [`get`](Self::get), for any of the keys.
    pub fn get_many<K: AsRef<[u8]>>(
        &self,
        cf: ColumnFamily,
        keys: &[K],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let values = self.inner.batched_multi_get_cf(&self.handle(cf)?, keys, false);
        values.into_iter().map(|value| Ok(value?.map(|bytes| bytes.to_vec()))).collect()
    }

    /// Entries in order of their keys' bytes.
    ///
    /// # Errors
    /// The column family is unknown. The scan's items have errors of their own.
    pub fn scan(
        &self,
        cf: ColumnFamily,
        keys: Keys<'_>,
        direction: Direction,
    ) -> Result<Scan<'_>, Error> {
        let handle = self.handle(cf)?;
        Ok(Scan::new(self.inner.iterator_cf_opt(&handle, keys.options(), direction.mode())))
    }

    /// Performs all writes of the batch, or none.
    ///
    /// # Errors
    /// The disk fails or is full: nothing was written, or it is unknown whether it was. The
    /// database takes no more writes then; open it again.
    pub fn write(&self, batch: Batch, sync: Sync) -> Result<(), Error> {
        // Each record takes a few bytes of its own beside key and value.
        let mut writes = WriteBatch::with_capacity_bytes(batch.bytes() + 16 * batch.len());
        let mut last: Option<(ColumnFamily, Arc<BoundColumnFamily<'_>>)> = None;
        for (cf, write) in batch.writes {
            let handle = match &last {
                Some((of, handle)) if *of == cf => handle,
                Some(_) | None => &last.insert((cf, self.handle(cf)?)).1,
            };
            match write {
                Write::Put { key, value } => writes.put_cf(handle, key, value),
                Write::Delete { key } => writes.delete_cf(handle, key),
                Write::DeleteRange { from, to } => writes.delete_range_cf(handle, from, to),
            }
        }
        let mut how = WriteOptions::default();
        how.set_sync(matches!(sync, Sync::Yes));
        Ok(self.inner.write_opt(writes, &how)?)
    }

    /// Makes all writes so far durable.
    ///
    /// # Errors
    /// The disk fails.
    pub fn sync(&self) -> Result<(), Error> {
        Ok(self.inner.flush_wal(true)?)
    }

    /// Moves what is in the write buffers into table files and waits for it, so that the next
    /// opening has no log to replay.
    ///
    /// # Errors
    /// The disk fails or is full.
    pub fn flush(&self) -> Result<(), Error> {
        let handles: Vec<_> =
            self.columns.iter().map(|cf| self.handle(*cf)).collect::<Result<_, _>>()?;
        let handles: Vec<_> = handles.iter().collect();
        Ok(self.inner.flush_cfs_opt(&handles, &FlushOptions::default())?)
    }

    pub(crate) fn handle(&self, cf: ColumnFamily) -> Result<Arc<BoundColumnFamily<'_>>, Error> {
        self.inner.cf_handle(cf.name).ok_or(Error::UnknownColumnFamily(cf.name))
    }
}

/// Refuses a database that holds more than the caller knows of.
fn check_names(path: &Path, columns: &[ColumnFamily]) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    // RocksDB's pointer to its manifest: absent where there is no database yet.
    if !path.join("CURRENT").try_exists().map_err(io)? {
        return Ok(());
    }
    let found = DB::list_cf(&options::database(Memory::default()), path)
        .map_err(|error| open_error(path, error.into()))?;
    let known: BTreeSet<_> = columns.iter().map(|cf| cf.name).collect();
    let unknown =
        |name: &String| name != DEFAULT_COLUMN_FAMILY_NAME && !known.contains(name.as_str());
    let mut names: Vec<_> = found.into_iter().filter(unknown).collect();
    if names.is_empty() {
        return Ok(());
    }
    names.sort();
    Err(OpenError::UnknownColumnFamilies { path: path.to_owned(), names })
}

fn open_error(path: &Path, source: Error) -> OpenError {
    let path = path.to_owned();
    match source {
        Error::Corrupt(_) => OpenError::Corrupt { path, source },
        Error::Io(_) | Error::Other(_) | Error::UnknownColumnFamily(_) => {
            OpenError::Other { path, source }
        }
    }
}

//! The database as it was at one moment.

use crate::{ColumnFamily, Db, Direction, Error, Keys, Scan};
use core::fmt;
use rocksdb::{DB, ReadOptions, SnapshotWithThreadMode};
use std::sync::Arc;

/// Bytes that a sweep reads at once.
const READ_AHEAD: usize = 1 << 20;

/// The database as it was when the snapshot was taken, whatever is written afterwards. Keeps the
/// database open, and old versions of changed keys on disk, until it is dropped.
pub struct Snapshot {
    // Fields drop in this order: the snapshot is released before the database can close.
    inner: SnapshotWithThreadMode<'static, DB>,
    db: Arc<Db>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("db", &self.db).finish_non_exhaustive()
    }
}

impl Db {
    /// The database as it is now.
    pub fn snapshot(self: &Arc<Self>) -> Snapshot {
        let inner = self.inner.snapshot();
        #[expect(unsafe_code, reason = "a snapshot that owns its database")]
        // SAFETY: the snapshot borrows the `DB` inside the `Arc`, which neither moves nor closes
        // while `Snapshot::db` holds it; no borrow of the longer life leaves `Snapshot`, and its
        // field order releases the snapshot first.
        let inner = unsafe {
            core::mem::transmute::<
                SnapshotWithThreadMode<'_, DB>,
                SnapshotWithThreadMode<'static, DB>,
            >(inner)
        };
        Snapshot { inner, db: Arc::clone(self) }
    }
}

impl Snapshot {
    /// The value of `key` at that moment.
    ///
    /// # Errors
    /// The disk fails, or the stored bytes are corrupt.
    pub fn get(&self, cf: ColumnFamily, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        let handle = self.db.handle(cf)?;
        Ok(self.inner.get_cf_opt(&handle, key, ReadOptions::default())?)
    }

    /// The entries of these keys at that moment, in order.
    ///
    /// # Errors
    /// The database was not opened with this column family; what fails later, the scan says.
    pub fn scan(
        &self,
        cf: ColumnFamily,
        keys: Keys<'_>,
        direction: Direction,
    ) -> Result<Scan<'_>, Error> {
        let handle = self.db.handle(cf)?;
        let entries = self.inner.iterator_cf_opt(&handle, keys.options(), direction.mode());
        Ok(Scan::new(entries))
    }

    /// The entries of these keys in order, for a reader of very many: what it reads displaces
    /// nothing from the block cache, and is read ahead.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn sweep(&self, cf: ColumnFamily, keys: Keys<'_>) -> Result<Scan<'_>, Error> {
        let handle = self.db.handle(cf)?;
        let mut options = keys.options();
        options.fill_cache(false);
        options.set_readahead_size(READ_AHEAD);
        Ok(Scan::new(self.inner.iterator_cf_opt(&handle, options, Direction::Forward.mode())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{Batch, Kind, Sync};

    const CF: ColumnFamily = ColumnFamily { name: "cf", kind: Kind::Point };

    fn put(db: &Db, value: &[u8]) {
        let mut batch = Batch::new();
        batch.put(CF, b"key", value);
        db.write(batch, Sync::No).unwrap();
    }

    #[test]
    fn a_snapshot_keeps_its_moment_and_the_database_open() {
        let dir = tempfile::tempdir().unwrap();
        let db = Arc::new(Db::open(dir.path(), &[CF]).unwrap());
        let empty = db.snapshot();
        put(&db, b"one");
        let one = db.snapshot();
        put(&db, b"two");
        db.flush().unwrap();
        drop(db);
        assert_eq!(empty.get(CF, b"key").unwrap(), None);
        assert_eq!(one.get(CF, b"key").unwrap().unwrap(), b"one");
        assert!(Db::open(dir.path(), &[CF]).is_err(), "the snapshots hold it open");
        drop((empty, one));
        let db = Db::open(dir.path(), &[CF]).unwrap();
        assert_eq!(db.get(CF, b"key").unwrap().unwrap(), b"two");
    }
}

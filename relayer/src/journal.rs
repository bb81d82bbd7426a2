//! The journal: one SQLite file that holds intent before effect, and the guard.
//!
//! Every table has a unique key, so that doing a step again writes the same row again. All but the
//! guard can be rebuilt from both chains. A write is on disk (synchronous = FULL) before the call
//! returns, and so before the effect that it announces.

use std::{
    fs::File,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::B256;
use mooring_bridge::{Count, Height, Signature};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::RelayerError;

/// What a member signs at most one value for, in any epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// A place in the deposit log; the value is the acc.
    Head(Count),
    /// A height of the sidechain; the value is the checkpoint's digest.
    Checkpoint(Height),
}

impl Slot {
    const fn kind(self) -> &'static str {
        match self {
            Self::Head(_) => "head",
            Self::Checkpoint(_) => "checkpoint",
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Head(count) => count.get(),
            Self::Checkpoint(height) => height.get(),
        }
    }
}

/// How far an L1 transaction has come. Each stage is written before the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Signed, and about to be sent.
    Built,
    /// In an L1 block.
    Included,
    /// In a finalized L1 block.
    Final,
    /// Another transaction took its nonce, or a reorg dropped it.
    Gone,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Included => "included",
            Self::Final => "final",
            Self::Gone => "gone",
        }
    }
}

/// The guard's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// The slot holds this value now: it may be signed.
    Free,
    /// The slot has held another value before: it must never be signed.
    Taken {
        /// That value.
        by: B256,
    },
}

/// The journal of one member key in one network.
#[derive(Debug)]
pub struct Journal {
    db: Mutex<Connection>,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS guard (
  kind TEXT NOT NULL, slot INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, slot)
) STRICT;
CREATE TABLE IF NOT EXISTS signed (digest BLOB PRIMARY KEY, signature BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS transactions (
  hash BLOB PRIMARY KEY, nonce INTEGER NOT NULL, what TEXT NOT NULL, stage TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS leaf_blocks (count INTEGER PRIMARY KEY, block INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
";

impl Journal {
    /// Opens the journal at `path`, making it if it is not there. `owner` is what it is bound to:
    /// a hash over network and member key.
    ///
    /// # Errors
    /// When the file cannot be used, or is bound to another owner.
    pub fn open(path: &Path, owner: B256) -> Result<Self, RelayerError> {
        let db = Connection::open(path)?;
        // The directory too, so that a power cut cannot take the whole file away.
        if let Some(dir) = path.parent() {
            let synced = File::open(dir).and_then(|dir| dir.sync_all());
            synced.map_err(|source| RelayerError::File {
                what: "sync",
                path: dir.to_owned(),
                source,
            })?;
        }
        let journal = Self::with(db)?;
        if journal.owner(owner)? != owner {
            return Err(RelayerError::OtherJournal { path: path.to_owned() });
        }
        Ok(journal)
    }

    fn with(db: Connection) -> Result<Self, rusqlite::Error> {
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.execute_batch(SCHEMA)?;
        Ok(Self { db: Mutex::new(db) })
    }

    fn owner(&self, owner: B256) -> Result<B256, rusqlite::Error> {
        let db = self.db();
        let key = "owner";
        db.execute("INSERT OR IGNORE INTO meta VALUES (?1, ?2)", params![key, owner.as_slice()])?;
        db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| hash(row.get(0)?))
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere cannot leave a half-done write: SQLite's transactions are whole.
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `slot` for `value`, for ever, before anything is signed for it.
    ///
    /// # Errors
    /// When the journal cannot be written; nothing may be signed then.
    pub fn guard(&self, slot: Slot, value: B256) -> Result<Guarded, rusqlite::Error> {
        let db = self.db();
        let key = (slot.kind(), signed_number(slot.number()));
        db.execute(
            "INSERT OR IGNORE INTO guard VALUES (?1, ?2, ?3)",
            params![key.0, key.1, value.as_slice()],
        )?;
        let by = db.query_row(
            "SELECT value FROM guard WHERE kind = ?1 AND slot = ?2",
            params![key.0, key.1],
            |row| hash(row.get(0)?),
        )?;
        Ok(if by == value { Guarded::Free } else { Guarded::Taken { by } })
    }

    /// The signature made for `digest` before, if any.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn signature(&self, digest: B256) -> Result<Option<Signature>, rusqlite::Error> {
        let query = "SELECT signature FROM signed WHERE digest = ?1";
        let bytes: Option<Vec<u8>> =
            self.db().query_row(query, [digest.as_slice()], |row| row.get(0)).optional()?;
        Ok(bytes.and_then(|bytes| Signature::parse(&bytes).ok()))
    }

    /// Keeps a signature, so that equal bytes get it again.
    ///
    /// # Errors
    /// When the journal cannot be written; the signature may not leave then.
    pub fn keep_signature(
        &self,
        digest: B256,
        signature: &Signature,
    ) -> Result<(), rusqlite::Error> {
        let row = params![digest.as_slice(), signature.as_bytes().as_slice()];
        self.db().execute("INSERT OR IGNORE INTO signed VALUES (?1, ?2)", row)?;
        Ok(())
    }

    /// Writes a transaction's stage; `what` says what it does, for people.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn transaction(
        &self,
        hash: B256,
        nonce: u64,
        what: &str,
        stage: Stage,
    ) -> Result<(), rusqlite::Error> {
        self.db().execute(
            "INSERT INTO transactions VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (hash) DO UPDATE SET stage = excluded.stage",
            params![hash.as_slice(), signed_number(nonce), what, stage.name()],
        )?;
        Ok(())
    }

    /// Hashes of the transactions that were built and not seen in a block, with their nonces.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn unconfirmed(&self) -> Result<Vec<(B256, u64)>, rusqlite::Error> {
        let db = self.db();
        let mut query = db
            .prepare("SELECT hash, nonce FROM transactions WHERE stage = 'built' ORDER BY nonce")?;
        let rows = query
            .query_map([], |row| Ok((hash(row.get(0)?)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        rows.collect()
    }

    /// Remembers in which L1 block a leaf was read: a hint that shortens the next start.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn leaf_block(&self, count: Count, block: u64) -> Result<(), rusqlite::Error> {
        self.db().execute(
            "INSERT OR REPLACE INTO leaf_blocks VALUES (?1, ?2)",
            params![signed_number(count.get()), signed_number(block)],
        )?;
        Ok(())
    }

    /// The L1 block of the last leaf up to `count` that is remembered.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn block_before(&self, count: Count) -> Result<Option<u64>, rusqlite::Error> {
        let query = "SELECT block FROM leaf_blocks WHERE count <= ?1 ORDER BY count DESC LIMIT 1";
        let block: Option<i64> = self
            .db()
            .query_row(query, [signed_number(count.get())], |row| row.get(0))
            .optional()?;
        Ok(block.map(i64::unsigned_abs))
    }

    /// A named number; 0 until set.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn mark(&self, name: &str) -> Result<u64, rusqlite::Error> {
        let query = "SELECT value FROM marks WHERE name = ?1";
        let value: Option<i64> = self.db().query_row(query, [name], |row| row.get(0)).optional()?;
        Ok(value.map_or(0, i64::unsigned_abs))
    }

    /// Sets a named number.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn set_mark(&self, name: &str, value: u64) -> Result<(), rusqlite::Error> {
        let row = params![name, signed_number(value)];
        self.db().execute("INSERT OR REPLACE INTO marks VALUES (?1, ?2)", row)?;
        Ok(())
    }
}

/// SQLite's integers are signed: counts, heights and nonces stay far below 2^63.
fn signed_number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn hash(bytes: Vec<u8>) -> Result<B256, rusqlite::Error> {
    B256::try_from(bytes.as_slice()).map_err(|_| {
        rusqlite::Error::IntegralValueOutOfRange(0, i64::try_from(bytes.len()).unwrap_or(-1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: B256 = B256::repeat_byte(1);

    #[test]
    fn the_guard_survives_every_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.sqlite");
        let (one, two) = (B256::repeat_byte(0xa), B256::repeat_byte(0xb));
        let slot = Slot::Head(Count::new(7));
        assert_eq!(Journal::open(&path, OWNER).unwrap().guard(slot, one).unwrap(), Guarded::Free);
        for _ in 0..3 {
            let journal = Journal::open(&path, OWNER).unwrap();
            assert_eq!(journal.guard(slot, one).unwrap(), Guarded::Free);
            assert_eq!(journal.guard(slot, two).unwrap(), Guarded::Taken { by: one });
        }
        let journal = Journal::open(&path, OWNER).unwrap();
        let other = Slot::Checkpoint(Height::new(7));
        assert_eq!(journal.guard(other, two).unwrap(), Guarded::Free);
    }

    #[test]
    fn a_journal_belongs_to_one_network_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.sqlite");
        Journal::open(&path, OWNER).unwrap();
        let other = Journal::open(&path, B256::repeat_byte(2));
        assert!(matches!(other, Err(RelayerError::OtherJournal { .. })));
    }

    #[test]
    fn rows_written_twice_are_one_row() {
        let journal = Journal::with(Connection::open_in_memory().unwrap()).unwrap();
        let tx = B256::repeat_byte(3);
        for _ in 0..2 {
            journal.transaction(tx, 5, "claim", Stage::Built).unwrap();
            journal.leaf_block(Count::new(4), 40).unwrap();
            journal.set_mark("m", 9).unwrap();
        }
        assert_eq!(journal.unconfirmed().unwrap(), [(tx, 5)]);
        journal.transaction(tx, 5, "claim", Stage::Included).unwrap();
        assert_eq!(journal.unconfirmed().unwrap(), []);
        assert_eq!(journal.block_before(Count::new(3)).unwrap(), None);
        assert_eq!(journal.block_before(Count::new(9)).unwrap(), Some(40));
        assert_eq!((journal.mark("m").unwrap(), journal.mark("other").unwrap()), (9, 0));
    }
}

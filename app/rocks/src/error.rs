//! Why a database cannot be opened, and why an open one fails.

use std::path::PathBuf;

/// A database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle of this one, has it open.
    #[error(
        "database {path} is in use by {holder}: stop that process, or give this one another \
         data directory", path = path.display()
    )]
    InUse {
        /// The database's directory.
        path: PathBuf,
        /// Who has it open, as far as known: `process 1234`.
        holder: String,
    },
    /// RocksDB finds the files damaged.
    #[error(
        "database {path} is corrupt: move the directory away and sync this node again, or restore \
         it from a backup", path = path.display()
    )]
    Corrupt {
        /// The database's directory.
        path: PathBuf,
        /// What RocksDB found.
        source: Error,
    },
    /// The database has column families that the caller does not name: another version wrote it.
    #[error(
        "database {path} holds unknown tables ({names}): it was written by another version, run \
         that one", path = path.display(), names = names.join(", ")
    )]
    UnknownColumnFamilies {
        /// The database's directory.
        path: PathBuf,
        /// Their names, sorted.
        names: Vec<String>,
    },
    /// The directory cannot be made or read, or the disk fails.
    #[error("cannot use the database directory {path}", path = path.display())]
    Io {
        /// The database's directory.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// RocksDB refuses for another reason: most often the disk, permissions or open-file limit.
    #[error("cannot open database {path}", path = path.display())]
    Other {
        /// The database's directory.
        path: PathBuf,
        /// What RocksDB says.
        source: Error,
    },
}

/// An open database failed. All but [`Error::UnknownColumnFamily`] mean that the disk or its
/// contents cannot be trusted further.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stored bytes fail their checksum.
    #[error("stored data is corrupt: {0}")]
    Corrupt(String),
    /// The disk fails or is full.
    #[error("disk error: {0}")]
    Io(String),
    /// Any other failure of RocksDB.
    #[error("rocksdb: {0}")]
    Other(String),
    /// The caller uses a column family that the database was not opened with.
    #[error("the database was not opened with column family {0}")]
    UnknownColumnFamily(&'static str),
}

impl From<rocksdb::Error> for Error {
    fn from(error: rocksdb::Error) -> Self {
        let kind = error.kind();
        let text = error.into_string();
        match kind {
            rocksdb::ErrorKind::Corruption => Self::Corrupt(text),
            rocksdb::ErrorKind::IOError => Self::Io(text),
            _ => Self::Other(text),
        }
    }
}

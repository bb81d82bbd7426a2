//! RocksDB: bytes in, bytes out.
//!
//! A leaf crate, so that nothing else names `rocksdb` or compiles it again. What the bytes mean
//! is the caller's matter. The write-ahead log is always on, table files are taken over whole or
//! not at all, and every block read is checked against its checksum.

mod batch;
mod db;
mod error;
mod ingest;
mod lock;
mod options;
mod records;
mod scan;
mod snapshot;

pub use batch::{Batch, Sync};
pub use db::{Db, Entry};
pub use error::{Error, OpenError};
pub use ingest::TableFile;
pub use options::{ColumnFamily, Kind, Memory};
pub use scan::{Direction, Keys, Scan};
pub use snapshot::Snapshot;

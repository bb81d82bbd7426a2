//! RocksDB: bytes in, bytes out.
//!
//! A leaf crate, so that nothing else names `rocksdb` or compiles it again. What the bytes mean
//! is the caller's matter. The write-ahead log is always on and every block read is checked
//! against its checksum.

mod batch;
mod db;
mod error;
mod lock;
mod options;
mod scan;
mod snapshot;

pub use batch::{Batch, Sync};
pub use db::{Db, Entry};
pub use error::{Error, OpenError};
pub use options::{ColumnFamily, Kind};
pub use scan::{Direction, Keys, Scan};
pub use snapshot::Snapshot;

//! One handle a database.
//!
//! RocksDB has a lock of its own but reports it only as text among its disk errors. This one
//! comes first, so that the refusal has a type and names the process that holds the database. The
//! system drops it with the process, however that ends.

use crate::OpenError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

/// The lock's file name, in the database's directory.
const FILE: &str = "PROCESS";

/// Held while a database is open.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the directory where it is missing and takes its lock.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(io)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(path.join(FILE)).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {
                sign(&mut file).map_err(io)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                Err(OpenError::InUse { path: path.to_owned(), holder: holder(file) })
            }
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

/// Writes who holds the lock, for the message of the one refused.
fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn holder(mut file: File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text).map(|_| text.parse::<u32>()) {
        Ok(Ok(pid)) if pid == std::process::id() => "this process".to_owned(),
        Ok(Ok(pid)) => format!("process {pid}"),
        Ok(Err(_)) | Err(_) => "another process".to_owned(),
    }
}

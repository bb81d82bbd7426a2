//! Small file helpers: a file is there whole or not at all.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::TestnetError;

/// Writes `bytes` to `path` with `mode`, through a neighbour that is renamed over it.
///
/// # Errors
/// [`TestnetError::File`] names the path.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TestnetError> {
    let attempt = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let part = path.with_extension("part");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    attempt().map_err(|source| TestnetError::File { path: path.to_owned(), source })
}

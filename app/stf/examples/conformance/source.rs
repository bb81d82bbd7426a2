//! Where the tests come from.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The files of a corpus. An unpacked archive is removed when this is dropped.
pub(crate) struct Source {
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<PathBuf>,
    _unpacked: Option<tempfile::TempDir>,
}

/// Opens a directory or an archive.
pub(crate) fn open(path: &Path) -> Result<Source, String> {
    if !path.exists() {
        return Err(format!(
            "there is no {}\nset EEST_DIR to a directory of state tests, or to a tar archive of \
             one: the fixtures_stable archive of an execution-spec-tests release, for example",
            path.display()
        ));
    }
    let unpacked = if path.is_dir() { None } else { Some(unpack(path)?) };
    let root = unpacked.as_ref().map_or(path, tempfile::TempDir::path).to_owned();
    let mut files = Vec::new();
    list(&root, &mut files).map_err(|error| format!("list {}: {error}", root.display()))?;
    files.sort();
    Ok(Source { root, files, _unpacked: unpacked })
}

fn unpack(archive: &Path) -> Result<tempfile::TempDir, String> {
    let into = tempfile::tempdir().map_err(|error| format!("make a directory: {error}"))?;
    let status = Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(into.path())
        .status()
        .map_err(|error| format!("run tar: {error}"))?;
    if status.success() { Ok(into) } else { Err(format!("unpack {}: {status}", archive.display())) }
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

//! Snapshots on disk: a directory each, named by its height.
//!
//! `manifest` describes it as ABCI does, `NNNNNN.chunk` are its chunks. `certificate`, where there
//! is one, is the engine's proof that the block was decided; it differs between nodes and is no
//! part of the snapshot's bytes. A snapshot is written under another name and renamed when all of
//! it is durable: what has a number for a name is whole.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use bytes::Bytes;
use mooring_abci::proto::abci::Snapshot;
use prost::Message as _;

use super::SnapshotError;
use super::error::io_error;
use super::format::{CHUNK_TARGET, MAX_CHUNK, Manifest, Record, chunk_hash};

const MANIFEST: &str = "manifest";
const CERTIFICATE: &str = "certificate";
/// The most bytes of a manifest, or of a certificate, that are read.
const MAX_FILE: u64 = 8 << 20;
/// While it is written.
const PARTIAL: &str = ".partial";
/// While it is removed.
const REMOVED: &str = ".removed";

/// The snapshots of a node.
#[derive(Clone, Debug)]
pub struct Snapshots {
    dir: PathBuf,
    /// A chunk ends at the first record boundary past so many bytes.
    chunk_target: usize,
}

/// One snapshot. That its files are there and as named is checked as they are read.
#[derive(Clone, Debug)]
pub struct Saved {
    dir: PathBuf,
    manifest: Manifest,
}

impl Snapshots {
    /// Those in `dir`, which need not be there.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), chunk_target: CHUNK_TARGET }
    }

    /// The same in small chunks: what many chunks do is seen with little state.
    #[cfg(test)]
    pub(super) const fn in_chunks_of(mut self, bytes: usize) -> Self {
        self.chunk_target = bytes;
        self
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The heights of those that are whole, newest first.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn heights(&self) -> Result<Vec<u64>, SnapshotError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io_error(&self.dir)(e)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut heights: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        Ok(heights)
    }

    /// The snapshot of this height.
    ///
    /// # Errors
    /// There is none, or its manifest is damaged.
    pub fn get(&self, height: u64) -> Result<Saved, SnapshotError> {
        Saved::open(&self.dir.join(height.to_string()))
    }

    /// Begins the snapshot of this height; what an earlier attempt left is removed.
    pub(super) fn begin(&self) -> Result<Writer, SnapshotError> {
        let dir = self.dir.join(PARTIAL);
        remove(&dir)?;
        fs::create_dir_all(&dir).map_err(io_error(&dir))?;
        let chunk_target = self.chunk_target;
        Ok(Writer { dir, chunk_target, chunk: Vec::new(), chunks: Vec::new() })
    }

    /// Makes what `writer` wrote the snapshot of `manifest.height`, durable on return.
    pub(super) fn finish(&self, writer: &Writer, height: u64) -> Result<Saved, SnapshotError> {
        sync(&writer.dir)?;
        let place = self.dir.join(height.to_string());
        self.discard(&place)?;
        fs::rename(&writer.dir, &place).map_err(io_error(&place))?;
        sync(&self.dir)?;
        if let Some(above) = self.dir.parent() {
            sync(above)?;
        }
        Saved::open(&place)
    }

    /// Removes all but the `keep` newest, and what an attempt left.
    pub(super) fn prune(&self, keep: usize) -> Result<(), SnapshotError> {
        remove(&self.dir.join(PARTIAL))?;
        remove(&self.dir.join(REMOVED))?;
        for height in self.heights()?.into_iter().skip(keep) {
            self.discard(&self.dir.join(height.to_string()))?;
        }
        Ok(())
    }

    /// Removes the snapshot in `place`, if there is one. Its name goes first, durably: a part of it
    /// under its own name would be taken for whole.
    fn discard(&self, place: &Path) -> Result<(), SnapshotError> {
        let removed = self.dir.join(REMOVED);
        remove(&removed)?;
        match fs::rename(place, &removed) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed.map_err(io_error(place))?,
        }
        sync(&self.dir)?;
        remove(&removed)
    }
}

impl Saved {
    /// The snapshot in `dir`.
    ///
    /// # Errors
    /// There is none, or its manifest is damaged.
    pub fn open(dir: &Path) -> Result<Self, SnapshotError> {
        let path = dir.join(MANIFEST);
        let bytes = match read(&path, MAX_FILE) {
            Err(SnapshotError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(SnapshotError::Missing { path: dir.to_owned() });
            }
            bytes => bytes?,
        };
        let snapshot = Snapshot::decode(bytes.as_slice());
        let snapshot = snapshot.map_err(|_| SnapshotError::Manifest("it is no protobuf"))?;
        Ok(Self { dir: dir.to_owned(), manifest: Manifest::from_abci(&snapshot)? })
    }

    /// What it is.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes of its chunks.
    ///
    /// # Errors
    /// A chunk is missing.
    pub fn bytes(&self) -> Result<u64, SnapshotError> {
        let size = |index| {
            let path = chunk_path(&self.dir, index);
            Ok(fs::metadata(&path).map_err(io_error(&path))?.len())
        };
        (0..self.manifest.chunks.len()).map(size).sum()
    }

    /// A chunk, whose hash is the one that the manifest names.
    ///
    /// # Errors
    /// It is missing, damaged, or not to be read.
    pub fn chunk(&self, index: usize) -> Result<Vec<u8>, SnapshotError> {
        let damaged = |reason| SnapshotError::Chunk { index, reason };
        let named = self.manifest.chunks.get(index);
        let named = named.ok_or_else(|| damaged("there are fewer"))?;
        let chunk = match read(&chunk_path(&self.dir, index), MAX_CHUNK as u64) {
            Err(SnapshotError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(damaged("it is missing"));
            }
            chunk => chunk?,
        };
        if chunk_hash(&chunk) != *named {
            return Err(damaged("its hash is not the one named"));
        }
        Ok(chunk)
    }

    /// The engine's certificate of the block, where there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn certificate(&self) -> Result<Option<Bytes>, SnapshotError> {
        match read(&self.dir.join(CERTIFICATE), MAX_FILE) {
            Err(SnapshotError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            certificate => Ok(Some(certificate?.into())),
        }
    }

    /// Calls `each` with every record; one chunk is in memory at a time.
    ///
    /// # Errors
    /// A chunk is damaged or holds no records, or what `each` says.
    pub(super) fn records(
        &self,
        mut each: impl FnMut(Record) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        for index in 0..self.manifest.chunks.len() {
            let chunk = self.chunk(index)?;
            let mut rest = chunk.as_slice();
            while !rest.is_empty() {
                let record = Record::read(&mut rest);
                each(record.map_err(|e| SnapshotError::forged(format!("chunk {index}: {e}")))?)?;
            }
        }
        Ok(())
    }
}

/// Writes a snapshot's files.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    chunk_target: usize,
    chunk: Vec<u8>,
    chunks: Vec<B256>,
}

impl Writer {
    /// Files for chunks that come from elsewhere, in a directory that is made anew.
    pub(super) fn staging(dir: &Path, manifest: &Manifest) -> Result<(), SnapshotError> {
        remove(dir)?;
        fs::create_dir_all(dir).map_err(io_error(dir))?;
        write(&dir.join(MANIFEST), &manifest.to_abci()?.encode_to_vec())
    }

    /// Writes a chunk that comes from elsewhere.
    pub(super) fn stage(dir: &Path, index: usize, chunk: &[u8]) -> Result<(), SnapshotError> {
        write(&chunk_path(dir, index), chunk)
    }

    /// Appends a record, and writes the chunk that it fills.
    pub(super) fn record(&mut self, record: &Record) -> Result<(), SnapshotError> {
        let fault = |e| mooring_stf::Fault::new(format!("write a snapshot: {e}"));
        record.write(&mut self.chunk).map_err(fault)?;
        if self.chunk.len() > self.chunk_target { self.cut() } else { Ok(()) }
    }

    fn cut(&mut self) -> Result<(), SnapshotError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        write(&chunk_path(&self.dir, self.chunks.len()), &self.chunk)?;
        self.chunks.push(chunk_hash(&self.chunk));
        self.chunk.clear();
        Ok(())
    }

    /// Writes what is left, the certificate, and the manifest of it all.
    pub(super) fn end(
        &mut self,
        describe: impl FnOnce(Vec<B256>) -> Manifest,
        certificate: Option<&[u8]>,
    ) -> Result<(), SnapshotError> {
        self.cut()?;
        if let Some(certificate) = certificate {
            write(&self.dir.join(CERTIFICATE), certificate)?;
        }
        let manifest = describe(std::mem::take(&mut self.chunks));
        write(&self.dir.join(MANIFEST), &manifest.to_abci()?.encode_to_vec())
    }
}

fn chunk_path(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("{index:06}.chunk"))
}

/// Reads a file of at most `most` bytes.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, SnapshotError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io_error(path))?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(io_error(path))?;
    if bytes.len() as u64 > most {
        return Err(SnapshotError::Manifest("a file of it is too long"));
    }
    Ok(bytes)
}

/// Writes a file, durable on return as far as its directory is.
fn write(path: &Path, bytes: &[u8]) -> Result<(), SnapshotError> {
    let mut file = File::create(path).map_err(io_error(path))?;
    file.write_all(bytes).map_err(io_error(path))?;
    file.sync_all().map_err(io_error(path))
}

pub(super) fn remove(dir: &Path) -> Result<(), SnapshotError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(dir)(e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync(dir: &Path) -> Result<(), SnapshotError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error(dir))
}

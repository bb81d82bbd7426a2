//! The pool's file: what it holds survives a restart.
//!
//! Records are appended as transactions are taken; those that leave the pool stay in the file
//! until it is twice as large as what is live, and is written anew. It is a help, not a promise:
//! appends are not synced, so a power cut loses the newest, and what is read back goes through the
//! pool's full check as if a peer had sent it. A file that cannot be written is given up with a
//! log line; the node goes on.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::keccak256;
use bytes::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Accepted, MAX_TX_BYTES, Mempool};

/// The file's first bytes: its name and version.
const MAGIC: &[u8; 8] = b"mrgpool\x01";
/// Bytes of a record before the transaction: its length, big-endian, and its check.
const PREFIX: usize = 4 + CHECK;
/// Leading bytes of the transaction's keccak256: they tell a torn or damaged record.
const CHECK: usize = 8;
/// Bytes of dead records that are never worth a rewrite.
const SLACK: u64 = 1 << 20;
/// Records appended with one write.
const APPEND_AT_ONCE: usize = 4_096;

/// What a file held.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    /// Whole records, oldest first.
    records: Vec<Bytes>,
    /// Why reading stopped before the end, if it did.
    damage: Option<&'static str>,
}

/// Reads a file that `limit` bytes bound; one that is missing is empty.
fn read(path: &Path, limit: u64) -> io::Result<Contents> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
        Err(error) => return Err(error),
    };
    parse(BufReader::new(file).take(limit))
}

fn parse(mut from: impl Read) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let mut magic = [0; MAGIC.len()];
    if fill(&mut from, &mut magic)? != magic.len() || &magic != MAGIC {
        contents.damage = Some("it does not begin as this version's file does");
        return Ok(contents);
    }
    loop {
        match record(&mut from)? {
            Record::Whole(raw) => contents.records.push(raw),
            Record::End => return Ok(contents),
            Record::Damaged(reason) => {
                contents.damage = Some(reason);
                return Ok(contents);
            }
        }
    }
}

enum Record {
    Whole(Bytes),
    End,
    Damaged(&'static str),
}

fn record(from: &mut impl Read) -> io::Result<Record> {
    let mut prefix = [0; PREFIX];
    match fill(from, &mut prefix)? {
        0 => return Ok(Record::End),
        PREFIX => {}
        _ => return Ok(Record::Damaged("a record's prefix is torn")),
    }
    let (len, check) = prefix.split_at(PREFIX - CHECK);
    let len = len.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    if len > MAX_TX_BYTES {
        return Ok(Record::Damaged("a record is longer than a transaction may be"));
    }
    let mut raw = vec![0; len];
    if fill(from, &mut raw)? != len {
        return Ok(Record::Damaged("a record is torn"));
    }
    if !keccak256(&raw).starts_with(check) {
        return Ok(Record::Damaged("a record fails its check"));
    }
    Ok(Record::Whole(raw.into()))
}

/// Reads until the buffer is full or the input ends; returns how much there was.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0_usize;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn encode<'a>(records: impl IntoIterator<Item = &'a Bytes>, out: &mut Vec<u8>) {
    for raw in records {
        // The pool takes nothing longer than `MAX_TX_BYTES`.
        let len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend(keccak256(raw).iter().take(CHECK));
        out.extend_from_slice(raw);
    }
}

/// The file, open for appending.
#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Journal {
    /// Writes a file of exactly these records in place of the one at `path`, which stays whole
    /// until the new one is on disk.
    fn write(path: &Path, records: &[Bytes]) -> io::Result<Self> {
        let mut bytes = MAGIC.to_vec();
        encode(records, &mut bytes);
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&fresh, path)?;
        Ok(Self { path: path.to_owned(), file, bytes: bytes.len() as u64 })
    }

    fn append(&mut self, records: &[Bytes]) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode(records, &mut bytes);
        self.file.write_all(&bytes)?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Appends, and writes the file anew when most of it is dead.
    fn keep(mut self, pool: &Mempool, records: &[Bytes]) -> io::Result<Self> {
        self.append(records)?;
        let (count, bytes) = pool.size();
        let live = bytes.saturating_add(count.saturating_mul(PREFIX)) as u64;
        if self.bytes <= live.saturating_mul(2).saturating_add(SLACK) {
            return Ok(self);
        }
        Self::write(&self.path, &pool.everything())
    }
}

/// Restores the pool from the file at `path` and keeps the file until `stop`.
pub async fn keep(pool: Mempool, path: PathBuf, stop: CancellationToken) {
    let file = path.clone();
    let Some((mut journal, mut accepted)) = attempt(&path, {
        let pool = pool.clone();
        move || open(&pool, &file)
    })
    .await
    else {
        return stop.cancelled().await;
    };
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = accepted.recv() => next,
        };
        let taken = taken(next, &mut accepted);
        let pool = pool.clone();
        let Some(kept) = attempt(&path, move || match taken {
            Taken::Records(records) => journal.keep(&pool, &records),
            Taken::Missed => Journal::write(&journal.path, &pool.everything()),
        })
        .await
        else {
            return stop.cancelled().await;
        };
        journal = kept;
    }
}

/// What the pool took since the last look.
enum Taken {
    Records(Vec<Bytes>),
    /// More than the channel holds: only the pool itself knows.
    Missed,
}

fn taken(
    first: Result<Accepted, RecvError>,
    accepted: &mut broadcast::Receiver<Accepted>,
) -> Taken {
    let Ok(first) = first else { return Taken::Missed };
    let mut records = vec![first.raw];
    while records.len() < APPEND_AT_ONCE {
        match accepted.try_recv() {
            Ok(next) => records.push(next.raw),
            // A reader that lags learns of it with its next look.
            Err(_) => break,
        }
    }
    Taken::Records(records)
}

/// Fills the pool from the file, then writes the file as the pool now is.
fn open(pool: &Mempool, path: &Path) -> io::Result<(Journal, broadcast::Receiver<Accepted>)> {
    let contents = read(path, pool.journal_limit())?;
    if let Some(damage) = contents.damage {
        let whole = contents.records.len();
        warn!(path = %path.display(), damage, whole, "pool file is damaged; using what is whole");
    }
    let taken = pool.restore(&contents.records);
    if !contents.records.is_empty() {
        info!(read = contents.records.len(), taken, "restored the pool");
    }
    // Before the pool is copied: what comes in between is in the file twice, which harms nothing.
    let accepted = pool.subscribe();
    Ok((Journal::write(path, &pool.everything())?, accepted))
}

/// Runs blocking file work; `None`, with a log line, when the file cannot be used.
async fn attempt<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    match done.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
        Ok(value) => Some(value),
        Err(error) => {
            error!(path = %path.display(), %error, "pool file given up; a restart loses the pool");
            None
        }
    }
}

#[cfg(test)]
mod tests;

//! The double-sign guard: the last line between this key and an equivocation.
//!
//! The guard file keeps, for the current height, the sign bytes and the signature of every
//! step. It is durable **before** a signature leaves. Asked for bytes it has signed, the
//! guard gives the stored signature; asked for other bytes at a step it has signed, or for
//! a step behind the last one, it refuses.
//!
//! What led to a signature, above all the block this validator is locked on, is in the engine's
//! log. Where that log is lost, or contradicts the guard, the height is **forgotten**: nothing
//! more is signed there, and the validator follows the others through it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::keys::write_atomic;

/// The steps of a round in the order a validator signs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The proposer's block.
    Proposal,
    /// The first vote.
    Prevote,
    /// The second vote.
    Precommit,
}

/// The place of a signature: at most one set of bytes is ever signed for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The height.
    pub height: u64,
    /// The round.
    pub round: u32,
    /// The step.
    pub step: Step,
}

/// Why the guard gave no signature.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Other bytes are signed for this slot.
    #[error("refuse to sign twice at {slot:?}; is this key in use elsewhere?")]
    Conflict {
        /// The slot.
        slot: Slot,
    },
    /// The slot lies before one that is signed.
    #[error("refuse to sign {slot:?}, which lies before {last:?}")]
    Regression {
        /// The slot.
        slot: Slot,
        /// The last slot signed.
        last: Slot,
    },
    /// The guard file cannot be made durable.
    #[error("write guard file {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The guard file cannot be read.
    #[error("read guard file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl GuardError {
    /// Whether the guard itself said no, and not the disk.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Regression { .. })
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    height: u64,
    steps: Vec<Signed>,
    /// Nothing more is signed at this height.
    #[serde(default)]
    forgotten: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    round: u32,
    step: Step,
    sign_bytes: Vec<u8>,
    signature: Vec<u8>,
}

/// What the record says to a request.
enum Verdict {
    Again([u8; 64]),
    Fresh,
}

impl Record {
    fn judge(&self, slot: Slot, sign_bytes: &[u8]) -> Result<Verdict, GuardError> {
        let same = self.steps.iter().find(|s| (s.round, s.step) == (slot.round, slot.step));
        if slot.height == self.height
            && !self.forgotten
            && let Some(signed) = same
        {
            return match <[u8; 64]>::try_from(signed.signature.as_slice()) {
                Ok(signature) if signed.sign_bytes == sign_bytes => Ok(Verdict::Again(signature)),
                Ok(_) | Err(_) => Err(GuardError::Conflict { slot }),
            };
        }
        match self.last() {
            Some(last) if slot < last || (self.forgotten && slot.height == last.height) => {
                Err(GuardError::Regression { slot, last })
            }
            Some(_) | None => Ok(Verdict::Fresh),
        }
    }

    fn last(&self) -> Option<Slot> {
        self.steps.iter().map(|s| Slot { height: self.height, round: s.round, step: s.step }).max()
    }

    fn with(&self, slot: Slot, sign_bytes: &[u8], signature: &[u8; 64]) -> Self {
        let mut steps = if slot.height == self.height { self.steps.clone() } else { Vec::new() };
        steps.push(Signed {
            round: slot.round,
            step: slot.step,
            sign_bytes: sign_bytes.to_vec(),
            signature: signature.to_vec(),
        });
        Self { height: slot.height, steps, forgotten: false }
    }
}

/// The guard of one key. One process, one guard.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    record: Record,
}

impl Guard {
    /// Opens the guard file; a missing file is an empty guard.
    ///
    /// # Errors
    /// [`GuardError::Read`] when the file is unreadable or not a guard file.
    pub fn open(path: &Path) -> Result<Self, GuardError> {
        let read = |source| GuardError::Read { path: path.to_owned(), source };
        let record = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| read(io::Error::new(io::ErrorKind::InvalidData, e)))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Record::default(),
            Err(e) => return Err(read(e)),
        };
        Ok(Self { path: path.to_owned(), record })
    }

    /// The last height that this validator must follow without a vote before it votes again, where
    /// `next` is the first one that it has not seen decided: that of its last signature, unless
    /// that is `next` itself and the engine `has_log` of it.
    ///
    /// # Errors
    /// [`GuardError::Write`]: that the height is forgotten could not be made durable.
    pub fn follows_through(&mut self, next: u64, has_log: bool) -> Result<Option<u64>, GuardError> {
        let last = self.record.height;
        if last < next || (last == next && has_log && !self.record.forgotten) {
            return Ok(None);
        }
        self.forget()?;
        Ok(Some(last))
    }

    /// Signs nothing more at the height of the last signature.
    ///
    /// # Errors
    /// [`GuardError::Write`].
    pub fn forget(&mut self) -> Result<(), GuardError> {
        self.put(Record { forgotten: true, ..self.record.clone() })
    }

    /// Signs `sign_bytes` for `slot`: the guard file is durable before the signature is returned.
    ///
    /// # Errors
    /// A refusal, or a disk that failed. After any error nothing was signed.
    pub fn sign(
        &mut self,
        slot: Slot,
        sign_bytes: &[u8],
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<[u8; 64], GuardError> {
        if let Verdict::Again(signature) = self.record.judge(slot, sign_bytes)? {
            return Ok(signature);
        }
        let signature = sign(sign_bytes);
        self.put(self.record.with(slot, sign_bytes, &signature))?;
        Ok(signature)
    }

    fn put(&mut self, next: Record) -> Result<(), GuardError> {
        let json = serde_json::to_vec(&next).expect("numbers and byte lists always serialize");
        write_atomic(&self.path, &json)
            .map_err(|source| GuardError::Write { path: self.path.clone(), source })?;
        self.record = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Reading and writing secret files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("refuse {}, mode {mode:04o} is open to others; run: chmod 600 {}", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a key in CometBFT's format.
    #[error("parse {}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// CometBFT's JSON form of a key: a type name and base64 bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct TypedKey {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

const PRIVATE_KIND: &str = "tendermint/PrivKeyEd25519";
const PUBLIC_KIND: &str = "tendermint/PubKeyEd25519";

impl TypedKey {
    /// Go's ed25519 private key is the seed followed by the public key.
    pub(super) fn private(seed: &[u8; 32], public: &[u8; 32]) -> Self {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(seed);
        bytes[32..].copy_from_slice(public);
        Self { kind: PRIVATE_KIND.to_owned(), value: STANDARD.encode(bytes) }
    }

    pub(super) fn public(public: &[u8; 32]) -> Self {
        Self { kind: PUBLIC_KIND.to_owned(), value: STANDARD.encode(public) }
    }

    /// The signing key, checked against the public half beside it.
    pub(super) fn signing_key(&self) -> Result<ed25519_dalek::SigningKey, String> {
        if self.kind != PRIVATE_KIND {
            return Err(format!("key type {}, expected {PRIVATE_KIND}", self.kind));
        }
        let bytes = STANDARD.decode(&self.value).map_err(|e| format!("base64: {e}"))?;
        let pair: [u8; 64] = bytes
            .try_into()
            .map_err(|b: Vec<u8>| format!("private key of {} bytes, expected 64", b.len()))?;
        ed25519_dalek::SigningKey::from_keypair_bytes(&pair)
            .map_err(|_| "the public half does not belong to the private half".to_owned())
    }

    pub(super) fn public_bytes(&self) -> Result<Vec<u8>, String> {
        if self.kind != PUBLIC_KIND {
            return Err(format!("key type {}, expected {PUBLIC_KIND}", self.kind));
        }
        STANDARD.decode(&self.value).map_err(|e| format!("base64: {e}"))
    }
}

/// Reads a secret file that only its owner may open.
pub(super) fn read_secret(path: &Path) -> Result<Vec<u8>, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(io)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { path: path.to_owned(), mode });
    }
    fs::read(path).map_err(io)
}

/// Writes a new secret file with mode 0600; an existing file is never replaced.
pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.sync_all().map_err(io)?;
    sync_parent(path).map_err(io)
}

/// Replaces `path` so that after a crash it holds either the old or the new bytes, and
/// is durable, with its directory entry, on return.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let tmp = path.with_file_name(name);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&tmp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&tmp, path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

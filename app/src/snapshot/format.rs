//! Format 1: the state at one height as records in an order that everyone agrees on.
//!
//! A record is `tag ‖ length (4 bytes) ‖ body`; integers are big-endian. The records are, in this
//! order:
//!
//! | tag | body | how many |
//! |---|---|---|
//! | 0 head | version ‖ RLP of chain, header, app hash, exit root, exit count | one |
//! | 1 header | RLP of an earlier header, each the parent of the one before | 255, fewer near genesis |
//! | 2 engine | a piece of the engine's checkpoint; all but the last are full | none where the engine keeps its own blocks |
//! | 3 account | keccak(address) ‖ RLP of the trie's leaf | by key |
//! | 4 word | keccak(slot) ‖ value without leading zeros | after their account, by key |
//! | 5 code | the code | by hash, those that accounts have |
//! | 6 exit | RLP of the exit | by index |
//!
//! Chunks are cut at the first record boundary past [`CHUNK_TARGET`]. A chunk is named by
//! `keccak256(0x00 ‖ chunk)`; the snapshot's hash is the root of the tree of those names that also
//! proves exits ([`mooring_bridge::exit`]). Nothing in it depends on what else a node keeps, on
//! threads or on time: two honest nodes make the same bytes.

use alloy_consensus::Header;
use alloy_primitives::{B256, Keccak256, U256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use bytes::Bytes;
use mooring_abci::proto::abci::Snapshot;
use mooring_bridge::exit::{Exit, Frontier};
use mooring_trie::TrieAccount;

use super::SnapshotError;
use crate::store::{Tip, exit_from_rlp, exit_to_rlp};

/// The format's number, as ABCI names it.
pub const FORMAT: u32 = 1;
/// A chunk ends at the first record boundary past so many bytes.
pub const CHUNK_TARGET: usize = 8 << 20;
/// The longest body of a record.
pub(super) const MAX_BODY: usize = 1 << 20;
/// The longest chunk there can be: the ABCI limit is 16 MB.
pub(super) const MAX_CHUNK: usize = CHUNK_TARGET + HEADER_BYTES + MAX_BODY;
/// Bytes of a piece of the engine's checkpoint.
pub(crate) const PIECE: usize = MAX_BODY;
/// Earlier headers: with the head's those that `BLOCKHASH` can ask for in the next block.
pub(crate) const PAST_HEADERS: u64 = 255;
/// The ABCI limit of a snapshot's metadata.
const MAX_METADATA: usize = 4_000_000;
/// The version of the head, and of the metadata.
const VERSION: u8 = 1;
/// Bytes before a record's body.
const HEADER_BYTES: usize = 5;
const HASH: usize = 32;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Head(Box<Head>),
    Header(Box<Header>),
    Engine(Vec<u8>),
    Account { key: B256, account: TrieAccount },
    Word { key: B256, value: U256 },
    Code(Vec<u8>),
    Exit(Exit),
}

/// What the snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The hash of the genesis document.
    pub(crate) chain: B256,
    pub(crate) tip: Tip,
}

#[derive(RlpEncodable, RlpDecodable)]
struct HeadRecord {
    chain: B256,
    header: Header,
    app_hash: B256,
    exit_root: B256,
    exit_count: u64,
}

/// A record cannot be read.
pub(super) type Malformed = &'static str;

impl Record {
    const fn tag(&self) -> u8 {
        match self {
            Self::Head(_) => 0,
            Self::Header(_) => 1,
            Self::Engine(_) => 2,
            Self::Account { .. } => 3,
            Self::Word { .. } => 4,
            Self::Code(_) => 5,
            Self::Exit(_) => 6,
        }
    }

    fn body(&self) -> Vec<u8> {
        match self {
            Self::Head(head) => head.encode(),
            Self::Header(header) => alloy_rlp::encode(header),
            Self::Engine(bytes) | Self::Code(bytes) => bytes.clone(),
            Self::Account { key, account } => {
                [key.as_slice(), &alloy_rlp::encode(account)].concat()
            }
            Self::Word { key, value } => {
                [key.as_slice(), &value.to_be_bytes_trimmed_vec()].concat()
            }
            Self::Exit(exit) => exit_to_rlp(exit),
        }
    }

    /// Appends the record to a chunk.
    ///
    /// # Errors
    /// Its body is longer than [`MAX_BODY`].
    pub(super) fn write(&self, chunk: &mut Vec<u8>) -> Result<(), Malformed> {
        let body = self.body();
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_BODY);
        let length = length.ok_or("a record is too long for a chunk")?;
        chunk.push(self.tag());
        chunk.extend_from_slice(&length.to_be_bytes());
        chunk.extend_from_slice(&body);
        Ok(())
    }

    /// Takes the first record off `chunk`, which is not empty.
    ///
    /// # Errors
    /// The bytes are no record.
    pub(super) fn read(chunk: &mut &[u8]) -> Result<Self, Malformed> {
        let (header, rest) =
            chunk.split_first_chunk::<HEADER_BYTES>().ok_or("a record is cut off")?;
        let [tag, length @ ..] = *header;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_BODY {
            return Err("a record is too long");
        }
        let (body, rest) = rest.split_at_checked(length).ok_or("a record is cut off")?;
        *chunk = rest;
        Self::decode(tag, body)
    }

    fn decode(tag: u8, body: &[u8]) -> Result<Self, Malformed> {
        Ok(match tag {
            0 => Self::Head(Box::new(Head::decode(body)?)),
            1 => Self::Header(Box::new(rlp(body)?)),
            2 => Self::Engine(body.to_vec()),
            3 => {
                let (key, account) = keyed(body)?;
                Self::Account { key, account: rlp(account)? }
            }
            4 => {
                let (key, value) = keyed(body)?;
                let is_shortest = value.first().is_some_and(|byte| *byte != 0);
                let word = U256::try_from_be_slice(value).filter(|_| is_shortest);
                Self::Word { key, value: word.ok_or("a word is not in its shortest form")? }
            }
            5 => Self::Code(body.to_vec()),
            6 => Self::Exit(exit_from_rlp(body).ok_or("an exit is not RLP")?),
            _ => return Err("a record of an unknown kind"),
        })
    }
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let Self { chain, tip } = self.clone();
        let Tip { header, app_hash, exit_root, exit_count, .. } = tip;
        let record = HeadRecord { chain, header, app_hash, exit_root, exit_count };
        let mut body = vec![VERSION];
        alloy_rlp::Encodable::encode(&record, &mut body);
        body
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let Some((&VERSION, body)) = body.split_first() else {
            return Err("the head is of another version");
        };
        let HeadRecord { chain, header, app_hash, exit_root, exit_count } = rlp(body)?;
        let hash = header.hash_slow();
        Ok(Self { chain, tip: Tip { header, hash, app_hash, exit_root, exit_count } })
    }
}

fn rlp<T: Decodable>(body: &[u8]) -> Result<T, Malformed> {
    alloy_rlp::decode_exact(body).map_err(|_| "a record is not RLP")
}

fn keyed(body: &[u8]) -> Result<(B256, &[u8]), Malformed> {
    let (key, rest) = body.split_first_chunk::<HASH>().ok_or("a record is cut off")?;
    Ok((B256::new(*key), rest))
}

/// The name of a chunk.
pub(super) fn chunk_hash(chunk: &[u8]) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update([0]);
    hasher.update(chunk);
    hasher.finalize()
}

/// What is told of a snapshot before any of it is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The block whose state it is.
    pub height: u64,
    /// The hash of the genesis document.
    pub chain: B256,
    /// The application's hash after the block.
    pub app_hash: B256,
    /// The names of its chunks; never empty.
    pub chunks: Vec<B256>,
}

impl Manifest {
    /// The snapshot's hash: equal for equal snapshots alone.
    pub fn hash(&self) -> B256 {
        let mut tree = Frontier::default();
        for chunk in &self.chunks {
            // A tree holds 2^32 leaves, metadata names far fewer chunks.
            let _ = tree.append(*chunk);
        }
        tree.root()
    }

    /// As ABCI carries it.
    ///
    /// # Errors
    /// There are more chunks than metadata may name.
    pub fn to_abci(&self) -> Result<Snapshot, SnapshotError> {
        let mut metadata = vec![VERSION];
        metadata.extend_from_slice(self.chain.as_slice());
        metadata.extend_from_slice(self.app_hash.as_slice());
        self.chunks.iter().for_each(|chunk| metadata.extend_from_slice(chunk.as_slice()));
        if metadata.len() > MAX_METADATA {
            return Err(SnapshotError::Manifest("the state is too large for this format"));
        }
        Ok(Snapshot {
            height: self.height,
            format: FORMAT,
            chunks: u32::try_from(self.chunks.len()).unwrap_or(u32::MAX),
            hash: Bytes::copy_from_slice(self.hash().as_slice()),
            metadata: metadata.into(),
        })
    }

    /// Reads and checks what [`Self::to_abci`] wrote, whoever sent it.
    ///
    /// # Errors
    /// It is of another format, or contradicts itself.
    pub fn from_abci(snapshot: &Snapshot) -> Result<Self, SnapshotError> {
        if snapshot.format != FORMAT {
            return Err(SnapshotError::Format { found: snapshot.format });
        }
        let manifest = SnapshotError::Manifest;
        let metadata = &snapshot.metadata;
        if metadata.len() > MAX_METADATA {
            return Err(manifest("its metadata is too long"));
        }
        let Some((&VERSION, hashes)) = metadata.split_first() else {
            return Err(manifest("its metadata is of another version"));
        };
        let (hashes, rest) = hashes.as_chunks::<HASH>();
        let mut hashes = hashes.iter().copied().map(B256::new);
        let (Some(chain), Some(app_hash), []) = (hashes.next(), hashes.next(), rest) else {
            return Err(manifest("its metadata is cut off"));
        };
        let found = Self { height: snapshot.height, chain, app_hash, chunks: hashes.collect() };
        if found.height == 0 || found.chunks.is_empty() {
            return Err(manifest("it is empty"));
        }
        if usize::try_from(snapshot.chunks).ok() != Some(found.chunks.len()) {
            return Err(manifest("its metadata names another number of chunks"));
        }
        if found.hash().as_slice() != snapshot.hash {
            return Err(manifest("its hash is not that of its chunks"));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;

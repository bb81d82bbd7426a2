//! What an embedded engine asks of its host's disk. CometBFT has a block store of its own.

use bytes::Bytes;

use crate::Fault;

/// A decided consensus block with the certificate that decided it, both as the engine encodes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedBlock {
    /// The block in CometBFT's protobuf encoding (`tendermint.types.Block`).
    pub block: Bytes,
    /// The commit certificate, in the engine's own encoding.
    pub certificate: Bytes,
}

/// A block that was proposed at a height not decided yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedBlock {
    /// The engine's key inside the height (round and block id), unique.
    pub key: Bytes,
    /// The proposal as the engine encodes it.
    pub value: Bytes,
}

/// The durable memory of the embedded engine.
pub trait ConsensusStore: Send + Sync {
    /// The highest decided height, 0 when there is none.
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be read.
    fn tip(&self) -> Result<u64, Fault>;

    /// The lowest decided height still kept, 0 when there is none.
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be read.
    fn base(&self) -> Result<u64, Fault>;

    /// The block decided at `height`.
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be read.
    fn decided(&self, height: u64) -> Result<Option<DecidedBlock>, Fault>;

    /// Keeps a decided block. Not synced: the application's commit batch of the same height
    /// follows in the same write-ahead log and syncs both.
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be written.
    fn put_decided(&self, height: u64, decided: &DecidedBlock) -> Result<(), Fault>;

    /// Replaces the certificate at `height` by one with more signatures.
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be written.
    fn put_certificate(&self, height: u64, certificate: &Bytes) -> Result<(), Fault>;

    /// All blocks proposed at `height`, ordered by key.
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be read.
    fn proposed(&self, height: u64) -> Result<Vec<ProposedBlock>, Fault>;

    /// Keeps a proposed block, durable on return: the engine's log may refer to it from then on.
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be written.
    fn put_proposed(&self, height: u64, proposed: &ProposedBlock) -> Result<(), Fault>;

    /// Forgets the proposals at and below `height`.
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be written.
    fn prune_proposed(&self, height: u64) -> Result<(), Fault>;

    /// A named record of the engine's own (validator sets, its version).
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be read.
    fn record(&self, name: &[u8]) -> Result<Option<Bytes>, Fault>;

    /// Writes a named record; synced with the next commit.
    ///
    /// # Errors
    /// A [`Fault`] when the disk cannot be written.
    fn put_record(&self, name: &[u8], value: &Bytes) -> Result<(), Fault>;
}

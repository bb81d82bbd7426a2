//! The seam between the application and its consensus engine: ABCI 2.0.
//!
//! Both engines exchange the structs of `tendermint-proto` `v0_38` with the
//! application, so nothing outside an engine crate names an engine's type. The
//! traits are split like the four ABCI connections; the block store that the
//! embedded engine needs from its host stands beside them.
//!
//! Rules that keep all engines equal (source: CometBFT `spec/abci`):
//! - calls on [`ConsensusApp`] are strictly serial;
//! - every input of `finalize_block` comes from the decided block;
//! - `prepare_proposal` and `process_proposal` never touch committed state;
//! - validator updates returned at height H take effect at H+2.

pub mod error;
pub mod store;

pub use error::Fault;
pub use store::{ConsensusStore, DecidedBlock, ProposedBlock};
/// The protobuf structs of ABCI 2.0 as CometBFT v0.38 sends them.
pub use tendermint_proto::v0_38 as proto;

use proto::abci::{
    RequestApplySnapshotChunk, RequestCheckTx, RequestFinalizeBlock, RequestInfo, RequestInitChain,
    RequestListSnapshots, RequestLoadSnapshotChunk, RequestOfferSnapshot, RequestPrepareProposal,
    RequestProcessProposal, RequestQuery, ResponseApplySnapshotChunk, ResponseCheckTx,
    ResponseCommit, ResponseFinalizeBlock, ResponseInfo, ResponseInitChain, ResponseListSnapshots,
    ResponseLoadSnapshotChunk, ResponseOfferSnapshot, ResponsePrepareProposal,
    ResponseProcessProposal, ResponseQuery,
};

/// The consensus connection: serial, the only one that changes state.
pub trait ConsensusApp: Send {
    /// Height zero: checks the engine's genesis and returns the validators and app hash.
    ///
    /// # Errors
    /// A [`Fault`] ends the process.
    fn init_chain(&mut self, request: RequestInitChain) -> Result<ResponseInitChain, Fault>;

    /// Fills a block on top of the committed state.
    ///
    /// # Errors
    /// A [`Fault`] ends the process.
    fn prepare_proposal(
        &mut self,
        request: RequestPrepareProposal,
    ) -> Result<ResponsePrepareProposal, Fault>;

    /// Judges a proposed block; a block with any invalid item is rejected.
    ///
    /// # Errors
    /// A [`Fault`] ends the process; an invalid block is not a fault.
    fn process_proposal(
        &mut self,
        request: RequestProcessProposal,
    ) -> Result<ResponseProcessProposal, Fault>;

    /// Executes a decided block and returns its app hash. Nothing is durable before `commit`.
    ///
    /// # Errors
    /// A [`Fault`] ends the process; an invalid item is skipped with a code other than zero.
    fn finalize_block(
        &mut self,
        request: RequestFinalizeBlock,
    ) -> Result<ResponseFinalizeBlock, Fault>;

    /// Makes the finalized block durable in one synced write.
    ///
    /// # Errors
    /// A [`Fault`] ends the process.
    fn commit(&mut self) -> Result<ResponseCommit, Fault>;
}

/// The info and query connection: concurrent, read-only.
pub trait InfoApp: Send + Sync {
    /// The last committed height and app hash.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    fn info(&self, request: RequestInfo) -> Result<ResponseInfo, Fault>;

    /// Answers a query against committed state.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    fn query(&self, request: RequestQuery) -> Result<ResponseQuery, Fault>;
}

/// The mempool connection.
pub trait MempoolApp: Send + Sync {
    /// Says whether a transaction may enter the pool.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read; a bad transaction gets a code instead.
    fn check_tx(&self, request: RequestCheckTx) -> Result<ResponseCheckTx, Fault>;
}

/// The snapshot connection: concurrent with the others.
pub trait SnapshotApp: Send + Sync {
    /// The snapshots that this node can give, newest first.
    ///
    /// # Errors
    /// A [`Fault`] when they cannot be read.
    fn list_snapshots(&self, request: RequestListSnapshots)
    -> Result<ResponseListSnapshots, Fault>;

    /// Says whether this node is to be restored from a snapshot of somebody else. The app hash of
    /// the request is trusted; the snapshot is not.
    ///
    /// # Errors
    /// A [`Fault`] when the disk fails; a bad snapshot is refused by the answer.
    fn offer_snapshot(&self, request: RequestOfferSnapshot)
    -> Result<ResponseOfferSnapshot, Fault>;

    /// A chunk of one of this node's snapshots; empty where it is not there.
    ///
    /// # Errors
    /// A [`Fault`] ends the process.
    fn load_snapshot_chunk(
        &self,
        request: RequestLoadSnapshotChunk,
    ) -> Result<ResponseLoadSnapshotChunk, Fault>;

    /// Takes a chunk of the snapshot accepted. With the last one the node is at its height, or
    /// refuses it.
    ///
    /// # Errors
    /// A [`Fault`] when the disk fails; a bad chunk is asked for again by the answer.
    fn apply_snapshot_chunk(
        &self,
        request: RequestApplySnapshotChunk,
    ) -> Result<ResponseApplySnapshotChunk, Fault>;
}

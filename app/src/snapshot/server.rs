//! The snapshot connection of ABCI: an engine that syncs state calls these.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::B256;
use bytes::Bytes;
use mooring_abci::proto::abci::{
    RequestApplySnapshotChunk, RequestListSnapshots, RequestLoadSnapshotChunk,
    RequestOfferSnapshot, ResponseApplySnapshotChunk, ResponseListSnapshots,
    ResponseLoadSnapshotChunk, ResponseOfferSnapshot, Snapshot,
    response_apply_snapshot_chunk::Result as Applied, response_offer_snapshot::Result as Offered,
};
use mooring_abci::{Fault, SnapshotApp};

use super::SnapshotError;
use super::format::{FORMAT, Manifest, chunk_hash};
use super::restore::{Rules, restore};
use super::saved::{Saved, Snapshots, Writer, remove};
use crate::log::in_words;
use crate::store::Store;

/// The most snapshots that are told of (CometBFT asks peers for no more).
const MAX_LISTED: usize = 10;

/// Serves a node's snapshots, and restores the node from those of others.
#[derive(Debug)]
pub struct SnapshotServer {
    store: Store,
    rules: Rules,
    saved: Snapshots,
    /// Where chunks wait until all are there.
    staging: PathBuf,
    restoring: Mutex<Option<Restoring>>,
}

/// A snapshot that was accepted.
#[derive(Debug)]
struct Restoring {
    manifest: Manifest,
    app_hash: B256,
    /// Which chunks are there.
    arrived: Vec<bool>,
}

impl SnapshotServer {
    /// Serves those in `saved`; what is fetched waits in `staging`, which is made anew for each
    /// snapshot and removed after it.
    pub fn new(store: Store, rules: Rules, saved: Snapshots, staging: impl Into<PathBuf>) -> Self {
        let (staging, restoring) = (staging.into(), Mutex::default());
        Self { store, rules, saved, staging, restoring }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Restoring>> {
        self.restoring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Result<Vec<Snapshot>, SnapshotError> {
        let heights = self.saved.heights()?;
        // One that is removed meanwhile, or is damaged, is left out.
        let known = heights.into_iter().filter_map(|height| self.saved.get(height).ok());
        known.take(MAX_LISTED).map(|saved| saved.manifest().to_abci()).collect()
    }

    fn offer(&self, snapshot: &Snapshot, app_hash: &[u8]) -> Result<Offered, SnapshotError> {
        let height = self.store.latest().number();
        if height > 0 {
            tracing::warn!(height, "refused a snapshot: the store is not empty");
            return Ok(Offered::Abort);
        }
        let manifest = match Manifest::from_abci(snapshot) {
            Ok(manifest) => manifest,
            Err(SnapshotError::Format { .. }) => return Ok(Offered::RejectFormat),
            Err(error) => {
                tracing::warn!(height = snapshot.height, why = %error, "refused a snapshot");
                return Ok(Offered::RejectSender);
            }
        };
        let app_hash = B256::try_from(app_hash);
        let app_hash = app_hash.map_err(|e| {
            mooring_stf::Fault::from_cause("read the app hash that the engine trusts", e)
        })?;
        if let Err(error) = self.rules.check(&manifest, Some(app_hash)) {
            tracing::warn!(height = manifest.height, why = %error, "refused a snapshot");
            return Ok(Offered::Reject);
        }
        Writer::staging(&self.staging, &manifest)?;
        let arrived = vec![false; manifest.chunks.len()];
        *self.lock() = Some(Restoring { manifest, app_hash, arrived });
        Ok(Offered::Accept)
    }

    /// Takes a chunk; with the last one the store becomes the snapshot's.
    fn apply(&self, index: u32, chunk: &[u8]) -> Result<Applied, SnapshotError> {
        let mut state = self.lock();
        let Some(restoring) = state.as_mut() else { return Ok(Applied::Abort) };
        let Some(index) = usize::try_from(index).ok().filter(|i| *i < restoring.arrived.len())
        else {
            return Ok(Applied::Abort);
        };
        if chunk_hash(chunk) != restoring.manifest.chunks[index] {
            return Ok(Applied::Retry);
        }
        Writer::stage(&self.staging, index, chunk)?;
        restoring.arrived[index] = true;
        if !restoring.arrived.iter().all(|arrived| *arrived) {
            return Ok(Applied::Accept);
        }
        let app_hash = restoring.app_hash;
        *state = None;
        self.complete(app_hash)
    }

    fn complete(&self, app_hash: B256) -> Result<Applied, SnapshotError> {
        let restored = Saved::open(&self.staging)
            .and_then(|saved| restore(&saved, &self.rules, &self.store, app_hash));
        remove(&self.staging)?;
        match restored {
            Ok(checked) => {
                tracing::info!(height = checked.height, entries = checked.entries, "restored");
                Ok(Applied::Accept)
            }
            Err(error) if error.is_invalid() => {
                tracing::warn!(why = %in_words(&error), "refused a snapshot");
                Ok(Applied::RejectSnapshot)
            }
            Err(error) => Err(error),
        }
    }
}

impl SnapshotApp for SnapshotServer {
    fn list_snapshots(&self, _: RequestListSnapshots) -> Result<ResponseListSnapshots, Fault> {
        let snapshots = self.list().map_err(|e| Fault::from_cause("list snapshots", e))?;
        Ok(ResponseListSnapshots { snapshots })
    }

    fn offer_snapshot(
        &self,
        request: RequestOfferSnapshot,
    ) -> Result<ResponseOfferSnapshot, Fault> {
        let RequestOfferSnapshot { snapshot, app_hash } = request;
        let result = match snapshot {
            Some(snapshot) => self.offer(&snapshot, &app_hash),
            None => Ok(Offered::Reject),
        };
        let result = result.map_err(|e| Fault::from_cause("accept a snapshot", e))?;
        Ok(ResponseOfferSnapshot { result: result.into() })
    }

    fn load_snapshot_chunk(
        &self,
        request: RequestLoadSnapshotChunk,
    ) -> Result<ResponseLoadSnapshotChunk, Fault> {
        let RequestLoadSnapshotChunk { height, format, chunk } = request;
        let index = usize::try_from(chunk).unwrap_or(usize::MAX);
        let known = (format == FORMAT).then(|| self.saved.get(height));
        // Removed meanwhile, or damaged: the peer asks somebody else.
        let chunk = known.and_then(|saved| saved.and_then(|saved| saved.chunk(index)).ok());
        Ok(ResponseLoadSnapshotChunk { chunk: chunk.map_or_else(Bytes::new, Bytes::from) })
    }

    fn apply_snapshot_chunk(
        &self,
        request: RequestApplySnapshotChunk,
    ) -> Result<ResponseApplySnapshotChunk, Fault> {
        let RequestApplySnapshotChunk { index, chunk, sender } = request;
        let result = self.apply(index, &chunk);
        let result = result.map_err(|e| Fault::from_cause("restore a snapshot", e))?;
        let mut response =
            ResponseApplySnapshotChunk { result: result.into(), ..Default::default() };
        if result == Applied::Retry {
            response.refetch_chunks.push(index);
            response.reject_senders.extend(Some(sender).filter(|sender| !sender.is_empty()));
        }
        Ok(response)
    }
}

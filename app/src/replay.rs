//! Executing a chain again from genesis: `mooring node replay`.
//!
//! The blocks come from the consensus engine's memory of a home, the state is built anew beside
//! it, and after each block the two must agree on the app hash, which binds header, state,
//! receipts and exits.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use mooring_abci::proto::abci::RequestFinalizeBlock;
use mooring_abci::{ConsensusApp as _, ConsensusStore as _, Fault};
use mooring_genesis::Genesis;
use mooring_stf::{ChainParams, tx::SignedTx};
use prost::Message as _;
use tendermint_proto::v0_38::types::Block;
use tokio::sync::watch;

use alloy_primitives::B256;

use crate::application::{Application, Budget, Candidates, Chain, Touched, TxSource};
use crate::store::{Store, StoreError, StoreOptions, Tip, View};

/// Why a replay ends before the tip.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The blocks are not all there.
    #[error(
        "block {height} is not kept: {kept}. Replay cannot start at genesis here, and needs every \
         block from 1 on: run it on the home of a validator that has kept them all"
    )]
    NotKept {
        /// The height that is missing.
        height: u64,
        /// What there is.
        kept: &'static str,
    },
    /// The same block gives another result than it gave.
    #[error(
        "block {height} gives app hash {found}, this home has {expected} ({what} differs): its state \
         cannot be trusted. Move its data directory away and sync again; if a fresh replay differs \
         too, this binary executes blocks otherwise than the one that wrote them"
    )]
    Differs {
        /// The first block that differs.
        height: u64,
        /// The app hash in the home.
        expected: B256,
        /// The app hash of the replay.
        found: B256,
        /// The first part that is not the same.
        what: &'static str,
    },
    /// A store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node's own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Executes the blocks that `original` keeps, from genesis up to and with `to`, into an empty
/// directory; `each` hears of every height. Gives the last app hash.
///
/// # Errors
/// A block is missing or gives another app hash, or a disk fails.
pub fn replay(
    original: &Store,
    genesis: &Genesis,
    to: u64,
    scratch: &Path,
    mut each: impl FnMut(u64),
) -> Result<B256, ReplayError> {
    let options = StoreOptions { history: 1, ..StoreOptions::default() };
    let first = || mooring_stf::genesis_block(genesis);
    let store = Store::open_with(scratch, genesis.hash(), options, first)?;
    let params = Arc::new(ChainParams::from_genesis(genesis));
    let chain = Chain::new(store.clone(), params, Arc::new(genesis.clone()));
    let mut app = Application::new(chain, Arc::new(NoPool(watch::Sender::new(0))));
    let view = original.latest();
    compare(&view, 0, store.latest().tip())?;
    for height in 1..=to {
        app.finalize_block(request(original, height)?)?;
        app.commit()?;
        compare(&view, height, store.latest().tip())?;
        each(height);
    }
    Ok(store.latest().tip().app_hash)
}

/// The decided block at `height` as the application was asked to execute it.
fn request(original: &Store, height: u64) -> Result<RequestFinalizeBlock, ReplayError> {
    let decided = original.decided(height)?.ok_or_else(|| ReplayError::NotKept {
        height,
        kept: match original.base() {
            _ if original.kept().blocks > height => {
                "this home was restored from a snapshot above it"
            }
            Ok(0) | Err(_) => "the engine of this chain keeps no consensus blocks",
            Ok(_) => "earlier blocks were pruned",
        },
    })?;
    let decode = || format!("decode the consensus block of height {height}");
    let block = Block::decode(decided.block).map_err(|e| Fault::from_cause(decode(), e))?;
    let header = block.header.ok_or_else(|| Fault::new(decode()))?;
    Ok(RequestFinalizeBlock {
        txs: block.data.unwrap_or_default().txs.into_iter().map(Bytes::from).collect(),
        height: header.height,
        time: header.time,
        proposer_address: header.proposer_address.into(),
        ..RequestFinalizeBlock::default()
    })
}

fn compare(original: &View, height: u64, found: &Tip) -> Result<(), ReplayError> {
    let attempt = || format!("read block {height}");
    let expected = original
        .tip_at(height)
        .map_err(|e| Fault::from_cause(attempt(), e))?
        .ok_or_else(|| Fault::new(attempt()))?;
    if expected.app_hash == found.app_hash {
        return Ok(());
    }
    let (theirs, ours) = (&expected.header, &found.header);
    let what = [
        (theirs.state_root == ours.state_root, "the state root"),
        (theirs.receipts_root == ours.receipts_root, "the receipts root"),
        (theirs.transactions_root == ours.transactions_root, "the transactions root"),
        (theirs == ours, "another header field"),
        (expected.exit_root == found.exit_root, "the exit tree"),
    ];
    let what = what.iter().find(|(same, _)| !same).map_or("the validator set", |(_, what)| *what);
    let (expected, found) = (expected.app_hash, found.app_hash);
    Err(ReplayError::Differs { height, expected, found, what })
}

/// Nobody proposes during a replay.
#[derive(Debug)]
struct NoPool(watch::Sender<u64>);

impl TxSource for NoPool {
    fn propose(&self, _: Budget) -> Candidates {
        Candidates::default()
    }

    fn recovered(&self, hashes: &[B256]) -> Vec<Option<SignedTx>> {
        vec![None; hashes.len()]
    }

    fn committed(&self, _: &View, _: &[Bytes], _: &[Touched]) {}

    fn reorged(&self, _: &View, _: &[Bytes]) {}

    fn arrivals(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests;

//! One run: blocks through the application into the store.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use alloy_primitives::{B256, keccak256};
use bytes::Bytes;
use mooring_abci::ConsensusApp as _;
use mooring_abci::proto::abci::{
    RequestFinalizeBlock, RequestProcessProposal, response_process_proposal::ProposalStatus,
};
use mooring_app::application::{Application, Budget, Candidates, Chain, Touched, TxSource};
use mooring_app::store::{StoreOptions, View};
use mooring_stf::tx::{self, ConsensusTx, SignedTx};
use mooring_stf::{BlockState as _, ChainParams};
use rayon::prelude::*;
use tendermint_proto::google::protobuf::Timestamp;
use tokio::sync::watch;

use crate::figures::{Figures, Recovery};
use crate::load::Blocks;
use crate::{Result, world};

/// A pool that knows the senders of what it was shown.
#[derive(Debug)]
struct Senders {
    known: Mutex<HashMap<B256, SignedTx>>,
    arrivals: watch::Sender<u64>,
}

impl Senders {
    fn show(&self, block: &[Bytes]) {
        let recovered: Vec<_> = block.par_iter().map(|bytes| tx::decode(bytes)).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for tx in recovered {
            if let Ok(ConsensusTx::Ethereum(tx)) = tx {
                known.insert(*tx.inner().tx_hash(), tx);
            }
        }
    }
}

impl TxSource for Senders {
    fn propose(&self, _: Budget) -> Candidates {
        Candidates::default()
    }

    fn recovered(&self, hashes: &[B256]) -> Vec<Option<SignedTx>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.iter().map(|hash| known.get(hash).cloned()).collect()
    }

    fn committed(&self, _: &View, included: &[Bytes], _: &[Touched]) {
        // The node's pool goes by accounts and hashes nothing.
        let hashes: Vec<_> = included.par_iter().map(keccak256).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for hash in hashes {
            known.remove(&hash);
        }
    }

    fn reorged(&self, _: &View, _: &[Bytes]) {}

    fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }
}

/// Executes the load, prints the figures of the first `timed` blocks and ends as a crash would:
/// the store is not closed, and the last blocks are not in the tables.
pub(crate) fn run(dir: &Path, is_large: bool, is_cold: bool, size: u64, timed: u64) -> Result<()> {
    let store = world::open(dir, world::options(is_large))?;
    store.wait_until_read_ahead();
    let genesis = Arc::new(world::genesis());
    let params = Arc::new(ChainParams::from_genesis(&genesis));
    let proposer = genesis.setup().validators[0].consensus_pubkey.address();
    let pool = Arc::new(Senders { known: Mutex::default(), arrivals: watch::Sender::new(0) });
    let chain = Chain::new(store.clone(), params, genesis);
    let mut app = Application::new(chain, pool.clone());
    let (ready, blocks) = sync_channel::<Vec<Bytes>>(1);
    let (done, turn) = sync_channel::<()>(1);
    let begun = Instant::now();
    let reader = std::thread::spawn({
        let (dir, pool) = (dir.to_owned(), pool);
        move || -> Result<()> {
            for block in Blocks::open(&dir, size)? {
                pool.show(&block);
                // Without overlap the next block is prepared only when this one is durable.
                if ready.send(block).is_err() || (!is_cold && turn.recv().is_err()) {
                    break;
                }
            }
            Ok(())
        }
    });
    let mut figures = Figures::default();
    let mut count = 0_u64;
    for (index, block) in (0..).zip(&blocks) {
        count += block.len() as u64;
        let arrived = Instant::now();
        execute(&mut app, Bytes::copy_from_slice(proposer.as_ref()), block)?;
        figures.latency_ms.push(arrived.elapsed().as_secs_f64() * 1e3);
        figures.rss_mib = figures.rss_mib.max(resident_mib()?);
        // The reader may have ended.
        let _ = done.try_send(());
        if index + 1 == timed {
            break;
        }
    }
    figures.durable = count as f64 / begun.elapsed().as_secs_f64();
    store.flush()?;
    figures.drained = count as f64 / begun.elapsed().as_secs_f64();
    for block in blocks {
        execute(&mut app, Bytes::copy_from_slice(proposer.as_ref()), block)?;
        // The reader may have ended.
        let _ = done.try_send(());
    }
    reader.join().map_err(|_| "the reader panicked")??;
    crate::answer(&serde_json::to_string(&figures)?)?;
    std::process::abort();
}

fn execute(app: &mut Application, proposer: Bytes, txs: Vec<Bytes>) -> Result<()> {
    let height = i64::try_from(app.height() + 1)?;
    let time = Some(Timestamp { seconds: 1_700_000_000 + height, nanos: 0 });
    let judged = app.process_proposal(RequestProcessProposal {
        txs: txs.clone(),
        height,
        time,
        proposer_address: proposer.clone(),
        ..RequestProcessProposal::default()
    })?;
    if judged.status != i32::from(ProposalStatus::Accept) {
        return Err(format!("block {height} was rejected").into());
    }
    let response = app.finalize_block(RequestFinalizeBlock {
        txs,
        height,
        time,
        proposer_address: proposer,
        ..RequestFinalizeBlock::default()
    })?;
    if let Some(failed) = response.tx_results.iter().find(|result| result.code != 0) {
        return Err(format!("a transaction of block {height} failed: {}", failed.log).into());
    }
    app.commit()?;
    Ok(())
}

/// Opens the store that a run left behind; prints the milliseconds that took, and until the next
/// block could be executed.
pub(crate) fn open(dir: &Path) -> Result<()> {
    let begun = Instant::now();
    let store = world::open(dir, StoreOptions::default())?;
    let latest = store.latest();
    let open_ms = begun.elapsed().as_secs_f64() * 1e3;
    let root = latest.trie()?.root();
    let ready_ms = begun.elapsed().as_secs_f64() * 1e3;
    if root != latest.header().state_root {
        return Err("the state's root is not the header's".into());
    }
    let height = latest.number();
    eprintln!("open at height {height} after {open_ms:.0} ms, ready after {ready_ms:.0} ms");
    crate::answer(&serde_json::to_string(&Recovery { open_ms, ready_ms })?)
}

/// Memory of this process that is in RAM.
fn resident_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no VmRSS")?;
    Ok(kib.trim().parse::<f64>()? / 1024.0)
}

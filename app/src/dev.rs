//! The dev engine: solo, seals at once. It drives the application with the same requests as a
//! real engine does, and agrees with nobody.
//!
//! Two uses: `mooring node start --dev` for dApp developers, and the built-in L1 of a devnet,
//! where finality lags and a reorg can be asked for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mooring_abci::proto::abci::{
    RequestFinalizeBlock, RequestPrepareProposal, RequestProcessProposal,
    response_process_proposal::ProposalStatus,
};
use mooring_abci::{ConsensusApp as _, Fault};
use tendermint_proto::google::protobuf::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::application::Application;

/// Commands that may wait while a block is being sealed.
const COMMAND_BUFFER: usize = 16;

/// When blocks are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// One block every interval, empty ones too.
    Every(Duration),
    /// A block as soon as the pool takes a transaction, and only then.
    OnArrival,
}

/// The parameters of the dev engine.
#[derive(Clone, Debug)]
pub struct DevEngineConfig {
    /// When blocks are sealed.
    pub sealing: Sealing,
    /// The consensus address named as every block's proposer.
    pub proposer: [u8; 20],
    /// Bytes of all transactions of a block.
    pub max_tx_bytes: i64,
}

/// Steers a running dev engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DevControl(mpsc::Sender<Command>);

/// The dev engine has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reach the dev engine, which has ended")]
pub struct DevEnded;

#[derive(Debug)]
enum Command {
    Reorg { depth: usize, done: oneshot::Sender<usize> },
    Seal { done: oneshot::Sender<u64> },
}

impl DevControl {
    /// Drops up to `depth` of the blocks that are not final; returns how many it dropped. Their
    /// transactions go back to the pool.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn reorg(&self, depth: usize) -> Result<usize, DevEnded> {
        self.send(|done| Command::Reorg { depth, done }).await
    }

    /// Seals one block now; returns its height.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn seal(&self) -> Result<u64, DevEnded> {
        self.send(|done| Command::Seal { done }).await
    }

    async fn send<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, DevEnded> {
        let (done, answer) = oneshot::channel();
        self.0.send(make(done)).await.map_err(|_| DevEnded)?;
        answer.await.map_err(|_| DevEnded)
    }
}

/// The engine, ready to run.
#[derive(Debug)]
pub struct DevEngine {
    config: DevEngineConfig,
    app: Application,
    commands: mpsc::Receiver<Command>,
    arrivals: watch::Receiver<u64>,
}

impl DevEngine {
    /// An engine over `app`, whose pool counts its transactions in `arrivals`.
    pub fn new(
        config: DevEngineConfig,
        app: Application,
        arrivals: watch::Receiver<u64>,
    ) -> (Self, DevControl) {
        let (sender, commands) = mpsc::channel(COMMAND_BUFFER);
        (Self { config, app, commands, arrivals }, DevControl(sender))
    }

    /// Seals blocks until cancelled.
    ///
    /// # Errors
    /// A [`Fault`] of the application, or a block of its own that it rejects.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<(), Fault> {
        let mut ticks = self.ticks();
        let mut arrivals = self.arrivals.clone();
        // What the pool took before there was an engine to hear of it.
        arrivals.mark_changed();
        let on_arrival = self.config.sealing == Sealing::OnArrival;
        loop {
            let command = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                Some(command) = self.commands.recv() => Some(command),
                _ = ticks.tick(), if !on_arrival => None,
                Ok(()) = arrivals.changed(), if on_arrival => None,
            };
            self = self.blocking(move |engine| engine.obey(command)).await?;
        }
    }

    fn ticks(&self) -> tokio::time::Interval {
        let period = match self.config.sealing {
            Sealing::Every(period) => period.max(Duration::from_millis(1)),
            Sealing::OnArrival => Duration::from_secs(3600),
        };
        let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    /// Runs `work` off the async threads. A panic in it goes on here.
    async fn blocking(
        mut self,
        work: impl FnOnce(&mut Self) -> Result<(), Fault> + Send + 'static,
    ) -> Result<Self, Fault> {
        let done = tokio::task::spawn_blocking(move || work(&mut self).map(|()| self)).await;
        done.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()))
    }

    /// Obeys a command, or seals when there is none.
    fn obey(&mut self, command: Option<Command>) -> Result<(), Fault> {
        match command {
            None => {
                // An arrival may already be in the block before.
                let empty = self.config.sealing != Sealing::OnArrival;
                self.seal_unless_empty(empty).map(drop)
            }
            Some(Command::Seal { done }) => {
                let height = self.seal()?;
                // Whoever asked may have gone; the block stands.
                let _ = done.send(height);
                Ok(())
            }
            Some(Command::Reorg { depth, done }) => {
                let dropped = self.app.reorg(depth);
                let _ = done.send(dropped);
                Ok(())
            }
        }
    }

    /// One block, by the calls of a real engine.
    ///
    /// # Errors
    /// A [`Fault`] of the application, or its own block rejected.
    pub fn seal(&mut self) -> Result<u64, Fault> {
        self.seal_unless_empty(true)
    }

    fn seal_unless_empty(&mut self, empty: bool) -> Result<u64, Fault> {
        let height = i64::try_from(self.app.height())
            .map_err(|e| Fault::from_cause("count blocks in 63 bits", e))?
            .saturating_add(1);
        let time = Some(now());
        let proposer_address = Bytes::copy_from_slice(&self.config.proposer);
        let prepared = self.app.prepare_proposal(RequestPrepareProposal {
            max_tx_bytes: self.config.max_tx_bytes,
            height,
            time,
            proposer_address: proposer_address.clone(),
            ..RequestPrepareProposal::default()
        })?;
        if prepared.txs.is_empty() && !empty {
            return Ok(self.app.height());
        }
        let hash = block_id(height, &prepared.txs);
        let judged = self.app.process_proposal(RequestProcessProposal {
            txs: prepared.txs.clone(),
            hash: hash.clone(),
            height,
            time,
            proposer_address: proposer_address.clone(),
            ..RequestProcessProposal::default()
        })?;
        if judged.status() != ProposalStatus::Accept {
            return Err(Fault::new(format!("accept the block it built at height {height}")));
        }
        self.app.finalize_block(RequestFinalizeBlock {
            txs: prepared.txs,
            hash,
            height,
            time,
            proposer_address,
            ..RequestFinalizeBlock::default()
        })?;
        self.app.commit()?;
        Ok(self.app.height())
    }
}

/// A name for the consensus block; it never enters the Ethereum header.
fn block_id(height: i64, txs: &[Bytes]) -> Bytes {
    let mut bytes = height.to_be_bytes().to_vec();
    for tx in txs {
        bytes.extend_from_slice(alloy_primitives::keccak256(tx).as_slice());
    }
    Bytes::copy_from_slice(alloy_primitives::keccak256(bytes).as_slice())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos().cast_signed(),
    }
}

#[cfg(test)]
mod tests;

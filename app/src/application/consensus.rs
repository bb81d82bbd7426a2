//! The consensus connection: the one writer of the chain.

use std::sync::Arc;

use bytes::Bytes;
use mooring_abci::proto::abci::{
    ExecTxResult, RequestFinalizeBlock, RequestInitChain, RequestPrepareProposal,
    RequestProcessProposal, ResponseCommit, ResponseFinalizeBlock, ResponseInitChain,
    ResponsePrepareProposal, ResponseProcessProposal, response_process_proposal::ProposalStatus,
};
use mooring_abci::{ConsensusApp, Fault};
use mooring_stf::{BlockError, ExecutedBlock, Mode, TxOutcome};

use super::proposal::{self, Proposed};
use super::{Chain, ChainEvent, TxSource};
use crate::store::{Layer, View};

/// The application behind every engine: executes what consensus decides and commits it.
pub struct Application {
    chain: Chain,
    source: Arc<dyn TxSource>,
    /// How many of the newest blocks stay in memory, where [`Application::reorg`] can drop them.
    lag: usize,
    /// The last proposal found valid, so that deciding it executes nothing twice.
    judged: Option<(Proposed, Executed)>,
    /// The block finalized and not yet committed.
    finalized: Option<Layer>,
}

/// A block after execution with its answer to the engine.
#[derive(Debug)]
struct Executed {
    layer: Layer,
    response: ResponseFinalizeBlock,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application").field("height", &self.height()).finish_non_exhaustive()
    }
}

impl Application {
    /// The application over a chain, filling proposals from `source`. Every committed block is on
    /// disk when `commit` returns.
    pub fn new(chain: Chain, source: Arc<dyn TxSource>) -> Self {
        Self { chain, source, lag: 0, judged: None, finalized: None }
    }

    /// Keeps the newest `lag` blocks in memory only, so that they can be dropped: for a dev chain.
    /// They are lost when the process ends.
    #[must_use]
    pub const fn with_finality_lag(mut self, lag: usize) -> Self {
        self.lag = lag;
        self
    }

    /// The height of the tip.
    pub fn height(&self) -> u64 {
        self.chain.store.latest().number()
    }

    /// Drops up to `depth` of the blocks still in memory; returns how many it dropped. Their
    /// transactions go back to the pool.
    pub fn reorg(&mut self, depth: usize) -> usize {
        let dropped = self.chain.store.drop_blocks(depth);
        if dropped.is_empty() {
            return 0;
        }
        self.judged = None;
        self.finalized = None;
        let returned: Vec<_> =
            dropped.iter().rev().flat_map(|layer| layer.included().iter().cloned()).collect();
        self.source.reorged(&self.chain.store.latest(), &returned);
        let blocks = dropped.iter().map(|layer| Arc::clone(layer.block())).collect();
        self.chain.publish(ChainEvent::Dropped(blocks));
        dropped.len()
    }

    /// Executes a proposal strictly; the inner error says why it is rejected.
    fn judge(&self, proposed: &Proposed) -> Result<Result<Executed, String>, Fault> {
        let view = self.chain.store.head();
        if let Err(rejected) = proposal::judge(&self.chain.params, &view, proposed) {
            return Ok(Err(rejected.to_string()));
        }
        match proposal::execute(&self.chain.params, &view, &*self.source, proposed, Mode::Strict) {
            Ok(executed) => Executed::new(&view, executed, proposed).map(Ok),
            Err(BlockError::Invalid { index, reason }) => {
                Ok(Err(format!("transaction {index}: {reason}")))
            }
            Err(BlockError::Fault(cause)) => Err(fault("execute a proposal", cause)),
        }
    }

    /// Executes a decided block; what is invalid in it is skipped.
    fn execute(&self, proposed: &Proposed) -> Result<Executed, Fault> {
        let view = self.chain.store.head();
        let (params, source) = (&self.chain.params, &*self.source);
        let executed = proposal::execute(params, &view, source, proposed, Mode::Lenient)
            .map_err(|e| Fault::from_cause("execute a decided block", e))?;
        Executed::new(&view, executed, proposed)
    }
}

impl Executed {
    fn new(view: &View, executed: ExecutedBlock, proposed: &Proposed) -> Result<Self, Fault> {
        let response = ResponseFinalizeBlock {
            tx_results: executed.outcomes.iter().map(result_of).collect(),
            app_hash: Bytes::copy_from_slice(executed.app_hash.as_slice()),
            ..ResponseFinalizeBlock::default()
        };
        let layer = Layer::new(view, executed, proposed.txs.clone())
            .map_err(|e| fault("keep an executed block", e))?;
        Ok(Self { layer, response })
    }
}

impl ConsensusApp for Application {
    fn init_chain(&mut self, request: RequestInitChain) -> Result<ResponseInitChain, Fault> {
        super::genesis_check::check(&self.chain, &request)?;
        let tip = self.chain.store.latest();
        if tip.number() != 0 {
            return Err(Fault::new(format!(
                "start the chain anew: the store is at height {}",
                tip.number()
            )));
        }
        Ok(ResponseInitChain {
            consensus_params: None,
            validators: Vec::new(),
            app_hash: Bytes::copy_from_slice(tip.tip().app_hash.as_slice()),
        })
    }

    fn prepare_proposal(
        &mut self,
        request: RequestPrepareProposal,
    ) -> Result<ResponsePrepareProposal, Fault> {
        let view = self.chain.store.head();
        let txs = proposal::build(&self.chain.params, &view, &*self.source, &request)
            .map_err(|e| fault("build a proposal", e))?;
        Ok(ResponsePrepareProposal { txs })
    }

    fn process_proposal(
        &mut self,
        request: RequestProcessProposal,
    ) -> Result<ResponseProcessProposal, Fault> {
        let proposed = Proposed::from(request);
        let height = proposed.height;
        let status = match self.judge(&proposed)? {
            Ok(executed) => {
                self.judged = Some((proposed, executed));
                ProposalStatus::Accept
            }
            Err(reason) => {
                tracing::warn!(height, %reason, "reject a proposal");
                ProposalStatus::Reject
            }
        };
        Ok(ResponseProcessProposal { status: status.into() })
    }

    fn finalize_block(
        &mut self,
        request: RequestFinalizeBlock,
    ) -> Result<ResponseFinalizeBlock, Fault> {
        let proposed = Proposed::from(request);
        let next = self.height().saturating_add(1);
        if u64::try_from(proposed.height) != Ok(next) {
            let found = proposed.height;
            return Err(Fault::new(format!("finalize height {found} where {next} is next")));
        }
        let executed = match self.judged.take() {
            Some((same, executed)) if same == proposed => executed,
            Some(_) | None => self.execute(&proposed)?,
        };
        self.finalized = Some(executed.layer);
        Ok(executed.response)
    }

    fn commit(&mut self) -> Result<ResponseCommit, Fault> {
        let layer =
            self.finalized.take().ok_or_else(|| Fault::new("commit without a finalized block"))?;
        let block = Arc::clone(layer.block());
        let included = layer.included().to_vec();
        let touched: Vec<_> = layer.accounts().collect();
        let view =
            self.chain.store.commit(layer, self.lag).map_err(|e| fault("commit a block", e))?;
        self.source.committed(&view, &included, &touched);
        tracing::debug!(
            height = block.number(),
            hash = %block.hash,
            transactions = block.transactions.len(),
            gas_used = block.header.gas_used,
            "committed block"
        );
        self.chain.publish(ChainEvent::Committed(block));
        Ok(ResponseCommit { retain_height: 0 })
    }
}

fn result_of(outcome: &TxOutcome) -> ExecTxResult {
    match outcome {
        TxOutcome::Executed { gas_used, .. } => ExecTxResult {
            gas_used: i64::try_from(*gas_used).unwrap_or(i64::MAX),
            ..ExecTxResult::default()
        },
        TxOutcome::Federation => ExecTxResult::default(),
        TxOutcome::Skipped(invalid) => ExecTxResult {
            code: invalid.code(),
            log: invalid.to_string(),
            ..ExecTxResult::default()
        },
    }
}

fn fault(attempt: &str, cause: mooring_stf::Fault) -> Fault {
    Fault::from_cause(attempt, cause)
}

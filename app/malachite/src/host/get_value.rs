//! `GetValue`: this node proposes.

use std::time::Duration;

use arc_malachitebft_app::types::core::{Round, Validity};
use arc_malachitebft_app::types::{LocallyProposedValue, ProposedValue};
use arc_malachitebft_app_channel::Reply;
use mooring_abci::Fault;
use mooring_abci::proto::abci::RequestPrepareProposal;
use mooring_abci::proto::types::{Commit, Evidence};
use tracing::{debug, info};

use super::memory::Proposed;
use super::{Host, now};
use crate::block::{
    ParsedBlock, Proposing, build, commit_of, empty_commit, extended_commit_info, max_tx_bytes,
    misbehavior,
};
use crate::context::{Address, BlockTime, Context, Height};
use crate::error::EngineError;

/// The least time between two blocks.
const TICK: Duration = Duration::from_millis(1);

impl Host {
    /// Builds a block, makes it durable, names it to the engine and streams it. Asked again
    /// for the same round, after a crash, it gives the same block.
    pub(super) async fn get_value(
        &mut self,
        height: Height,
        round: Round,
        reply: Reply<LocallyProposedValue<Context>>,
    ) -> Result<(), EngineError> {
        let Some(me) = self.config.address.filter(|_| height == self.height()) else {
            debug!(%height, %round, "no block for another height");
            return Ok(());
        };
        let own = self
            .proposed
            .values()
            .find(|known| known.value.round == round && known.block.builder() == me);
        let proposed = match own {
            Some(own) => own.clone(),
            None => self.propose(round, me).await?,
        };
        info!(
            %height, %round, id = %proposed.value.value,
            txs = proposed.block.txs().len(), bytes = proposed.block.bytes().len(),
            "proposing"
        );
        let _ = reply.send(LocallyProposedValue::new(height, round, proposed.value.value));
        self.stream(&proposed.block, round, Round::Nil, me).await
    }

    async fn propose(&mut self, round: Round, me: Address) -> Result<Proposed, EngineError> {
        let block = self.build_block(me).await?;
        let value = ProposedValue {
            height: self.height(),
            round,
            valid_round: Round::Nil,
            proposer: me,
            value: block.id(),
            validity: Validity::Valid,
        };
        let proposed = Proposed { value, block };
        self.remember(proposed.clone()).await?;
        Ok(proposed)
    }

    async fn build_block(&self, me: Address) -> Result<ParsedBlock, EngineError> {
        let time: BlockTime = now().max(self.state.last_time.saturating_add(TICK));
        let last_commit = self.last_commit();
        let evidence = self.evidence_to_propose()?;
        let request = self.prepare_request(me, time, &last_commit, &evidence);
        let answer = self.app.call(move |app| app.prepare_proposal(request)).await?;
        let proposing = Proposing { builder: me, time, txs: answer.txs, evidence, last_commit };
        let block = build(&self.config.params, &self.state, proposing);
        let block = ParsedBlock::seal(block).map_err(|rule| EngineError::Diverged {
            height: self.height().get(),
            reason: rule.to_string(),
        })?;
        let limit = self.config.params.max_block_bytes;
        if block.bytes().len() > limit {
            let bytes = block.bytes().len();
            let attempt = format!("fill a block of at most {limit} bytes, got {bytes}");
            return Err(Fault::new(attempt).into());
        }
        Ok(block)
    }

    fn prepare_request(
        &self,
        me: Address,
        time: BlockTime,
        last_commit: &Commit,
        evidence: &[Evidence],
    ) -> RequestPrepareProposal {
        let limit = self.config.params.max_block_bytes;
        let room = max_tx_bytes(limit, last_commit.signatures.len(), evidence.len());
        RequestPrepareProposal {
            max_tx_bytes: i64::try_from(room).unwrap_or(i64::MAX),
            txs: Vec::new(),
            local_last_commit: Some(extended_commit_info(last_commit, &self.state.last_validators)),
            misbehavior: evidence.iter().filter_map(misbehavior).collect(),
            height: self.height().as_i64(),
            time: Some(time.to_proto()),
            next_validators_hash: self.state.next_validators.hash().to_vec().into(),
            proposer_address: me.bytes().to_vec().into(),
        }
    }

    /// The commit of the last height, from the largest certificate seen.
    fn last_commit(&self) -> Commit {
        match &self.certificate {
            Some(certificate) => commit_of(certificate, &self.state.last_validators),
            None => empty_commit(),
        }
    }
}

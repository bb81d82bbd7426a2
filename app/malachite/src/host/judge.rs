//! The verdict on a proposed block.

use arc_malachitebft_app::types::core::{Context as _, Validity};
use arc_malachitebft_app::types::{PeerId, ProposedValue};
use bytes::Bytes;
use mooring_abci::proto::abci::RequestProcessProposal;
use mooring_abci::proto::abci::response_process_proposal::ProposalStatus;
use tracing::{debug, warn};

use super::memory::Proposed;
use super::{Arrived, Host, MAX_JUDGED_PER_PEER, now};
use crate::block::{ParsedBlock, commit_info, misbehavior};
use crate::context::Context;
use crate::error::EngineError;

impl Host {
    /// Judges a complete block of the height being decided. A valid one is durable on return.
    /// `None` when there is nothing to judge: the bytes are no block, or the stream is not
    /// from the round's proposer.
    ///
    /// The verdict is about the block alone, never about how it was streamed, so that a
    /// forged stream cannot spoil an honest proposal.
    pub(super) async fn judge(
        &mut self,
        arrived: Arrived,
    ) -> Result<Option<ProposedValue<Context>>, EngineError> {
        let Arrived { publisher, init, bytes } = arrived;
        let height = self.height();
        let proposer = Context.select_proposer(&self.state.validators, height, init.round);
        if init.proposer != proposer.address() {
            debug!(%height, round = %init.round, "ignored a stream of another proposer");
            return Ok(None);
        }
        let block = match ParsedBlock::parse(bytes) {
            Ok(block) => block,
            Err(error) => {
                warn!(%height, round = %init.round, %error, "ignored a malformed block");
                return Ok(None);
            }
        };
        let Some(validity) = self.verdict(publisher, &block).await? else { return Ok(None) };
        let value = ProposedValue {
            height,
            round: init.round,
            valid_round: init.valid_round,
            proposer: init.proposer,
            value: block.id(),
            validity,
        };
        if validity.is_valid() {
            self.remember(Proposed { value: value.clone(), block }).await?;
        }
        Ok(Some(value))
    }

    /// A block judged valid once, in any round, stays valid. `None` when the peer asks too much.
    async fn verdict(
        &mut self,
        publisher: PeerId,
        block: &ParsedBlock,
    ) -> Result<Option<Validity>, EngineError> {
        if self.proposed.values().any(|known| known.block.id() == block.id()) {
            return Ok(Some(Validity::Valid));
        }
        let judged = self.judged.entry(publisher).or_default();
        if *judged >= MAX_JUDGED_PER_PEER {
            debug!(%publisher, "ignored a further block of this peer");
            return Ok(None);
        }
        *judged += 1;
        self.fresh_verdict(block).await.map(Some)
    }

    async fn fresh_verdict(&self, block: &ParsedBlock) -> Result<Validity, EngineError> {
        let latest = now().saturating_add(self.config.max_clock_drift);
        let fits = block.check(&self.config.params, &self.state, latest);
        let checked = match fits {
            Ok(()) => self.check_evidence(block)?,
            Err(rule) => Err(rule),
        };
        if let Err(rule) = checked {
            warn!(height = %block.height(), builder = %block.builder(), %rule, "invalid block");
            return Ok(Validity::Invalid);
        }
        let request = self.process_request(block);
        let answer = self.app.call(move |app| app.process_proposal(request)).await?;
        let accepted = answer.status == i32::from(ProposalStatus::Accept);
        if !accepted {
            warn!(height = %block.height(), builder = %block.builder(), "block rejected");
        }
        Ok(Validity::from_bool(accepted))
    }

    /// Keeps a valid block, durably: the engine's log will refer to it.
    pub(super) async fn remember(&mut self, proposed: Proposed) -> Result<(), EngineError> {
        let key = (proposed.value.round, proposed.value.value);
        if !self.proposed.contains_key(&key) {
            self.memory.put_proposed(&proposed).await?;
            self.proposed.insert(key, proposed);
        }
        Ok(())
    }

    fn process_request(&self, block: &ParsedBlock) -> RequestProcessProposal {
        let header = block.header();
        RequestProcessProposal {
            txs: block.txs().to_vec(),
            proposed_last_commit: Some(commit_info(
                block.last_commit(),
                &self.state.last_validators,
            )),
            misbehavior: block.evidence().iter().filter_map(misbehavior).collect(),
            hash: Bytes::copy_from_slice(&block.id().hash),
            height: header.height,
            time: header.time,
            next_validators_hash: header.next_validators_hash.clone().into(),
            proposer_address: header.proposer_address.clone().into(),
        }
    }
}

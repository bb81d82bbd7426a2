//! Evidence of double votes: collected at the end of a height, put into this node's next
//! block, checked in others' blocks, and forgotten once in the chain or too old.

use std::collections::BTreeSet;

use arc_malachitebft_app::types::MisbehaviorEvidence;
use mooring_abci::proto::types::Evidence;
use tracing::warn;

use super::Host;
use crate::block::{
    InvalidBlock, ParsedBlock, duplicate_vote, evidence_key, offence_height, verify_duplicate_vote,
};
use crate::context::{Context, Height};
use crate::error::EngineError;

/// CometBFT's default `MaxAgeNumBlocks`: older evidence is invalid.
const MAX_AGE_BLOCKS: u64 = 100_000;
/// The pieces in one block.
const MAX_PER_BLOCK: usize = 8;
/// The pieces waiting for a block of this node's.
const MAX_POOL: usize = 64;

impl Host {
    /// Takes what the engine saw at the height just finalized.
    pub(super) fn collect_evidence(
        &mut self,
        height: Height,
        seen: &MisbehaviorEvidence<Context>,
    ) -> Result<(), EngineError> {
        if seen.is_empty() {
            return Ok(());
        }
        let offenders: BTreeSet<_> = seen
            .votes
            .iter()
            .map(|(address, _)| *address)
            .chain(seen.proposals.iter().map(|(address, _)| *address))
            .collect();
        warn!(%height, ?offenders, "equivocation");
        self.status.send_modify(|status| status.equivocations += 1);
        // CometBFT has no evidence of double proposals, so those are only reported.
        let Some(offence) = self.memory.offence(height.get())? else { return Ok(()) };
        for (one, other) in seen.votes.iter().flat_map(|(_, pairs)| pairs) {
            let piece = duplicate_vote(one, other, &offence);
            let fresh = piece.filter(|piece| !self.evidence.contains(piece));
            self.evidence.extend(fresh.filter(|_| self.evidence.len() < MAX_POOL));
        }
        self.memory.put_evidence_pool(&self.evidence)
    }

    /// The pool's pieces for a block of this node's.
    pub(super) fn evidence_to_propose(&self) -> Result<Vec<Evidence>, EngineError> {
        let mut pieces = Vec::new();
        for piece in &self.evidence {
            if pieces.len() < MAX_PER_BLOCK && self.check_piece(piece)?.is_ok() {
                pieces.push(piece.clone());
            }
        }
        Ok(pieces)
    }

    /// Checks all evidence in a proposed block.
    pub(super) fn check_evidence(
        &self,
        block: &ParsedBlock,
    ) -> Result<Result<(), InvalidBlock>, EngineError> {
        let pieces = block.evidence();
        let distinct: BTreeSet<_> = pieces.iter().map(evidence_key).collect();
        if pieces.len() > MAX_PER_BLOCK || distinct.len() != pieces.len() {
            return Ok(Err(InvalidBlock("too much evidence, or twice the same")));
        }
        for piece in pieces {
            if let Err(rule) = self.check_piece(piece)? {
                return Ok(Err(InvalidBlock(rule)));
            }
        }
        Ok(Ok(()))
    }

    fn check_piece(&self, piece: &Evidence) -> Result<Result<(), &'static str>, EngineError> {
        let tip = self.state.height.get();
        let height = offence_height(piece).filter(|h| (1..=tip).contains(h));
        let Some(height) = height.filter(|h| tip - h <= MAX_AGE_BLOCKS) else {
            return Ok(Err("evidence is of no acceptable height"));
        };
        if self.memory.evidence_height(&evidence_key(piece))?.is_some() {
            return Ok(Err("evidence is in the chain already"));
        }
        match self.memory.offence(height)? {
            Some(offence) => {
                Ok(verify_duplicate_vote(&self.config.params.chain_id, piece, &offence))
            }
            None => Ok(Err("evidence is older than this node's history")),
        }
    }

    /// Marks the evidence of a decided block as used, and drops what the pool has in vain.
    pub(super) fn settle_evidence(&mut self, block: &ParsedBlock) -> Result<(), EngineError> {
        let used: BTreeSet<_> = block.evidence().iter().map(evidence_key).collect();
        for key in &used {
            self.memory.put_evidence_height(key, block.height())?;
        }
        let before = self.evidence.len();
        let oldest = block.height().get().saturating_sub(MAX_AGE_BLOCKS);
        self.evidence.retain(|piece| {
            !used.contains(&evidence_key(piece)) && offence_height(piece) >= Some(oldest)
        });
        if self.evidence.len() == before {
            return Ok(());
        }
        self.memory.put_evidence_pool(&self.evidence)
    }
}

//! `Decided`: the block is final.

use arc_malachitebft_app::types::core::ExtendedCommitCertificate;
use tracing::info;

use super::Host;
use super::apply::apply;
use crate::block::ParsedBlock;
use crate::context::Context;
use crate::error::EngineError;

impl Host {
    /// Stores the block and its certificate, runs it through the application and commits.
    pub(super) async fn decided(
        &mut self,
        certificate: ExtendedCommitCertificate<Context>,
    ) -> Result<(), EngineError> {
        let block = self.decided_block(&certificate)?;
        self.memory.put_decided(&block, &certificate)?;
        self.settle_evidence(&block)?;
        let params = &self.config.params;
        self.state = apply(&self.app, &self.memory, params, &self.state, &block).await?;
        let (height, round) = (certificate.height.get(), certificate.round.as_u32().unwrap_or(0));
        info!(height, round, id = %block.id(), txs = block.txs().len(), "committed block");
        self.certificate = Some(certificate);
        self.recall(self.height())?;
        self.streams.prune(self.state.height);
        self.judged.clear();
        self.status.send_modify(|status| {
            status.decided_height = height;
            status.decided_round = round;
        });
        Ok(())
    }

    fn decided_block(
        &self,
        certificate: &ExtendedCommitCertificate<Context>,
    ) -> Result<ParsedBlock, EngineError> {
        let height = certificate.height.get();
        if certificate.height != self.height() {
            let reason = format!("the next height is {}", self.height());
            return Err(EngineError::Diverged { height, reason });
        }
        let known = self.proposed.values().find(|p| p.block.id() == certificate.value_id);
        known.map(|p| p.block.clone()).ok_or_else(|| EngineError::Corrupt {
            what: "proposed block",
            height,
            reason: "decided but missing".to_owned(),
        })
    }
}

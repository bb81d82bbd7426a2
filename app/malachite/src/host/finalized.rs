//! `Finalized`: the height's time is over; on to the next.

use arc_malachitebft_app::engine::host::Next;
use arc_malachitebft_app::types::MisbehaviorEvidence;
use arc_malachitebft_app::types::core::ExtendedCommitCertificate;

use super::Host;
use crate::context::Context;
use crate::error::EngineError;

impl Host {
    /// Keeps the certificate when it grew, and evidence; forgets the height's proposals.
    pub(super) fn finalized(
        &mut self,
        certificate: ExtendedCommitCertificate<Context>,
        evidence: &MisbehaviorEvidence<Context>,
    ) -> Result<Next<Context>, EngineError> {
        let height = certificate.height;
        let signatures = certificate.commit_signatures.len();
        let known = self.certificate.as_ref().map_or(0, |c| c.commit_signatures.len());
        if height == self.state.height && signatures > known {
            self.memory.put_certificate(&certificate)?;
            self.certificate = Some(certificate);
        }
        self.collect_evidence(height, evidence)?;
        self.memory.prune_proposed(self.state.height)?;
        Ok(Next::Start(self.height(), self.height_params()))
    }
}

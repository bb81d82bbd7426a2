//! Block sync: serving others from the store, and taking what they serve.

use std::ops::RangeInclusive;

use arc_malachitebft_app::engine::host::SyncedValueOutcome;
use arc_malachitebft_app::types::ProposedValue;
use arc_malachitebft_app::types::core::{Round, Validity};
use arc_malachitebft_app::types::sync::RawDecidedValue;
use bytes::Bytes;
use tracing::warn;

use super::Host;
use super::memory::Proposed;
use crate::block::ParsedBlock;
use crate::context::{Address, Context, Height};
use crate::error::EngineError;

impl Host {
    /// The decided blocks of a range, as many as fit one response.
    pub(super) fn decided_values(
        &self,
        range: RangeInclusive<Height>,
    ) -> Result<Vec<RawDecidedValue<Context>>, EngineError> {
        let last = range.end().get().min(self.memory.tip()?);
        let mut values = Vec::new();
        let mut bytes = 0_usize;
        for height in range.start().get()..=last {
            let Some((block, certificate)) = self.memory.decided(height)? else { break };
            bytes = bytes.saturating_add(block.len());
            if bytes > self.config.max_sync_response && !values.is_empty() {
                break;
            }
            values.push(RawDecidedValue::new(block, certificate));
        }
        Ok(values)
    }

    /// A block with a verified certificate: the network has decided it, so the application is
    /// not asked. The engine compares its id with the certificate's.
    pub(super) async fn synced_value(
        &mut self,
        height: Height,
        round: Round,
        proposer: Address,
        bytes: Bytes,
    ) -> Result<SyncedValueOutcome<Context>, EngineError> {
        let block = match ParsedBlock::parse(bytes) {
            Ok(block) if block.height() == height => block,
            Ok(_) | Err(_) => {
                warn!(%height, "a peer served something else than the block");
                return Ok(SyncedValueOutcome::PeerFault);
            }
        };
        let value = ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            value: block.id(),
            validity: Validity::Valid,
        };
        let proposed = Proposed { value: value.clone(), block };
        if height == self.height() {
            self.remember(proposed).await?;
        } else if height > self.height() {
            self.memory.put_proposed(&proposed).await?;
        }
        Ok(SyncedValueOutcome::Verdict(value))
    }
}

//! `StartedRound`: what is known about the round already.

use std::cmp::Ordering;

use arc_malachitebft_app::types::ProposedValue;
use arc_malachitebft_app::types::core::Round;

use super::Host;
use crate::context::{Context, Height};
use crate::error::EngineError;

impl Host {
    /// The blocks proposed in this round before a crash, and those that arrived while the
    /// height before was still being decided.
    pub(super) async fn started_round(
        &mut self,
        height: Height,
        round: Round,
    ) -> Result<Vec<ProposedValue<Context>>, EngineError> {
        self.status.send_modify(|status| {
            status.height = height.get();
            status.round = round.as_u32().unwrap_or(0);
        });
        if height != self.height() {
            return Ok(Vec::new());
        }
        let mut values: Vec<_> = self
            .proposed
            .iter()
            .filter(|((at, _), _)| *at == round)
            .map(|(_, proposed)| proposed.value.clone())
            .collect();
        for arrived in std::mem::take(&mut self.held) {
            match arrived.init.height.cmp(&height) {
                Ordering::Less => {}
                Ordering::Equal => {
                    let value = self.judge(arrived).await?;
                    values.extend(value.filter(|value| !values.contains(value)));
                }
                Ordering::Greater => self.held.push(arrived),
            }
        }
        Ok(values)
    }

    /// Loads the blocks proposed at `height` from the store.
    pub(super) fn recall(&mut self, height: Height) -> Result<(), EngineError> {
        self.proposed = self
            .memory
            .proposed(height)?
            .into_iter()
            .map(|proposed| ((proposed.value.round, proposed.value.value), proposed))
            .collect();
        Ok(())
    }
}

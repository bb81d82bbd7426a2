//! `ReceivedProposalPart`: a piece of someone's block.

use std::cmp::Ordering;

use arc_malachitebft_app::types::streaming::StreamMessage;
use arc_malachitebft_app::types::{PeerId, ProposedValue};

use super::{Arrived, Host, MAX_HELD};
use crate::context::{Context, Part};
use crate::error::EngineError;

impl Host {
    /// The verdict when the part completes a block of the height being decided. A block of
    /// the next height is held: the application is not there yet. Others come by sync.
    pub(super) async fn proposal_part(
        &mut self,
        publisher: PeerId,
        part: StreamMessage<Part>,
    ) -> Result<Option<ProposedValue<Context>>, EngineError> {
        let Some((init, bytes)) = self.streams.insert(publisher, part) else { return Ok(None) };
        let height = init.height;
        let arrived = Arrived { publisher, init, bytes };
        match height.cmp(&self.height()) {
            Ordering::Equal => self.judge(arrived).await,
            Ordering::Greater if height == self.height().next() => {
                if self.held.len() >= MAX_HELD {
                    self.held.remove(0);
                }
                self.held.push(arrived);
                Ok(None)
            }
            Ordering::Greater | Ordering::Less => Ok(None),
        }
    }
}

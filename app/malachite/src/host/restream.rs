//! Publishing a block as a stream of parts: a new one, or again in a later round.

use arc_malachitebft_app::types::core::Round;
use arc_malachitebft_app::types::streaming::StreamId;
use arc_malachitebft_app_channel::NetworkMsg;
use tracing::debug;

use super::Host;
use super::streams::split;
use crate::block::ParsedBlock;
use crate::context::{Address, BlockRef, Height, StreamInit};
use crate::error::EngineError;

impl Host {
    /// `RestreamProposal`: a block is proposed again; who lacks it gets another chance.
    pub(super) async fn restream(
        &mut self,
        height: Height,
        round: Round,
        valid_round: Round,
        proposer: Address,
        id: BlockRef,
    ) -> Result<(), EngineError> {
        let known = self.proposed.values().find(|p| p.block.id() == id);
        let block = known.filter(|_| height == self.height()).map(|p| p.block.clone());
        match block {
            Some(block) => self.stream(&block, round, valid_round, proposer).await,
            None => {
                debug!(%height, %round, %id, "no block to stream again");
                Ok(())
            }
        }
    }

    pub(super) async fn stream(
        &mut self,
        block: &ParsedBlock,
        round: Round,
        valid_round: Round,
        proposer: Address,
    ) -> Result<(), EngineError> {
        let size = u32::try_from(block.bytes().len()).expect("blocks are at most 32 MiB");
        let init = StreamInit { height: block.height(), round, valid_round, proposer, size };
        let id = self.next_stream_id();
        for part in split(&id, init, block.bytes()) {
            let message = NetworkMsg::PublishProposalPart(part);
            let sent = self.links.network.send(message).await;
            sent.map_err(|_| EngineError::Stopped("its network task ended"))?;
        }
        Ok(())
    }

    /// Unique among the publisher's streams, over restarts too.
    fn next_stream_id(&mut self) -> StreamId {
        self.streams_sent = self.streams_sent.wrapping_add(1);
        let id = [self.nonce.to_be_bytes(), self.streams_sent.to_be_bytes()].concat();
        StreamId::new(id.into())
    }
}

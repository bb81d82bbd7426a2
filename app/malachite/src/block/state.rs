//! What a node knows after a height: everything the next header must contain.

use std::sync::Arc;

use bytes::Bytes;
use tendermint_proto::v0_38::abci::ResponseFinalizeBlock;

use super::results_hash;
use crate::context::{BlockRef, BlockTime, Height, ValidatorSet, ValidatorSetError};

/// The constants of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChainParams {
    pub(crate) chain_id: Arc<str>,
    pub(crate) app_version: u64,
    pub(crate) max_block_bytes: usize,
    pub(crate) consensus_hash: [u8; 32],
    pub(crate) genesis_time: BlockTime,
}

/// The state after `height` (CometBFT `state.State`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChainState {
    /// The last committed height, 0 at genesis.
    pub(crate) height: Height,
    /// The block of that height; `None` at genesis.
    pub(crate) last_block: Option<BlockRef>,
    /// Its time, or the genesis time.
    pub(crate) last_time: BlockTime,
    /// The application's hash after it.
    pub(crate) app_hash: Bytes,
    /// The hash of its transaction results.
    pub(crate) last_results_hash: [u8; 32],
    /// The set that signed it; at genesis the set of height 1.
    pub(crate) last_validators: ValidatorSet,
    /// The set of the next height.
    pub(crate) validators: ValidatorSet,
    /// The set of the height after the next.
    pub(crate) next_validators: ValidatorSet,
}

impl ChainState {
    /// The state before the first block.
    pub(crate) fn genesis(time: BlockTime, app_hash: Bytes, validators: ValidatorSet) -> Self {
        Self {
            height: Height::new(0),
            last_block: None,
            last_time: time,
            app_hash,
            last_results_hash: results_hash(&[]),
            last_validators: validators.clone(),
            validators: validators.clone(),
            next_validators: validators,
        }
    }

    /// The state after `block` and the application's response to it.
    ///
    /// # Errors
    /// The application returned impossible validator updates.
    pub(crate) fn apply(
        &self,
        block: BlockRef,
        response: &ResponseFinalizeBlock,
    ) -> Result<Self, ValidatorSetError> {
        Ok(Self {
            height: self.height.next(),
            last_block: Some(block),
            last_time: block.time,
            app_hash: response.app_hash.clone(),
            last_results_hash: results_hash(&response.tx_results),
            last_validators: self.validators.clone(),
            validators: self.next_validators.clone(),
            next_validators: self.next_validators.updated(&response.validator_updates)?,
        })
    }
}

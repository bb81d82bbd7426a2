//! Proposal messages.

use arc_malachitebft_app::types::core::{self, Round};

use super::{Address, BlockRef, Context, Height};

/// The message by which a proposer puts a block to the vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: BlockRef,
    pub(crate) pol_round: Round,
    pub(crate) address: Address,
}

impl core::Proposal<Context> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockRef {
        &self.value
    }

    fn take_value(self) -> BlockRef {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

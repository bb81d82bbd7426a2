//! Votes.

use arc_malachitebft_app::types::core::{self, NilOrVal, Round, SignedExtension, VoteType};

use super::{Address, BlockRef, Context, Height};

/// A prevote or precommit. Vote extensions are disabled on this chain, so none is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) kind: VoteType,
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: NilOrVal<BlockRef>,
    pub(crate) address: Address,
}

impl core::Vote<Context> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockRef> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockRef> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&SignedExtension<Context>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Context>> {
        None
    }

    fn extend(self, _extension: SignedExtension<Context>) -> Self {
        self
    }
}

//! Malachite's `Context`: CometBFT's objects behind the engine's type parameters.

mod address;
mod block_ref;
mod height;
mod part;
mod proposal;
pub(crate) mod rotation;
mod scheme;
mod validators;
mod vote;

pub(crate) use address::Address;
pub(crate) use block_ref::{BlockRef, BlockTime, PartSet};
pub(crate) use height::Height;
pub(crate) use part::{Part, StreamInit};
pub(crate) use proposal::Proposal;
pub(crate) use scheme::{Ed25519, Signature};
pub(crate) use validators::{Validator, ValidatorSet, ValidatorSetError, parse_update};
pub(crate) use vote::Vote;

use arc_malachitebft_app::types::core::{self as core, LinearTimeouts, NilOrVal, Round, VoteType};
use bytes::Bytes;

/// Our instance of the engine's type family.
#[derive(Clone, Debug)]
pub(crate) struct Context;

impl core::Context for Context {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = BlockRef;
    type Vote = Vote;
    type Extension = Bytes;
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validator_set: &'a ValidatorSet,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        rotation::proposer(validator_set, height, round.as_u32().unwrap_or(0))
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: BlockRef,
        pol_round: Round,
        address: Address,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, address }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockRef>,
        address: Address,
    ) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, value, address }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockRef>,
        address: Address,
    ) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, value, address }
    }
}

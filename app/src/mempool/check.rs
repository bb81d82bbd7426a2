//! The state transition's admission check, in the pool's words.

use alloy_primitives::Address;
use bytes::Bytes;
use mooring_bridge::{FederationMessage, SignedStruct, federation::CheckpointVote};
use mooring_stf::{
    ChainParams, CommittedSlots, ExecError, Fault, InvalidTx, PegParams, StateReader,
    check::{self, Checked, CheckedMessage, CheckedTx},
    fees,
    peg::view,
};

use super::{Account, LaneKey, LaneMessage, PooledTx, Rejection, SubmitError};
use crate::store::View;

/// What passed, ready for the pool.
#[derive(Debug)]
pub(super) enum Admissible {
    /// A transaction and its sender's account.
    Ethereum(PooledTx, Account),
    /// A federation message.
    Federation(LaneMessage),
}

impl From<ExecError> for SubmitError {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Invalid(reason) => Self::Rejected(reason.into()),
            ExecError::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// The base fee of the block after the view's, in wei.
pub(super) fn next_base_fee(params: &ChainParams, view: &View) -> u64 {
    fees::next_base_fee(params, view.header())
}

/// Nonce and balance.
pub(super) fn account(view: &View, address: Address) -> Result<Account, Fault> {
    let record = view.account(address)?;
    Ok(record.map_or_else(Account::default, |record| Account {
        nonce: record.nonce,
        balance: record.balance,
    }))
}

/// Decodes and checks bytes on the state of `view`.
pub(super) fn admissible(
    params: &ChainParams,
    view: &View,
    raw: &Bytes,
) -> Result<Admissible, SubmitError> {
    match check::check(params, &params.spec.after(view.header()), view, raw)? {
        Checked::Ethereum(tx) => {
            let account = Account { nonce: tx.account_nonce, balance: tx.balance };
            Ok(Admissible::Ethereum(pooled(&tx, raw)?, account))
        }
        Checked::Federation(message) => lane_message(params, view, message, raw),
    }
}

fn pooled(tx: &CheckedTx, raw: &Bytes) -> Result<PooledTx, Rejection> {
    let sender = tx.sender();
    Ok(PooledTx {
        hash: tx.hash,
        sender,
        nonce: tx.nonce(),
        max_fee: tx.max_fee(),
        max_tip: tx.max_tip(),
        gas_limit: tx.gas_limit(),
        cost: tx.cost().ok_or(InvalidTx::CostOverflow { sender })?,
        raw: raw.clone().into(),
    })
}

fn lane_message(
    params: &ChainParams,
    view: &View,
    checked: CheckedMessage,
    raw: &Bytes,
) -> Result<Admissible, SubmitError> {
    let peg = params.peg.as_ref().ok_or(Rejection::Invalid(InvalidTx::NoPeg))?;
    let hash = checked.hash;
    let key = match &checked.message {
        FederationMessage::Delivery(_) => LaneKey::Delivery { hash },
        FederationMessage::HeadVote(vote) => LaneKey::Head {
            member: signer(vote.head.signer(&peg.domain, &vote.signature))?,
            count: vote.head.count,
        },
        FederationMessage::CheckpointVote(vote) => {
            LaneKey::Checkpoint { member: checkpoint_signer(peg, view, vote)?, height: vote.height }
        }
        FederationMessage::UpdateVote(vote) => LaneKey::Update {
            member: signer(vote.update.signer(&peg.domain, &vote.signature))?,
            epoch: vote.update.epoch,
        },
    };
    Ok(Admissible::Federation(LaneMessage { hash, key, raw: raw.clone().into() }))
}

/// The check has recovered the signer already: it is a member.
fn signer<E>(signer: Result<Address, E>) -> Result<Address, SubmitError> {
    signer.map_err(|_| Fault::new("tell who signed a vote that was accepted").into())
}

fn checkpoint_signer(
    params: &PegParams,
    view: &View,
    vote: &CheckpointVote,
) -> Result<Address, SubmitError> {
    let records = view::checkpoints(&CommittedSlots(view))?;
    let record = records.iter().find(|record| record.checkpoint.height == vote.height);
    let record = record.ok_or_else(|| Fault::new("find the checkpoint of an accepted vote"))?;
    signer(record.checkpoint.signer(&params.domain, &vote.signature))
}

/// Whether a message of the lane may still be in a block.
pub(super) fn still_valid(params: &ChainParams, view: &View, raw: &[u8]) -> Result<bool, Fault> {
    match check::check(params, &params.spec.after(view.header()), view, raw) {
        Ok(_) => Ok(true),
        Err(ExecError::Invalid(_)) => Ok(false),
        Err(ExecError::Fault(fault)) => Err(fault),
    }
}

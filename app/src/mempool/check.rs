//! The state transition's admission check, in the pool's words.

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use mooring_bridge::{FederationMessage, SignedStruct, federation::CheckpointVote};
use mooring_stf::{
    ChainParams, CommittedSlots, ExecError, Fault, InvalidTx, PegParams, StateReader,
    check::{self, CheckedTx},
    fees,
    peg::view,
    tx::ConsensusTx,
};

use super::{Account, LaneKey, LaneMessage, PooledTx, Rejection, SubmitError};
use crate::store::View;

/// A transaction with its sender, or a message: decoded once, however many blocks come before the
/// pool takes it.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) hash: B256,
    pub(super) raw: Bytes,
    tx: ConsensusTx,
}

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
    Ok(view.account(address)?.as_ref().map(Account::from).unwrap_or_default())
}

/// Decodes bytes whose keccak256 is `hash`, and recovers the sender.
pub(super) fn incoming(
    params: &ChainParams,
    hash: B256,
    raw: Bytes,
) -> Result<Incoming, Rejection> {
    Ok(Incoming { hash, tx: check::decode(params, &raw)?, raw })
}

/// Checks what came in on the state of `view`.
pub(super) fn admissible(
    params: &ChainParams,
    view: &View,
    incoming: &Incoming,
) -> Result<Admissible, SubmitError> {
    match &incoming.tx {
        ConsensusTx::Ethereum(tx) => {
            let (rules, size) = (params.spec.after(view.header()), incoming.raw.len());
            let checked = check::ethereum(params, &rules, view, tx.clone(), size)?;
            let account = Account { nonce: checked.account_nonce, balance: checked.balance };
            Ok(Admissible::Ethereum(pooled(checked, &incoming.raw)?, account))
        }
        ConsensusTx::Federation(message) => {
            check::federation(params, view, message)?;
            lane_message(params, view, message, incoming)
        }
    }
}

fn pooled(tx: CheckedTx, raw: &Bytes) -> Result<PooledTx, Rejection> {
    let sender = tx.sender();
    Ok(PooledTx {
        hash: tx.hash,
        sender,
        nonce: tx.nonce(),
        max_fee: tx.max_fee(),
        max_tip: tx.max_tip(),
        gas_limit: tx.gas_limit(),
        cost: tx.cost().ok_or(InvalidTx::CostOverflow { sender })?,
        recovered: tx.tx,
        raw: raw.clone().into(),
    })
}

fn lane_message(
    params: &ChainParams,
    view: &View,
    message: &FederationMessage,
    incoming: &Incoming,
) -> Result<Admissible, SubmitError> {
    let peg = params.peg.as_ref().ok_or(Rejection::Invalid(InvalidTx::NoPeg))?;
    let hash = incoming.hash;
    let key = match message {
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
    Ok(Admissible::Federation(LaneMessage { hash, key, raw: incoming.raw.clone().into() }))
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

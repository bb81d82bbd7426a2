//! Whether the next block could execute a transaction: without running it.
//!
//! What is checked here is checked again when a block is built; this keeps out what never can be
//! in one, and gives the submitter the reason at once.

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use bytes::Bytes;
use mooring_bridge::{FederationMessage, SignedStruct, federation::CheckpointVote};
use mooring_stf::{
    ChainParams, CommittedSlots, Fault, InvalidTx, PegParams, StateReader, fees,
    peg::{self, PegError, view},
    tx,
};
use revm::{
    context_interface::cfg::gas::calculate_initial_tx_gas,
    primitives::{eip3860::MAX_INITCODE_SIZE, eip7825::TX_GAS_LIMIT_CAP, hardfork::SpecId},
};

use super::{Account, LaneKey, PooledTx, Rejection, SubmitError};
use crate::store::View;

/// First bytes of code that only delegates (EIP-7702): its account still sends transactions.
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];

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

/// Decodes a transaction and recovers its sender.
pub(super) fn decode(raw: &[u8]) -> Result<Recovered<TxEnvelope>, Rejection> {
    Ok(tx::decode_ethereum(raw)?)
}

/// Checks a transaction by itself and against its sender's account, but for nonce and balance,
/// which are the pool's. Returns the account.
pub(super) fn ethereum(
    params: &ChainParams,
    view: &View,
    tx: &Recovered<TxEnvelope>,
) -> Result<Account, SubmitError> {
    alone(params, tx).map_err(Rejection::Invalid)?;
    let sender = tx.signer();
    let Some(record) = view.account(sender)? else { return Ok(Account::default()) };
    if record.code_hash != KECCAK256_EMPTY && !view.code(record.code_hash)?.starts_with(&DELEGATION)
    {
        return Err(Rejection::Invalid(InvalidTx::SenderIsContract { sender }).into());
    }
    Ok(Account { nonce: record.nonce, balance: record.balance })
}

/// What needs no state.
fn alone(params: &ChainParams, tx: &Recovered<TxEnvelope>) -> Result<(), InvalidTx> {
    let sender = tx.signer();
    if let Some(have) = tx.chain_id()
        && have != params.chain_id
    {
        return Err(InvalidTx::WrongChainId { have, want: params.chain_id });
    }
    if tx.nonce() == u64::MAX {
        return Err(InvalidTx::NonceMax { sender });
    }
    if let Some(tip) = tx.max_priority_fee_per_gas()
        && tip > tx.max_fee_per_gas()
    {
        return Err(InvalidTx::TipAboveFeeCap { tip, max_fee: tx.max_fee_per_gas() });
    }
    if tx.kind().is_create() && tx.input().len() > MAX_INITCODE_SIZE {
        return Err(InvalidTx::InitCodeTooLarge {
            size: tx.input().len(),
            limit: MAX_INITCODE_SIZE,
        });
    }
    if tx.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(InvalidTx::EmptyAuthorizationList);
    }
    if most_cost(tx).is_none() {
        return Err(InvalidTx::CostOverflow { sender });
    }
    gas(params, tx)
}

fn gas(params: &ChainParams, tx: &Recovered<TxEnvelope>) -> Result<(), InvalidTx> {
    let have = tx.gas_limit();
    if have > params.gas_limit {
        return Err(InvalidTx::GasLimit { have, limit: params.gas_limit });
    }
    if have > TX_GAS_LIMIT_CAP {
        return Err(InvalidTx::GasCap { have, cap: TX_GAS_LIMIT_CAP });
    }
    let slots = |list: &alloy_eips::eip2930::AccessList| {
        list.iter().map(|item| item.storage_keys.len() as u64).sum::<u64>()
    };
    let needed = calculate_initial_tx_gas(
        SpecId::OSAKA,
        tx.input(),
        tx.kind().is_create(),
        tx.access_list().map_or(0, |list| list.len() as u64),
        tx.access_list().map_or(0, slots),
        tx.authorization_list().map_or(0, |list| list.len() as u64),
        None,
    );
    let want = needed.initial_total_gas();
    if have < want {
        return Err(InvalidTx::IntrinsicGas { have, want });
    }
    let want = needed.floor_gas();
    if have < want {
        return Err(InvalidTx::FloorGas { have, want });
    }
    Ok(())
}

/// Gas limit times fee cap, plus value.
fn most_cost(tx: &TxEnvelope) -> Option<U256> {
    U256::from(tx.gas_limit())
        .checked_mul(U256::from(tx.max_fee_per_gas()))?
        .checked_add(tx.value())
}

/// The pool's form of a transaction that passed.
pub(super) fn pooled(tx: &Recovered<TxEnvelope>, raw: &Bytes, hash: B256) -> PooledTx {
    PooledTx {
        hash,
        sender: tx.signer(),
        nonce: tx.nonce(),
        max_fee: tx.max_fee_per_gas(),
        max_tip: tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas()),
        gas_limit: tx.gas_limit(),
        cost: most_cost(tx).unwrap_or(U256::MAX),
        raw: raw.clone().into(),
    }
}

/// Decodes a federation message.
pub(super) fn decode_federation(raw: &[u8]) -> Result<FederationMessage, Rejection> {
    FederationMessage::decode(raw)
        .map_err(|error| Rejection::Invalid(InvalidTx::Undecodable(error.to_string())))
}

/// Whether the peg's state allows the message; what it is for.
pub(super) fn federation(
    params: &ChainParams,
    view: &View,
    message: &FederationMessage,
    hash: B256,
) -> Result<LaneKey, SubmitError> {
    let refused = |refused| Rejection::Invalid(InvalidTx::Federation(refused));
    let peg = params.peg.as_ref().ok_or(Rejection::Invalid(InvalidTx::NoPeg))?;
    peg::check(peg, &CommittedSlots(view), message).map_err(|error| match error {
        PegError::Refused(reason) => SubmitError::from(refused(reason)),
        PegError::Fault(fault) => fault.into(),
    })?;
    key(peg, view, message, hash)?
        .ok_or_else(|| refused(peg::Refused::UpdatesNotOpen).into())
}

/// What a message is for; `None` when its signer cannot be told.
fn key(
    params: &PegParams,
    view: &View,
    message: &FederationMessage,
    hash: B256,
) -> Result<Option<LaneKey>, Fault> {
    let domain = &params.domain;
    Ok(match message {
        FederationMessage::Delivery(_) => Some(LaneKey::Delivery { hash }),
        FederationMessage::HeadVote(vote) => {
            let member = vote.head.signer(domain, &vote.signature).ok();
            member.map(|member| LaneKey::Head { member, count: vote.head.count })
        }
        FederationMessage::CheckpointVote(vote) => {
            let member = checkpoint_signer(params, view, vote)?;
            member.map(|member| LaneKey::Checkpoint { member, height: vote.height })
        }
        FederationMessage::UpdateVote(vote) => {
            let member = vote.update.signer(domain, &vote.signature).ok();
            member.map(|member| LaneKey::Update { member, epoch: vote.update.epoch })
        }
    })
}

fn checkpoint_signer(
    params: &PegParams,
    view: &View,
    vote: &CheckpointVote,
) -> Result<Option<Address>, Fault> {
    let records = view::checkpoints(&CommittedSlots(view))?;
    let record = records.iter().find(|record| record.checkpoint.height == vote.height);
    Ok(record
        .and_then(|record| record.checkpoint.signer(&params.domain, &vote.signature).ok()))
}

/// Whether a message of the lane may still be in a block.
pub(super) fn still_valid(
    params: &ChainParams,
    view: &View,
    raw: &[u8],
    hash: B256,
) -> Result<bool, Fault> {
    let Ok(message) = decode_federation(raw) else { return Ok(false) };
    match federation(params, view, &message, hash) {
        Ok(_) => Ok(true),
        Err(SubmitError::Rejected(_)) => Ok(false),
        Err(SubmitError::Fault(fault)) => Err(fault),
    }
}

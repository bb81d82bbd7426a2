//! Building and executing the blocks of consensus. Nothing here touches committed state.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, keccak256};
use bytes::Bytes;
use mooring_abci::proto::abci::{
    RequestFinalizeBlock, RequestPrepareProposal, RequestProcessProposal,
};
use mooring_stf::tx::{self, ConsensusTx};
use mooring_stf::{
    BlockError, BlockExecutor, BlockInput, ChainParams, ExecError, ExecutedBlock, Fault, InvalidTx,
    Mode, execute_decoded, fees,
};
use rayon::prelude::*;
use tendermint_proto::google::protobuf::Timestamp;

use super::{Budget, TxSource};
use crate::store::View;

/// The parts of a consensus block that execution depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proposed {
    pub(super) height: i64,
    /// Whole seconds since 1970.
    pub(super) seconds: i64,
    /// Consensus address of the block's builder.
    pub(super) proposer: Bytes,
    pub(super) txs: Vec<Bytes>,
}

impl From<RequestProcessProposal> for Proposed {
    fn from(request: RequestProcessProposal) -> Self {
        Self {
            height: request.height,
            seconds: seconds(request.time),
            proposer: request.proposer_address,
            txs: request.txs,
        }
    }
}

impl From<RequestFinalizeBlock> for Proposed {
    fn from(request: RequestFinalizeBlock) -> Self {
        Self {
            height: request.height,
            seconds: seconds(request.time),
            proposer: request.proposer_address,
            txs: request.txs,
        }
    }
}

fn seconds(time: Option<Timestamp>) -> i64 {
    time.map_or(0, |time| time.seconds)
}

/// Why a proposal is rejected before anything of it is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejected {
    #[error("its height is {found}, {expected} is next")]
    Height { expected: u64, found: i64 },
    #[error("its time {found} s is before the parent's {parent} s")]
    Time { parent: u64, found: i64 },
    #[error("nobody is paid for blocks of its builder")]
    Builder,
}

/// Checks a proposal's header against the chain.
pub(super) fn judge(
    params: &ChainParams,
    view: &View,
    proposed: &Proposed,
) -> Result<(), Rejected> {
    let expected = view.number().saturating_add(1);
    if u64::try_from(proposed.height) != Ok(expected) {
        return Err(Rejected::Height { expected, found: proposed.height });
    }
    let parent = view.header().timestamp;
    if !u64::try_from(proposed.seconds).is_ok_and(|seconds| seconds >= parent) {
        return Err(Rejected::Time { parent, found: proposed.seconds });
    }
    // A chain without validators (the dev L1) pays nobody.
    if !params.payouts.is_empty() && payout(params, &proposed.proposer).is_none() {
        return Err(Rejected::Builder);
    }
    Ok(())
}

/// The payout address of a builder; `None` for somebody that genesis does not know.
fn payout(params: &ChainParams, proposer: &[u8]) -> Option<Address> {
    params.payouts.get(&Address::try_from(proposer).ok()?).copied()
}

/// The block's place in the chain. A decided block is never refused: a time before the parent's
/// counts as the parent's, and the fees of an unknown builder are nobody's.
fn input<'a>(
    params: &ChainParams,
    view: &'a View,
    seconds: i64,
    proposer: &[u8],
) -> BlockInput<'a> {
    let parent = view.header();
    BlockInput {
        parent,
        parent_hash: view.hash(),
        timestamp: u64::try_from(seconds).unwrap_or(0).max(parent.timestamp),
        beneficiary: payout(params, proposer).unwrap_or(Address::ZERO),
    }
}

/// Executes a block on the view's state.
pub(super) fn execute(
    params: &ChainParams,
    view: &View,
    source: &dyn TxSource,
    proposed: &Proposed,
    mode: Mode,
) -> Result<ExecutedBlock, BlockError> {
    let input = input(params, view, proposed.seconds, &proposed.proposer);
    execute_decoded(params, view, &input, decode(source, &proposed.txs), mode)
}

/// Decodes a block and recovers its senders: most of a block's work. The pool has done it for the
/// transactions that it holds; the others are done here, on all cores.
fn decode(source: &dyn TxSource, txs: &[Bytes]) -> Vec<Result<ConsensusTx, InvalidTx>> {
    let hashes: Vec<B256> = txs.par_iter().map(keccak256).collect();
    let known = source.recovered(&hashes);
    txs.par_iter()
        .zip(known)
        .map(|(bytes, known)| {
            known.map_or_else(|| tx::decode(bytes), |tx| Ok(ConsensusTx::Ethereum(tx)))
        })
        .collect()
}

/// The transactions of a new block: federation messages, then the pool's order, each executed so
/// that none is invalid.
pub(super) fn build(
    params: &ChainParams,
    view: &View,
    source: &dyn TxSource,
    request: &RequestPrepareProposal,
) -> Result<Vec<Bytes>, Fault> {
    let room = u64::try_from(request.max_tx_bytes).unwrap_or(0);
    let candidates = source.propose(Budget {
        bytes: room,
        gas: params.gas_limit,
        base_fee: fees::next_base_fee(params, view.header()),
    });
    let input = input(params, view, seconds(request.time), &request.proposer_address);
    let executor = BlockExecutor::begin(params, view, &input)?;
    let mut draft = Draft { executor, room, txs: Vec::new(), stuck: BTreeSet::new() };
    for lane in [candidates.federation, candidates.ethereum] {
        let decoded = decode(source, &lane);
        for (bytes, decoded) in lane.into_iter().zip(decoded) {
            match decoded {
                Ok(tx) => draft.offer(bytes, tx)?,
                Err(reason) => tracing::debug!(%reason, "leave out an undecodable candidate"),
            }
        }
    }
    Ok(draft.txs)
}

/// A block being filled.
struct Draft<'a> {
    executor: BlockExecutor<'a>,
    /// Bytes left.
    room: u64,
    txs: Vec<Bytes>,
    /// Senders of a transaction that was left out: their later ones have a nonce too high.
    stuck: BTreeSet<Address>,
}

impl Draft<'_> {
    /// Takes a candidate, unless it is invalid here or does not fit.
    fn offer(&mut self, bytes: Bytes, tx: ConsensusTx) -> Result<(), Fault> {
        let sender = match &tx {
            ConsensusTx::Federation(_) => None,
            ConsensusTx::Ethereum(tx) => Some(tx.signer()),
        };
        if sender.is_some_and(|sender| self.stuck.contains(&sender)) {
            return Ok(());
        }
        let Some(room) = self.room.checked_sub(proto_size(bytes.len())) else {
            self.stuck.extend(sender);
            return Ok(());
        };
        match self.executor.apply(tx) {
            Ok(_) => {
                self.room = room;
                self.txs.push(bytes);
            }
            Err(ExecError::Invalid(reason)) => {
                tracing::debug!(%reason, "leave out an invalid candidate");
                self.stuck.extend(sender);
            }
            Err(ExecError::Fault(fault)) => return Err(fault),
        }
        Ok(())
    }
}

/// Bytes of a transaction in the protobuf list that engines count (CometBFT
/// `ComputeProtoSizeForTxs`): one for the field, the length as a varint, the bytes.
fn proto_size(len: usize) -> u64 {
    let len = len as u64;
    let varint = u64::from((u64::BITS - (len | 1).leading_zeros()).div_ceil(7));
    1 + varint + len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proto_size_counts_field_and_length() {
        assert_eq!(proto_size(0), 2);
        assert_eq!(proto_size(127), 129);
        assert_eq!(proto_size(128), 131);
        assert_eq!(proto_size(16_384), 16_388);
    }
}

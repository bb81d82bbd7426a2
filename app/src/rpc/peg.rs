//! The `peg_*` methods: for the relayer, the page and the command line. The peg's state is under
//! the state root, so every answer can be checked with `eth_getProof`.
//!
//! | method | parameters | answer |
//! |---|---|---|
//! | `peg_status` | | [`mooring_bridge::rpc::PegStatus`] |
//! | `peg_domain` | | [`mooring_bridge::rpc::DomainJson`] |
//! | `peg_genesis` | | the genesis document |
//! | `peg_submit` | message bytes | its hash |
//! | `peg_checkpoint` | `"latestQuorum"` or a record's index | [`mooring_bridge::rpc::CheckpointBundle`] or null |
//! | `peg_exit` | index | [`mooring_bridge::rpc::ExitJson`] or null |
//! | `peg_exits` | first, end (not included) | list of [`mooring_bridge::rpc::ExitJson`] |
//! | `peg_exitProof` | index, count | [`mooring_bridge::rpc::ExitProofJson`] or null |
//! | `peg_credit` | count | [`mooring_bridge::rpc::CreditJson`] |

use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::SolEvent;
use mooring_bridge::{
    Signature,
    addresses::GATEWAY,
    contracts::Gateway,
    federation,
    rpc::{
        CheckpointBundle, CheckpointJson, CreditJson, DomainJson, ExitJson, ExitProofJson,
        OpenHeadJson, PegStatus,
    },
};
use mooring_stf::{
    CommittedSlots,
    peg::view::{self, CheckpointView, OpenHead},
};
use serde_json::Value;

use super::{Args, Method, RpcContext, RpcError, args::Number, json::to_value};
use crate::{mempool::Origin, store::View};

/// The methods that answer from the store.
pub(super) const METHODS: &[Method] = &[
    ("peg_status", status),
    ("peg_domain", domain),
    ("peg_genesis", genesis),
    ("peg_submit", submit),
    ("peg_checkpoint", checkpoint),
    ("peg_exit", exit),
    ("peg_exits", exits),
    ("peg_exitProof", exit_proof),
    ("peg_credit", credit),
];

const NO_PEG: &str = "this chain has no peg";

fn pegged_view(context: &RpcContext) -> Result<View, RpcError> {
    match context.chain.params.peg {
        Some(_) => Ok(context.latest()),
        None => Err(RpcError::server(NO_PEG)),
    }
}

fn status(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let block = pegged_view(context)?;
    let slots = CommittedSlots(&block);
    let (epoch, members) = view::members(&slots)?;
    let heads = view::deposit_heads(&slots)?;
    let exits = view::exit_head(&slots)?;
    to_value(PegStatus {
        chain_id: context.chain.params.chain_id,
        height: block.number(),
        epoch: epoch.get(),
        members: members.as_slice().iter().map(Into::into).collect(),
        total_power: U256::from(members.total()),
        accepted: heads.accepted.into(),
        delivered: heads.delivered.into(),
        credited: heads.credited.into(),
        undelivered: view::undelivered(&slots)?.into_iter().map(Into::into).collect(),
        open_heads: view::open_heads(&slots)?.into_iter().map(open_head).collect(),
        exit_count: exits.count,
        exit_root: exits.root,
        checkpoints: view::checkpoints(&slots)?.iter().map(record_json).collect(),
        halted: view::is_halted(&slots)?,
        destroyed: view::destroyed(&slots)?,
    })
}

fn domain(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let peg = context.chain.genesis.peg().ok_or_else(|| RpcError::server(NO_PEG))?;
    to_value(DomainJson::new(&peg.domain, peg.l1.deploy_block))
}

fn genesis(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    let text = context.chain.genesis.to_json();
    serde_json::from_str(&text).map_err(|error| RpcError::internal("read the genesis", error))
}

fn submit(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let raw: Bytes = args.required("message")?;
    if raw.first() != Some(&federation::FEDERATION_TX_TYPE) {
        return Err(RpcError::params("a federation message starts with 0x7d"));
    }
    to_value(context.pool.submit_blocking(raw.into(), Origin::Local)?)
}

fn checkpoint(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let selector: Value = args.required("selector")?;
    let block = pegged_view(context)?;
    let slots = CommittedSlots(&block);
    let index = match selector.as_str() {
        Some("latestQuorum") => None,
        _ => Some(Number::of(selector)?),
    };
    let records = view::checkpoints(&slots)?;
    let chosen = records.iter().find(|record| match index {
        Some(index) => record.index == index,
        None => record.quorum,
    });
    let Some(record) = chosen else { return Ok(Value::Null) };
    let (epoch, members) = view::members(&slots)?;
    if epoch != record.checkpoint.epoch {
        return Err(RpcError::server("the checkpoint is of an epoch whose members are gone"));
    }
    let signatures = record
        .signatures
        .iter()
        .map(|(_, signature): &(_, Signature)| signature.as_bytes().as_slice());
    to_value(CheckpointBundle {
        record: record_json(record),
        member_words: members.words(),
        signatures: signatures.collect::<Vec<_>>().concat().into(),
    })
}

fn exit(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let index = args.number("index")?;
    to_value(pegged_view(context)?.exit(index)?.as_ref().map(ExitJson::from))
}

fn exits(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let (first, end) = (args.number("first")?, args.number("end")?);
    let block = pegged_view(context)?;
    let limit = context.limits.exits;
    if end.saturating_sub(first) > limit {
        return Err(RpcError::limit(format!("at most {limit} exits at once")));
    }
    let end = end.min(block.tip().exit_count);
    let mut found = Vec::new();
    for index in first..end {
        found.extend(block.exit(index)?.as_ref().map(ExitJson::from));
    }
    to_value(found)
}

fn exit_proof(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let (index, count) = (args.number("index")?, args.number("count")?);
    let proof = pegged_view(context)?.exit_proof(index, count)?;
    to_value(proof.map(|proof| ExitProofJson {
        exit: (&proof.exit).into(),
        leaf: proof.exit.leaf(),
        count: proof.count,
        root: proof.root,
        siblings: proof.siblings,
    }))
}

fn credit(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let count = args.number("count")?;
    let block = pegged_view(context)?;
    let heads = view::deposit_heads(&CommittedSlots(&block))?;
    let reached = |head: mooring_bridge::Head| (1..=head.count.get()).contains(&count);
    let credited = reached(heads.credited);
    let found = if credited { find_credit(context, &block, count)? } else { None };
    to_value(CreditJson {
        count,
        accepted: reached(heads.accepted),
        delivered: reached(heads.delivered),
        credited,
        bounced: found.as_ref().is_some_and(|found| found.bounced),
        block_number: found.as_ref().map(|found| found.height),
        transaction_hash: found.map(|found| found.hash),
    })
}

struct Found {
    height: u64,
    hash: B256,
    bounced: bool,
}

/// Walks back from the newest block, as far as a log search may go. The blooms skip blocks without
/// the event; metadata leaves and epoch records emit none.
fn find_credit(context: &RpcContext, view: &View, count: u64) -> Result<Option<Found>, RpcError> {
    let topic = B256::from(U256::from(count));
    let (credited, bounced) = (Gateway::Credited::SIGNATURE_HASH, Gateway::Bounced::SIGNATURE_HASH);
    let oldest = view.number().saturating_sub(context.limits.log_blocks);
    for height in (oldest..=view.number()).rev() {
        let Some((header, _)) = view.header_at(height)? else { continue };
        let possible =
            |raw: &[u8]| header.logs_bloom.contains_input(alloy_primitives::BloomInput::Raw(raw));
        if !possible(topic.as_slice()) || !possible(GATEWAY.as_slice()) {
            continue;
        }
        let Some(block) = view.block(height)? else { continue };
        for (tx, receipt) in block.transactions.iter().zip(&block.receipts) {
            let event = receipt.logs.iter().find_map(|log| {
                let [first, second, ..] = log.topics() else { return None };
                let ours = log.address == GATEWAY
                    && *second == topic
                    && (*first == credited || *first == bounced);
                ours.then_some(*first == bounced)
            });
            if let Some(bounced) = event {
                return Ok(Some(Found { height, hash: tx.hash(), bounced }));
            }
        }
    }
    Ok(None)
}

fn open_head(open: OpenHead) -> OpenHeadJson {
    OpenHeadJson {
        opener: open.opener,
        count: open.head.count.get(),
        acc: open.head.acc,
        signers: open.signers,
        power: U256::from(open.power),
    }
}

fn record_json(view: &CheckpointView) -> CheckpointJson {
    let checkpoint = &view.checkpoint;
    CheckpointJson {
        index: view.index,
        epoch: checkpoint.epoch.get(),
        height: checkpoint.height.get(),
        block_hash: checkpoint.block_hash,
        state_root: checkpoint.state_root,
        exit_count: checkpoint.exit_count,
        exit_root: checkpoint.exit_root,
        credited_count: checkpoint.credited_count.get(),
        credited_acc: checkpoint.credited_acc,
        time: view.time,
        complete: view.complete,
        quorum: view.quorum,
        signers: view.signatures.iter().map(|(member, _)| *member).collect(),
        power: U256::from(view.power),
    }
}

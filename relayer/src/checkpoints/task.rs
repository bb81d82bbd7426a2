//! The checkpoint task's I/O.

use std::{collections::BTreeMap, sync::Arc};

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{B256, U256, keccak256};
use mooring_bridge::{
    Checkpoint, Count, Epoch, FederationMessage, Height, addresses::PEG,
    federation::CheckpointVote, slots,
};
use mooring_client::{ClientError, Endpoint, peg::PegStatus, proof::header_rlp};

use super::state::{Action, Event, Record, State, Status};
use crate::{
    context::{Context, Trouble},
    crash,
};

/// The task's name.
pub(crate) const NAME: &str = "checkpoints";
/// The alarm after a refusal of the guard.
const GUARD: &str = "guard.checkpoint";

/// Looks at the sidechain again and again.
pub(crate) async fn run(context: Arc<Context>) {
    let mut state = State::new(context.me());
    loop {
        match look(&context, &mut state).await {
            Ok(open) => context.board.looked(NAME, state.abstains(), open),
            Err(error) => context.board.failed(NAME, error.to_string()),
        }
        tokio::time::sleep(context.config.poll()).await;
    }
}

async fn look(context: &Context, state: &mut State) -> Result<Option<String>, Trouble> {
    let stop = context.stop.borrow().clone();
    if let Some(reason) = stop {
        state.on(Event::Stop(reason));
    }
    let status = context.peg_status().await?;
    let quorum = status.checkpoints.iter().rev().find(|record| record.quorum);
    if let Some(record) = quorum {
        context.board.figure("checkpoint_height", record.height);
    }
    let unsigned = status.checkpoints.iter().filter(|record| {
        record.complete && !record.quorum && !record.signers.contains(&context.me())
    });
    let open: Vec<u64> = unsigned.map(|record| record.height).collect();
    let mut actions = state.on(Event::Status(view(&status)));
    while let Some(action) = actions.pop() {
        match action {
            Action::Rebuild(height) => {
                let record = rebuild(context, height).await?;
                // What is still to be built comes again.
                actions = state.on(Event::Rebuilt(record));
            }
            Action::Vote(checkpoint) => vote(context, &checkpoint).await?,
        }
    }
    Ok((!open.is_empty()).then(|| format!("not signed by this member: {open:?}")))
}

async fn vote(context: &Context, checkpoint: &Checkpoint) -> Result<(), Trouble> {
    let signature = match context.signer.checkpoint(checkpoint) {
        Ok(signature) => {
            context.board.alarm(GUARD, None);
            signature
        }
        Err(error) => {
            context.board.alarm(GUARD, Some(error.to_string()));
            return Err(error.into());
        }
    };
    let Checkpoint { epoch, height, .. } = *checkpoint;
    let vote = CheckpointVote { epoch, height, signature };
    if context.post(&FederationMessage::CheckpointVote(vote)).await? {
        crash::at("checkpoint.submitted");
        context.board.count("checkpoints_signed_total");
        context.board.step(NAME, format!("signed the checkpoint of block {height}"));
    }
    Ok(())
}

/// Builds the record of a block from the block and its state. The own validator's node is believed;
/// when it does not answer, several others must give the same.
async fn rebuild(context: &Context, height: u64) -> Result<Checkpoint, Trouble> {
    let build = |node: Endpoint| async move { build(&node, height).await };
    let first = match context.sidechain.ask(0, build).await {
        Ok(record) => return Ok(record),
        Err(error) => error,
    };
    let mut votes: BTreeMap<B256, (usize, Checkpoint)> = BTreeMap::new();
    for index in 1..context.sidechain.len() {
        let Ok(record) = context.sidechain.ask(index, build).await else { continue };
        let key = keccak256(mooring_bridge::SignedStruct::encode_data(&record));
        let (count, record) = votes.entry(key).or_insert((0, record));
        *count += 1;
        if *count >= context.agree {
            return Ok(*record);
        }
    }
    Err(format!("cannot build the record of block {height}: {first}").into())
}

async fn build(node: &Endpoint, height: u64) -> Result<Checkpoint, ClientError> {
    let tag = BlockNumberOrTag::Number(height);
    let bad = |what: &str| ClientError::Unexpected {
        url: node.url().to_owned(),
        method: "eth_getBlockByNumber",
        what: what.to_owned(),
    };
    let block = node.block(tag).await?.ok_or_else(|| bad("no such block"))?;
    let rlp = header_rlp(&block).ok_or_else(|| bad("a header of another form"))?;
    if keccak256(&rlp) != block.header.hash || block.header.number != height {
        return Err(bad("a header that has another hash or number"));
    }
    let slot = |slot| async move { node.storage(PEG, slot, tag).await };
    let number = |word: B256| {
        u64::try_from(U256::from_be_bytes(word.0)).map_err(|_| bad("a number beyond 64 bits"))
    };
    Ok(Checkpoint {
        epoch: Epoch::new(number(slot(slots::epoch()).await?)?),
        height: Height::new(height),
        block_hash: block.header.hash,
        state_root: block.header.state_root,
        exit_count: number(slot(slots::exit_count()).await?)?,
        exit_root: slot(slots::exit_root()).await?,
        credited_count: Count::new(number(slot(slots::credited_count()).await?)?),
        credited_acc: slot(slots::credited_acc()).await?,
    })
}

fn view(status: &PegStatus) -> Status {
    let records = status.checkpoints.iter().map(|record| Record {
        checkpoint: record.checkpoint(),
        complete: record.complete,
        quorum: record.quorum,
        signers: record.signers.clone(),
    });
    Status {
        height: status.height,
        epoch: Epoch::new(status.epoch),
        members: status.members.iter().map(|member| member.address).collect(),
        halted: status.halted,
        records: records.collect(),
    }
}

//! Running a decided block through the application, live or in a replay.

use bytes::Bytes;
use mooring_abci::proto::abci::RequestFinalizeBlock;
use tracing::warn;

use super::{AppThread, Memory};
use crate::block::{ChainParams, ChainState, ParsedBlock, commit_info, misbehavior};
use crate::error::EngineError;

/// `FinalizeBlock`, then the new state into the store, then `Commit`, which syncs all.
/// Everything the application is told comes from the block.
pub(crate) async fn apply(
    app: &AppThread,
    memory: &Memory,
    params: &ChainParams,
    state: &ChainState,
    block: &ParsedBlock,
) -> Result<ChainState, EngineError> {
    let height = block.height().get();
    let diverged = |reason: String| EngineError::Diverged { height, reason };
    block.check_decided(params, state).map_err(|rule| diverged(rule.to_string()))?;
    let request = finalize_request(state, block);
    let response = app.call(move |app| app.finalize_block(request)).await?;
    if response.tx_results.len() != block.txs().len() {
        return Err(diverged("the application answered for another number of transactions".into()));
    }
    if response.consensus_param_updates.is_some() {
        warn!(height, "ignored consensus parameter updates: they are fixed at genesis");
    }
    let next = state
        .apply(block.id(), &response)
        .map_err(|e| diverged(format!("the application's validator updates: {e}")))?;
    memory.put_state(&next)?;
    app.call(|app| app.commit()).await?;
    Ok(next)
}

fn finalize_request(state: &ChainState, block: &ParsedBlock) -> RequestFinalizeBlock {
    let header = block.header();
    RequestFinalizeBlock {
        txs: block.txs().to_vec(),
        decided_last_commit: Some(commit_info(block.last_commit(), &state.last_validators)),
        misbehavior: block.evidence().iter().filter_map(misbehavior).collect(),
        hash: Bytes::copy_from_slice(&block.id().hash),
        height: header.height,
        time: header.time,
        next_validators_hash: header.next_validators_hash.clone().into(),
        proposer_address: header.proposer_address.clone().into(),
    }
}

//! Building a block as CometBFT's `MakeBlock` does.

use bytes::Bytes;
use tendermint_proto::v0_38::types::{
    Block, BlockId, Commit, Data, Evidence, EvidenceList, Header, PartSetHeader,
};
use tendermint_proto::v0_38::version::Consensus;

use super::hash::{commit_hash, data_hash, evidence_hash};
use super::{BLOCK_PROTOCOL, ChainParams, ChainState};
use crate::context::{Address, BlockTime};

/// What a proposer adds to the state.
#[derive(Clone, Debug)]
pub(crate) struct Proposing {
    pub(crate) builder: Address,
    pub(crate) time: BlockTime,
    pub(crate) txs: Vec<Bytes>,
    pub(crate) evidence: Vec<Evidence>,
    /// The commit of the last block; the empty commit at height 1.
    pub(crate) last_commit: Commit,
}

/// CometBFT's `MaxHeaderBytes` and `MaxOverheadForBlock`, rounded up.
const FIXED_BYTES: usize = 1024;
/// CometBFT's `MaxCommitSigBytes` with its framing, rounded up.
const COMMIT_SIG_BYTES: usize = 120;
/// An upper bound of one piece of double-vote evidence with its framing.
const EVIDENCE_BYTES: usize = 768;

/// The bytes left for transactions, each counted with its protobuf framing, in a block with
/// this many commit entries and pieces of evidence.
pub(crate) fn max_tx_bytes(max_block_bytes: usize, signatures: usize, evidence: usize) -> usize {
    max_block_bytes
        .saturating_sub(FIXED_BYTES)
        .saturating_sub(signatures.saturating_mul(COMMIT_SIG_BYTES))
        .saturating_sub(evidence.saturating_mul(EVIDENCE_BYTES))
}

/// The block on top of `state`.
pub(crate) fn build(params: &ChainParams, state: &ChainState, proposing: Proposing) -> Block {
    let txs: Vec<Vec<u8>> = proposing.txs.iter().map(|tx| tx.to_vec()).collect();
    let evidence = EvidenceList { evidence: proposing.evidence };
    let header = Header {
        version: Some(Consensus { block: BLOCK_PROTOCOL, app: params.app_version }),
        chain_id: params.chain_id.to_string(),
        height: state.height.next().as_i64(),
        time: Some(proposing.time.to_proto()),
        last_block_id: Some(last_block_id(state)),
        last_commit_hash: commit_hash(&proposing.last_commit).to_vec(),
        data_hash: data_hash(&txs).to_vec(),
        validators_hash: state.validators.hash().to_vec(),
        next_validators_hash: state.next_validators.hash().to_vec(),
        consensus_hash: params.consensus_hash.to_vec(),
        app_hash: state.app_hash.to_vec(),
        last_results_hash: state.last_results_hash.to_vec(),
        evidence_hash: evidence_hash(&evidence).to_vec(),
        proposer_address: proposing.builder.bytes().to_vec(),
    };
    Block {
        header: Some(header),
        data: Some(Data { txs }),
        evidence: Some(evidence),
        last_commit: Some(proposing.last_commit),
    }
}

/// The id of the last block; at height 1 CometBFT's empty id.
pub(super) fn last_block_id(state: &ChainState) -> BlockId {
    match &state.last_block {
        Some(block) => block.block_id(),
        None => BlockId { hash: Vec::new(), part_set_header: Some(PartSetHeader::default()) },
    }
}

/// The commit inside the block of height 1.
pub(crate) fn empty_commit() -> Commit {
    Commit {
        block_id: Some(BlockId {
            hash: Vec::new(),
            part_set_header: Some(PartSetHeader::default()),
        }),
        ..Commit::default()
    }
}

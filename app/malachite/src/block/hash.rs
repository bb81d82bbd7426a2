//! CometBFT's hashes: RFC 6962 Merkle trees of sha256 over protobuf encodings.
//!
//! Source: CometBFT v0.38 `types/{block,tx,part_set,evidence,results,params}.go`.

use prost::Message;
use sha2::{Digest, Sha256};
use tendermint::merkle::simple_hash_from_byte_vectors;
use tendermint_proto::v0_38::abci::ExecTxResult;
use tendermint_proto::v0_38::types::{self as pb, HashedParams};

use crate::context::PartSet;

/// CometBFT's `BlockPartSizeBytes`.
const PART_BYTES: usize = 64 * 1024;

/// The Merkle root of a list.
fn root(leaves: &[impl AsRef<[u8]>]) -> [u8; 32] {
    simple_hash_from_byte_vectors::<Sha256>(leaves)
}

/// The block hash; `None` when a field is not what CometBFT's header may hold.
pub(super) fn header_hash(header: &pb::Header) -> Option<[u8; 32]> {
    let header = tendermint::block::Header::try_from(header.clone()).ok()?;
    header.hash().as_bytes().try_into().ok()
}

/// The part-set header of an encoded block.
pub(super) fn part_set(block: &[u8]) -> PartSet {
    let parts: Vec<&[u8]> = block.chunks(PART_BYTES).collect();
    let total = u32::try_from(parts.len()).expect("blocks are at most 32 MiB");
    PartSet { total, hash: root(&parts) }
}

/// The hash of the transactions: the leaves are their hashes.
pub(super) fn data_hash(txs: &[Vec<u8>]) -> [u8; 32] {
    let leaves: Vec<[u8; 32]> = txs.iter().map(|tx| Sha256::digest(tx).into()).collect();
    root(&leaves)
}

/// The hash of a commit: the leaves are its signatures.
pub(super) fn commit_hash(commit: &pb::Commit) -> [u8; 32] {
    let leaves: Vec<Vec<u8>> = commit.signatures.iter().map(Message::encode_to_vec).collect();
    root(&leaves)
}

/// The hash of the evidence: the leaves are the pieces without the enclosing oneof.
pub(super) fn evidence_hash(list: &pb::EvidenceList) -> [u8; 32] {
    let leaves: Vec<Vec<u8>> = list.evidence.iter().map(piece_bytes).collect();
    root(&leaves)
}

/// The bytes of one piece of evidence.
pub(super) fn piece_bytes(piece: &pb::Evidence) -> Vec<u8> {
    match &piece.sum {
        Some(pb::evidence::Sum::DuplicateVoteEvidence(duplicate)) => duplicate.encode_to_vec(),
        Some(pb::evidence::Sum::LightClientAttackEvidence(attack)) => attack.encode_to_vec(),
        None => Vec::new(),
    }
}

/// The hash of the transaction results: the leaves hold only their deterministic fields.
pub(crate) fn results_hash(results: &[ExecTxResult]) -> [u8; 32] {
    let leaves: Vec<Vec<u8>> = results
        .iter()
        .map(|result| {
            ExecTxResult {
                code: result.code,
                data: result.data.clone(),
                gas_wanted: result.gas_wanted,
                gas_used: result.gas_used,
                ..ExecTxResult::default()
            }
            .encode_to_vec()
        })
        .collect();
    root(&leaves)
}

/// The hash of the consensus parameters that headers commit to.
pub(crate) fn consensus_hash(max_bytes: usize, max_gas: i64) -> [u8; 32] {
    let block_max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
    let params = HashedParams { block_max_bytes, block_max_gas: max_gas };
    Sha256::digest(params.encode_to_vec()).into()
}

//! Proof of the Vault's head from one `eth_getProof` reply (EIP-1186): what a federation member
//! checks before it signs. Pure; where the reply comes from and whether the block is final and
//! agreed on is the caller's part.

use crate::{
    deposit::{HEAD_ACC_SLOT, HEAD_COUNT_SLOT, Head},
    types::Count,
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::{Decodable, Header as RlpHeader};
use alloy_trie::{
    Nibbles, TrieAccount,
    nodes::{RlpNode, TrieNode},
    proof::{self, ProofVerificationError},
};
use thiserror::Error;

/// Nibbles of a hashed key.
const KEY_NIBBLES: usize = 64;

/// What a reply claims, with the nodes to prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadProof {
    /// The L1 header as RLP.
    pub header: Bytes,
    /// The Vault's account.
    pub account: TrieAccount,
    /// Nodes from the state root to the account.
    pub account_nodes: Vec<Bytes>,
    /// The slot that holds the count.
    pub count: SlotProof,
    /// The slot that holds the acc.
    pub acc: SlotProof,
}

/// A storage slot's claimed value with the nodes to prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// The value.
    pub value: U256,
    /// Nodes from the storage root to the slot.
    pub nodes: Vec<Bytes>,
}

/// A head that the L1 block is proven to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenHead {
    /// The head.
    pub head: Head,
    /// Number of the L1 block.
    pub block_number: u64,
    /// Time of the L1 block, in seconds.
    pub block_time: u64,
}

/// Why a reply proves nothing.
#[derive(Debug, Error)]
pub enum HeadProofError {
    /// The header is another block's.
    #[error("header hashes to {got}, not to {expected}")]
    BlockHash {
        /// Hash of the header given.
        got: B256,
        /// Hash of the block asked for.
        expected: B256,
    },
    /// The header is not a block header.
    #[error("block header is not well-formed RLP: {0}")]
    Header(#[from] alloy_rlp::Error),
    /// The state root does not hold this account.
    #[error("account proof of the vault does not hold")]
    Account(#[source] Box<ProofVerificationError>),
    /// The storage root does not hold this value.
    #[error("storage proof of slot {slot} does not hold")]
    Storage {
        /// The slot.
        slot: B256,
        /// What is wrong.
        source: Box<ProofVerificationError>,
    },
    /// The count is beyond 64 bits: not a Vault.
    #[error("vault has count {0}, which no deposit log reaches")]
    Count(U256),
    /// The acc is zero: there is no Vault at this address in this block.
    #[error("vault has no deposit log in this block")]
    NoLog,
}

/// Checks that the block with `block_hash` holds the Vault with this head.
///
/// # Errors
///
/// When any part of the proof does not hold.
pub fn verify_head(
    block_hash: B256,
    vault: Address,
    proof: &HeadProof,
) -> Result<ProvenHead, HeadProofError> {
    let header = read_header(block_hash, &proof.header)?;
    let account = alloy_rlp::encode(proof.account);
    verify(header.state_root, keccak256(vault), Some(account), &proof.account_nodes)
        .map_err(|source| HeadProofError::Account(Box::new(source)))?;
    let storage_root = proof.account.storage_root;
    verify_slot(storage_root, HEAD_COUNT_SLOT, &proof.count)?;
    verify_slot(storage_root, HEAD_ACC_SLOT, &proof.acc)?;
    let count =
        u64::try_from(proof.count.value).map_err(|_| HeadProofError::Count(proof.count.value))?;
    if proof.acc.value.is_zero() {
        return Err(HeadProofError::NoLog);
    }
    Ok(ProvenHead {
        head: Head { count: Count::new(count), acc: proof.acc.value.into() },
        block_number: header.number,
        block_time: header.time,
    })
}

fn verify_slot(root: B256, slot: B256, proof: &SlotProof) -> Result<(), HeadProofError> {
    // A zero is not stored: its proof is one of absence.
    let value = (!proof.value.is_zero()).then(|| alloy_rlp::encode(proof.value));
    verify(root, keccak256(slot), value, &proof.nodes)
        .map_err(|source| HeadProofError::Storage { slot, source: Box::new(source) })
}

/// Checks that a trie holds this value under a hashed key, `None` for nothing.
fn verify(
    root: B256,
    key: B256,
    value: Option<Vec<u8>>,
    nodes: &[Bytes],
) -> Result<(), ProofVerificationError> {
    let mut depth: usize = 0;
    for node in nodes {
        depth = depth.saturating_add(nibbles(&TrieNode::decode(&mut node.as_ref())?)?);
    }
    // The verifier panics on a path that is longer than a key.
    if depth > KEY_NIBBLES {
        return Err(alloy_rlp::Error::Custom("path is longer than a key").into());
    }
    proof::verify_proof(root, Nibbles::unpack(key), value, nodes)
}

/// How many nibbles of a key a node takes at most, with the nodes inside it.
fn nibbles(node: &TrieNode) -> alloy_rlp::Result<usize> {
    let inner = |child: &RlpNode| match child.is_hash() {
        true => Ok(0),
        false => nibbles(&TrieNode::decode(&mut child.as_slice())?),
    };
    match node {
        TrieNode::EmptyRoot => Ok(0),
        TrieNode::Leaf(leaf) => Ok(leaf.key.len()),
        TrieNode::Extension(extension) => {
            Ok(inner(&extension.child)?.saturating_add(extension.key.len()))
        }
        TrieNode::Branch(branch) => {
            let deepest = branch
                .stack
                .iter()
                .map(inner)
                .try_fold(0, |most, depth| depth.map(|depth: usize| depth.max(most)))?;
            Ok(deepest.saturating_add(1))
        }
    }
}

/// The fields of a header that a proof needs.
struct HeaderFields {
    state_root: B256,
    number: u64,
    time: u64,
}

/// Reads by position, so that fields which later forks append do no harm: the hash vouches for
/// the rest.
fn read_header(block_hash: B256, header: &[u8]) -> Result<HeaderFields, HeadProofError> {
    let got = keccak256(header);
    if got != block_hash {
        return Err(HeadProofError::BlockHash { got, expected: block_hash });
    }
    let mut rest = header;
    let mut fields = RlpHeader::decode_bytes(&mut rest, true)?;
    let fields = &mut fields;
    skip(fields, 3)?;
    let state_root = B256::decode(fields)?;
    skip(fields, 4)?;
    let number = u64::decode(fields)?;
    skip(fields, 2)?;
    let time = u64::decode(fields)?;
    Ok(HeaderFields { state_root, number, time })
}

fn skip(fields: &mut &[u8], count: usize) -> alloy_rlp::Result<()> {
    for _ in 0..count {
        RlpHeader::decode_bytes(fields, false)?;
    }
    Ok(())
}

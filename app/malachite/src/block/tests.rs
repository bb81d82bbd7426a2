#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use arc_malachitebft_app::types::core::{
    ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, Round, SignedMessage, SignedVote,
    VoteType,
};
use bytes::Bytes;
use mooring_abci::proto::abci::{ExecTxResult, ResponseFinalizeBlock};
use mooring_abci::proto::types::{Block, BlockIdFlag, Evidence};
use prost::Message;
use sha2::{Digest, Sha256};
use tendermint::merkle::simple_hash_from_byte_vectors;

use super::hash::{data_hash, part_set};
use super::*;
use crate::canonical::vote_sign_bytes;
use crate::context::{
    Address, BlockRef, BlockTime, Context, Height, Signature, ValidatorSet, Vote,
};
use crate::keys::PrivValidatorKey;

const CHAIN: &str = "mooring-1";

fn keys() -> Vec<PrivValidatorKey> {
    (1..=4).map(|seed| PrivValidatorKey::generate([seed; 32])).collect()
}

fn set() -> ValidatorSet {
    ValidatorSet::new(keys().iter().map(|key| (key.public_key(), 10))).unwrap()
}

fn at(seconds: u64) -> BlockTime {
    BlockTime::since_epoch(Duration::from_secs(seconds))
}

fn params() -> ChainParams {
    ChainParams {
        chain_id: CHAIN.into(),
        app_version: 1,
        max_block_bytes: 1 << 20,
        consensus_hash: consensus_hash(1 << 20, -1),
        genesis_time: at(1_000),
    }
}

fn builder() -> Address {
    set().as_slice()[0].address()
}

fn signed(key: &PrivValidatorKey, height: u64, value: NilOrVal<BlockRef>) -> SignedVote<Context> {
    let vote = Vote {
        kind: VoteType::Precommit,
        height: Height::new(height),
        round: Round::new(1),
        value,
        address: Address::new(key.address()),
    };
    let signature = Signature::new(key.sign(&vote_sign_bytes(CHAIN, &vote)));
    SignedMessage::new(vote, signature)
}

fn certificate(
    signers: &[PrivValidatorKey],
    block: BlockRef,
) -> ExtendedCommitCertificate<Context> {
    ExtendedCommitCertificate {
        height: Height::new(1),
        round: Round::new(1),
        value_id: block,
        commit_signatures: signers
            .iter()
            .map(|key| signed(key, 1, NilOrVal::Val(block)))
            .map(|vote| ExtendedCommitSignature::new(vote.message.address, vote.signature, None))
            .collect(),
    }
}

fn first_block() -> ParsedBlock {
    let state = ChainState::genesis(at(1_000), Bytes::from_static(b"app0"), set());
    let proposing = Proposing {
        builder: builder(),
        time: at(1_001),
        txs: vec![Bytes::from_static(b"one"), Bytes::from(vec![7; 200_000])],
        evidence: Vec::new(),
        last_commit: empty_commit(),
    };
    let block = ParsedBlock::seal(build(&params(), &state, proposing)).unwrap();
    block.check(&params(), &state, at(1_002)).unwrap();
    block
}

/// The state after the first block.
fn state() -> ChainState {
    let response = ResponseFinalizeBlock {
        tx_results: vec![ExecTxResult { code: 3, log: "not hashed".into(), ..Default::default() }],
        app_hash: Bytes::from_static(b"app1"),
        ..ResponseFinalizeBlock::default()
    };
    let genesis = ChainState::genesis(at(1_000), Bytes::from_static(b"app0"), set());
    genesis.apply(first_block().id(), &response).unwrap()
}

fn second(signers: &[PrivValidatorKey], evidence: Vec<Evidence>) -> Block {
    let commit = commit_of(&certificate(signers, first_block().id()), &set());
    let proposing = Proposing {
        builder: builder(),
        time: at(1_010),
        txs: Vec::new(),
        evidence,
        last_commit: commit,
    };
    build(&params(), &state(), proposing)
}

fn verdict(block: Block) -> Result<(), InvalidBlock> {
    ParsedBlock::parse(block.encode_to_vec().into())?.check(&params(), &state(), at(1_010))
}

#[test]
fn block_hash_is_that_of_cometbfts_header() {
    let block = first_block();
    let theirs: tendermint::block::Header = block.header().clone().try_into().unwrap();
    assert_eq!(theirs.hash().as_bytes(), block.id().hash);
    // The empty last commit hashes as an empty tree, as CometBFT wants it at height 1.
    let empty: [u8; 32] = Sha256::digest([]).into();
    assert_eq!(theirs.last_commit_hash.unwrap().as_bytes(), empty);
    assert_eq!(theirs.last_results_hash.unwrap().as_bytes(), empty);
}

#[test]
fn transactions_are_hashed_as_leaves_of_hashes() {
    let txs = [b"a".to_vec(), b"b".to_vec()];
    let leaf = |tx: &[u8]| {
        let hash: [u8; 32] = Sha256::digest(tx).into();
        Sha256::digest([&[0_u8][..], &hash].concat())
    };
    let root = Sha256::digest([&[1_u8][..], &leaf(b"a"), &leaf(b"b")].concat());
    assert_eq!(data_hash(&txs).as_slice(), root.as_slice());
}

#[test]
fn part_set_is_the_root_over_64_kib_parts() {
    let bytes: Vec<u8> = (0..150_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let parts = part_set(&bytes);
    assert_eq!(parts.total, 3);
    let chunks = [&bytes[..65_536], &bytes[65_536..131_072], &bytes[131_072..]];
    assert_eq!(parts.hash, simple_hash_from_byte_vectors::<Sha256>(&chunks));
}

#[test]
fn only_deterministic_result_fields_are_hashed() {
    let result =
        ExecTxResult { code: 1, gas_used: 2, data: Bytes::from_static(b"d"), ..Default::default() };
    let noisy =
        ExecTxResult { log: "l".into(), info: "i".into(), codespace: "c".into(), ..result.clone() };
    assert_eq!(results_hash(std::slice::from_ref(&result)), results_hash(&[noisy]));
    assert_ne!(
        results_hash(std::slice::from_ref(&result)),
        results_hash(&[ExecTxResult { code: 2, ..result }])
    );
}

#[test]
fn a_commit_of_our_certificate_is_valid_for_cometbft() {
    let block = first_block();
    let commit = commit_of(&certificate(&keys()[..3], block.id()), &set());
    let commit: tendermint::block::Commit = commit.try_into().unwrap();
    let theirs: tendermint::block::Header = block.header().clone().try_into().unwrap();
    assert_eq!(commit.block_id.hash, theirs.hash());
    let flags: Vec<_> = commit.signatures.iter().map(|s| s.is_commit()).collect();
    assert_eq!(flags.iter().filter(|commit| **commit).count(), 3);
    for (index, entry) in commit.signatures.iter().enumerate() {
        let tendermint::block::CommitSig::BlockIdFlagCommit {
            validator_address,
            timestamp,
            signature,
        } = entry
        else {
            assert!(entry.is_absent());
            continue;
        };
        let vote = tendermint::Vote {
            vote_type: tendermint::vote::Type::Precommit,
            height: commit.height,
            round: commit.round,
            block_id: Some(commit.block_id),
            timestamp: Some(*timestamp),
            validator_address: *validator_address,
            validator_index: index.try_into().unwrap(),
            signature: None,
            extension: Vec::new(),
            extension_signature: None,
        };
        let bytes = vote.into_signable_vec(CHAIN.try_into().unwrap());
        let set = set();
        let validator = &set.as_slice()[index];
        assert_eq!(validator.address().bytes(), validator_address.as_bytes());
        let signature = Signature::from_slice(signature.as_ref().unwrap().as_bytes()).unwrap();
        assert!(signature.verify(validator.key(), &bytes));
    }
}

#[test]
fn a_block_on_top_of_the_state_is_valid() {
    assert_eq!(verdict(second(&keys(), Vec::new())), Ok(()));
    assert_eq!(verdict(second(&keys()[..3], Vec::new())), Ok(()));
}

#[test]
fn a_last_commit_without_a_quorum_is_invalid() {
    let error = verdict(second(&keys()[..2], Vec::new())).unwrap_err();
    assert_eq!(error, InvalidBlock("last_commit has no quorum"));
}

#[test]
fn each_false_header_field_is_found() {
    type Edit = fn(&mut mooring_abci::proto::types::Header);
    let edits: [(Edit, &str); 13] = [
        (|h| h.version.as_mut().unwrap().app = 9, "version"),
        (|h| h.chain_id = "other".into(), "chain_id"),
        (|h| h.height = 3, "height"),
        (|h| h.time = Some(at(1_001).to_proto()), "time is not after the parent's"),
        (|h| h.last_block_id.as_mut().unwrap().hash = vec![1; 32], "last_block_id"),
        (|h| h.data_hash = vec![1; 32], "a hash over the block's contents"),
        (|h| h.last_commit_hash = vec![1; 32], "a hash over the block's contents"),
        (|h| h.evidence_hash = vec![1; 32], "a hash over the block's contents"),
        (|h| h.validators_hash = vec![1; 32], "validators_hash"),
        (|h| h.next_validators_hash = vec![1; 32], "next_validators_hash"),
        (|h| h.app_hash = vec![1; 32], "app_hash"),
        (|h| h.last_results_hash = vec![1; 32], "last_results_hash"),
        (|h| h.proposer_address = vec![1; 20], "proposer_address"),
    ];
    for (edit, rule) in edits {
        let mut block = second(&keys(), Vec::new());
        edit(block.header.as_mut().unwrap());
        assert_eq!(verdict(block), Err(InvalidBlock(rule)));
    }
}

#[test]
fn a_block_from_the_future_or_above_the_limit_is_invalid() {
    let block = ParsedBlock::seal(second(&keys(), Vec::new())).unwrap();
    let early = block.check(&params(), &state(), at(1_009));
    assert_eq!(early, Err(InvalidBlock("time is ahead of the local clock")));
    let small = ChainParams { max_block_bytes: 100, ..params() };
    assert_eq!(
        block.check(&small, &state(), at(1_010)),
        Err(InvalidBlock("larger than max_block_bytes"))
    );
}

#[test]
fn a_tampered_commit_is_invalid() {
    type Edit = fn(&mut mooring_abci::proto::types::CommitSig);
    let edits: [Edit; 4] = [
        |entry| entry.signature[0] ^= 1,
        |entry| entry.timestamp = Some(at(5).to_proto()),
        |entry| entry.validator_address = vec![1; 20],
        |entry| entry.block_id_flag = BlockIdFlag::Nil.into(),
    ];
    for edit in edits {
        let mut block = second(&keys(), Vec::new());
        let commit = block.last_commit.as_mut().unwrap();
        edit(&mut commit.signatures[3]);
        block.header.as_mut().unwrap().last_commit_hash = super::hash::commit_hash(commit).to_vec();
        assert!(verdict(block).unwrap_err().0.starts_with("last_commit"));
    }
}

#[test]
fn an_encoding_with_unknown_fields_is_refused() {
    let mut bytes = second(&keys(), Vec::new()).encode_to_vec();
    // Field 99, varint 1.
    bytes.extend_from_slice(&[0x98, 0x06, 0x01]);
    assert!(ParsedBlock::parse(bytes.into()).is_err());
}

#[test]
fn the_room_for_transactions_holds_for_full_blocks() {
    let limit = 1 << 20;
    let room = max_tx_bytes(limit, 4, 0);
    let mut block = second(&keys(), Vec::new());
    block.data.as_mut().unwrap().txs = vec![vec![1; 10]; room / 12];
    assert!(block.encoded_len() <= limit);
}

fn offence() -> Offence {
    Offence { set: set(), time: first_block().id().time }
}

fn double_vote(key: &PrivValidatorKey) -> (SignedVote<Context>, SignedVote<Context>) {
    let block = first_block().id();
    (signed(key, 1, NilOrVal::Val(block)), signed(key, 1, NilOrVal::Nil))
}

#[test]
fn a_double_vote_makes_one_piece_of_evidence_in_either_order() {
    let (one, other) = double_vote(&keys()[1]);
    let piece = duplicate_vote(&one, &other, &offence()).unwrap();
    assert_eq!(duplicate_vote(&other, &one, &offence()).unwrap(), piece);
    assert_eq!(verify_duplicate_vote(CHAIN, &piece, &offence()), Ok(()));
    assert_eq!(offence_height(&piece), Some(1));
    let told = misbehavior(&piece).unwrap();
    assert_eq!(told.validator.unwrap().address, keys()[1].address().as_slice());
    assert_eq!((told.height, told.total_voting_power), (1, 40));
    // The header commits to it.
    assert_eq!(verdict(second(&keys(), vec![piece])), Ok(()));
}

#[test]
fn false_evidence_is_refused() {
    let (one, other) = double_vote(&keys()[1]);
    let same = duplicate_vote(&one, &one, &offence()).unwrap();
    assert!(verify_duplicate_vote(CHAIN, &same, &offence()).is_err());
    let mut forged = other.clone();
    forged.signature = one.signature;
    let forged = duplicate_vote(&one, &forged, &offence()).unwrap();
    assert!(verify_duplicate_vote(CHAIN, &forged, &offence()).is_err());
    let genuine = duplicate_vote(&one, &other, &offence()).unwrap();
    assert!(verify_duplicate_vote("other-chain", &genuine, &offence()).is_err());
    let later = Offence { time: at(9_999), ..offence() };
    assert!(verify_duplicate_vote(CHAIN, &genuine, &later).is_err());
    let outsider = double_vote(&PrivValidatorKey::generate([99; 32]));
    assert!(duplicate_vote(&outsider.0, &outsider.1, &offence()).is_none());
}

#![allow(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::Address;
use mooring_abci::DecidedBlock;
use mooring_stf::testing::ethereum_genesis;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::types::{Data, Header};

use super::*;
use crate::application::tests::rig::{Rig, transfer};

const ETHER: u128 = 1_000_000_000_000_000_000;
const START: i64 = 1_700_000_000;

/// A chain of blocks with one transfer each, whose consensus blocks are kept as an engine does.
fn chain(dir: &Path, blocks: u64) -> (Rig, Genesis) {
    let genesis = ethereum_genesis(ETHER);
    let mut rig = Rig::open(dir, &genesis);
    for height in 1..=blocks {
        let tx = Bytes::from(transfer(0, height - 1, Address::repeat_byte(7), 5));
        let height_ = i64::try_from(height).unwrap();
        let header = Header {
            height: height_,
            time: Some(Timestamp { seconds: START + height_, nanos: 0 }),
            proposer_address: vec![0; 20],
            ..Header::default()
        };
        let data = Data { txs: vec![tx.to_vec()] };
        let block = Block { header: Some(header), data: Some(data), ..Block::default() };
        let block = Bytes::from(block.encode_to_vec());
        let decided = DecidedBlock { block, certificate: Bytes::new() };
        rig.chain.store.put_decided(height, &decided).unwrap();
        let request = request(&rig.chain.store, height).unwrap();
        rig.app.finalize_block(request).unwrap();
        rig.app.commit().unwrap();
    }
    (rig, genesis)
}

#[test]
fn a_replay_agrees_block_by_block() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (rig, genesis) = chain(dir.path(), 70);
    let mut heard = Vec::new();
    let store = &rig.chain.store;
    let hash = replay(store, &genesis, 70, scratch.path(), |height| heard.push(height)).unwrap();
    assert_eq!(hash, store.latest().tip().app_hash);
    assert_eq!(heard, (1..=70).collect::<Vec<_>>());
}

#[test]
fn one_thread_and_many_give_the_same_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (rig, genesis) = chain(dir.path(), 5);
    for threads in [1, 8] {
        let scratch = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = || replay(&rig.chain.store, &genesis, 5, scratch.path(), |_| ());
        assert_eq!(pool.install(again).unwrap(), rig.latest().tip().app_hash);
    }
}

#[test]
fn another_block_than_the_one_executed_is_named() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (rig, genesis) = chain(dir.path(), 4);
    let store = &rig.chain.store;
    // The engine's memory of block 3 is exchanged for that of an empty one.
    let mut block = Block::decode(store.decided(3).unwrap().unwrap().block).unwrap();
    block.data = None;
    let block = Bytes::from(block.encode_to_vec());
    store.put_decided(3, &DecidedBlock { block, certificate: Bytes::new() }).unwrap();
    let error = replay(store, &genesis, 4, scratch.path(), |_| ()).unwrap_err();
    let ReplayError::Differs { height, what, .. } = error else { panic!("{error}") };
    assert_eq!((height, what), (3, "the state root"));
}

#[test]
fn a_chain_whose_blocks_are_not_kept_is_refused() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (rig, genesis) = chain(dir.path(), 2);
    let error = replay(&rig.chain.store, &genesis, 3, scratch.path(), |_| ()).unwrap_err();
    assert!(matches!(error, ReplayError::NotKept { height: 3, .. }), "{error}");
}

//! Heights one after the other: commits, replays, restarts, reorgs.

use alloy_primitives::{Address, U256};
use bytes::Bytes;
use mooring_abci::proto::abci::{RequestFinalizeBlock, RequestInfo};
use mooring_abci::{ConsensusApp as _, InfoApp as _};
use mooring_stf::StateReader as _;
use mooring_stf::testing::{ethereum_genesis, wallet};

use super::rig::{Rig, transfer};
use crate::application::{Application, ChainEvent, Queries};
use crate::mempool::{Mempool, PoolLimits};

const ETHER: u128 = 1_000_000_000_000_000_000;
const TO: Address = Address::repeat_byte(0x77);

fn balance(rig: &Rig, address: Address) -> U256 {
    rig.latest().account_or_empty(address).unwrap().balance
}

/// Twenty heights of transfers; the requests and the app hashes.
fn twenty_blocks(rig: &mut Rig) -> Vec<(RequestFinalizeBlock, Bytes)> {
    (0..20)
        .map(|nonce| {
            rig.pool.add([transfer(0, nonce, TO, 5), transfer(1, nonce, TO, 7)]);
            let (request, response) = rig.height();
            assert_eq!(request.txs.len(), 2);
            (request, response.app_hash)
        })
        .collect()
}

#[test]
fn init_chain_gives_the_app_hash_of_block_zero() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path(), &ethereum_genesis(ETHER));
    let answer = rig.app.init_chain(rig.init_request()).unwrap();
    assert_eq!(answer.app_hash, rig.latest().tip().app_hash.as_slice());
    let mut wrong = rig.init_request();
    wrong.chain_id = "mooring-1".to_owned();
    assert!(rig.app.init_chain(wrong).unwrap_err().to_string().contains("chain id"));
    let mut wrong = rig.init_request();
    wrong.app_state_bytes = Bytes::from_static(b"{}");
    assert!(rig.app.init_chain(wrong).unwrap_err().to_string().contains("app_state"));
}

#[test]
fn twenty_blocks_of_transfers_arrive_and_are_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path(), &ethereum_genesis(ETHER));
    rig.app.init_chain(rig.init_request()).unwrap();
    let mut events = rig.chain.subscribe();
    let blocks = twenty_blocks(&mut rig);
    assert_eq!(balance(&rig, TO), U256::from(20 * 12));
    let view = rig.latest();
    assert_eq!(view.number(), 20);
    assert_eq!(blocks[19].1, view.tip().app_hash.as_slice());
    for height in 1..=20 {
        let block = view.block(height).unwrap().unwrap();
        assert_eq!(block.header.parent_hash, view.hash_of(height - 1).unwrap().unwrap());
        assert_eq!(block.header.hash_slow(), block.hash);
        assert!(block.receipts.iter().all(|receipt| receipt.success));
        let at = view.transaction(block.transactions[1].hash()).unwrap().unwrap();
        assert_eq!((at.height, at.index), (height, 1));
        let ChainEvent::Committed(told) = events.try_recv().unwrap() else { panic!("no reorg") };
        assert_eq!(told.hash, block.hash);
    }
    assert!(rig.pool.left().ethereum.is_empty());
}

#[test]
fn recorded_requests_replay_to_equal_app_hashes() {
    let genesis = ethereum_genesis(ETHER);
    let first = tempfile::tempdir().unwrap();
    let recorded = twenty_blocks(&mut Rig::open(first.path(), &genesis));
    let second = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(second.path(), &genesis);
    for (request, app_hash) in recorded {
        assert_eq!(rig.decide(request).unwrap().app_hash, app_hash);
    }
}

#[test]
fn a_height_is_finalized_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path(), &ethereum_genesis(ETHER));
    let request = rig.finalize_request(&[]);
    rig.decide(request.clone()).unwrap();
    assert!(rig.app.finalize_block(request).is_err());
    let mut early = rig.finalize_request(&[]);
    early.height += 1;
    assert!(rig.app.finalize_block(early).is_err());
    assert!(rig.app.commit().is_err(), "nothing is finalized");
    assert_eq!(rig.app.height(), 1);
}

#[test]
fn a_block_finalized_but_not_committed_is_finalized_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = ethereum_genesis(ETHER);
    let (request, app_hash) = {
        let mut rig = Rig::open(dir.path(), &genesis);
        twenty_blocks(&mut rig);
        let request = rig.finalize_request(&[transfer(0, 20, TO, 1).into()]);
        let answer = rig.app.finalize_block(request.clone()).unwrap();
        (request, answer.app_hash)
    };
    let mut rig = Rig::open(dir.path(), &genesis);
    assert_eq!(rig.app.height(), 20);
    assert_eq!(rig.decide(request).unwrap().app_hash, app_hash);
    assert_eq!(balance(&rig, TO), U256::from(20 * 12 + 1));
}

#[test]
fn info_tells_the_committed_height_and_hash() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path(), &ethereum_genesis(ETHER));
    let params = rig.chain.params.clone();
    let pool = Mempool::new(PoolLimits::default(), params, rig.latest());
    let queries = Queries::new(rig.chain.clone(), pool);
    let info = queries.info(RequestInfo::default()).unwrap();
    assert_eq!((info.last_block_height, info.last_block_app_hash.len()), (0, 0));
    let (_, response) = rig.height();
    let info = queries.info(RequestInfo::default()).unwrap();
    assert_eq!((info.last_block_height, info.last_block_app_hash), (1, response.app_hash));
}

#[test]
fn a_reorg_drops_unfinal_blocks_and_pools_their_transactions_again() {
    let dir = tempfile::tempdir().unwrap();
    let Rig { app, chain, pool } = Rig::open(dir.path(), &ethereum_genesis(ETHER));
    let mut rig = Rig { app: app.with_finality_lag(3), chain, pool };
    twenty_blocks(&mut rig);
    assert_eq!(rig.latest().finalized_number(), 17);
    let old = rig.latest().hash();
    let mut events = rig.chain.subscribe();
    assert_eq!(rig.app.reorg(2), 2);
    assert_eq!(rig.app.height(), 18);
    assert_eq!(balance(&rig, TO), U256::from(18 * 12));
    assert_eq!(rig.pool.left().ethereum.len(), 4);
    let ChainEvent::Dropped(blocks) = events.try_recv().unwrap() else { panic!("a reorg") };
    assert_eq!(blocks.iter().map(|block| block.number()).collect::<Vec<_>>(), [20, 19]);
    let (request, _) = rig.height();
    assert_eq!(request.txs.len(), 4, "both blocks' transactions, oldest first");
    assert_eq!(balance(&rig, TO), U256::from(20 * 12));
    assert_ne!(rig.latest().hash(), old);
    assert_eq!(rig.app.reorg(99), 2, "17 and below are final: 18 and 19 were not");
}

#[test]
fn a_proposer_that_nobody_knows_does_not_stop_a_decided_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path(), &ethereum_genesis(ETHER));
    let mut request = rig.finalize_request(&[]);
    request.proposer_address = Bytes::from_static(&[1; 7]);
    rig.decide(request).unwrap();
    assert_eq!(rig.latest().header().beneficiary, Address::ZERO);
}

#[test]
fn wallet_accounts_are_founded() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::open(dir.path(), &ethereum_genesis(ETHER));
    for key in wallet::KEYS {
        let account = rig.latest().account(wallet::address(key)).unwrap().unwrap();
        assert_eq!(account.balance, U256::from(ETHER));
    }
}

/// The application is moved to a thread of its own by the engine.
#[test]
fn the_application_can_change_threads() {
    fn is_send<T: Send>() {}
    is_send::<Application>();
}

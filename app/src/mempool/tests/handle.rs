//! The handle over a chain in a temporary directory.

use std::sync::Arc;

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, keccak256};
use bytes::Bytes;
use mooring_stf::testing::{ethereum_genesis, wallet};

use super::super::*;
use crate::{
    application::{
        Application, Budget, TxSource,
        tests::rig::{Rig, transfer},
    },
    p2p::{GossipPool, Verdict},
};

const TO: Address = Address::repeat_byte(0x77);

struct Bench {
    rig: Rig,
    pool: Mempool,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Rig::open(dir.path(), &ethereum_genesis(1_000_000_000_000_000_000));
        let pool = Mempool::new(PoolLimits::default(), rig.chain.params.clone(), rig.latest());
        rig.app = Application::new(rig.chain.clone(), Arc::new(pool.clone()));
        Self { rig, pool, _dir: dir }
    }

    fn submit(&self, raw: alloy_primitives::Bytes) -> Result<(), SubmitError> {
        self.pool.submit_blocking(raw.into(), Origin::Local).map(drop)
    }
}

#[tokio::test]
async fn peers_are_blamed_for_what_could_never_be_valid_and_for_nothing_else() {
    let mut bench = Bench::new();
    let good: Bytes = transfer(0, 0, TO, 1).into();
    assert_eq!(bench.pool.offer(vec![good.clone()]).await, Verdict::Accept);
    assert_eq!(bench.pool.offer(vec![good.clone()]).await, Verdict::Ignore, "known");
    assert_eq!(bench.rig.height().0.txs, std::slice::from_ref(&good));
    assert_eq!(bench.pool.offer(vec![good]).await, Verdict::Ignore, "mined");
    let dear: Bytes = transfer(1, 0, TO, u128::MAX).into();
    assert_eq!(bench.pool.offer(vec![dear]).await, Verdict::Ignore, "it may become rich");
    let foreign = TxEip1559 { chain_id: 1, ..wallet::call(1, TO, 1, Vec::new()) };
    for bad in [wallet::sign(wallet::KEYS[0], foreign), vec![0xc0; 9].into(), vec![0x7d, 1].into()]
    {
        assert_eq!(bench.pool.offer(vec![bad.into()]).await, Verdict::Reject);
    }
}

#[tokio::test]
async fn a_batch_is_forwarded_when_it_brings_something_and_nothing_in_it_is_malformed() {
    let bench = Bench::new();
    let tx = |key, nonce| Bytes::from(transfer(key, nonce, TO, 1));
    let far = tx(2, 1_000);
    let batch = vec![tx(0, 0), far.clone(), tx(0, 1)];
    assert_eq!(bench.pool.offer(batch.clone()).await, Verdict::Accept);
    assert_eq!(bench.pool.offer(batch).await, Verdict::Ignore, "all known or not wanted");
    let rubbish = Bytes::from_static(&[0xc0; 9]);
    assert_eq!(bench.pool.offer(vec![tx(1, 0), rubbish]).await, Verdict::Reject);
    assert_eq!(bench.pool.status(), (3, 0), "what came before the rubbish is as good as any");
}

#[test]
fn blocks_take_senders_from_the_pool() {
    let mut bench = Bench::new();
    let here = transfer(0, 0, TO, 1);
    let elsewhere = transfer(1, 0, TO, 1);
    bench.submit(here.clone()).unwrap();
    let hashes = [&here, &elsewhere].map(keccak256);
    let known = bench.pool.recovered(&hashes);
    let senders: Vec<_> = known.iter().map(|tx| tx.as_ref().map(|tx| tx.signer())).collect();
    assert_eq!(senders, [Some(wallet::address(wallet::KEYS[0])), None]);
    assert_eq!(known[0].as_ref().unwrap().tx_hash(), &hashes[0]);
    // A block of both, and one byte changed in what is known by hash.
    let mut forged = here.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let request = bench.rig.finalize_request(&[forged.into(), here.into(), elsewhere.into()]);
    let codes = bench.rig.decide(request).unwrap().tx_results;
    assert_ne!(codes[0].code, 0, "the forged one has another sender, or none");
    assert_eq!((codes[1].code, codes[2].code), (0, 0));
    assert_eq!(bench.pool.status(), (0, 0));
}

#[test]
fn money_that_arrives_in_a_block_can_be_spent_at_once() {
    let mut bench = Bench::new();
    let poor = transfer(1, 1, TO, 900_000_000_000_000_000);
    bench.submit(transfer(1, 0, TO, 1)).unwrap();
    bench.submit(poor).unwrap();
    let more = transfer(1, 2, TO, 900_000_000_000_000_000);
    bench.submit(more.clone()).unwrap_err();
    let richer = wallet::address(wallet::KEYS[1]);
    let gift = transfer(0, 0, richer, 900_000_000_000_000_000);
    let request = bench.rig.finalize_request(&[gift.into()]);
    bench.rig.decide(request).unwrap();
    bench.submit(more).unwrap();
    assert_eq!(bench.pool.status(), (3, 0));
}

#[test]
fn only_what_came_from_here_is_published_at_once() {
    let bench = Bench::new();
    let mut local = bench.pool.local();
    let mut accepted = bench.pool.subscribe();
    let arrivals = bench.pool.arrivals();
    let theirs: Bytes = transfer(0, 0, TO, 1).into();
    let ours = transfer(0, 1, TO, 1);
    bench.pool.submit_blocking(theirs.clone(), Origin::Peer).unwrap();
    bench.submit(ours.clone()).unwrap();
    assert_eq!(local.try_recv().unwrap(), Bytes::from(ours));
    assert!(local.try_recv().is_err());
    assert_eq!(accepted.try_recv().unwrap().raw, theirs);
    assert_eq!(*arrivals.borrow(), 2);
}

#[test]
fn what_another_node_put_into_a_block_leaves_the_pool() {
    let mut bench = Bench::new();
    bench.submit(transfer(0, 0, TO, 1)).unwrap();
    bench.submit(transfer(0, 1, TO, 1)).unwrap();
    bench.submit(transfer(1, 0, TO, 1)).unwrap();
    // Of the same nonce, and never seen here.
    let request = bench.rig.finalize_request(&[transfer(0, 0, TO, 2).into()]);
    bench.rig.decide(request).unwrap();
    assert_eq!(bench.pool.status(), (2, 0));
    assert_eq!(bench.pool.pending_nonce(wallet::address(wallet::KEYS[0])), Some(2));
    assert_eq!(bench.rig.height().0.txs.len(), 2);
    assert_eq!(bench.pool.status(), (0, 0));
}

#[test]
fn a_proposal_keeps_to_its_budget() {
    let bench = Bench::new();
    for nonce in 0..4 {
        bench.submit(transfer(0, nonce, TO, 1)).unwrap();
    }
    let size = transfer(0, 0, TO, 1).len() as u64;
    let all = Budget { bytes: u64::MAX, gas: u64::MAX, base_fee: 1 };
    assert_eq!(bench.pool.propose(all).ethereum.len(), 4);
    let bytes = Budget { bytes: 2 * size, ..all };
    assert_eq!(bench.pool.propose(bytes).ethereum.len(), 2);
    let gas = Budget { gas: 3_000_000, ..all };
    assert_eq!(bench.pool.propose(gas).ethereum.len(), 3);
    let base_fee = u64::try_from(wallet::MAX_FEE).unwrap() + 1;
    assert!(bench.pool.propose(Budget { base_fee, ..all }).ethereum.is_empty());
}

#[test]
fn the_backlog_takes_turns() {
    let bench = Bench::new();
    let all: Vec<_> = (0..3).map(|nonce| transfer(0, nonce, TO, 1)).collect();
    for raw in &all {
        bench.submit(raw.clone()).unwrap();
    }
    // Waits for a lower nonce: peers would have to wait as well.
    bench.submit(transfer(1, 5, TO, 1)).unwrap();
    let seen: Vec<_> = (0..3).flat_map(|round| bench.pool.backlog(round, 1)).collect();
    assert_eq!(seen, all.into_iter().map(Bytes::from).collect::<Vec<_>>());
    assert_eq!(bench.pool.backlog(7, 10).len(), 3);
}

#[test]
fn underpriced_transactions_are_refused() {
    let bench = Bench::new();
    let floor = bench.rig.chain.params.base_fee_floor;
    let cheap = TxEip1559 {
        max_fee_per_gas: u128::from(floor) - 1,
        max_priority_fee_per_gas: 0,
        ..wallet::call(0, TO, 1, Vec::new())
    };
    let refused = bench.submit(wallet::sign(wallet::KEYS[0], cheap)).unwrap_err().to_string();
    assert!(refused.starts_with("max fee per gas less than block base fee"), "{refused}");
    assert_eq!(bench.pool.content().pending.len(), 0);
}

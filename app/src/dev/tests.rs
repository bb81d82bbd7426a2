#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, U256};
use mooring_abci::Fault;
use mooring_stf::testing::ethereum_genesis;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::application::tests::rig::{PoolDouble, Rig, transfer};
use crate::application::{Chain, ChainEvent, TxSource as _};

const ETHER: u128 = 1_000_000_000_000_000_000;
const TO: Address = Address::repeat_byte(0x77);

/// A running dev engine.
struct Running {
    _dir: tempfile::TempDir,
    chain: Chain,
    pool: Arc<PoolDouble>,
    events: broadcast::Receiver<ChainEvent>,
    control: DevControl,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), Fault>>,
}

fn start(sealing: Sealing, lag: usize) -> Running {
    start_with(sealing, lag, [])
}

/// Starts an engine over a pool that holds `pooled` already.
fn start_with(
    sealing: Sealing,
    lag: usize,
    pooled: impl IntoIterator<Item = alloy_primitives::Bytes>,
) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let Rig { app, chain, pool } = Rig::open(dir.path(), &ethereum_genesis(ETHER));
    pool.add(pooled);
    let config = DevEngineConfig { sealing, proposer: [0; 20], max_tx_bytes: 1 << 20 };
    let (engine, control) = DevEngine::new(config, app.with_finality_lag(lag), pool.arrivals());
    let cancel = CancellationToken::new();
    let events = chain.subscribe();
    let task = tokio::spawn(engine.run(cancel.clone()));
    Running { _dir: dir, chain, pool, events, control, cancel, task }
}

impl Running {
    async fn next_block(&mut self) -> Arc<crate::store::Block> {
        match self.events.recv().await.unwrap() {
            ChainEvent::Committed(block) => block,
            ChainEvent::Dropped(blocks) => panic!("dropped {}", blocks.len()),
        }
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn blocks_come_at_the_interval_empty_or_not() {
    let mut node = start(Sealing::Every(Duration::from_millis(1)), 0);
    for number in 1..=3 {
        assert_eq!(node.next_block().await.number(), number);
    }
    node.pool.add([transfer(0, 0, TO, 5)]);
    while node.next_block().await.transactions.is_empty() {}
    let view = node.chain.store.latest();
    assert_eq!(view.account_or_empty(TO).unwrap().balance, U256::from(5));
    node.stop().await;
}

#[tokio::test]
async fn a_transaction_is_sealed_when_it_arrives() {
    let mut node = start(Sealing::OnArrival, 0);
    for nonce in 0..3 {
        node.pool.add([transfer(0, nonce, TO, 5)]);
        let block = node.next_block().await;
        assert_eq!((block.number(), block.transactions.len()), (nonce + 1, 1));
    }
    node.stop().await;
}

#[tokio::test]
async fn what_was_pooled_before_the_engine_is_sealed_when_it_starts() {
    let mut node = start_with(Sealing::OnArrival, 0, [transfer(0, 0, TO, 5)]);
    assert_eq!(node.next_block().await.transactions.len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn a_reorg_on_demand_drops_blocks_and_seals_their_transactions_again() {
    let mut node = start(Sealing::OnArrival, 5);
    for nonce in 0..4 {
        node.pool.add([transfer(0, nonce, TO, 5)]);
        node.next_block().await;
    }
    assert_eq!(node.control.reorg(2).await.unwrap(), 2);
    let ChainEvent::Dropped(blocks) = node.events.recv().await.unwrap() else { panic!("reorg") };
    assert_eq!(blocks.len(), 2);
    // They came back to the pool, which is an arrival.
    let block = node.next_block().await;
    assert_eq!((block.number(), block.transactions.len()), (3, 2));
    assert_eq!(node.control.reorg(99).await.unwrap(), 3, "nothing is final yet");
    node.stop().await;
}

#[tokio::test]
async fn a_block_is_sealed_on_demand() {
    let node = start(Sealing::OnArrival, 0);
    assert_eq!(node.control.seal().await.unwrap(), 1);
    assert_eq!(node.control.seal().await.unwrap(), 2);
    assert_eq!(node.chain.store.latest().number(), 2);
    let control = node.control.clone();
    node.stop().await;
    assert_eq!(control.seal().await, Err(DevEnded));
}

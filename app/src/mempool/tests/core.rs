//! The pure core.

use alloy_consensus::{TxEnvelope, TxLegacy, transaction::Recovered};
use alloy_primitives::{Address, Bytes, Signature, U256, keccak256};
use mooring_bridge::Count;

use super::super::*;

pub(super) const BASE_FEE: u64 = 10;

pub(super) fn sender(name: u8) -> Address {
    Address::repeat_byte(name)
}

/// A transaction of `size` bytes that costs its fee cap and has its tip as the fee cap less 10.
pub(super) fn tx(from: u8, nonce: u64, max_fee: u128, size: usize) -> PooledTx {
    let mut raw = vec![from; size.max(32)];
    raw[..8].copy_from_slice(&nonce.to_be_bytes());
    raw[8..24].copy_from_slice(&max_fee.to_be_bytes());
    PooledTx {
        hash: keccak256(&raw),
        sender: sender(from),
        nonce,
        max_fee,
        max_tip: max_fee.saturating_sub(10),
        gas_limit: 21_000,
        cost: U256::from(max_fee),
        recovered: unsigned(from, nonce).into(),
        raw: Bytes::from(raw),
    }
}

/// The pool never looks into it.
fn unsigned(from: u8, nonce: u64) -> Recovered<TxEnvelope> {
    let signature = Signature::new(U256::ONE, U256::ONE, false);
    let tx = TxEnvelope::new_unhashed(TxLegacy { nonce, ..TxLegacy::default() }.into(), signature);
    Recovered::new_unchecked(tx, sender(from))
}

fn rich(nonce: u64) -> Account {
    Account { nonce, balance: U256::MAX }
}

pub(super) fn limits() -> PoolLimits {
    PoolLimits {
        max_bytes: 2_000,
        max_count: 20,
        max_per_sender: 8,
        max_nonce_gap: 4,
        lane_bytes: 1_000,
        lane_count: 4,
        ..PoolLimits::default()
    }
}

pub(super) fn pool() -> Pool {
    Pool::new(limits(), 1, BASE_FEE)
}

pub(super) fn room() -> Room {
    Room { bytes: u64::MAX, gas: u64::MAX, base_fee: BASE_FEE }
}

pub(super) fn vote(member: u8, count: u64, size: usize) -> LaneMessage {
    let mut raw = vec![member; size];
    raw[..8].copy_from_slice(&count.to_be_bytes());
    LaneMessage {
        hash: keccak256(&raw),
        key: LaneKey::Head { member: sender(member), count: Count::new(count) },
        raw: raw.into(),
    }
}

#[test]
fn gapped_transactions_wait_and_never_enter_a_block() {
    let mut pool = pool();
    assert!(!pool.insert(tx(1, 2, 100, 40), rich(0)).unwrap().pending);
    assert_eq!(pool.next_nonce(&sender(1)), Some(0));
    assert!(pool.best(room()).is_empty());
    assert!(pool.insert(tx(1, 0, 100, 40), rich(0)).unwrap().pending);
    assert!(pool.insert(tx(1, 1, 100, 40), rich(0)).unwrap().pending);
    let nonces: Vec<_> = pool.best(room()).iter().map(|tx| tx.nonce).collect();
    assert_eq!(nonces, [0, 1, 2]);
    assert_eq!(pool.next_nonce(&sender(1)), Some(3));
}

#[test]
fn refusals_have_geths_texts() {
    let mut pool = pool();
    pool.insert(tx(1, 5, 100, 40), rich(5)).unwrap();
    let mut refused = |tx: PooledTx, account| pool.insert(tx, account).unwrap_err().to_string();
    assert_eq!(refused(tx(1, 5, 100, 40), rich(5)), "already known");
    assert_eq!(refused(tx(1, 5, 109, 40), rich(5)), "replacement transaction underpriced");
    assert_eq!(refused(tx(1, 4, 100, 40), rich(5)), "nonce too low: next nonce 5, tx nonce 4");
    assert!(refused(tx(1, 11, 100, 40), rich(5)).starts_with("nonce too high: address 0x0101"));
    let poor = Account { nonce: 0, balance: U256::from(99) };
    assert_eq!(
        refused(tx(2, 0, 100, 40), poor),
        "insufficient funds for gas * price + value: balance 99, tx cost 100, overshot 1"
    );
}

#[test]
fn a_sender_pays_for_all_its_transactions_together() {
    let mut pool = pool();
    let account = Account { nonce: 0, balance: U256::from(150) };
    pool.insert(tx(1, 0, 100, 40), account).unwrap();
    assert_eq!(
        pool.insert(tx(1, 1, 100, 40), account).unwrap_err().to_string(),
        "insufficient funds for gas * price + value: balance 150, queued cost 100, tx cost 100, \
         overshot 50"
    );
    // A replacement does not count twice.
    pool.insert(tx(1, 0, 140, 40), account).unwrap();
}

#[test]
fn a_replacement_pays_a_tenth_more_on_both_fields() {
    let mut pool = pool();
    let old = pool.insert(tx(1, 0, 100, 40), rich(0)).unwrap().tx.hash;
    let tip_too_low = PooledTx { max_tip: 98, ..tx(1, 0, 110, 40) };
    let fee_too_low = PooledTx { max_tip: 99, ..tx(1, 0, 109, 40) };
    for refused in [tip_too_low, fee_too_low] {
        let refused = pool.insert(refused, rich(0));
        assert!(matches!(refused, Err(Rejection::ReplacementUnderpriced)));
    }
    let enough = PooledTx { max_tip: 99, ..tx(1, 0, 110, 40) };
    assert_eq!(pool.insert(enough, rich(0)).unwrap().replaced, Some(old));
    assert_eq!(pool.len(), 1);
    assert!(pool.get(&old).is_none());
}

#[test]
fn the_worst_paid_make_room_from_their_last_nonce_down() {
    let mut pool = pool();
    for from in 1..=4 {
        for nonce in 0..5 {
            pool.insert(tx(from, nonce, 100 + u128::from(from), 40), rich(0)).unwrap();
        }
    }
    assert_eq!(pool.len(), 20);
    let cheap = pool.insert(tx(9, 0, 101, 40), rich(0));
    assert!(matches!(cheap, Err(Rejection::Underpriced)), "not strictly better");
    let evicted = pool.insert(tx(9, 0, 200, 40), rich(0)).unwrap().evicted;
    assert_eq!(evicted, [tx(1, 4, 101, 40).hash]);
    assert_eq!(pool.next_nonce(&sender(1)), Some(4));
}

#[test]
fn a_refused_transaction_evicts_nobody() {
    let mut pool = pool();
    for from in 1..=10 {
        pool.insert(tx(from, 0, 50 + 10 * u128::from(from), 200), rich(0)).unwrap();
    }
    // It needs the place of three others and pays more than only one of them.
    let refused = pool.insert(tx(99, 0, 65, 600), rich(0));
    assert!(matches!(refused, Err(Rejection::Underpriced)));
    assert_eq!(pool.len(), 10);
}

#[test]
fn gapped_transactions_make_room_first() {
    let mut pool = pool();
    pool.insert(tx(1, 3, 1_000, 40), rich(0)).unwrap();
    for from in 2..=20 {
        pool.insert(tx(from, 0, 50, 40), rich(0)).unwrap();
    }
    let evicted = pool.insert(tx(30, 0, 60, 40), rich(0)).unwrap().evicted;
    assert_eq!(evicted, [tx(1, 3, 1_000, 40).hash]);
}

#[test]
fn blocks_take_the_best_paid_first_and_keep_each_senders_order() {
    let mut pool = pool();
    pool.insert(tx(1, 0, 100, 40), rich(0)).unwrap();
    pool.insert(tx(1, 1, 900, 40), rich(0)).unwrap();
    pool.insert(tx(2, 0, 500, 40), rich(0)).unwrap();
    pool.insert(tx(3, 0, 5, 40), rich(0)).unwrap();
    let order: Vec<_> = pool.best(room()).iter().map(|tx| (tx.sender, tx.nonce)).collect();
    assert_eq!(order, [(sender(2), 0), (sender(1), 0), (sender(1), 1)], "3 is below the base fee");
    let gas_for_one = Room { gas: 30_000, ..room() };
    assert_eq!(pool.best(gas_for_one).len(), 1);
    let bytes_for_two = Room { bytes: 80, ..room() };
    assert_eq!(pool.best(bytes_for_two).len(), 2);
}

#[test]
fn a_block_drops_what_is_mined_and_what_nobody_can_pay() {
    let mut pool = pool();
    for nonce in 0..3 {
        pool.insert(tx(1, nonce, 100, 40), rich(0)).unwrap();
    }
    pool.insert(tx(2, 0, 100, 40), rich(0)).unwrap();
    let broke = Account { nonce: 0, balance: U256::from(99) };
    let gone = pool.advance(2, BASE_FEE, [(sender(1), rich(2)), (sender(2), broke)]);
    assert_eq!(gone.len(), 3);
    assert_eq!(pool.len(), 1);
    assert_eq!(pool.next_nonce(&sender(1)), Some(3));
    assert_eq!(pool.next_nonce(&sender(2)), None);
    assert_eq!(pool.height(), 2);
}

#[test]
fn users_cannot_crowd_out_the_federation() {
    let mut pool = pool();
    for from in 1..=20 {
        pool.insert(tx(from, 0, 1_000_000, 100), rich(0)).unwrap();
    }
    assert_eq!(pool.bytes(), limits().max_bytes);
    for count in 1..=4 {
        pool.insert_federation(vote(1, count, 100)).unwrap();
    }
    assert_eq!(pool.federation().count(), 4);
    assert_eq!(pool.len(), 20, "nor the federation them");
    let full = pool.insert_federation(vote(1, 5, 100));
    assert!(matches!(full, Err(Rejection::LaneFull)));
}

#[test]
fn a_member_has_one_open_message_for_each_thing() {
    let mut pool = pool();
    let first = vote(1, 7, 100);
    pool.insert_federation(first.clone()).unwrap();
    assert!(matches!(pool.insert_federation(first.clone()), Err(Rejection::AlreadyKnown)));
    let taken = pool.insert_federation(vote(1, 7, 101));
    assert!(matches!(taken, Err(Rejection::SlotTaken { open }) if open == first.hash));
    pool.insert_federation(vote(2, 7, 100)).unwrap();
    pool.remove_federation(&first.hash);
    assert_eq!(pool.federation_bytes(), 100);
    pool.insert_federation(vote(1, 7, 101)).unwrap();
}

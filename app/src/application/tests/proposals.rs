//! What goes into a block and what makes one invalid.

use alloy_primitives::{Address, U256};
use bytes::Bytes;
use mooring_abci::ConsensusApp as _;
use mooring_abci::proto::abci::response_process_proposal::ProposalStatus;
use mooring_stf::testing::ethereum_genesis;

use super::rig::{Rig, transfer};

const ETHER: u128 = 1_000_000_000_000_000_000;
const TO: Address = Address::repeat_byte(0x77);

fn rig(dir: &tempfile::TempDir) -> Rig {
    Rig::open(dir.path(), &ethereum_genesis(ETHER))
}

fn send(key: usize, nonce: u64) -> Bytes {
    transfer(key, nonce, TO, 1).into()
}

#[test]
fn a_proposal_leaves_out_what_is_invalid() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(&dir);
    let poor = transfer(1, 0, TO, 5 * ETHER);
    let after_poor = transfer(1, 1, TO, 1);
    let gapped = transfer(2, 7, TO, 1);
    rig.pool.add([transfer(0, 0, TO, 1), poor, after_poor, gapped, transfer(0, 1, TO, 1)]);
    rig.pool.add([alloy_primitives::Bytes::from_static(&[0x02, 0xff])]);
    let txs = rig.prepare(1 << 20);
    assert_eq!(txs, [send(0, 0), send(0, 1)]);
    assert!(rig.accepts(&txs));
}

#[test]
fn a_proposal_keeps_within_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(&dir);
    rig.pool.add((0..10).map(|nonce| transfer(0, nonce, TO, 1)));
    let one = send(0, 0).len();
    // Two bytes of protobuf framing each: the field and a length below 128.
    let framed = i64::try_from(one + if one < 128 { 2 } else { 3 }).unwrap();
    assert_eq!(rig.prepare(framed * 3).len(), 3);
    assert_eq!(rig.prepare(framed * 3 - 1).len(), 2);
    assert_eq!(rig.prepare(0).len(), 0);
}

#[test]
fn a_block_with_any_invalid_item_is_rejected_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(&dir);
    let before = rig.latest().tip().clone();
    let blocks: [&[Bytes]; 6] = [
        &[send(0, 0), send(0, 0)],
        &[send(0, 1), send(0, 0)],
        &[send(0, 0), Bytes::from_static(&[0x02])],
        &[send(0, 0), Bytes::new()],
        &[Bytes::from_static(&[0x7d, 0xc0]), send(0, 0)],
        &[transfer(0, 0, TO, 2 * ETHER).into()],
    ];
    for txs in blocks {
        assert!(!rig.accepts(txs), "{txs:?}");
    }
    assert_eq!(*rig.latest().tip(), before);
    assert!(rig.accepts(&[send(0, 0), send(0, 1)]));
}

#[test]
fn a_block_of_another_height_or_an_earlier_time_is_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(&dir);
    rig.height();
    let mut ahead = rig.process_request(&[]);
    ahead.height += 1;
    let mut early = rig.process_request(&[]);
    early.time = early.time.map(|mut time| {
        time.seconds -= 5;
        time
    });
    let mut same = rig.process_request(&[]);
    same.time = same.time.map(|mut time| {
        time.seconds = i64::try_from(rig.latest().header().timestamp).unwrap();
        time
    });
    let mut status = |request| rig.app.process_proposal(request).unwrap().status();
    assert_eq!(status(ahead), ProposalStatus::Reject);
    assert_eq!(status(early), ProposalStatus::Reject);
    assert_eq!(status(same), ProposalStatus::Accept, "seconds may repeat");
}

#[test]
fn a_decided_block_skips_what_is_invalid() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(&dir);
    let txs = [Bytes::from_static(&[0x02]), send(0, 0), send(0, 5), send(0, 1)];
    let request = rig.finalize_request(&txs);
    let answer = rig.decide(request).unwrap();
    let codes: Vec<_> = answer.tx_results.iter().map(|result| result.code != 0).collect();
    assert_eq!(codes, [true, false, true, false]);
    assert!(answer.tx_results[2].log.contains("nonce too high"), "{:?}", answer.tx_results[2]);
    assert_eq!(answer.tx_results[1].gas_used, 21_000);
    assert_eq!(rig.latest().account_or_empty(TO).unwrap().balance, U256::from(2));
}

#[test]
fn judging_first_or_not_gives_the_same_block() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut judged, mut unjudged) = (rig(&one), rig(&two));
    let txs = [send(0, 0), send(1, 0)];
    assert!(judged.accepts(&txs));
    assert!(judged.accepts(&[send(2, 0)]), "another round's proposal");
    assert!(judged.accepts(&txs));
    let request = judged.finalize_request(&txs);
    let answer = judged.decide(request.clone()).unwrap();
    assert_eq!(unjudged.decide(request).unwrap(), answer);
    assert_eq!(judged.latest().hash(), unjudged.latest().hash());
}

#[test]
fn a_judged_proposal_is_not_taken_for_another_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(&dir);
    assert!(rig.accepts(&[send(0, 0)]));
    let mut request = rig.finalize_request(&[send(0, 0)]);
    request.time = request.time.map(|mut time| {
        time.seconds += 9;
        time
    });
    let seconds = request.time.unwrap().seconds;
    rig.decide(request).unwrap();
    assert_eq!(rig.latest().header().timestamp, seconds.unsigned_abs());
}

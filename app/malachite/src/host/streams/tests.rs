#![allow(clippy::unwrap_used, reason = "tests")]

use arc_malachitebft_app::types::core::Round;
use proptest::prelude::*;

use super::*;
use crate::context::{Address, Height};

const LIMIT: usize = 3 * PART_BYTES;

fn peer(seed: u8) -> PeerId {
    let id = crate::NodeKey::generate([seed; 32]).keypair().public().to_peer_id();
    PeerId::from_bytes(&id.to_bytes()).unwrap()
}

fn id(n: u8) -> StreamId {
    StreamId::new(vec![n].into())
}

fn init(height: u64, size: usize) -> StreamInit {
    StreamInit {
        height: Height::new(height),
        round: Round::new(0),
        valid_round: Round::Nil,
        proposer: Address::new([1; 20]),
        size: u32::try_from(size).unwrap(),
    }
}

fn block(len: usize) -> Bytes {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect::<Vec<_>>().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn parts_in_any_order_give_the_block_back(
        len in 1..LIMIT,
        order in prop::collection::vec(any::<prop::sample::Index>(), 4),
    ) {
        let block = block(len);
        let mut parts = split(&id(1), init(1, len), &block);
        let mut streams = Streams::new(LIMIT);
        let mut done = None;
        for pick in order.iter().cycle() {
            if parts.is_empty() { break }
            let part = parts.remove(pick.index(parts.len()));
            prop_assert!(done.is_none());
            done = streams.insert(peer(1), part);
        }
        prop_assert_eq!(done, Some((init(1, len), block)));
        prop_assert!(streams.open.values().all(Vec::is_empty));
    }
}

#[test]
fn oversized_streams_are_dropped() {
    let mut streams = Streams::new(LIMIT);
    let announced = split(&id(1), init(1, LIMIT + 1), &block(10)).remove(0);
    assert!(streams.insert(peer(1), announced).is_none());
    // More data than announced.
    let mut parts = split(&id(2), init(1, 5), &block(10));
    assert!(streams.insert(peer(1), parts.remove(0)).is_none());
    assert!(streams.insert(peer(1), parts.remove(0)).is_none());
    assert!(streams.open.values().all(Vec::is_empty));
}

#[test]
fn data_without_a_first_part_stays_within_the_block_limit() {
    let mut streams = Streams::new(LIMIT);
    let long = block(LIMIT + PART_BYTES);
    for part in split(&id(1), init(1, LIMIT), &long).into_iter().skip(1) {
        assert!(streams.insert(peer(1), part).is_none());
    }
    let held: usize = streams.open.values().flatten().map(|(_, s)| s.bytes).sum();
    assert!(held <= LIMIT);
}

#[test]
fn a_peer_cannot_open_many_streams_nor_evict_anothers() {
    let mut streams = Streams::new(LIMIT);
    let whole = block(PART_BYTES + 1);
    let mut honest = split(&id(0), init(1, whole.len()), &whole);
    assert!(streams.insert(peer(2), honest.remove(0)).is_none());
    for n in 0..100 {
        let first = split(&id(n), init(1, 10), &block(10)).remove(0);
        assert!(streams.insert(peer(1), first).is_none());
    }
    assert_eq!(streams.open[&peer(1)].len(), MAX_STREAMS_PER_PEER);
    assert!(streams.insert(peer(2), honest.remove(0)).is_none());
    assert!(streams.insert(peer(2), honest.remove(0)).is_some());
}

#[test]
fn pruning_keeps_later_heights() {
    let mut streams = Streams::new(LIMIT);
    for height in [1, 2] {
        let n = u8::try_from(height).unwrap();
        streams.insert(peer(1), split(&id(n), init(height, 10), &block(10)).remove(0));
    }
    streams.prune(Height::new(1));
    assert_eq!(streams.open[&peer(1)].len(), 1);
}

//! The store by itself.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use mooring_app::store::StoreError;
use rand::{Rng, SeedableRng as _, rngs::StdRng};

use crate::{
    chain::{BLOCKS, Chain, chained},
    child::{self, acknowledged},
    disk::{Disk, Keep},
    seeds::{in_parallel, named, scratch, seeds, with_store},
    trace::Event,
};

/// Chains with different blocks.
const SCRIPTS: u64 = 4;

/// Opens what is left and checks it: the last block that was told of, or one of the `unheard` that
/// were committed after it; and that whole.
fn check(chain: &Chain, dir: &Path, told: u64, unheard: u64, again: bool) {
    let _open = with_store();
    let open = || chain.open(dir).unwrap_or_else(|error| panic!("open: {}", chained(&error)));
    let store = open();
    let view = store.latest();
    let height = view.number();
    assert!((told..=told + unheard).contains(&height), "at {height}, having told of {told}");
    chain.check(&view).unwrap();
    drop(view);
    if height < BLOCKS {
        assert_eq!(chain.commit_next(&store), Ok(height + 1), "it goes on");
    }
    if again {
        drop(store);
        chain.check(&open().latest()).unwrap();
    }
}

/// A cut after the first `at` steps.
#[derive(Debug)]
struct Cut {
    seed: u64,
    at: usize,
    keep: Keep,
    rng: StdRng,
}

impl Cut {
    fn of(seed: u64, events: &[Event]) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let at = rng.random_range(0..=events.len());
        let keep = match rng.random_range(0..6) {
            0 => Keep::All,
            1 => Keep::Nothing,
            _ => Keep::Some,
        };
        Self { seed, at, keep, rng }
    }
}

#[test]
fn after_a_power_cut_the_store_has_the_last_block_it_told_of_or_the_next() {
    let seeds = seeds(1);
    for script in 0..SCRIPTS {
        let home = scratch();
        let before = Disk::of(home.path()).below("data");
        let ended = child::write_chain(home.path(), script, "");
        assert_eq!(ended.complaint, None);
        assert_eq!(acknowledged(&ended.events), BLOCKS);
        let syncs = ended.events.iter().filter(|event| matches!(event, Event::Sync { .. }));
        assert!(syncs.count() as u64 >= BLOCKS, "the shim sees each commit");
        let chain = Chain::of(script);
        let mine = seeds.iter().filter(|seed| *seed % SCRIPTS == script);
        let mut cuts: Vec<Cut> = mine.map(|seed| Cut::of(*seed, &ended.events)).collect();
        cuts.sort_by_key(|cut| cut.at);
        let (even, odd): (Vec<_>, Vec<_>) = cuts.into_iter().partition(|cut| cut.seed % 8 < 4);
        in_parallel(&[even, odd], |cuts| {
            let mut disk = before.clone();
            let mut done = 0;
            for cut in cuts {
                ended.events[done..cut.at].iter().for_each(|event| disk.step(event));
                done = cut.at;
                let left = scratch();
                let mut rng = cut.rng.clone();
                disk.cut(&mut rng, cut.keep, left.path());
                let told = acknowledged(&ended.events[..cut.at]);
                named(cut.seed, || {
                    check(&chain, left.path(), told, 1, rng.random_ratio(1, 4));
                });
            }
        });
    }
}

#[test]
fn a_second_power_cut_during_recovery_loses_nothing_more() {
    let home = scratch();
    let first = Disk::of(home.path()).below("data");
    let written = child::write_chain(home.path(), 0, "").events;
    let chain = Chain::of(0);
    in_parallel(&seeds(20), |seed| {
        let mut rng = StdRng::seed_from_u64(*seed);
        let until = &written[..rng.random_range(0..=written.len())];
        let mut disk = first.clone();
        until.iter().for_each(|event| disk.step(event));
        let again = scratch();
        let data = again.path().join("data");
        disk.cut(&mut rng, Keep::Some, &data);
        let mut disk = Disk::of(&data);
        let recovered = child::write_chain(again.path(), 0, "");
        assert_eq!(recovered.complaint, None);
        // Recovery comes first in its trace, and is what the second cut should hit.
        let told = |event: &Event| matches!(event, Event::Ack { .. });
        let early = recovered.events.iter().position(told).unwrap_or(recovered.events.len());
        let at = rng.random_range(0..=early);
        recovered.events[..at].iter().for_each(|event| disk.step(event));
        let left = scratch();
        disk.cut(&mut rng, Keep::Some, left.path());
        named(*seed, || check(&chain, left.path(), acknowledged(until), 2, true));
    });
}

#[test]
fn a_disk_that_fails_or_is_full_stops_the_store_at_a_whole_block() {
    let home = scratch();
    let written = child::write_chain(home.path(), 0, "").events;
    let steps = |files| child::steps(&child::only(files, &written));
    let chain = Chain::of(0);
    let stopped = AtomicU64::new(0);
    let seeds = seeds(20);
    in_parallel(&seeds, |seed| {
        let mut rng = StdRng::seed_from_u64(*seed);
        let kind = ["eio", "eio-on", "enospc", "enospc-on"][rng.random_range(0..4)];
        // What the manifest names and what is there must agree, whatever of it fails.
        let files = ["", "MANIFEST-"][rng.random_range(0..2)];
        let plan = format!("{kind}:{}@{files}", rng.random_range(1..=steps(files)));
        let home = scratch();
        let before = Disk::of(home.path()).below("data");
        let ended = child::write_chain(home.path(), 0, &plan);
        named(*seed, || {
            let told = acknowledged(&ended.events);
            match &ended.complaint {
                Some(said) => {
                    stopped.fetch_add(1, Ordering::Relaxed);
                    let cause = if kind.starts_with("eio") { "Input/output" } else { "No space" };
                    assert!(said.contains(cause), "{plan}: {said}");
                }
                None => assert_eq!(told, BLOCKS, "{plan}"),
            }
            // Whatever failed, what was told of is durable: power may go as well.
            let mut disk = before.clone();
            ended.events.iter().for_each(|event| disk.step(event));
            let left = scratch();
            disk.cut(&mut rng, Keep::Some, left.path());
            check(&chain, left.path(), told, 1, true);
            check(&chain, &home.path().join("data"), told, 1, true);
        });
    });
    let stopped = stopped.into_inner();
    println!("{stopped} of {} faults stopped the store", seeds.len());
    assert!(stopped > 0 || seeds.len() < 10, "faults reach the store");
}

#[test]
fn a_store_that_does_not_sync_its_log_would_be_caught() {
    let home = scratch();
    let mut disk = Disk::of(home.path()).below("data");
    let events = child::write_chain(home.path(), 0, "").events;
    let logs: Vec<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Open { handle, path, .. } => path.ends_with(b".log").then_some(*handle),
            _ => None,
        })
        .collect();
    let forgets =
        |event: &&Event| !matches!(event, Event::Sync { handle } if logs.contains(handle));
    // Up to the last block's acknowledgement, before the store is closed.
    let last = events.iter().rposition(|event| matches!(event, Event::Ack { .. })).unwrap();
    events[..=last].iter().filter(forgets).for_each(|event| disk.step(event));
    let left = scratch();
    disk.cut(&mut StdRng::seed_from_u64(0), Keep::Nothing, left.path());
    let _open = with_store();
    match Chain::of(0).open(left.path()) {
        Ok(store) => assert!(store.latest().number() < BLOCKS, "the test would see lost blocks"),
        Err(StoreError::LostBlocks { .. }) => {}
        Err(other) => panic!("refused for another reason: {}", chained(&other)),
    }
}

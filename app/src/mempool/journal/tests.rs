#![allow(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use alloy_primitives::Address;
use mooring_stf::testing::ethereum_genesis;
use proptest::prelude::*;

use super::*;
use crate::{
    application::tests::rig::{Rig, transfer},
    mempool::{Origin, PoolLimits},
};

/// Nothing here is about speed: this only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const TO: Address = Address::repeat_byte(0x77);

fn pool(rig: &Rig) -> Mempool {
    Mempool::new(PoolLimits::default(), Arc::clone(&rig.chain.params), rig.latest())
}

fn rig(dir: &tempfile::TempDir) -> Rig {
    Rig::open(&dir.path().join("chain"), &ethereum_genesis(1_000_000_000_000_000_000))
}

fn file(records: &[Vec<u8>]) -> Vec<u8> {
    let records: Vec<Bytes> = records.iter().cloned().map(Bytes::from).collect();
    let mut bytes = MAGIC.to_vec();
    encode(&records, &mut bytes);
    bytes
}

/// Runs the file's task until `done` holds of its contents, then ends it.
async fn kept_until(pool: &Mempool, path: &Path, done: impl Fn(&Contents) -> bool) {
    let stop = CancellationToken::new();
    let task = tokio::spawn(keep(pool.clone(), path.to_owned(), stop.clone()));
    let seen = async {
        while !read(path, u64::MAX).is_ok_and(|contents| done(&contents)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_is_the_same_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool");
    let mut rig = rig(&dir);
    let before = pool(&rig);
    before.submit_blocking(transfer(0, 0, TO, 1).into(), Origin::Local).unwrap();
    before.submit_blocking(transfer(1, 0, TO, 1).into(), Origin::Peer).unwrap();
    kept_until(&before, &path, |contents| contents.records.len() == 2).await;
    // A block that this process mines before it ends: the file still has its transaction.
    let request = rig.finalize_request(&[transfer(0, 0, TO, 1).into()]);
    rig.decide(request).unwrap();

    let after = pool(&rig);
    let gossip = crate::p2p::GossipPool::local(&after);
    kept_until(&after, &path, |contents| contents.records.len() == 1).await;
    assert_eq!(after.status(), (1, 0), "the mined one is refused by the check");
    assert_eq!(after.everything(), [Bytes::from(transfer(1, 0, TO, 1))]);
    assert!(gossip.is_empty(), "the backlog brings it to peers");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_while_it_runs_is_appended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool");
    let pool = pool(&rig(&dir));
    let stop = CancellationToken::new();
    let task = tokio::spawn(keep(pool.clone(), path.clone(), stop.clone()));
    let mut expected = Vec::new();
    for nonce in 0..40 {
        let raw = Bytes::from(transfer(0, nonce, TO, 1));
        pool.submit(raw.clone(), Origin::Local).await.unwrap();
        expected.push(raw);
    }
    let all = async {
        while !read(&path, u64::MAX)
            .is_ok_and(|contents| expected.iter().all(|raw| contents.records.contains(raw)))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    stop.cancel();
    task.await.unwrap();
}

#[test]
fn a_file_of_dead_records_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool");
    let pool = pool(&rig(&dir));
    let raw = Bytes::from(transfer(0, 0, TO, 1));
    pool.submit_blocking(raw.clone(), Origin::Local).unwrap();
    let mut journal = Journal::write(&path, &pool.everything()).unwrap();
    let dead = vec![Bytes::from(vec![9; MAX_TX_BYTES]); 3];
    let mut longest = 0;
    for _ in 0..30 {
        journal = journal.keep(&pool, &dead).unwrap();
        longest = longest.max(journal.bytes);
        assert_eq!(journal.bytes, fs::metadata(&path).unwrap().len());
    }
    assert!(longest > SLACK / 2 && longest < SLACK + 4 * MAX_TX_BYTES as u64, "{longest}");
    let journal = Journal::write(&path, &pool.everything()).unwrap();
    drop(journal.keep(&pool, &[]).unwrap());
    let contents = read(&path, u64::MAX).unwrap();
    assert_eq!(contents, Contents { records: vec![raw], damage: None });
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_given_up_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let pool = pool(&rig(&dir));
    let stop = CancellationToken::new();
    let nowhere = dir.path().join("missing/pool");
    let task = tokio::spawn(keep(pool.clone(), nowhere, stop.clone()));
    pool.submit(transfer(0, 0, TO, 1).into(), Origin::Local).await.unwrap();
    assert_eq!(pool.status(), (1, 0));
    stop.cancel();
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
}

#[test]
fn another_files_bytes_are_damage_and_no_records() {
    for bytes in [&b""[..], b"mrgpool", b"something else", b"mrgpool\x02\0\0\0\0"] {
        let contents = parse(bytes).unwrap();
        assert!(contents.records.is_empty() && contents.damage.is_some(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn a_torn_file_gives_the_whole_records_before_the_tear(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = file(&records);
        let whole = parse(&bytes[..]).unwrap();
        prop_assert_eq!(&whole.records, &records);
        prop_assert_eq!(whole.damage, None);
        let torn = parse(&bytes[..cut.index(bytes.len())]).unwrap();
        prop_assert_eq!(&torn.records[..], &records[..torn.records.len()]);
    }

    #[test]
    fn a_flipped_byte_never_gives_a_record_that_was_not_written(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..12),
        at in any::<prop::sample::Index>(),
        bits in 1..=255_u8,
    ) {
        let mut bytes = file(&records);
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        let read = parse(&bytes[..]).unwrap();
        prop_assert!(read.damage.is_some());
        prop_assert_eq!(&read.records[..], &records[..read.records.len()]);
    }
}

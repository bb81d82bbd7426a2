//! The four ABCI calls, as CometBFT makes them.

use bytes::Bytes;
use mooring_abci::SnapshotApp as _;
use mooring_abci::proto::abci::{
    RequestApplySnapshotChunk, RequestListSnapshots, RequestLoadSnapshotChunk,
    RequestOfferSnapshot, ResponseApplySnapshotChunk, Snapshot,
    response_apply_snapshot_chunk::Result as Applied, response_offer_snapshot::Result as Offered,
};

use super::chain::{Home, Script, same_chain};
use super::snapshot_at;
use crate::snapshot::SnapshotServer;
use crate::store::StoreOptions;

fn server(home: &Home, script: &Script) -> SnapshotServer {
    let store = home.rig.chain.store.clone();
    let staging = home.path().join("restoring");
    SnapshotServer::new(store, script.rules(), home.snapshots(), staging)
}

fn offer(to: &SnapshotServer, snapshot: &Snapshot, app_hash: &Bytes) -> Offered {
    let request =
        RequestOfferSnapshot { snapshot: Some(snapshot.clone()), app_hash: app_hash.clone() };
    to.offer_snapshot(request).unwrap().result()
}

fn apply(to: &SnapshotServer, index: u32, chunk: &Bytes) -> ResponseApplySnapshotChunk {
    let (chunk, sender) = (chunk.clone(), format!("peer{index}"));
    to.apply_snapshot_chunk(RequestApplySnapshotChunk { index, chunk, sender }).unwrap()
}

/// What a peer serves: its snapshot, the chunks, the app hash that a light client would know.
fn served(script: &Script, peer: &Home) -> (Snapshot, Vec<Bytes>, Bytes) {
    let peer_server = server(peer, script);
    let listed = peer_server.list_snapshots(RequestListSnapshots {}).unwrap().snapshots;
    let [snapshot] = listed.as_slice() else { panic!("{listed:?}") };
    let load = |chunk| {
        let Snapshot { height, format, .. } = *snapshot;
        let request = RequestLoadSnapshotChunk { height, format, chunk };
        peer_server.load_snapshot_chunk(request).unwrap().chunk
    };
    assert!(load(snapshot.chunks).is_empty(), "there is no such chunk");
    let chunks = (0..snapshot.chunks).map(load).collect();
    let app_hash = Bytes::copy_from_slice(peer.rig.latest().tip().app_hash.as_slice());
    (snapshot.clone(), chunks, app_hash)
}

#[test]
fn a_node_is_restored_chunk_by_chunk() {
    let script = Script::of(6, 14);
    let (mut peer, _) = snapshot_at(&script, 12, StoreOptions::default());
    let (snapshot, chunks, app_hash) = served(&script, &peer);
    let mut home = Home::open(&script, StoreOptions::default());
    let to = server(&home, &script);
    assert_eq!(offer(&to, &snapshot, &app_hash), Offered::Accept);
    // Any order, some twice, one of them wrong.
    for index in (0..chunks.len()).rev() {
        let number = u32::try_from(index).unwrap();
        let wrong = apply(&to, number, &chunks[(index + 1) % chunks.len()]);
        assert_eq!(wrong.result(), Applied::Retry);
        assert_eq!(wrong.refetch_chunks, [number]);
        assert_eq!(wrong.reject_senders, [format!("peer{number}")]);
        assert_eq!(apply(&to, number, &chunks[index]).result(), Applied::Accept);
        if index == 3 {
            assert_eq!(apply(&to, number, &chunks[index]).result(), Applied::Accept);
        }
    }
    assert!(!home.path().join("restoring").exists(), "what was fetched is gone");
    same_chain(&home.rig.latest(), &peer.rig.latest());
    assert_eq!(apply(&to, 0, &chunks[0]).result(), Applied::Abort, "it is done");
    assert_eq!(offer(&to, &snapshot, &app_hash), Offered::Abort, "it is not empty");
    drop(to);
    peer.play(&script, 14);
    home.play(&script, 14);
    same_chain(&home.rig.latest(), &peer.rig.latest());
}

#[test]
fn what_cannot_be_restored_is_refused_when_it_is_offered() {
    let script = Script::of(6, 5);
    let (peer, _) = snapshot_at(&script, 5, StoreOptions::default());
    let (good, chunks, app_hash) = served(&script, &peer);
    let home = Home::open(&script, StoreOptions::default());
    let to = server(&home, &script);
    assert_eq!(apply(&to, 0, &chunks[0]).result(), Applied::Abort, "nothing was accepted");
    let with = |change: &dyn Fn(&mut Snapshot)| {
        let mut bad = good.clone();
        change(&mut bad);
        offer(&to, &bad, &app_hash)
    };
    assert_eq!(with(&|s| s.format = 2), Offered::RejectFormat);
    assert_eq!(with(&|s| s.chunks += 1), Offered::RejectSender);
    assert_eq!(with(&|s| s.hash = Bytes::from_static(&[1; 32])), Offered::RejectSender);
    assert_eq!(with(&|s| s.metadata = Bytes::new()), Offered::RejectSender);
    assert_eq!(with(&|s| s.metadata = vec![1; 4_000_001].into()), Offered::RejectSender);
    let other = Bytes::from_static(&[9; 32]);
    assert_eq!(offer(&to, &good, &other), Offered::Reject, "not what the light client knows");
    let none = RequestOfferSnapshot { snapshot: None, app_hash: app_hash.clone() };
    assert_eq!(to.offer_snapshot(none).unwrap().result(), Offered::Reject);
    // The height is checked by what the app hash commits to, at the end.
    assert_eq!(with(&|s| s.height += 1), Offered::Accept);
    let results: Vec<_> = (0_u32..).zip(&chunks).map(|(i, c)| apply(&to, i, c).result()).collect();
    assert_eq!(results.last(), Some(&Applied::RejectSnapshot));
    assert_eq!(home.rig.latest().number(), 0);
    // Another one can follow.
    assert_eq!(offer(&to, &good, &app_hash), Offered::Accept);
    let results: Vec<_> = (0_u32..).zip(&chunks).map(|(i, c)| apply(&to, i, c).result()).collect();
    assert!(results.iter().all(|result| *result == Applied::Accept), "{results:?}");
    assert_eq!(home.rig.latest().number(), 5);
}

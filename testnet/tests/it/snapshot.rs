//! A validator that lost its data begins with the snapshot of another one.

use std::process::Command;

use alloy_eips::BlockNumberOrTag;
use mooring_app::config::Home;
use mooring_testnet::L1Choice;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    devnet::{Devnet, mooring, run, until},
    faults::{credited, deposit, fresh, grows},
};

fn home(net: &Devnet, node: &str) -> Home {
    Home::new(net.path().join(node))
}

/// `mooring --json node snapshot ARGS`.
fn snapshot(args: &[&str]) -> Value {
    let said = run(Command::new(mooring()).args(["--json", "node", "snapshot"]).args(args));
    serde_json::from_str(&said).expect("one JSON document")
}

fn text(path: &std::path::Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Blocks from `first` on are the same at both nodes.
async fn agree_from(net: &Devnet, first: u64, last: u64) {
    for number in first..=last {
        let mut seen = None;
        for node in [0, 3] {
            let block = net.node(node).block(BlockNumberOrTag::Number(number)).await;
            let hash = block.expect("an answer").expect("a block").header.hash;
            assert_eq!(*seen.get_or_insert(hash), hash, "block {number} at node {node}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_comes_back_from_the_snapshot_of_another() {
    let net = Devnet::up(L1Choice::Anvil).await;
    let before = fresh("before the snapshot");
    deposit(&net, 0, before, 21);
    credited(&net, 3, before, 21).await;

    net.signal("node1", Signal::SIGKILL).await;
    let giver = text(home(&net, "node1").path());
    let made = snapshot(&["create", "--home", &giver]);
    let listed = snapshot(&["list", "--home", &giver]);
    assert_eq!(listed[0], made);
    net.restart("node1", &[]);
    grows(&net, 1, 6).await;

    net.signal("node3", Signal::SIGKILL).await;
    let lost = home(&net, "node3");
    std::fs::remove_dir_all(lost.database()).expect("its database");
    std::fs::remove_dir_all(lost.engine()).expect("its engine's log");
    let (from, app_hash) = (made["directory"].as_str(), made["app_hash"].as_str());
    let (from, app_hash) = (from.expect("a directory"), app_hash.expect("a hash"));
    let to = text(lost.path());
    let args = ["restore", "--home", &to, "--from", from, "--app-hash", app_hash];
    let restored = snapshot(&args);
    assert_eq!(restored["height"], made["height"]);
    assert_eq!(restored["certificate"], true);
    let height = made["height"].as_u64().expect("a height");

    net.restart("node3", &[]);
    let reached = net.node(0).block_number().await.expect("a height");
    assert!(reached > height + 1, "there is something to catch up with");
    until("node 3 to catch up", async || {
        net.node(3).block_number().await.ok().filter(|at| *at > reached)
    })
    .await;
    assert_eq!(net.node(3).balance(before).await.expect("a balance").to_string(), "21");
    agree_from(&net, height + 1, reached).await;

    // With another one down the chain goes on only if this one votes.
    net.signal("node2", Signal::SIGKILL).await;
    grows(&net, 3, 6).await;
    let after = fresh("after the restore");
    deposit(&net, 1, after, 22);
    credited(&net, 3, after, 22).await;
    assert!(net.alive("node3"), "its guard refused nothing");
    net.restart("node2", &[]);
    credited(&net, 2, after, 22).await;
}

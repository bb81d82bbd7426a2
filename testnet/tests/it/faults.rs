//! Processes die, blocks are dropped, relayers stop half way: nothing is doubled, nothing lost.

use alloy_primitives::{Address, B256, U256, keccak256};
use mooring_bridge::addresses::GATEWAY;
use mooring_client::transfer::{TransferStatus, WithdrawalStage};
use mooring_testnet::{L1Choice, process::Table};
use nix::sys::signal::Signal;

use crate::{
    devnet::{Devnet, mooring, run, until},
    peg_loop::nodes_agree,
};

/// An address that nothing else uses, one a test step.
pub(crate) fn fresh(name: &str) -> Address {
    Address::from_slice(&keccak256(name)[12..])
}

pub(crate) fn deposit(net: &Devnet, user: usize, to: Address, wei: u64) -> B256 {
    let vault = net.network.l1.vault.to_string();
    let value = wei.to_string();
    let args = [&vault, "depositETH(address)", &to.to_string(), "--value", &value];
    net.send_l1(&net.user(user), &args)
}

fn withdraw(net: &Devnet, user: usize, to: Address, wei: u64) -> B256 {
    let (gateway, zero, to) = (GATEWAY.to_string(), Address::ZERO.to_string(), to.to_string());
    let wei = wei.to_string();
    let signature = "withdraw(address,uint256,address,uint256)";
    net.send_side(&net.user(user), &[&gateway, signature, &zero, &wei, &to, "0", "--value", &wei])
}

pub(crate) async fn credited(net: &Devnet, node: usize, to: Address, wei: u64) {
    let endpoint = net.node(node);
    until("the credit", async || {
        endpoint.balance(to).await.ok().filter(|balance| !balance.is_zero())
    })
    .await;
    assert_eq!(endpoint.balance(to).await.expect("a balance"), U256::from(wei));
}

async fn reached(net: &Devnet, hash: B256, stage: WithdrawalStage) {
    let chains = net.chains();
    until("the withdrawal's stage", async || {
        let transfers = chains.transfers(hash).await.ok()?;
        let there = |t: &TransferStatus| matches!(t, TransferStatus::Out(o) if o.stage >= stage);
        (!transfers.is_empty() && transfers.iter().all(there)).then_some(())
    })
    .await;
}

pub(crate) async fn grows(net: &Devnet, node: usize, by: u64) {
    let endpoint = net.node(node);
    let from = until("a height", async || endpoint.block_number().await.ok()).await;
    until("new blocks", async || {
        endpoint.block_number().await.ok().filter(|height| *height >= from + by)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_die_and_come_back() {
    let net = Devnet::up(L1Choice::Anvil).await;

    net.signal("node3", Signal::SIGKILL).await;
    grows(&net, 0, 6).await;
    let to = fresh("while one is down");
    deposit(&net, 0, to, 11);
    credited(&net, 0, to, 11).await;
    net.restart("node3", &[]);
    credited(&net, 3, to, 11).await;
    nodes_agree(&net).await;

    let before = net.node(0).block_number().await.expect("a height");
    // All four are killed before any is waited for.
    let table = Table::load(&net.path()).expect("the table");
    let nodes: Vec<_> = table.processes.iter().filter(|p| p.name.starts_with("node")).collect();
    nodes.iter().for_each(|node| node.signal(Signal::SIGKILL));
    until("all to be gone", async || (!nodes.iter().any(|node| node.alive())).then_some(())).await;
    for node in nodes {
        net.port_back(&node.name).await;
    }
    for index in 0..4 {
        net.restart(&format!("node{index}"), &[]);
    }
    until("the chain to resume", async || {
        net.node(0).block_number().await.ok().filter(|height| *height > before + 2)
    })
    .await;
    credited(&net, 0, to, 11).await;
    let again = fresh("after all were killed");
    deposit(&net, 1, again, 12);
    for node in 0..4 {
        credited(&net, node, again, 12).await;
    }
    nodes_agree(&net).await;
}

async fn restart_relayers(net: &Devnet, environment: &[&str]) {
    for index in 0..3 {
        let name = format!("relayer{index}");
        net.signal(&name, Signal::SIGKILL).await;
        net.restart(&name, environment);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relayer_killed_at_any_step_doubles_and_loses_nothing() {
    let net = Devnet::up(L1Choice::Anvil).await;
    // A quorum needs three of four: with one stopped, each of the others is needed.
    net.signal("relayer3", Signal::SIGKILL).await;
    let mut unhit = Vec::new();
    for (number, step) in (1_u64..).zip(mooring_relayer::CRASH_STEPS) {
        // Whoever's turn the step is dies there.
        restart_relayers(&net, &[&format!("MOORING_RELAYER_CRASH_AT={step}")]).await;
        let (inward, outward) = (fresh(&format!("in {step}")), fresh(&format!("out {step}")));
        deposit(&net, 0, inward, number);
        let exit = withdraw(&net, 1, outward, 1000 + number);
        let died = until("a relayer to die, or all to be done", async || {
            let died = (0..3).any(|index| !net.alive(&format!("relayer{index}")));
            let paid = net.l1().balance(outward).await.ok()?;
            let credit = net.node(0).balance(inward).await.ok()?;
            (died || (!paid.is_zero() && !credit.is_zero())).then_some(died)
        })
        .await;
        if !died {
            unhit.push(step);
        }
        restart_relayers(&net, &[]).await;
        credited(&net, 0, inward, number).await;
        reached(&net, exit, WithdrawalStage::Paid).await;
        let paid = net.l1().balance(outward).await.expect("a balance");
        assert_eq!(paid, U256::from(1000 + number), "after a crash at {step}");
    }
    assert!(unhit.is_empty(), "nobody died at {unhit:?}");
    net.restart("relayer3", &[]);
    nodes_agree(&net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_claims_by_hand_while_every_relayer_is_stopped() {
    let net = Devnet::up(L1Choice::Anvil).await;
    let to = fresh("by hand");
    // Every relayer dies between taking the checkpoint's turn and sending the claims.
    for index in 0..4 {
        let name = format!("relayer{index}");
        net.signal(&name, Signal::SIGKILL).await;
        net.restart(&name, &["MOORING_RELAYER_CRASH_AT=submit.journalled"]);
    }
    let hash = withdraw(&net, 0, to, 77);
    reached(&net, hash, WithdrawalStage::Signed).await;
    for index in 0..4 {
        net.signal(&format!("relayer{index}"), Signal::SIGKILL).await;
    }
    assert_eq!(net.l1().balance(to).await.expect("a balance"), U256::ZERO);
    let dir = net.path();
    let claim = |args: &[&str]| {
        run(std::process::Command::new(mooring()).args(args).arg("--dir").arg(&dir))
    };
    let said = claim(&["claim", &hash.to_string(), "--account", "2"]);
    assert!(said.contains("is paid on L1"), "{said}");
    assert_eq!(net.l1().balance(to).await.expect("a balance"), U256::from(77));
    let shown = claim(&["transfer", "show", &hash.to_string()]);
    assert!(shown.contains("paid on L1"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_dropped_before_finality_is_never_minted() {
    let net = Devnet::up(L1Choice::Anvil).await;
    let l1 = &net.network.l1.rpc;
    let dropped = fresh("dropped");
    let hash = deposit(&net, 0, dropped, 5);
    net.cast(l1, &["rpc", "anvil_reorg", "2", "[]"]);
    let receipt = net.l1().receipt(hash).await.expect("an answer");
    assert!(receipt.is_none(), "the reorg did not drop the deposit");

    // A later deposit crosses, so the peg has looked past the place of the dropped one.
    let kept = fresh("kept");
    deposit(&net, 1, kept, 6);
    for node in 0..4 {
        credited(&net, node, kept, 6).await;
        assert_eq!(net.node(node).balance(dropped).await.expect("a balance"), U256::ZERO);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devnets_run_side_by_side_and_leave_nothing_behind() {
    let first = Devnet::up(L1Choice::Anvil).await;
    let second = Devnet::beside(L1Choice::Anvil).await;
    assert_ne!(first.network.l1.rpc, second.network.l1.rpc);
    grows(&first, 0, 2).await;
    grows(&second, 0, 2).await;
    for net in [&first, &second] {
        let said = run(std::process::Command::new(mooring())
            .args(["testnet", "down", "--dir"])
            .arg(net.path()));
        assert!(said.is_empty(), "the talk goes to stderr: {said}");
        let mut pids = net.network.nodes.iter().map(|n| n.pid).collect::<Vec<_>>();
        pids.extend(net.network.relayers.iter().map(|r| r.pid));
        for pid in pids {
            let path = format!("/proc/{pid}/cmdline");
            let line = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&line).into_owned();
            assert!(!text.contains("mooring"), "{pid} still runs: {text}");
        }
    }
}

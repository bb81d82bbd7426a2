//! The main job, with the tools that people use: lock, mint, transact, burn, release.

use std::{path::PathBuf, process::Command};

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, U256, address};
use alloy_signer_local::PrivateKeySigner;
use mooring_bridge::{
    addresses::{self, GATEWAY},
    contracts::{TestToken, Vault},
};
use mooring_client::transfer::{TransferStatus, WithdrawalStage};
use mooring_testnet::L1Choice;

use crate::devnet::{Devnet, foundry, repository, run, until};

/// A recipient on L1 that holds nothing before.
const COLD: Address = address!("00000000000000000000000000000000C01dC01d");
const TOKENS: u64 = 1_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn assets_cross_the_peg_and_come_back_on_anvil() {
    whole_loop(&Devnet::up(L1Choice::Anvil).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_cross_the_peg_and_come_back_on_the_builtin_l1() {
    whole_loop(&Devnet::up(L1Choice::Builtin).await).await;
}

async fn whole_loop(net: &Devnet) {
    eth_comes_in(net).await;
    let wrapped = token_comes_in(net).await;
    people_transact(net, wrapped).await;
    assets_go_out(net).await;
    clients_read_every_block(net);
    web3py_works(net);
    state_proofs_verify(net).await;
    nodes_agree(net).await;
}

async fn eth_comes_in(net: &Devnet) {
    let to = net.stranger(1).address();
    let vault = net.network.l1.vault.to_string();
    let args = [&vault, "depositETH(address)", &to.to_string(), "--value", "1500000000000000001"];
    net.send_l1(&net.user(0), &args);
    for node in net.nodes() {
        let balance = until("the deposit's credit", async || {
            node.balance(to).await.ok().filter(|balance| !balance.is_zero())
        })
        .await;
        assert_eq!(balance, U256::from(1_500_000_000_000_000_001_u64), "at {}", node.url());
    }
}

async fn token_comes_in(net: &Devnet) -> Address {
    let sender = net.user(1);
    let to = net.stranger(0);
    let token = net.network.l1.test_token;
    let vault = net.network.l1.vault.to_string();
    let amount = TOKENS.to_string();
    net.send_l1(&sender, &[&token.to_string(), "approve(address,uint256)", &vault, &amount]);
    let recipient = to.address().to_string();
    let signature = "deposit(address,uint256,address)";
    let args = [
        vault.as_str(),
        signature,
        &token.to_string(),
        &amount,
        &recipient,
        "--value",
        "10000000000000000",
    ];
    net.send_l1(&sender, &args);
    let wrapped = addresses::wrapped_token(net.network.l1.chain_id, token);
    for node in net.nodes() {
        let call = TestToken::balanceOfCall { account: to.address() };
        let balance = until("the token's credit", async || {
            node.view(wrapped, &call).await.ok().filter(|balance| !balance.is_zero())
        })
        .await;
        assert_eq!(balance, U256::from(TOKENS), "at {}", node.url());
        let symbol = node.view(wrapped, &TestToken::symbolCall {}).await.expect("a symbol");
        assert!(symbol.contains("TEST"), "{symbol}");
    }
    // The gas that came along lets a stranger move the tokens at once.
    let user = net.user(2).address().to_string();
    let moved = ["transfer(address,uint256)", &user, "250"];
    net.send_side(&to, &[&[wrapped.to_string().as_str()], &moved[..]].concat());
    wrapped
}

async fn people_transact(net: &Devnet, wrapped: Address) {
    let url = &net.network.nodes[3].rpc;
    let hash = net.send_side(&net.user(0), &[&COLD.to_string(), "--value", "12345"]);
    until("the transfer on another node", async || net.node(3).receipt(hash).await.ok()?).await;
    assert_eq!(net.node(3).balance(COLD).await.expect("a balance"), U256::from(12_345));

    let amount = U256::from(50);
    let sender = net.stranger(0);
    let transfer = ["transfer(address,uint256)", &COLD.to_string(), "50"];
    let to = wrapped.to_string();
    let hash = net.send_side(&sender, &[&[to.as_str()], &transfer[..]].concat());
    let receipt = net.node(0).receipt(hash).await.expect("an answer").expect("a receipt");
    let log = receipt.inner.inner.logs().first().expect("a Transfer event").clone();
    assert_eq!(log.address(), wrapped);
    let event = log.log_decode::<TestToken::Transfer>().expect("it decodes").inner.data;
    assert_eq!((event.from, event.to, event.value), (sender.address(), COLD, amount));
    until("the token on another node", async || {
        let call = TestToken::balanceOfCall { account: COLD };
        net.node(3).view(wrapped, &call).await.ok().filter(|balance| *balance == amount)
    })
    .await;

    let deployed = forge_create(net, &net.user(3));
    let minted = [&deployed, "mint(address,uint256)", &COLD.to_string(), "7"];
    net.send_side(&net.user(3), &minted);
    let deployed = deployed.parse().expect("an address");
    assert_eq!(net.call(url, deployed, "totalSupply()(uint256)", &[]), U256::from(7));
}

fn forge_create(net: &Devnet, key: &PrivateKeySigner) -> String {
    let secret = key.to_bytes().to_string();
    let output = run(Command::new(foundry("forge"))
        .current_dir(repository().join("bridge/contracts"))
        .args(["create", "src/testing/TestToken.sol:TestToken", "--broadcast", "--json"])
        .args(["--rpc-url", &net.network.nodes[0].rpc, "--private-key", &secret])
        .args(["--constructor-args", "Small", "SML"]));
    let json = &output[output.find('{').expect("forge prints JSON")..];
    let answer: serde_json::Value = serde_json::from_str(json).expect("forge prints JSON");
    answer["deployedTo"].as_str().expect("an address").to_owned()
}

async fn assets_go_out(net: &Devnet) {
    let token = net.network.l1.test_token;
    let gateway = GATEWAY.to_string();
    let signature = "withdraw(address,uint256,address,uint256)";
    let recipient = COLD.to_string();
    let eth = "333333333333333333";
    let zero = Address::ZERO.to_string();
    let args = [&gateway, signature, &zero, eth, &recipient, "0", "--value", eth];
    let first = net.send_side(&net.user(0), &args);
    let args = [&gateway, signature, &token.to_string(), "99", &recipient, "0"];
    let second = net.send_side(&net.stranger(0), &args);

    let chains = net.chains();
    for hash in [first, second] {
        until("the payment on L1", async || {
            let transfers = chains.transfers(hash).await.ok()?;
            let paid = |t: &TransferStatus| {
                matches!(t, TransferStatus::Out(out) if out.stage == WithdrawalStage::Paid)
            };
            (!transfers.is_empty() && transfers.iter().all(paid)).then_some(())
        })
        .await;
    }
    let l1 = net.l1();
    let balance = l1.balance(COLD).await.expect("a balance");
    assert_eq!(balance, U256::from(333_333_333_333_333_333_u64), "the exact amount of ETH");
    let call = TestToken::balanceOfCall { account: COLD };
    assert_eq!(l1.view(token, &call).await.expect("a balance"), U256::from(99));
    let ledger = Vault::lockedCall { asset: token };
    let locked = l1.view(net.network.l1.vault, &ledger).await.expect("the ledger");
    assert_eq!(locked, U256::from(TOKENS - 99), "the ledger says what is still owed");
}

/// `cast block --full`, viem and ethers read every block, those with 0x7e credits too.
fn clients_read_every_block(net: &Devnet) {
    let url = &net.network.nodes[1].rpc;
    let tip: u64 = net.cast(url, &["block-number"]).parse().expect("a number");
    let clients = repository().join("testnet/clients");
    let output = run(Command::new("node").current_dir(&clients).args(["read-blocks.mjs", url]));
    println!("{output}");
    assert!(output.contains("system transactions"), "{output}");
    let credited: Vec<&str> =
        output.lines().filter_map(|line| line.strip_prefix("block ")).collect();
    assert!(!credited.is_empty(), "no block with a credit was seen");
    for number in credited.into_iter().chain(["0", "1", &tip.to_string()]) {
        let text = net.cast(url, &["block", number, "--full"]);
        assert!(text.contains("stateRoot"), "{text}");
    }
}

/// web3.py, where Python can have it: blocks, transactions, a contract, events, subscriptions.
fn web3py_works(net: &Devnet) {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let python = home.join(".cache/mooring/web3py/bin/python");
    if !python.is_file() {
        println!("skipped: web3.py (no {}; python3-venv is missing)", python.display());
        return;
    }
    let output = run(Command::new(python)
        .current_dir(repository())
        .args(["testnet/clients/web3py/suite.py", &net.network.nodes[2].rpc])
        .arg("bridge/artifacts/TestToken.json")
        .env("MOORING_KEY", net.user(3).to_bytes().to_string()));
    println!("{output}");
}

/// `cast proof` at a block verifies against the state root in that block's header.
async fn state_proofs_verify(net: &Devnet) {
    use alloy_rpc_types_eth::EIP1186AccountProofResponse;
    use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};

    let account = net.user(0).address();
    let url = &net.network.nodes[0].rpc;
    let tip = net.node(0).block_number().await.expect("a number").to_string();
    let text = net.cast(url, &["proof", &account.to_string(), "--block", &tip]);
    let proof: EIP1186AccountProofResponse = serde_json::from_str(&text).expect("a proof");
    let header = net.cast(url, &["block", &tip, "--field", "stateRoot"]);
    let state_root = header.parse().expect("a root");
    let leaf = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let key = Nibbles::unpack(alloy_primitives::keccak256(account));
    let value = Some(alloy_rlp::encode(leaf));
    verify_proof(state_root, key, value, &proof.account_proof).expect("the proof verifies");
}

/// The same header hash on all nodes at every height that all of them have.
pub(crate) async fn nodes_agree(net: &Devnet) {
    let nodes = net.nodes();
    let mut tip = u64::MAX;
    for node in &nodes {
        tip = tip.min(node.block_number().await.expect("a number"));
    }
    for number in 0..=tip {
        let mut seen = None;
        for node in &nodes {
            let block = node.block(BlockNumberOrTag::Number(number)).await.expect("an answer");
            let hash = block.expect("a block").header.hash;
            assert_eq!(*seen.get_or_insert(hash), hash, "block {number} at {}", node.url());
        }
    }
}

//! `eth_*` on a chain with Ethereum's rules.

use std::collections::BTreeSet;

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use mooring_stf::testing::{ethereum_genesis, wallet};
use serde_json::{Value, json};

use super::bench::{Bench, ETHER, Failure, transfer};

const TO: &str = "0x7777777777777777777777777777777777777777";

fn bench() -> Bench {
    Bench::new(&ethereum_genesis(ETHER))
}

fn owner(key: usize) -> Address {
    wallet::address(wallet::KEYS[key])
}

/// Init code of a contract with this code.
fn deploys(code: &[u8]) -> Bytes {
    let mut init = hex::decode("60ff600c60003960ff6000f3").unwrap();
    init[1] = u8::try_from(code.len()).unwrap();
    init[8] = init[1];
    init.extend_from_slice(code);
    init.into()
}

#[tokio::test]
async fn a_transaction_is_pending_then_mined() {
    let mut bench = bench();
    let from = owner(0);
    let hash = bench.send(transfer(0, 0, 5)).await;
    let pending = bench.get("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(pending["blockHash"], Value::Null);
    assert_eq!(pending["from"], json!(from));
    assert_eq!(bench.get("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    assert_eq!(bench.get("eth_getTransactionCount", json!([from, "pending"])).await, "0x1");
    assert_eq!(bench.get("eth_getTransactionCount", json!([from, "latest"])).await, "0x0");
    let status = bench.get("txpool_status", json!([])).await;
    assert_eq!(status, json!({ "pending": "0x1", "queued": "0x0" }));

    assert_eq!(bench.seal(), 1);
    let receipt = bench.get("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["gasUsed"], "0x5208");
    assert_eq!(receipt["blockNumber"], "0x1");
    assert_eq!(receipt["contractAddress"], Value::Null);
    let mined = bench.get("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(mined["blockHash"], receipt["blockHash"]);
    assert_eq!(mined["transactionIndex"], "0x0");
    for (method, block) in [
        ("eth_getTransactionByBlockNumberAndIndex", json!("0x1")),
        ("eth_getTransactionByBlockHashAndIndex", receipt["blockHash"].clone()),
    ] {
        assert_eq!(bench.get(method, json!([block, "0x0"])).await, mined);
    }
    assert_eq!(bench.get("eth_getTransactionCount", json!([from, "latest"])).await, "0x1");
    assert_eq!(bench.get("eth_getBalance", json!([TO, "latest"])).await, "0x5");
    assert_eq!(bench.get("eth_getBalance", json!([TO, "0x0"])).await, "0x0");
    assert_eq!(bench.get("eth_getBlockReceipts", json!(["latest"])).await, json!([receipt]));
}

#[tokio::test]
async fn blocks_have_the_form_that_hashes_to_their_hash() {
    let mut bench = bench();
    let hash = bench.send(transfer(0, 0, 5)).await;
    bench.seal();
    let block = bench.get("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(block["transactions"], json!([hash]));
    assert_eq!(block["uncles"], json!([]));
    let parsed: alloy_rpc_types_eth::Block = serde_json::from_value(block.clone()).unwrap();
    assert_eq!(json!(parsed.header.inner.hash_slow()), block["hash"]);
    let full = bench.get("eth_getBlockByHash", json!([block["hash"], true])).await;
    let full: alloy_rpc_types_eth::Block = serde_json::from_value(full).unwrap();
    let mined = full.transactions.as_transactions().unwrap();
    assert_eq!(*mined[0].inner.tx_hash(), hash);
    let whole = alloy_consensus::Block {
        header: full.header.inner.clone(),
        body: alloy_consensus::BlockBody {
            transactions: vec![mined[0].inner.inner().clone()],
            ommers: Vec::new(),
            withdrawals: Some(Vec::new().into()),
        },
    };
    assert_eq!(full.header.size, Some(U256::from(alloy_rlp::encode(whole).len())));
    for tag in ["safe", "finalized", "pending", "0x1"] {
        assert_eq!(bench.get("eth_getBlockByNumber", json!([tag, false])).await, block);
    }
    assert_eq!(bench.get("eth_getBlockByNumber", json!(["0x2", false])).await, Value::Null);
    let earliest = bench.get("eth_getBlockByNumber", json!(["earliest", false])).await;
    assert_eq!(earliest["number"], "0x0");
    assert_eq!(earliest["hash"], block["parentHash"]);
}

#[tokio::test]
async fn bad_transactions_get_the_errors_that_wallets_know() {
    let mut bench = bench();
    bench.send(transfer(0, 0, 5)).await;
    bench.seal();
    bench.send(transfer(0, 1, 5)).await;
    let call = |nonce| wallet::call(nonce, Address::repeat_byte(0x77), 5, Vec::new());
    let signed = |tx: TxEip1559| wallet::sign(wallet::KEYS[0], tx);
    let cases: Vec<(Bytes, &str)> = vec![
        (transfer(0, 1, 5), "already known"),
        (transfer(0, 0, 5), "nonce too low"),
        (transfer(0, 1, 6), "replacement transaction underpriced"),
        (transfer(0, 99, 5), "nonce too high"),
        (transfer(1, 0, 2 * ETHER), "insufficient funds for gas * price + value"),
        (signed(TxEip1559 { chain_id: 1, ..call(2) }), "invalid chain id"),
        (signed(TxEip1559 { gas_limit: 20_000, ..call(2) }), "intrinsic gas too low"),
        (signed(TxEip1559 { gas_limit: 1 << 40, ..call(2) }), "transaction gas limit too high"),
        (
            signed(TxEip1559 { max_priority_fee_per_gas: 1 << 90, ..call(2) }),
            "max priority fee per gas higher than max fee per gas",
        ),
        (signed(TxEip1559 { nonce: u64::MAX, ..call(2) }), "nonce has max value"),
        (Bytes::from_static(&[0x02, 0xc0]), "cannot decode transaction"),
        (Bytes::from_static(&[0x03, 0xc0]), "transaction"),
        (Bytes::from_static(&[0x7e, 0xc0]), "transaction type not supported"),
        (Bytes::new(), "typed transaction too short"),
        (vec![0x02; 140 * 1024].into(), "oversized data"),
    ];
    for (raw, text) in cases {
        let Failure { code, message, .. } =
            bench.call("eth_sendRawTransaction", json!([raw])).await.unwrap_err();
        assert_eq!(code, -32000, "{message}");
        assert!(message.contains(text), "{message:?} is not {text:?}");
    }
    assert_eq!(bench.seal(), 1, "none of them is in a block");
}

#[tokio::test]
async fn gapped_transactions_are_queued_until_the_gap_closes() {
    let mut bench = bench();
    bench.send(transfer(0, 1, 5)).await;
    assert_eq!(bench.seal(), 0);
    let content = bench.get("txpool_content", json!([])).await;
    assert_eq!(content["pending"], json!({}));
    assert_eq!(content["queued"][owner(0).to_string()]["1"]["nonce"], "0x1");
    bench.send(transfer(0, 0, 5)).await;
    assert_eq!(bench.seal(), 2);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let bench = bench();
    for (method, params) in [
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x12"])),
        ("eth_getBalance", json!([TO, "newest"])),
        ("eth_getBalance", json!({ "address": TO })),
        ("eth_getBlockByNumber", json!(["latest", "yes"])),
        ("eth_getStorageAt", json!([TO, "0xzz"])),
        ("eth_feeHistory", json!(["0x1", "latest", [50, 10]])),
        ("eth_getLogs", json!([{ "fromBlock": "0x2", "toBlock": "0x1" }])),
        ("eth_subscribe", json!(["nothing"])),
    ] {
        let failure = bench.call(method, params).await.unwrap_err();
        assert_eq!(failure.code, -32602, "{method}: {failure:?}");
    }
    let long = "é".repeat(100_000);
    for (method, params) in [
        ("eth_getBlockByHash", json!([long, false])),
        ("eth_getStorageAt", json!([TO, long])),
        ("eth_getBalance", json!([long])),
        ("eth_newFilter", json!([{ "fromBlock": long }])),
    ] {
        let failure = bench.call(method, params).await.unwrap_err();
        assert_eq!(failure.code, -32602, "{method}");
        assert!(failure.message.len() < 1_000, "{method} quotes all of it");
    }
    let failure = bench.call("eth_nothing", json!([])).await.unwrap_err();
    assert_eq!(failure.code, -32601);
    let failure = bench.call("eth_getBalance", json!([TO, "0x63"])).await.unwrap_err();
    assert_eq!((failure.code, failure.message.as_str()), (-32000, "header not found"));
}

#[tokio::test]
async fn reverts_carry_their_reason() {
    let bench = bench();
    // revert(Error("no")): the ABI of the reason is copied from the end of the code.
    let reason = hex::decode(
        "08c379a0\
         0000000000000000000000000000000000000000000000000000000000000020\
         0000000000000000000000000000000000000000000000000000000000000002\
         6e6f000000000000000000000000000000000000000000000000000000000000",
    )
    .unwrap();
    let mut code = hex::decode("6064600c60003960646000fd").unwrap();
    code.extend_from_slice(&reason);
    for method in ["eth_call", "eth_estimateGas"] {
        let params = json!([{ "from": owner(0), "input": hex::encode_prefixed(&code) }, "latest"]);
        let failure = bench.call(method, params).await.unwrap_err();
        assert_eq!(failure.code, 3);
        assert_eq!(failure.message, "execution reverted: no");
        assert_eq!(failure.data, hex::encode_prefixed(&reason));
    }
}

#[tokio::test]
async fn calls_see_overrides_and_change_nothing() {
    let bench = bench();
    // Returns slot 0 plus its own balance.
    let code = "0x60005447016000526020 6000f3".replace(' ', "");
    let request = json!({ "to": TO });
    let state = json!({ TO: {
        "code": code,
        "balance": "0x5",
        "stateDiff": { (B256::ZERO.to_string()): B256::with_last_byte(7) },
    } });
    let answer = bench.get("eth_call", json!([request, "latest", state])).await;
    assert_eq!(answer, json!(B256::with_last_byte(12)));
    assert_eq!(bench.get("eth_call", json!([request, "latest"])).await, "0x");
    assert_eq!(bench.get("eth_getCode", json!([TO, "latest"])).await, "0x");
    let poor = json!([{ "from": TO, "to": TO, "value": "0x1" }]);
    let failure = bench.call("eth_call", poor).await.unwrap_err();
    assert!(failure.message.starts_with("insufficient funds for gas * price + value"));
}

#[tokio::test]
async fn an_estimate_is_enough_to_send_it() {
    let mut bench = bench();
    let plain = json!([{ "from": owner(0), "to": TO, "value": "0x1" }]);
    assert_eq!(bench.get("eth_estimateGas", plain).await, "0x5208");
    // Stores its call value.
    let init = deploys(&hex::decode("34600055").unwrap());
    let request = json!([{ "from": owner(0), "input": init }]);
    let gas: U256 = serde_json::from_value(bench.get("eth_estimateGas", request).await).unwrap();
    let create = TxEip1559 { gas_limit: gas.to(), ..wallet::create(0, 0, init) };
    let hash = bench.send(wallet::sign(wallet::KEYS[0], create)).await;
    bench.seal();
    let receipt = bench.get("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let contract = &receipt["contractAddress"];
    assert_eq!(bench.get("eth_getCode", json!([contract, "latest"])).await, "0x34600055");
}

#[tokio::test]
async fn logs_are_found_by_search_filter_and_block() {
    let mut bench = bench();
    // log1(topic 7) with the call data's first word.
    let init = deploys(&hex::decode("600035600052600760206000a1").unwrap());
    let hash = bench.send(wallet::sign(wallet::KEYS[0], wallet::create(0, 0, init))).await;
    bench.seal();
    let receipt = bench.get("eth_getTransactionReceipt", json!([hash])).await;
    let contract: Address = serde_json::from_value(receipt["contractAddress"].clone()).unwrap();
    let topic = B256::with_last_byte(7);
    let criteria = json!({ "address": contract, "topics": [topic] });
    let filter = bench.get("eth_newFilter", json!([criteria])).await;
    let blocks = bench.get("eth_newBlockFilter", json!([])).await;
    let pending = bench.get("eth_newPendingTransactionFilter", json!([])).await;

    let word = B256::with_last_byte(9);
    let emit = wallet::call(1, contract, 0, word.to_vec());
    let hash = bench.send(wallet::sign(wallet::KEYS[0], emit)).await;
    bench.seal();
    let changes = bench.get("eth_getFilterChanges", json!([filter])).await;
    let [log] = changes.as_array().unwrap().as_slice() else { panic!("one log: {changes}") };
    assert_eq!(log["transactionHash"], json!(hash));
    assert_eq!(log["data"], json!(word));
    assert_eq!(log["topics"], json!([topic]));
    assert_eq!(log["logIndex"], "0x0");
    assert_eq!(bench.get("eth_getFilterChanges", json!([filter])).await, json!([]));
    assert_eq!(bench.get("eth_getFilterChanges", json!([blocks])).await, json!([log["blockHash"]]));
    assert_eq!(bench.get("eth_getFilterChanges", json!([pending])).await, json!([hash]));

    let range = json!([{ "fromBlock": "0x0", "address": contract }]);
    assert_eq!(bench.get("eth_getLogs", range).await, changes);
    let at = json!([{ "blockHash": log["blockHash"], "topics": [[topic, word]] }]);
    assert_eq!(bench.get("eth_getLogs", at).await, changes);
    let other = json!([{ "fromBlock": "0x0", "topics": [word] }]);
    assert_eq!(bench.get("eth_getLogs", other).await, json!([]));

    for _ in 0..8 {
        bench.seal();
    }
    let wide = bench.call("eth_getLogs", json!([{ "fromBlock": "0x0" }])).await.unwrap_err();
    assert_eq!(wide.code, -32005);
    assert_eq!(bench.get("eth_uninstallFilter", json!([filter])).await, true);
    let gone = bench.call("eth_getFilterChanges", json!([filter])).await.unwrap_err();
    assert_eq!(gone.message, "filter not found");
}

#[tokio::test]
async fn proofs_begin_at_the_state_root() {
    let bench = bench();
    let proof = bench.get("eth_getProof", json!([owner(0), ["0x0"], "latest"])).await;
    let block = bench.get("eth_getBlockByNumber", json!(["latest", false])).await;
    let first: Bytes = serde_json::from_value(proof["accountProof"][0].clone()).unwrap();
    assert_eq!(json!(keccak256(first)), block["stateRoot"]);
    assert_eq!(proof["storageProof"], json!([{ "key": "0x0", "value": "0x0", "proof": [] }]));
    assert_eq!(proof["balance"], json!(U256::from(ETHER)));
    let word = bench.get("eth_getStorageAt", json!([owner(0), "0x0", "latest"])).await;
    assert_eq!(word, json!(B256::ZERO));
}

#[tokio::test]
async fn fees_follow_the_chain() {
    let mut bench = bench();
    bench.send(transfer(0, 0, 5)).await;
    bench.seal();
    let history = bench.get("eth_feeHistory", json!(["0x2", "latest", [10.0, 50.0]])).await;
    assert_eq!(history["oldestBlock"], "0x0");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 3);
    assert_eq!(history["gasUsedRatio"].as_array().unwrap().len(), 2);
    assert_eq!(history["reward"][1], json!([U256::from(wallet::TIP), U256::from(wallet::TIP)]));
    let tip = bench.get("eth_maxPriorityFeePerGas", json!([])).await;
    assert_eq!(tip, json!(U256::from(wallet::TIP)));
    let price: U256 = serde_json::from_value(bench.get("eth_gasPrice", json!([])).await).unwrap();
    let next: U256 = serde_json::from_value(history["baseFeePerGas"][2].clone()).unwrap();
    assert_eq!(price, next + U256::from(wallet::TIP));
}

#[tokio::test]
async fn the_node_tells_what_it_is() {
    let bench = bench();
    assert_eq!(bench.get("eth_chainId", json!([])).await, "0xa4ab");
    assert_eq!(bench.get("net_version", json!([])).await, "42155");
    assert_eq!(bench.get("net_listening", json!([])).await, true);
    assert_eq!(bench.get("net_peerCount", json!([])).await, "0x0");
    assert_eq!(bench.get("eth_syncing", json!([])).await, false);
    assert_eq!(bench.get("eth_accounts", json!([])).await, json!([]));
    let version = bench.get("web3_clientVersion", json!([])).await;
    assert!(version.as_str().unwrap().starts_with("mooring/v"));
    let failure = bench.call("peg_status", json!([])).await.unwrap_err();
    assert_eq!(failure.message, "this chain has no peg");
}

#[tokio::test]
async fn every_method_is_described_and_every_described_method_exists() {
    let bench = bench();
    let document = bench.get("rpc.discover", json!([])).await;
    let described: BTreeSet<&str> = document["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["name"].as_str().unwrap())
        .collect();
    assert_eq!(described, bench.methods());
    assert!(!described.contains("dev_seal"), "no dev chain");
}

//! The rarer `eth_*`, `txpool_*` and `debug_getRaw*` methods.

use alloy_consensus::Header;
use alloy_primitives::{Bytes, hex, keccak256};
use alloy_rlp::Decodable;
use mooring_stf::testing::{ethereum_genesis, wallet};
use serde_json::{Value, json};

use super::bench::{Bench, ETHER, transfer};

fn bench() -> Bench {
    Bench::new(&ethereum_genesis(ETHER))
}

fn bytes(value: &Value) -> Bytes {
    serde_json::from_value(value.clone()).unwrap()
}

#[tokio::test]
async fn raw_forms_hash_to_what_names_them() {
    let mut bench = bench();
    let raw = transfer(0, 0, 5);
    let hash = bench.send(raw.clone()).await;
    assert_eq!(bench.get("debug_getRawTransaction", json!([hash])).await, json!(raw));
    bench.seal();
    let block = bench.get("eth_getBlockByNumber", json!(["latest", false])).await;
    for (method, params) in [
        ("eth_getRawTransactionByHash", json!([hash])),
        ("debug_getRawTransaction", json!([hash])),
        ("eth_getRawTransactionByBlockNumberAndIndex", json!(["latest", "0x0"])),
        ("eth_getRawTransactionByBlockHashAndIndex", json!([block["hash"], "0x0"])),
    ] {
        assert_eq!(bench.get(method, params).await, json!(raw), "{method}");
    }
    let beyond = json!(["latest", "0x1"]);
    let none = bench.get("eth_getRawTransactionByBlockNumberAndIndex", beyond).await;
    assert_eq!(none, Value::Null);
    let header = bytes(&bench.get("debug_getRawHeader", json!(["latest"])).await);
    assert_eq!(json!(keccak256(&header)), block["hash"]);
    let whole = bytes(&bench.get("debug_getRawBlock", json!(["latest"])).await);
    assert_eq!(json!(format!("{:#x}", whole.len())), block["size"]);
    let decoded: alloy_consensus::Block<alloy_consensus::TxEnvelope> =
        Decodable::decode(&mut whole.as_ref()).unwrap();
    assert_eq!(alloy_rlp::encode(&decoded.header), header);
    assert_eq!(*decoded.body.transactions[0].tx_hash(), hash);
    let receipts = bench.get("debug_getRawReceipts", json!(["latest"])).await;
    assert_eq!(receipts.as_array().unwrap().len(), 1);
    assert_eq!(bytes(&receipts[0])[0], 2, "the type comes first");
}

#[tokio::test]
async fn headers_come_without_their_blocks_and_there_are_no_uncles() {
    let mut bench = bench();
    bench.send(transfer(0, 0, 5)).await;
    bench.seal();
    let block = bench.get("eth_getBlockByNumber", json!(["0x1", false])).await;
    let header = bench.get("eth_getHeaderByNumber", json!(["0x1"])).await;
    assert_eq!(header["transactions"], Value::Null);
    let parsed: Header = serde_json::from_value(header.clone()).unwrap();
    assert_eq!(json!(parsed.hash_slow()), block["hash"]);
    assert_eq!(bench.get("eth_getHeaderByHash", json!([block["hash"]])).await, header);
    assert_eq!(bench.get("eth_getUncleCountByBlockNumber", json!(["0x1"])).await, "0x0");
    for (method, id) in [
        ("eth_getUncleByBlockNumberAndIndex", json!("0x1")),
        ("eth_getUncleByBlockHashAndIndex", block["hash"].clone()),
    ] {
        assert_eq!(bench.get(method, json!([id, "0x0"])).await, Value::Null);
    }
    let unprefixed = hex::encode(keccak256("x"));
    let error = bench.call("eth_getHeaderByHash", json!([unprefixed])).await.unwrap_err();
    assert_eq!(error.code, -32602);
}

#[tokio::test]
async fn the_pool_can_be_looked_into() {
    let bench = bench();
    bench.send(transfer(0, 0, 5)).await;
    bench.send(transfer(0, 2, 5)).await;
    bench.send(transfer(1, 0, 5)).await;
    let sender = wallet::address(wallet::KEYS[0]);
    let of_one = bench.get("txpool_contentFrom", json!([sender])).await;
    assert_eq!(of_one["pending"].as_object().unwrap().keys().collect::<Vec<_>>(), ["0"]);
    assert_eq!(of_one["queued"]["2"]["nonce"], "0x2");
    let lines = bench.get("txpool_inspect", json!([])).await;
    let line = lines["queued"][sender.to_string()]["2"].as_str().unwrap();
    assert!(line.contains(": 5 wei + ") && line.contains(" gas × "), "{line}");
    let stranger = json!(["0x0000000000000000000000000000000000000001"]);
    let none = bench.get("txpool_contentFrom", stranger).await;
    assert_eq!(none, json!({ "pending": {}, "queued": {} }));
}

#[tokio::test]
async fn the_chain_says_what_it_can_answer() {
    let mut bench = bench();
    bench.seal();
    let config = bench.get("eth_config", json!([])).await;
    assert_eq!(config["next"], Value::Null);
    assert_eq!(config["current"]["precompiles"]["P256VERIFY"].as_str().unwrap().len(), 42);
    let contracts = config["current"]["systemContracts"].as_object().unwrap();
    assert_eq!(contracts.keys().collect::<Vec<_>>(), ["HISTORY_STORAGE_ADDRESS"]);
    let able = bench.get("eth_capabilities", json!([])).await;
    assert_eq!(able["head"]["number"], "0x1");
    assert_eq!(able["state"]["oldestBlock"], "0x0");
    let latest = bench.get("eth_getBlockByNumber", json!(["latest", false])).await;
    let child = bench.get("eth_baseFee", json!([])).await;
    assert_ne!(child, latest["baseFeePerGas"], "an empty block lowers it");
    bench.seal();
    let latest = bench.get("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(child, latest["baseFeePerGas"]);
}

#[tokio::test]
async fn storage_of_several_accounts_is_read_at_once() {
    let bench = bench();
    let to = "0x0000f90827f1c53a10cb7a02335b175320002935";
    let zero = json!(alloy_primitives::B256::ZERO);
    let asked = json!([{ to: ["0x0", "0x1"] }, "latest"]);
    let values = bench.get("eth_getStorageValues", asked).await;
    assert_eq!(values, json!({ to: [zero, zero] }));
    let error = bench.call("eth_getStorageValues", json!([{}])).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (-32602, "empty request"));
    let many = json!([{ to: vec!["0x0"; 1_025] }]);
    let error = bench.call("eth_getStorageValues", many).await.unwrap_err();
    assert_eq!(error.code, -38026, "{}", error.message);
}

#[tokio::test]
async fn a_call_without_a_price_sees_no_base_fee() {
    let mut bench = bench();
    bench.seal();
    // BASEFEE, and return it.
    let to = "0x00000000000000000000000000000000000000cc";
    let code = json!({ to: { "code": "0x485f5260205ff3" } });
    let free = bench.get("eth_call", json!([{ "to": to }, "latest", code])).await;
    assert_eq!(bytes(&free).as_ref(), [0; 32]);
    let paid = json!([{ "to": to, "gasPrice": "0x3b9aca00" }, "latest", code]);
    let latest = bench.get("eth_getBlockByNumber", json!(["latest", false])).await;
    let base_fee = bytes(&bench.get("eth_call", paid).await);
    let base_fee = alloy_primitives::U256::from_be_slice(&base_fee);
    assert_eq!(json!(base_fee), latest["baseFeePerGas"]);
}

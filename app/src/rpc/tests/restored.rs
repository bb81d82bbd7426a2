//! A node that came from a snapshot: what lies below is told as not kept, never as a fault.

use alloy_primitives::keccak256;
use mooring_stf::testing::{ethereum_genesis, wallet};
use serde_json::{Value, json};

use super::bench::{Bench, ETHER, transfer};
use crate::snapshot::{Rules, Snapshots, create, restore};

/// A node restored at height 3, one block later.
async fn restored() -> (Bench, Bench) {
    let genesis = ethereum_genesis(ETHER);
    let mut original = Bench::new(&genesis);
    for nonce in 0..3 {
        original.send(transfer(0, nonce, 5)).await;
        original.seal();
    }
    let dir = tempfile::tempdir().unwrap();
    let saved = create(&original.rig.chain.store, &Snapshots::new(dir.path())).unwrap();
    let mut bench = Bench::new(&genesis);
    let (rules, app_hash) = (Rules::of(&genesis), saved.manifest().app_hash);
    restore(&saved, &rules, &bench.rig.chain.store, app_hash).unwrap();
    bench.seal();
    original.seal();
    (original, bench)
}

#[tokio::test]
async fn what_a_snapshot_does_not_hold_is_told_as_not_kept() {
    let (original, bench) = restored().await;
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0x1", false])),
        ("eth_getBlockByNumber", json!(["0x3", true])),
        ("eth_getHeaderByNumber", json!(["0x2"])),
        ("eth_getBlockReceipts", json!(["0x2"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x2", "0x0"])),
        ("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "latest" }])),
        ("eth_getLogs", json!([{ "fromBlock": "0x2", "toBlock": "0x2" }])),
        ("eth_feeHistory", json!(["0x4", "latest", [50.0]])),
        ("debug_traceBlockByNumber", json!(["0x2"])),
        ("debug_getRawBlock", json!(["0x1"])),
    ] {
        let refused = bench.call(method, params.clone()).await.unwrap_err();
        let said = (refused.code, refused.message.as_str());
        assert_eq!(said, (4444, "pruned history unavailable"), "{method} {params}");
    }
    let address = wallet::address(wallet::KEYS[0]);
    let old = bench.call("eth_getBalance", json!([address, "0x1"])).await.unwrap_err();
    assert_eq!(old.message, "historical state of block 1 is not available");
    let lost = keccak256(transfer(0, 1, 5));
    assert_eq!(bench.get("eth_getTransactionReceipt", json!([lost])).await, Value::Null);
    let able = bench.get("eth_capabilities", json!([])).await;
    assert_eq!(
        (&able["blocks"]["oldestBlock"], &able["state"]["oldestBlock"]),
        (&json!("0x4"), &json!("0x3"))
    );
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0x0", false])),
        ("eth_getBlockByNumber", json!(["latest", true])),
        ("eth_getLogs", json!([{ "fromBlock": "0x4" }])),
        ("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "0x0" }])),
        ("eth_feeHistory", json!(["0x3", "latest", []])),
        ("eth_getBalance", json!([address, "0x3"])),
        ("eth_getProof", json!([address, [], "latest"])),
        ("eth_config", json!([])),
        ("debug_traceBlockByNumber", json!(["latest"])),
    ] {
        let expected = original.get(method, params.clone()).await;
        assert_eq!(bench.get(method, params.clone()).await, expected, "{method} {params}");
    }
}

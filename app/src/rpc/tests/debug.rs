//! `debug_trace*`, `eth_createAccessList` and `eth_simulateV1` as clients call them.

use alloy_primitives::{Address, B256, U256, hex};
use mooring_stf::testing::{ethereum_genesis, wallet};
use serde_json::{Value, json};

use super::bench::{Bench, ETHER, transfer};

const TO: &str = "0x7777777777777777777777777777777777777777";
const RICH: &str = "0xc000000000000000000000000000000000000000";

fn bench() -> Bench {
    Bench::new(&ethereum_genesis(ETHER))
}

fn owner() -> Address {
    wallet::address(wallet::KEYS[0])
}

#[tokio::test]
async fn a_mined_transaction_is_traced_by_its_hash_and_in_its_block() {
    let mut bench = bench();
    let first = bench.send(transfer(0, 0, 5)).await;
    let second = bench.send(transfer(0, 1, 6)).await;
    bench.seal();
    let tracer = json!({ "tracer": "callTracer", "timeout": "5s" });
    let trace = bench.get("debug_traceTransaction", json!([second, tracer])).await;
    assert_eq!(
        trace,
        json!({
            "type": "CALL",
            "from": owner(),
            "to": TO,
            "gas": "0xf4240",
            "gasUsed": "0x5208",
            "input": "0x",
            "value": "0x6",
        })
    );
    let block = bench.get("eth_getBlockByNumber", json!(["latest", false])).await;
    for (method, id) in [
        ("debug_traceBlockByNumber", json!("latest")),
        ("debug_traceBlockByHash", block["hash"].clone()),
    ] {
        let all = bench.get(method, json!([id, tracer])).await;
        assert_eq!(all[0]["txHash"], json!(first));
        assert_eq!(all[1], json!({ "txHash": second, "result": trace }));
    }
    let plain = bench.get("debug_traceTransaction", json!([first])).await;
    let empty = json!({ "gas": 21_000, "failed": false, "returnValue": "0x", "structLogs": [] });
    assert_eq!(plain, empty);
}

#[tokio::test]
async fn what_cannot_be_traced_is_said_as_geth_says_it() {
    let bench = bench();
    let missing = B256::with_last_byte(1);
    let genesis = bench.get("eth_getBlockByNumber", json!(["0x0", false])).await;
    for (method, params, code, text) in [
        ("debug_traceTransaction", json!([missing]), -32000, "transaction not found".to_owned()),
        ("debug_traceBlockByHash", json!([missing]), -32000, format!("block {missing} not found")),
        (
            "debug_traceBlockByHash",
            json!([genesis["hash"]]),
            -32000,
            "genesis is not traceable".to_owned(),
        ),
        ("debug_traceBlockByNumber", json!(["3"]), -32602, String::new()),
        ("debug_traceCall", json!([{}, "latest", { "txIndex": "0x0" }]), -32602, String::new()),
        ("debug_traceCall", json!([{}, "latest", { "timeout": "5 years" }]), -32602, String::new()),
    ] {
        let failure = bench.call(method, params).await.unwrap_err();
        assert_eq!(failure.code, code, "{method}: {failure:?}");
        assert!(text.is_empty() || failure.message == text, "{failure:?}");
    }
}

#[tokio::test]
async fn a_traced_call_sees_overrides_and_keeps_to_a_limit_of_steps() {
    let bench = bench();
    // Returns its balance.
    let code = "0x475f5260205ff3";
    let options = json!({
        "stateOverrides": { TO: { "code": code, "balance": "0x9" } },
        "limit": 2,
    });
    let trace = bench.get("debug_traceCall", json!([{ "to": TO }, "latest", options])).await;
    assert_eq!(trace["returnValue"], json!(B256::with_last_byte(9)));
    let steps = trace["structLogs"].as_array().unwrap();
    assert_eq!(
        steps.iter().map(|step| step["op"].clone()).collect::<Vec<_>>(),
        ["SELFBALANCE", "PUSH0"]
    );
}

#[tokio::test]
async fn an_access_list_comes_with_its_gas_and_its_error() {
    let mut bench = bench();
    // Reads slot 7, and reverts: deployed by its init code.
    let init = hex::decode("656007545f5ffd5f526006601af3").unwrap();
    bench.send(wallet::sign(wallet::KEYS[0], wallet::create(0, 0, init))).await;
    bench.seal();
    let reader = owner().create(0);
    let request = json!([{ "from": owner(), "to": reader }, "latest"]);
    let answer = bench.get("eth_createAccessList", request).await;
    let slot = B256::with_last_byte(7);
    assert_eq!(answer["accessList"], json!([{ "address": reader, "storageKeys": [slot] }]));
    assert_eq!(answer["error"], "execution reverted");
    // 21,000, an address and a slot of the list, the slot warm, three pushes.
    assert_eq!(answer["gasUsed"], json!(U256::from(21_000 + 2_400 + 1_900 + 100 + 7)));
}

fn simulated(blocks: Value) -> Value {
    json!([{ "blockStateCalls": blocks, "traceTransfers": true }, "latest"])
}

#[tokio::test]
async fn simulated_blocks_are_answered_as_blocks_with_their_calls() {
    let bench = bench();
    let call = json!({ "from": RICH, "to": TO, "value": "0x5" });
    let block = json!({ "stateOverrides": { RICH: { "balance": "0x9" } }, "calls": [call] });
    let answer = bench.get("eth_simulateV1", simulated(json!([block, {}]))).await;
    let [first, second] = answer.as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!((&first["number"], &second["number"]), (&json!("0x1"), &json!("0x2")));
    assert_eq!(second["parentHash"], first["hash"]);
    let call = &first["calls"][0];
    assert_eq!((&call["status"], &call["gasUsed"]), (&json!("0x1"), &json!("0x5208")));
    assert_eq!(call["logs"][0]["data"], json!(B256::with_last_byte(5)));
    assert_eq!(call["logs"][0]["transactionHash"], first["transactions"][0]);
    assert_eq!(call["logs"][0]["blockHash"], first["hash"]);
    let parsed: alloy_rpc_types_eth::Block = serde_json::from_value(first.clone()).unwrap();
    assert_eq!(json!(parsed.header.inner.hash_slow()), first["hash"]);
    assert_eq!(bench.get("eth_blockNumber", json!([])).await, "0x0", "nothing was made");
}

#[tokio::test]
async fn a_simulation_that_cannot_be_has_geths_code() {
    let bench = bench();
    let number = |number: &str| json!({ "blockOverrides": { "number": number } });
    let many: Vec<Value> = vec![json!({}); 257];
    let poor = json!({ "calls": [{ "from": RICH, "to": TO, "value": "0x1" }] });
    let greedy = json!({ "calls": [{ "from": RICH, "to": TO, "gas": "0xffffffffff" }] });
    for (blocks, code) in [
        (json!([]), -32602),
        (json!([number("0x2"), number("0x2")]), -38020),
        (json!([{ "blockOverrides": { "time": "0x1" } }]), -38021),
        (json!(many), -38026),
        (json!([number("0x102")]), -38026),
        (json!([poor]), -38014),
        (json!([greedy]), -38015),
    ] {
        let failure = bench.call("eth_simulateV1", simulated(blocks)).await.unwrap_err();
        assert_eq!(failure.code, code, "{failure:?}");
    }
    let strict = json!([{ "blockStateCalls": [{ "calls": [{ "from": RICH, "to": TO }] }], "validation": true }]);
    let failure = bench.call("eth_simulateV1", strict).await.unwrap_err();
    assert_eq!(failure.code, -38012);
    let text = format!(
        "err: max fee per gas less than block base fee: address {}",
        RICH.parse::<Address>().unwrap()
    );
    assert!(failure.message.starts_with(&text), "{failure:?}");
}

#[tokio::test]
async fn a_reverted_call_of_a_simulation_has_its_error_beside_it() {
    let bench = bench();
    let block = json!({
        "stateOverrides": { TO: { "code": "0x5f5ffd" }, RICH: { "code": "0xfe" } },
        "calls": [{ "to": TO }, { "to": RICH, "gas": "0x7530" }],
    });
    let answer = bench.get("eth_simulateV1", simulated(json!([block]))).await;
    let [reverted, halted] = answer[0]["calls"].as_array().unwrap().as_slice() else {
        panic!("{answer}")
    };
    let error = json!({ "code": 3, "message": "execution reverted", "data": "0x" });
    assert_eq!((&reverted["status"], &reverted["error"]), (&json!("0x0"), &error));
    let error = json!({ "code": -32015, "message": "invalid opcode: INVALID" });
    assert_eq!((&halted["error"], &halted["gasUsed"]), (&error, &json!("0x7530")));
}

#[tokio::test]
async fn a_block_whose_trie_is_gone_is_read_but_not_simulated_on_or_proven() {
    let mut bench = bench();
    for nonce in 0..3 {
        bench.send(transfer(0, nonce, 5)).await;
        bench.seal();
    }
    bench.rig.chain.store.flush().unwrap();
    let balance = bench.get("eth_getBalance", json!([TO, "0x1"])).await;
    assert_eq!(balance, json!("0x5"));
    let on = |block: &str| json!([{ "blockStateCalls": [{ "calls": [] }] }, block]);
    assert!(bench.call("eth_simulateV1", on("0x3")).await.is_ok());
    let failure = bench.call("eth_simulateV1", on("0x1")).await.unwrap_err();
    assert_eq!(failure.code, -32000);
    assert!(failure.message.contains("too old to simulate on"), "{}", failure.message);
    let failure = bench.call("eth_getProof", json!([TO, [], "0x1"])).await.unwrap_err();
    assert_eq!(failure.message, "distance to target block exceeds maximum proof window");
}

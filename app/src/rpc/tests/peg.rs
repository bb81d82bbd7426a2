//! `peg_*`, and derived transactions in `eth_*`.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use mooring_bridge::{
    Checkpoint, Count, Epoch, ExitIndex, Height, NATIVE, addresses::GATEWAY, contracts::Gateway,
    exit,
};
use mooring_genesis::Genesis;
use mooring_stf::testing::{Federation, pegged_genesis, wallet};
use serde_json::{Value, json};

use super::bench::{Bench, ETHER};

const L1_RECIPIENT: Address = Address::repeat_byte(0x55);

struct Pegged {
    bench: Bench,
    federation: Federation,
    genesis: Genesis,
}

/// Four members; the first wallet has one ether from L1.
async fn funded() -> Pegged {
    let genesis = pegged_genesis(4);
    let mut bench = Bench::new(&genesis);
    let mut federation = Federation::new(genesis.domain().unwrap(), 4);
    let owner = wallet::address(wallet::KEYS[0]);
    let deposit = federation.deposit(0, NATIVE, owner, ETHER, 0);
    let mut messages = federation.deliver(&[deposit]);
    let delivery = messages.pop().unwrap();
    for vote in messages {
        bench.get("peg_submit", json!([vote])).await;
    }
    bench.seal();
    bench.get("peg_submit", json!([delivery])).await;
    bench.seal();
    Pegged { bench, federation, genesis }
}

#[tokio::test]
async fn a_deposit_goes_in_through_the_lane() {
    let Pegged { bench, federation, .. } = funded().await;
    let status = bench.get("peg_status", json!([])).await;
    assert_eq!(status["credited"]["count"], 1);
    assert_eq!(status["members"].as_array().unwrap().len(), 4);
    assert_eq!(status["openHeads"], json!([]));
    assert_eq!(status["halted"], false);
    let credit = bench.get("peg_credit", json!([1])).await;
    assert_eq!(credit["credited"], true);
    assert_eq!(credit["blockNumber"], 2);
    let later = bench.get("peg_credit", json!(["0x2"])).await;
    assert_eq!((&later["accepted"], &later["credited"]), (&json!(false), &json!(false)));

    let stale = bench.call("peg_submit", json!([federation.vote(0)])).await.unwrap_err();
    assert_eq!(stale.code, -32000);
    assert!(stale.message.contains("not above the accepted head"), "{}", stale.message);
    let other = bench.call("peg_submit", json!(["0x02c0"])).await.unwrap_err();
    assert_eq!(other.code, -32602);
}

#[tokio::test]
async fn derived_transactions_have_the_form_that_tools_parse() {
    let Pegged { bench, .. } = funded().await;
    let credit = bench.get("peg_credit", json!([1])).await;
    let tx = bench.get("eth_getTransactionByHash", json!([credit["transactionHash"]])).await;
    for (field, value) in [
        ("type", "0x7e"),
        ("nonce", "0x0"),
        ("gasPrice", "0x0"),
        ("v", "0x0"),
        ("r", "0x0"),
        ("s", "0x0"),
        ("value", "0x0"),
        ("mint", "0xde0b6b3a7640000"),
        ("gas", "0x1e8480"),
        ("blockNumber", "0x2"),
        ("transactionIndex", "0x0"),
    ] {
        assert_eq!(tx[field], value, "{field}");
    }
    assert_eq!(tx["isSystemTx"], false);
    assert_eq!(tx["to"], json!(GATEWAY));
    assert!(tx["sourceHash"].is_string() && tx["input"].is_string() && tx["from"].is_string());
    let block = bench.get("eth_getBlockByNumber", json!(["0x2", true])).await;
    assert_eq!(block["transactions"], json!([tx]));
    let receipt = bench.get("eth_getTransactionReceipt", json!([tx["hash"]])).await;
    assert_eq!((&receipt["type"], &receipt["status"]), (&json!("0x7e"), &json!("0x1")));
    let raw = bench.get("eth_getRawTransactionByHash", json!([tx["hash"]])).await;
    let refused = bench.call("eth_sendRawTransaction", json!([raw])).await.unwrap_err();
    assert!(refused.message.contains("transaction type not supported"));
}

#[tokio::test]
async fn exits_have_proofs_and_checkpoints_have_bundles() {
    let Pegged { mut bench, federation, genesis } = funded().await;
    let withdraw = Gateway::withdrawCall {
        asset: NATIVE,
        amount: U256::from(1_000),
        recipient: L1_RECIPIENT,
        fee: U256::from(1),
    };
    let call = wallet::call(0, GATEWAY, 1_000, withdraw.abi_encode());
    bench.send(wallet::sign(wallet::KEYS[0], call)).await;
    bench.seal();
    bench.seal();

    let exit_json = bench.get("peg_exit", json!([0])).await;
    assert_eq!(exit_json["recipient"], json!(L1_RECIPIENT));
    assert_eq!(exit_json["amount"], "0x3e8");
    assert_eq!(bench.get("peg_exits", json!([0, 10])).await, json!([exit_json]));
    assert_eq!(bench.get("peg_exit", json!([1])).await, Value::Null);
    assert_eq!(bench.get("peg_exitProof", json!([0, 2])).await, Value::Null);
    let proof = bench.get("peg_exitProof", json!([0, 1])).await;
    let read = |value: &Value| serde_json::from_value::<B256>(value.clone()).unwrap();
    assert!(exit::verify(read(&proof["root"]), 1, ExitIndex::new(0), read(&proof["leaf"]), &[]));

    let status = bench.get("peg_status", json!([])).await;
    let record = status["checkpoints"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(record["complete"], true, "{status}");
    assert_eq!(bench.get("peg_checkpoint", json!(["latestQuorum"])).await, Value::Null);
    let number = |field: &str| record[field].as_u64().unwrap();
    let checkpoint = Checkpoint {
        epoch: Epoch::new(number("epoch")),
        height: Height::new(number("height")),
        block_hash: read(&record["blockHash"]),
        state_root: read(&record["stateRoot"]),
        exit_count: number("exitCount"),
        exit_root: read(&record["exitRoot"]),
        credited_count: Count::new(number("creditedCount")),
        credited_acc: read(&record["creditedAcc"]),
    };
    for member in 0..3 {
        let vote = federation.checkpoint_vote(member, &checkpoint);
        bench.get("peg_submit", json!([vote])).await;
        let again = bench.call("peg_submit", json!([vote])).await.unwrap_err();
        assert_eq!(again.message, "already known");
    }
    bench.seal();
    let bundle = bench.get("peg_checkpoint", json!(["latestQuorum"])).await;
    assert_eq!(bundle["quorum"], true);
    assert_eq!(bundle["index"], record["index"]);
    assert_eq!(bench.get("peg_checkpoint", json!([record["index"]])).await, bundle);
    let words: Vec<B256> = serde_json::from_value(bundle["memberWords"].clone()).unwrap();
    assert_eq!(words, genesis.members().unwrap().words());
    let signatures: Bytes = serde_json::from_value(bundle["signatures"].clone()).unwrap();
    assert_eq!(signatures.len(), 3 * 65);
    let signers: Vec<Address> = serde_json::from_value(bundle["signers"].clone()).unwrap();
    assert!(signers.is_sorted());
}

#[tokio::test]
async fn the_domain_and_the_genesis_are_the_chains() {
    let Pegged { bench, genesis, .. } = funded().await;
    let domain = bench.get("peg_domain", json!([])).await;
    assert_eq!(domain["separator"], json!(genesis.domain().unwrap().separator()));
    assert_eq!(domain["setupHash"], json!(genesis.setup_hash()));
    let document = bench.get("peg_genesis", json!([])).await;
    let parsed = Genesis::parse(&document.to_string()).unwrap();
    assert_eq!(parsed.hash(), genesis.hash());
}

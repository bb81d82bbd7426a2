//! The runner itself, on cases worked out by hand: it must see what is right and what is wrong.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, path::Path};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use mooring_stf::testing::{CHAIN_ID, wallet};
use serde_json::{Value, json};

use crate::{
    case::{self, Pass},
    fixture::Test,
    fork,
    report::Report,
    waivers,
};

const COINBASE: Address = Address::repeat_byte(0xc0);
const CALLEE: Address = Address::repeat_byte(0xca);
const MEANS: u64 = 1_000_000_000;
const PRICE: u64 = 10;

/// A legacy transaction with this value to an account that does not exist, gas price 10.
fn test(fork: &str, value: u64, root: B256) -> Value {
    json!({
        "env": {
            "currentCoinbase": COINBASE,
            "currentGasLimit": "0xfffffffffffffffffffffffff",
            "currentNumber": "0x01",
            "currentTimestamp": "0x03e8",
            "currentDifficulty": "0x020000",
        },
        "pre": {
            (sender().to_string()): {
                "nonce": "0x00", "balance": U256::from(MEANS), "code": "0x", "storage": {},
            },
        },
        "transaction": {
            "nonce": "0x00",
            "gasPrice": "0x0a",
            "gasLimit": ["0x5208"],
            "to": CALLEE,
            "value": [U256::from(value)],
            "data": ["0x"],
            "secretKey": wallet::KEYS[0],
        },
        "post": {
            (fork.to_owned()): [{
                "hash": root,
                "logs": keccak256([0xc0]),
                "indexes": { "data": 0, "gas": 0, "value": 0 },
            }],
        },
        "config": { "chainid": U256::from(CHAIN_ID) },
    })
}

fn sender() -> Address {
    wallet::address(wallet::KEYS[0])
}

/// The root after the transfer, from accounts written down here.
fn expected(value: u64, callee_exists: bool) -> B256 {
    let account = |nonce, balance| TrieAccount {
        nonce,
        balance: U256::from(balance),
        ..TrieAccount::default()
    };
    let mut accounts = vec![
        (sender(), account(1, MEANS - 21_000 * PRICE - value)),
        (COINBASE, account(0, 21_000 * PRICE)),
    ];
    if callee_exists {
        accounts.push((CALLEE, account(0, value)));
    }
    state_root_unhashed(accounts)
}

fn verdict(test: Value) -> Result<Pass, String> {
    let test: Test = serde_json::from_value(test).unwrap();
    let (name, posts) = test.post.first_key_value().unwrap();
    case::run(&test, fork::rules(name, &test.config).unwrap(), &posts[0])
}

#[test]
fn a_transfer_passes_and_each_difference_is_seen() {
    let right = test("Berlin", 7, expected(7, true));
    assert_eq!(verdict(right.clone()), Ok(Pass::Exact));

    let mut wrong = right.clone();
    wrong["post"]["Berlin"][0]["hash"] = json!(B256::ZERO);
    assert!(verdict(wrong).unwrap_err().starts_with("state root"));

    let mut wrong = right.clone();
    wrong["post"]["Berlin"][0]["logs"] = json!(B256::ZERO);
    assert!(verdict(wrong).unwrap_err().starts_with("hash of the logs"));

    let mut wrong = right;
    wrong["post"]["Berlin"][0]["expectException"] = json!("TransactionException.NONCE_IS_MAX");
    assert!(verdict(wrong).unwrap_err().starts_with("accepted"));
}

#[test]
fn an_empty_account_comes_into_being_before_eip_161_only() {
    for (fork, exists) in [
        ("Frontier", true),
        ("Homestead", true),
        ("TangerineWhistle", true),
        ("SpuriousDragon", false),
        ("Byzantium", false),
        ("London", false),
    ] {
        assert_eq!(verdict(test(fork, 0, expected(0, exists))), Ok(Pass::Exact), "{fork}");
        assert!(verdict(test(fork, 0, expected(0, !exists))).is_err(), "{fork}");
    }
}

#[test]
fn nothing_is_created_over_an_account_that_has_storage() {
    let target = sender().create(0);
    let slot = B256::with_last_byte(1);
    let holder = TrieAccount {
        balance: U256::from(1),
        storage_root: storage_root_unhashed([(slot, U256::from(1))]),
        ..TrieAccount::default()
    };
    // EIP-7610: the nonce and all gas are used up, the value stays.
    let gas = 100_000;
    let after = |nonce, balance| TrieAccount {
        nonce,
        balance: U256::from(balance),
        ..TrieAccount::default()
    };
    let root = state_root_unhashed([
        (sender(), after(1, MEANS - gas * PRICE)),
        (COINBASE, after(0, gas * PRICE)),
        (target, holder),
    ]);
    let mut test = test("Berlin", 7, root);
    test["pre"][target.to_string()] =
        json!({ "nonce": "0x00", "balance": "0x01", "code": "0x", "storage": { "0x01": "0x01" } });
    test["transaction"]["to"] = json!("");
    test["transaction"]["gasLimit"] = json!([U256::from(gas)]);
    assert_eq!(verdict(test), Ok(Pass::Exact));
}

#[test]
fn a_refusal_is_compared_with_the_reason_named() {
    let untouched = state_root_unhashed([(
        sender(),
        TrieAccount { balance: U256::from(MEANS), ..TrieAccount::default() },
    )]);
    let mut refused = test("Berlin", MEANS, untouched);
    assert!(verdict(refused.clone()).unwrap_err().starts_with("refused"));
    refused["post"]["Berlin"][0]["expectException"] = json!(
        "TransactionException.INTRINSIC_GAS_TOO_LOW|TransactionException.INSUFFICIENT_ACCOUNT_FUNDS"
    );
    assert_eq!(verdict(refused.clone()), Ok(Pass::Exact));
    refused["post"]["Berlin"][0]["expectException"] = json!("TransactionException.NONCE_IS_MAX");
    assert_eq!(verdict(refused.clone()), Ok(Pass::OtherReason));
    // Bytes that are no transaction are refused too.
    refused["post"]["Berlin"][0]["txbytes"] = json!(Bytes::from_static(&[0xc1]));
    assert_eq!(verdict(refused), Ok(Pass::OtherReason));
}

#[test]
fn the_report_counts_fails_waives_and_names() {
    let tests: BTreeMap<&str, Value> = [
        ("good", test("Berlin", 7, expected(7, true))),
        ("bad", test("Berlin", 7, B256::ZERO)),
        ("strange", test("Atlantis", 7, B256::ZERO)),
    ]
    .into();
    let list = "# words\nBerlin | bad | because | it is a test\n";
    for (list, good) in [("", false), (list, true)] {
        let list = waivers::parse(list).unwrap();
        let mut report = Report::default();
        for (name, test) in &tests {
            let test = serde_json::from_value(test.clone()).unwrap();
            report.test(Path::new("file.json"), name, &test, &list);
        }
        assert_eq!(report.is_good(), good);
        let text = report.to_string();
        assert!(text.contains("not supported: Atlantis (1 cases)"), "{text}");
        assert!(good != text.contains("FAILED file.json\n  Berlin bad\n  state root"), "{text}");
        assert!(good == text.contains("waived: Berlin bad: because | it is a test"), "{text}");
    }
}

#[test]
fn a_waiver_has_a_reason() {
    assert!(waivers::read().is_ok());
    assert!(waivers::parse("Berlin | bad |").is_err());
    assert!(waivers::parse("Berlin").is_err());
}

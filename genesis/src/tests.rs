#![allow(clippy::unwrap_used, reason = "tests")]

use crate::{
    ANVIL_ACCOUNTS, Engine, FeeRule, Genesis, GenesisError, L1Section, PublicKey, Setup, Validator,
};
use alloy_primitives::{Address, B256, U256};
use proptest::prelude::*;
use serde_json::{Value, json};

fn validator(index: u8) -> Validator {
    Validator {
        name: format!("node{index}"),
        consensus_pubkey: PublicKey(B256::repeat_byte(index + 1)),
        power: 10,
        payout: Address::repeat_byte(0x10 + index),
        member: Address::repeat_byte(0x50 + index),
        recovery: Address::repeat_byte(0xf0 - index),
    }
}

fn setup() -> Setup {
    let mut setup = Setup::new(42155, Engine::Malachite, 1_700_000_000_123);
    setup.validators = (0..4).map(validator).collect();
    setup
}

fn l1() -> L1Section {
    L1Section {
        chain_id: 31337,
        vault: Address::repeat_byte(0xaa),
        deploy_block: 3,
        block_hash: B256::repeat_byte(0xbb),
    }
}

fn genesis() -> Genesis {
    Genesis::pegged(setup(), l1()).unwrap()
}

fn document() -> Value {
    serde_json::from_str(&genesis().to_json()).unwrap()
}

/// The error of a document with one value changed, by JSON pointer.
fn refused(pointer: &str, value: Value) -> String {
    let mut document = document();
    *document.pointer_mut(pointer).unwrap() = value;
    Genesis::parse(&document.to_string()).unwrap_err().to_string()
}

#[test]
fn a_document_parses_to_what_was_written() {
    let parsed = Genesis::parse(&genesis().to_json()).unwrap();
    assert_eq!(parsed, genesis());
    assert_eq!(parsed.hash(), genesis().hash());
}

#[test]
fn defaults_are_part_of_the_setup_hash() {
    let mut short = document();
    for key in ["gas_limit", "fee_rule", "checkpoint", "alloc", "dev", "block_interval_ms"] {
        short.as_object_mut().unwrap().remove(key).unwrap();
    }
    let parsed = Genesis::parse(&short.to_string()).unwrap();
    assert_eq!(parsed, genesis());
    assert_eq!(parsed.setup().gas_limit, 300_000_000);
}

#[test]
fn setup_hash_leaves_out_the_l1_section_only() {
    let elsewhere = L1Section { vault: Address::repeat_byte(0xcc), ..l1() };
    let other = Genesis::pegged(setup(), elsewhere).unwrap();
    assert_eq!(other.setup_hash(), genesis().setup_hash());
    assert_ne!(other.hash(), genesis().hash());
    assert_ne!(other.domain().unwrap().separator(), genesis().domain().unwrap().separator());
    let mut later = setup();
    later.genesis_time_ms += 1;
    assert_ne!(later.hash(), setup().hash());
}

#[test]
fn canonical_setup_is_pinned() {
    let mut setup = setup();
    setup.validators.truncate(1);
    setup.alloc.insert(Address::repeat_byte(0xab), U256::from(1) << 64);
    let expected = concat!(
        r#"{"alloc":{"0xabababababababababababababababababababab":"18446744073709551616"},"#,
        r#""base_fee_floor_wei":1000000,"block_interval_ms":500,"chain_id":42155,"#,
        r#""checkpoint":{"heartbeat_secs":86400,"renew_blocks":8},"#,
        r#""credit_gas_per_block":30000000,"dev":false,"engine":"malachite","#,
        r#""fee_rule":"pegged","gas_limit":300000000,"genesis_time":1700000000123,"#,
        r#""max_block_bytes":4194304,"validators":[{"#,
        r#""consensus_pubkey":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","#,
        r#""member":"0x5050505050505050505050505050505050505050","name":"node0","#,
        r#""payout":"0x1010101010101010101010101010101010101010","power":10,"#,
        r#""recovery":"0xf0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0"}]}"#,
    );
    assert_eq!(setup.canonical(), expected);
}

#[test]
fn genesis_time_reads_rfc_3339() {
    let mut document = document();
    document["genesis_time"] = json!("2023-11-14T22:13:20.123Z");
    assert_eq!(Genesis::parse(&document.to_string()).unwrap(), genesis());
    assert!(refused("/genesis_time", json!("yesterday")).contains("RFC 3339"));
}

#[test]
fn unknown_and_duplicate_keys_are_refused() {
    for pointer in ["", "/l1", "/checkpoint", "/validators/0"] {
        let mut document = document();
        document.pointer_mut(pointer).unwrap()["surprise"] = json!(1);
        let error = Genesis::parse(&document.to_string()).unwrap_err().to_string();
        assert!(error.contains("surprise"), "{pointer}: {error}");
    }
    let text =
        document().to_string().replacen("\"deploy_block\"", "\"vault\":\"0x\",\"deploy_block\"", 1);
    let error = Genesis::parse(&text).unwrap_err().to_string();
    assert!(error.contains("\"vault\" is there twice"), "{error}");
}

#[test]
fn two_spellings_of_one_address_in_alloc_are_refused() {
    let alloc = json!({
        "0xabcdefabcdefabcdefabcdefabcdefabcdefabcd": "1",
        "0xABCDEFabcdefabcdefabcdefabcdefabcdefabcd": "2",
    });
    assert!(refused("/alloc", alloc).contains("twice"));
}

#[test]
fn chain_ids_that_cannot_be_used_are_refused() {
    assert!(refused("/chain_id", json!(0)).contains("every chain"));
    assert!(refused("/chain_id", json!(1)).contains("Ethereum's own"));
    assert!(refused("/chain_id", json!(31337)).contains("L1's as well"));
    assert!(refused("/chain_id", json!(4_503_599_627_370_477u64)).contains("wallets"));
    assert!(refused("/l1/chain_id", json!(0)).contains("eth_chainId"));
}

#[test]
fn validators_that_are_no_federation_are_refused() {
    assert!(refused("/validators", json!([])).contains("empty"));
    assert!(refused("/validators/1/power", json!(0)).contains("no power"));
    assert!(refused("/validators/1/power", json!(u64::MAX)).contains("total power"));
    assert!(refused("/validators/1/name", json!("No De")).contains("lower-case"));
    let twins = ["name", "consensus_pubkey", "member", "recovery"];
    for field in twins {
        let twin = document()["validators"][0][field].clone();
        let error = refused(&format!("/validators/1/{field}"), twin);
        assert!(error.contains("used twice"), "{field}: {error}");
    }
    let member = document()["validators"][0]["member"].clone();
    assert!(refused("/validators/0/recovery", member).contains("used twice"));
    assert!(refused("/validators/0/payout", json!(Address::ZERO)).contains("nobody holds"));
    assert!(refused("/validators/0/consensus_pubkey", json!("AAAA")).contains("32 bytes"));
}

#[test]
fn more_than_128_validators_are_refused() {
    let mut setup = setup();
    let numbered = |index: u64| Validator {
        name: format!("n{index}"),
        consensus_pubkey: PublicKey(U256::from(index + 1).into()),
        power: 1,
        payout: Address::repeat_byte(1),
        member: Address::left_padding_from(&(index + (1 << 40)).to_be_bytes()),
        recovery: Address::left_padding_from(&(index + (1 << 41)).to_be_bytes()),
    };
    setup.validators = (0..128).map(numbered).collect();
    setup.check().unwrap();
    setup.validators.push(numbered(128));
    assert!(matches!(setup.check(), Err(GenesisError::Members(_))));
}

#[test]
fn public_keys_are_refused_unless_dev() {
    for (account, role) in
        ANVIL_ACCOUNTS.iter().zip(["payout", "member", "recovery"].iter().cycle())
    {
        let error = refused(&format!("/validators/2/{role}"), json!(account));
        assert!(error.contains("anvil"), "{error}");
        let mut document = document();
        document["validators"][2][role] = json!(account);
        document["dev"] = json!(true);
        Genesis::parse(&document.to_string()).unwrap();
    }
}

#[test]
fn the_dev_l1_has_no_peg_and_needs_no_validators() {
    let mut setup = Setup::new(1337, Engine::Dev, 0);
    setup.fee_rule = FeeRule::Ethereum;
    setup.alloc = ANVIL_ACCOUNTS.iter().map(|account| (*account, U256::from(5))).collect();
    let genesis = Genesis::unpegged(setup.clone()).unwrap();
    assert_eq!(genesis.domain(), None);
    assert_eq!(genesis.setup().native_supply(), Some(U256::from(50)));
    assert_eq!(Genesis::parse(&genesis.to_json()).unwrap(), genesis);
    assert!(matches!(Genesis::pegged(setup, l1()), Err(GenesisError::Peg(_))));
    assert!(matches!(Genesis::unpegged(self::setup()), Err(GenesisError::Peg(_))));
}

#[test]
fn balances_of_the_chain_itself_and_beyond_256_bits_are_refused() {
    let gateway = json!({ "0x6d6f6f72696e6700000000000000000000000001": "1" });
    assert!(refused("/alloc", gateway).contains("belongs to the chain"));
    let max = U256::MAX.to_string();
    let too_much = json!({
        "0xabababababababababababababababababababab": max,
        "0xacacacacacacacacacacacacacacacacacacacac": "1",
    });
    assert!(refused("/alloc", too_much).contains("256 bits"));
    for bad in ["", "-1", "0x10", "1.5"] {
        let alloc = json!({ "0xabababababababababababababababababababab": bad });
        assert!(refused("/alloc", alloc).contains("not wei"), "{bad}");
    }
}

#[test]
fn limits_outside_their_bounds_are_refused() {
    for field in ["block_interval_ms", "gas_limit", "max_block_bytes", "credit_gas_per_block"] {
        let error = refused(&format!("/{field}"), json!(0));
        assert!(error.contains(field), "{error}");
    }
    assert!(refused("/checkpoint/heartbeat_secs", json!(200_000)).contains("heartbeat"));
}

#[test]
fn member_lists_are_sorted_by_their_own_address() {
    let peg = genesis().peg().unwrap().clone();
    assert_eq!(peg.members.as_slice()[0].address, Address::repeat_byte(0x50));
    assert_eq!(peg.recovery.as_slice()[0].address, Address::repeat_byte(0xf0 - 3));
    assert_eq!(peg.members.total(), 40);
}

proptest! {
    #[test]
    fn every_setup_that_passes_survives_its_canonical_text(
        powers in prop::collection::vec(1u64..(1 << 57), 1..6),
        time in 0u64..253_402_300_799_999,
        wei in any::<[u64; 2]>(),
        dev in any::<bool>(),
    ) {
        let mut setup = setup();
        setup.validators = (0u8..).zip(&powers).map(|(index, power)| {
            Validator { power: *power, ..validator(index) }
        }).collect();
        setup.genesis_time_ms = time;
        setup.dev = dev;
        setup.alloc = wei.iter().zip(0u8..).map(|(wei, index)| {
            (Address::repeat_byte(0x90 + index), U256::from(*wei))
        }).collect();
        let parsed = Setup::parse(&setup.canonical()).unwrap();
        prop_assert_eq!(parsed.hash(), setup.hash());
        prop_assert_eq!(parsed, setup);
    }
}

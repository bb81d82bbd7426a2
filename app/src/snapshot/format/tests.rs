#![allow(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{Address, KECCAK256_EMPTY};
use mooring_bridge::types::ExitIndex;
use mooring_trie::EMPTY_ROOT_HASH;
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn examples() -> Vec<(&'static str, Record)> {
    let header = Header { number: 7, ..Header::default() };
    let tip = Tip {
        hash: header.hash_slow(),
        header: header.clone(),
        app_hash: B256::repeat_byte(2),
        exit_root: B256::repeat_byte(3),
        exit_count: 4,
    };
    let account =
        TrieAccount::new(5, U256::from(1_000_000_000_000_u64), EMPTY_ROOT_HASH, KECCAK256_EMPTY);
    let exit = Exit {
        index: ExitIndex::new(9),
        asset: Address::ZERO,
        recipient: Address::repeat_byte(6),
        amount: U256::from(1000),
        fee: U256::from(1),
    };
    vec![
        ("head", Record::Head(Box::new(Head { chain: B256::repeat_byte(1), tip }))),
        ("header", Record::Header(Box::new(header))),
        ("engine", Record::Engine(vec![1, 2, 3])),
        ("account", Record::Account { key: B256::repeat_byte(7), account }),
        ("word", Record::Word { key: B256::repeat_byte(8), value: U256::from(258) }),
        ("code", Record::Code(vec![0x60, 0])),
        ("exit", Record::Exit(exit)),
    ]
}

fn manifest() -> Manifest {
    let chunks = (1..=3).map(|n| chunk_hash(&[n])).collect();
    let (chain, app_hash) = (B256::repeat_byte(1), B256::repeat_byte(2));
    Manifest { height: 258, chain, app_hash, chunks }
}

#[test]
fn the_format_should_not_change() {
    let mut found = format!("format {FORMAT}\nchunk {CHUNK_TARGET}\n");
    let mut line = |name: &str, bytes: &[u8]| {
        found.push_str(&format!("{name} {}\n", hex::encode(bytes)));
    };
    for (name, record) in examples() {
        let mut bytes = Vec::new();
        record.write(&mut bytes).unwrap();
        line(name, &bytes);
    }
    line("chunk.hash", chunk_hash(b"chunk").as_slice());
    line("manifest", &manifest().to_abci().unwrap().encode_to_vec());
    assert_eq!(found, include_str!("tests.snapshot"));
}

#[test]
fn records_read_back() {
    let mut chunk = Vec::new();
    let records: Vec<_> = examples().into_iter().map(|(_, record)| record).collect();
    records.iter().for_each(|record| record.write(&mut chunk).unwrap());
    let mut rest = chunk.as_slice();
    for record in &records {
        assert_eq!(Record::read(&mut rest).unwrap(), *record);
    }
    assert!(rest.is_empty());
    assert_eq!(Manifest::from_abci(&manifest().to_abci().unwrap()).unwrap(), manifest());
}

#[test]
fn a_word_has_one_encoding() {
    let mut chunk = Vec::new();
    let word = Record::Word { key: B256::ZERO, value: U256::from(1) };
    word.write(&mut chunk).unwrap();
    let mut longer = chunk.clone();
    longer.insert(HEADER_BYTES + HASH, 0);
    longer[4] += 1;
    assert!(Record::read(&mut longer.as_slice()).is_err(), "leading zeros");
    chunk.pop();
    chunk[4] -= 1;
    assert!(Record::read(&mut chunk.as_slice()).is_err(), "zero is no word");
}

#[test]
fn what_is_too_long_for_a_chunk_is_not_written() {
    let mut chunk = Vec::new();
    assert!(Record::Code(vec![0; MAX_BODY + 1]).write(&mut chunk).is_err());
    const { assert!(MAX_CHUNK < 16_000_000) };
    Record::Code(vec![0; MAX_BODY]).write(&mut chunk).unwrap();
    // A length is believed up to the limit, and only as far as there are bytes.
    chunk[1] = 0xff;
    assert!(Record::read(&mut chunk.as_slice()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(3),
        ..Default::default()
    })]

    #[test]
    fn no_bytes_make_it_panic(
        tag in 0..9u8,
        body in prop::collection::vec(any::<u8>(), 0..200),
        length in prop_oneof![Just(None), any::<u32>().prop_map(Some)],
    ) {
        let length = length.unwrap_or(u32::try_from(body.len()).unwrap());
        let chunk = [&[tag][..], &length.to_be_bytes(), &body].concat();
        let mut rest = chunk.as_slice();
        if let Ok(record) = Record::read(&mut rest) {
            let mut again = Vec::new();
            record.write(&mut again).unwrap();
            prop_assert!(again.len() <= chunk.len());
        }
    }
}

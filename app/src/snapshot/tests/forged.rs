//! Snapshots that are whole and wrong: made by somebody who wants to be believed.

use alloy_primitives::{Address, B256, U256};
use mooring_bridge::exit::Exit;
use mooring_bridge::types::ExitIndex;

use super::chain::{Home, Script};
use super::snapshot_at;
use crate::snapshot::format::{Manifest, Record};
use crate::snapshot::{Rules, Saved, SnapshotError, verify};
use crate::store::StoreOptions;

/// The snapshot of these records, described as they are.
fn forge(home: &Home, like: &Manifest, records: &[Record]) -> Saved {
    let snapshots = home.snapshots();
    let mut writer = snapshots.begin().unwrap();
    records.iter().for_each(|record| writer.record(record).unwrap());
    let like = like.clone();
    writer.end(|chunks| Manifest { chunks, ..like.clone() }, None).unwrap();
    snapshots.finish(&writer, like.height).unwrap()
}

fn position(records: &[Record], is_it: impl Fn(&Record) -> bool) -> usize {
    records.iter().position(is_it).expect("the script has one")
}

type Change = fn(&mut Vec<Record>);

const CHANGES: [(&str, Change); 16] = [
    ("state root", |records| {
        let at = position(records, |record| matches!(record, Record::Account { .. }));
        let Record::Account { account, .. } = &mut records[at] else { panic!("an account") };
        account.balance += U256::from(1);
    }),
    ("the storage of account", |records| {
        let at = position(records, |record| matches!(record, Record::Word { .. }));
        records.remove(at);
    }),
    ("the storage of account", |records| {
        let at = position(records, |record| matches!(record, Record::Word { .. }));
        let Record::Word { value, .. } = &mut records[at] else { panic!("a word") };
        *value += U256::from(1);
    }),
    ("not above the one before", |records| {
        let at = position(records, |record| matches!(record, Record::Account { .. }));
        records.insert(at, records[at].clone());
    }),
    ("state root", |records| {
        let last = |record: &Record| matches!(record, Record::Account { .. });
        let at = records.iter().rposition(last).unwrap();
        let Record::Account { key, account } = records[at].clone() else { panic!("an account") };
        let key = B256::from(U256::from_be_bytes(key.0).saturating_add(U256::from(1)));
        let end = position(&records[at + 1..], |record| !matches!(record, Record::Word { .. }));
        let account = mooring_trie::TrieAccount::new(
            account.nonce,
            account.balance,
            mooring_trie::EMPTY_ROOT_HASH,
            account.code_hash,
        );
        records.insert(at + 1 + end, Record::Account { key, account });
    }),
    ("is missing", |records| {
        let at = position(records, |record| matches!(record, Record::Code(_)));
        records.remove(at);
    }),
    ("out of order, or nobody's", |records| {
        let at = position(records, |record| matches!(record, Record::Code(_)));
        records.insert(at, Record::Code(vec![1, 2, 3]));
    }),
    ("its exits are not those", |records| {
        records.pop().unwrap();
    }),
    ("its exits are not those", |records| {
        let Some(Record::Exit(exit)) = records.last_mut() else { panic!("an exit") };
        exit.amount += U256::from(1);
    }),
    ("its exits are not those", |records| {
        let Some(Record::Exit(last)) = records.last() else { panic!("an exit") };
        let index = ExitIndex::new(last.index.get() + 1);
        let recipient = Address::repeat_byte(6);
        records.push(Record::Exit(Exit { index, recipient, ..last.clone() }));
    }),
    ("exit 77 is out of order", |records| {
        let Some(Record::Exit(exit)) = records.last_mut() else { panic!("an exit") };
        exit.index = ExitIndex::new(77);
    }),
    ("headers are missing", |records| {
        let at = position(records, |record| matches!(record, Record::Account { .. }));
        assert!(matches!(records.remove(at - 1), Record::Header(_)));
    }),
    ("is not the chain's", |records| {
        let Record::Header(header) = &mut records[3] else { panic!("a header") };
        header.gas_used += 1;
    }),
    ("its description says", |records| {
        let Record::Head(head) = &mut records[0] else { panic!("a head") };
        head.tip.header.state_root = B256::repeat_byte(1);
        head.tip.hash = head.tip.header.hash_slow();
    }),
    ("its description says", |records| {
        let Record::Head(head) = &mut records[0] else { panic!("a head") };
        head.tip.exit_count += 1;
    }),
    ("the engine's part of it", |records| {
        let at = position(records, |record| matches!(record, Record::Account { .. }));
        records.insert(at, Record::Engine(vec![8, 1, 2, 3]));
    }),
];

#[test]
fn what_the_app_hash_does_not_commit_to_is_refused() {
    let script = Script::of(4, 12);
    let (home, saved) = snapshot_at(&script, 12, StoreOptions::default());
    let mut records = Vec::new();
    let read = saved.records(|record| {
        records.push(record);
        Ok(())
    });
    read.unwrap();
    let rules = script.rules();
    let manifest = saved.manifest().clone();
    let again = forge(&home, &manifest, &records);
    verify(&again, &rules, Some(manifest.app_hash)).unwrap();
    let refused = verify(&again, &Rules::of(&script.genesis), None).unwrap_err();
    assert!(refused.to_string().contains("the engine's part of it is missing"), "{refused}");
    for (number, (expected, change)) in CHANGES.iter().enumerate() {
        let mut bad = records.clone();
        change(&mut bad);
        let bad = forge(&home, &manifest, &bad);
        let refused = verify(&bad, &rules, Some(manifest.app_hash)).unwrap_err();
        assert!(matches!(refused, SnapshotError::Forged { .. }), "{number}: {refused}");
        assert!(refused.to_string().contains(expected), "{number}: {refused}");
    }
    // Any record that is gone is missed, and so is any that comes twice.
    for at in 0..records.len() {
        let (mut fewer, mut more) = (records.clone(), records.clone());
        more.insert(at, fewer.remove(at));
        for bad in [fewer, more] {
            let bad = forge(&home, &manifest, &bad);
            verify(&bad, &rules, Some(manifest.app_hash)).unwrap_err();
        }
    }
}

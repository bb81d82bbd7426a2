#![allow(clippy::unwrap_used, reason = "tests")]

mod consensus;
mod fixture;
mod model;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::proof::verify_proof;
use mooring_bridge::exit;
use mooring_stf::{BlockState as _, StateReader as _};
use mooring_trie::{Nibbles, TrieAccount};

use super::*;
use crate::log::in_words;
use fixture::{CHAIN, Draft, genesis, open};

const A: Address = Address::repeat_byte(0xaa);
const B: Address = Address::repeat_byte(0xbb);

fn slot(n: u64) -> U256 {
    U256::from(n)
}

/// Checks the proof of an account and a slot against the view's own state root.
fn verify(view: &View, address: Address, key: U256) {
    verify_if_kept(view, address, key).unwrap();
}

/// The same, where the view's trie is still in memory.
fn verify_if_kept(view: &View, address: Address, key: U256) -> Option<()> {
    let proof = view.proof(address, &[key]).unwrap()?;
    let AccountRecord { nonce, balance, code_hash, storage_root } = proof.account;
    let expected = view
        .account(address)
        .unwrap()
        .map(|_| alloy_rlp::encode(TrieAccount::new(nonce, balance, storage_root, code_hash)));
    let path = Nibbles::unpack(keccak256(address));
    verify_proof(view.header().state_root, path, expected, &proof.nodes).unwrap();
    let [one] = proof.storage.as_slice() else { panic!("one slot asked for") };
    let expected = (!one.value.is_zero()).then(|| alloy_rlp::encode(one.value));
    let path = Nibbles::unpack(keccak256(key.to_be_bytes::<32>()));
    verify_proof(storage_root, path, expected, &one.nodes).unwrap();
    Some(())
}

use mooring_stf::AccountRecord;

#[test]
fn a_committed_block_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let code = Bytes::from_static(&[0x60, 0x00]);
    let tip = {
        let store = open(dir.path());
        let draft = Draft::default().balance(A, 7).slot(A, 1, 5).slot(A, 2, 6).code(B, &code);
        draft.exit(100).commit(&store, 0).tip().clone()
    };
    let store = open(dir.path());
    let view = store.latest();
    assert_eq!(*view.tip(), tip);
    assert_eq!(view.account_or_empty(A).unwrap().balance, U256::from(7));
    assert_eq!(view.storage(A, slot(2)).unwrap(), U256::from(6));
    assert_eq!(view.storage(A, slot(3)).unwrap(), U256::ZERO);
    assert_eq!(view.code_at(B).unwrap(), code);
    assert_eq!(view.number_of(tip.hash).unwrap(), Some(1));
    assert_eq!(view.block_hash(1).unwrap(), tip.hash);
    assert_eq!(view.block(1).unwrap().unwrap().header, tip.header);
    assert_eq!(view.block(2).unwrap(), None);
    assert_eq!(view.exit(0).unwrap().unwrap().amount, U256::from(100));
    verify(&view, A, slot(1));
    verify(&view, A, slot(9));
    verify(&view, Address::repeat_byte(0x11), slot(0));
}

/// Whether memory alone tells an account and a word of it.
fn is_in_memory(view: &View) -> bool {
    let (trie, owner) = (view.trie().unwrap(), keccak256(A));
    let word = trie.known_word(owner, keys::hashed(slot(1)));
    trie.known_account(owner).is_some() && word == Some(slot(5))
}

#[test]
fn what_is_read_ahead_is_in_memory_for_the_first_block_and_the_next() {
    for flush in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = open(dir.path());
            Draft::default().balance(A, 7).slot(A, 1, 5).balance(B, 1).commit(&store, 0);
            store.flush().unwrap();
            if !flush {
                Draft::default().balance(B, 2).commit(&store, 0);
            }
        }
        let store = open(dir.path());
        let early = Draft::default().balance(B, 3).layer(&store.latest());
        store.wait_until_read_ahead();
        assert!(is_in_memory(&store.latest()), "above the tables: {}", !flush);
        assert!(is_in_memory(&store.commit(early, 0).unwrap()), "executed before");
    }
}

#[test]
fn of_block_zero_the_state_alone_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = mooring_stf::genesis_block(&mooring_stf::testing::pegged_genesis(1)).unwrap();
    let accounts = genesis.changes.accounts.clone();
    let store = Store::open(dir.path(), CHAIN, || Ok(genesis)).unwrap();
    let first = *accounts.keys().next().unwrap();
    Draft::default().balance(first, 7).commit(&store, 0);
    store.flush().unwrap();
    let (zero, db) = (store.at(0).unwrap().unwrap(), store.0.shared.db.snapshot());
    for (address, change) in &accounts {
        assert_eq!(zero.account(*address).unwrap(), change.account);
        let key = keys::account_history(keccak256(address), 0);
        assert_eq!(db.get(keys::TABLES, key).unwrap(), None);
    }
    assert_eq!(db.get(keys::CHANGES, keys::height(0)).unwrap(), None);
    assert!(db.get(keys::CHANGES, keys::height(1)).unwrap().is_some());
}

#[test]
fn a_block_that_was_not_committed_is_gone_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        Draft::default().balance(A, 1).commit(&store, 0);
        let lost = Draft::default().balance(A, 2).layer(&store.latest());
        assert_eq!(lost.tip().header.number, 2);
    }
    let view = open(dir.path()).latest();
    assert_eq!(view.number(), 1);
    assert_eq!(view.account_or_empty(A).unwrap().balance, U256::from(1));
}

#[test]
fn a_lagging_store_writes_all_but_the_newest_blocks() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        for balance in 1..=5 {
            Draft::default().balance(A, balance).commit(&store, 2);
        }
        assert_eq!(store.latest().number(), 5);
        assert_eq!(store.latest().finalized_number(), 3);
    }
    let view = open(dir.path()).latest();
    assert_eq!(view.number(), 3);
    assert_eq!(view.account_or_empty(A).unwrap().balance, U256::from(3));
}

#[test]
fn a_view_does_not_change_when_blocks_are_committed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    Draft::default().balance(A, 1).slot(A, 1, 1).slot(A, 2, 2).commit(&store, 0);
    let old = store.latest();
    Draft::default().balance(A, 2).slot(A, 1, 9).slot(A, 2, 0).commit(&store, 0);
    Draft::default().delete(A).commit(&store, 0);
    assert_eq!(old.account_or_empty(A).unwrap().balance, U256::from(1));
    assert_eq!(old.storage(A, slot(1)).unwrap(), U256::from(1));
    assert_eq!(old.storage(A, slot(2)).unwrap(), U256::from(2));
    assert_eq!(old.block(2).unwrap(), None);
    verify(&old, A, slot(2));
    let middle = store.at(2).unwrap().unwrap();
    assert_eq!(middle.storage(A, slot(1)).unwrap(), U256::from(9));
    verify(&middle, A, slot(1));
    assert_eq!(store.latest().account(A).unwrap(), None);
    assert_eq!(store.latest().storage(A, slot(1)).unwrap(), U256::ZERO);
}

#[test]
fn dropped_blocks_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    Draft::default().balance(A, 1).commit(&store, 4);
    let kept = store.latest().tip().clone();
    Draft::default().balance(A, 2).exit(5).commit(&store, 4);
    Draft::default().balance(A, 3).commit(&store, 4);
    let dropped = store.drop_blocks(2);
    let heights: Vec<_> = dropped.iter().map(|layer| layer.block().number()).collect();
    assert_eq!(heights, [3, 2]);
    assert_eq!(*store.latest().tip(), kept);
    assert_eq!(store.latest().account_or_empty(A).unwrap().balance, U256::from(1));
    assert!(store.at(2).unwrap().is_none());
    Draft::default().balance(A, 8).exit(6).commit(&store, 0);
    assert_eq!(store.latest().exit(0).unwrap().unwrap().amount, U256::from(6));
    assert!(store.drop_blocks(9).is_empty(), "written blocks are final");
}

#[test]
fn a_block_of_the_tables_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    Draft::default().balance(A, 1).commit(&store, 0);
    let committed = store.latest().block(1).unwrap().unwrap();
    for balance in 2..=3 {
        Draft::default().balance(A, balance).commit(&store, 0);
    }
    store.flush().unwrap();
    let read = store.latest().block(1).unwrap().unwrap();
    assert_eq!(read, committed);
    let again = store.latest().block(1).unwrap().unwrap();
    assert!(Arc::ptr_eq(&read, &again));
    assert_ne!(store.latest().block(2).unwrap(), Some(again));
}

#[test]
fn a_block_on_another_parent_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let stale = Draft::default().balance(A, 1).layer(&store.latest());
    Draft::default().balance(A, 2).commit(&store, 0);
    assert!(store.commit(stale, 0).is_err());
    assert_eq!(store.latest().account_or_empty(A).unwrap().balance, U256::from(2));
}

#[test]
fn exits_are_proved_at_every_count() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        for block in 0..4u64 {
            let mut draft = Draft::default();
            for n in 0..3 {
                draft = draft.exit(block * 3 + n);
            }
            draft.commit(&store, 0);
        }
    }
    let store = open(dir.path());
    Draft::default().exit(12).commit(&store, 5);
    let view = store.latest();
    assert_eq!(view.tip().exit_count, 13);
    for count in 1..=13 {
        for index in 0..count {
            let proof = view.exit_proof(index, count).unwrap().unwrap();
            let (exit, siblings) = (&proof.exit, &proof.siblings);
            assert!(exit::verify(proof.root, count, exit.index, exit.leaf(), siblings));
        }
        assert_eq!(view.exit_proof(count, count).unwrap(), None);
    }
    assert_eq!(view.exit_proof(0, 14).unwrap(), None, "more than there are");
    assert_eq!(view.exit_proof(3, 13).unwrap().unwrap().root, view.tip().exit_root);
}

#[test]
fn the_directory_of_another_chain_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let other = B256::repeat_byte(9);
    let error = Store::open(dir.path(), other, || panic!("genesis is not made anew")).unwrap_err();
    let StoreError::OtherChain { expected, found, .. } = error else { panic!("{error}") };
    assert_eq!((expected, found), (other, CHAIN));
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let held = open(dir.path());
    let error = Store::open(dir.path(), CHAIN, || panic!("not reached")).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by"), "{error}");
    drop(held);
    drop(open(dir.path()));
}

#[test]
fn another_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut batch = Batch::new();
    let newer = (keys::SCHEMA + 1).to_be_bytes();
    batch.put(keys::META, keys::META_SCHEMA, record::seal(&newer));
    store.0.shared.write(batch, Sync::Yes).unwrap();
    drop(store);
    let error = Store::open(dir.path(), CHAIN, || panic!("not reached")).unwrap_err();
    assert!(matches!(error, StoreError::Schema { .. }), "{error}");
}

#[test]
fn blocks_that_piled_up_before_a_crash_do_not_stop_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let within = |flush_blocks| StoreOptions { flush_blocks, ..StoreOptions::default() };
    let open = |options| Store::open_with(dir.path(), CHAIN, options, || Ok(genesis())).unwrap();
    {
        let store = open(within(100));
        for balance in 1..=20 {
            Draft::default().balance(A, balance).commit(&store, 0);
        }
    }
    // Many times what is due now.
    let store = open(within(1));
    Draft::default().balance(A, 21).commit(&store, 0);
    assert_eq!(store.latest().account_or_empty(A).unwrap().balance, U256::from(21));
}

#[test]
fn a_block_is_read_back_though_its_trie_cannot_be_computed() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        Draft::default().balance(A, 7).balance(B, 7).commit(&store, 0);
        store.flush().unwrap();
        Draft::default().balance(A, 8).commit(&store, 0);
        let mut damage = Batch::new();
        let root = keys::node(&(None, Nibbles::new()));
        damage.put(keys::TABLES, root, record::seal(b"not a node"));
        store.0.shared.write(damage, Sync::Yes).unwrap();
    }
    let store = open(dir.path());
    let view = store.latest();
    assert_eq!(view.account_or_empty(A).unwrap().balance, U256::from(8));
    for fault in
        [view.trie().unwrap_err(), view.proof(A, &[]).unwrap_err(), store.flush().unwrap_err()]
    {
        let said = in_words(&fault);
        assert!(said.contains("apply block 2 to the state tries"), "{said}");
    }
}

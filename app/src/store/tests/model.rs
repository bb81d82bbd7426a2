//! Random blocks against a plain map, on disk, in overlays, and after reopening.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use mooring_stf::{AccountRecord, StateReader as _};
use proptest::prelude::*;

use super::fixture::{CHAIN, Draft, genesis, root_of};
use crate::store::{Store, StoreOptions, View};

type State = BTreeMap<Address, (AccountRecord, BTreeMap<U256, U256>)>;

const ACCOUNTS: u8 = 4;
const SLOTS: u64 = 4;

#[derive(Clone, Debug)]
enum Change {
    Balance(u8, u64),
    Slot(u8, u64, u64),
    Delete(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..ACCOUNTS, 0..9u64).prop_map(|(a, b)| Change::Balance(a, b)),
        (0..ACCOUNTS, 0..SLOTS, 0..3u64).prop_map(|(a, s, v)| Change::Slot(a, s, v)),
        (0..ACCOUNTS).prop_map(Change::Delete),
    ]
}

fn address(n: u8) -> Address {
    Address::repeat_byte(n + 1)
}

fn draft(changes: &[Change]) -> Draft {
    changes.iter().fold(Draft::default(), |draft, change| match *change {
        Change::Balance(a, wei) => draft.balance(address(a), wei),
        Change::Slot(a, slot, value) => draft.slot(address(a), slot, value),
        Change::Delete(a) => draft.delete(address(a)),
    })
}

/// What the state must be after a block: deletions first, then what is set.
fn advance(state: &mut State, changes: &[Change], view: &View) {
    for change in changes {
        if let Change::Delete(a) = change {
            state.remove(&address(*a));
        }
    }
    for change in changes {
        let (Change::Balance(a, _) | Change::Slot(a, ..)) = change else { continue };
        let account = view.account(address(*a)).unwrap().unwrap();
        let entry = state.entry(address(*a)).or_insert((account.clone(), BTreeMap::new()));
        entry.0.nonce = account.nonce;
        entry.0.storage_root = account.storage_root;
        match change {
            Change::Balance(_, wei) => entry.0.balance = U256::from(*wei),
            Change::Slot(_, slot, value) => {
                entry.1.insert(U256::from(*slot), U256::from(*value));
            }
            Change::Delete(_) => {}
        }
    }
}

fn check(view: &View, state: &State) {
    for a in 0..ACCOUNTS {
        let expected = state.get(&address(a));
        assert_eq!(view.account(address(a)).unwrap().as_ref(), expected.map(|(r, _)| r));
        for s in 0..SLOTS {
            let slots = expected.map(|(_, slots)| slots);
            let value = slots.and_then(|slots| slots.get(&U256::from(s)));
            let found = view.storage(address(a), U256::from(s)).unwrap();
            assert_eq!(found, value.copied().unwrap_or_default());
            super::verify_if_kept(view, address(a), U256::from(s));
        }
    }
    assert_eq!(view.header().state_root, root_of(state));
}

/// What happens to the store after a block.
#[derive(Clone, Copy, Debug)]
enum Then {
    Nothing,
    Flush,
    Reopen,
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![3 => Just(Then::Nothing), 2 => Just(Then::Flush), 1 => Just(Then::Reopen)]
}

/// Little memory, so that all that is kept there is soon let go.
fn small(dir: &std::path::Path, history: u64) -> Store {
    let options =
        StoreOptions { trie_cache: 0, flush_blocks: 4, history, ..StoreOptions::default() };
    Store::open_with(dir, CHAIN, options, || Ok(genesis())).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(11),
        ..Default::default()
    })]

    #[test]
    fn every_view_tells_its_own_blocks_state(
        blocks in prop::collection::vec(
            (prop::collection::vec(change(), 0..6), then()), 1..12),
        lag in 0..4usize,
        history in prop_oneof![Just(0), 2..6u64],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut past = vec![State::new()];
        let mut store = small(dir.path(), history);
        for (changes, then) in &blocks {
            let view = draft(changes).commit(&store, lag);
            let mut state = past.last().unwrap().clone();
            advance(&mut state, changes, &view);
            check(&view, &state);
            past.push(state);
            // It would hold the directory open.
            drop(view);
            match then {
                Then::Nothing => {}
                Then::Flush => store.flush().unwrap(),
                Then::Reopen => {
                    drop(store);
                    store = small(dir.path(), history);
                    // What was not written is gone.
                    past.truncate(usize::try_from(store.latest().number()).unwrap() + 1);
                }
            }
            // Reads for execution fill the memory that all views share.
            check(&store.head(), past.last().unwrap());
            for (height, state) in past.iter().enumerate() {
                match store.at(height as u64).unwrap() {
                    Some(view) => check(&view, state),
                    None => prop_assert!(history > 0 && height as u64 + history < past.len() as u64),
                }
            }
            prop_assert!(store.at(past.len() as u64).unwrap().is_none());
        }
    }
}

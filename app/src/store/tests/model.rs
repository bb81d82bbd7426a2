//! Random blocks against a plain map, on disk, in overlays, and after reopening.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use mooring_stf::{AccountRecord, StateReader as _};
use proptest::prelude::*;

use super::fixture::{Draft, open, root_of};
use crate::store::View;

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
            super::verify(view, address(a), U256::from(s));
        }
    }
    assert_eq!(view.header().state_root, root_of(state));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_view_tells_its_own_blocks_state(
        blocks in prop::collection::vec(prop::collection::vec(change(), 0..6), 1..8),
        lag in 0..4usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut history = vec![(State::new(), None)];
        let mut state = State::new();
        {
            let store = open(dir.path());
            for changes in &blocks {
                let view = draft(changes).commit(&store, lag);
                advance(&mut state, changes, &view);
                history.push((state.clone(), Some(view)));
            }
            for (height, (state, view)) in history.iter().enumerate() {
                check(&store.at(height as u64).unwrap(), state);
                if let Some(view) = view {
                    check(view, state);
                }
            }
            history.iter_mut().for_each(|(_, view)| *view = None);
        }
        let written = blocks.len().saturating_sub(lag);
        let view = open(dir.path()).latest();
        prop_assert_eq!(view.number(), written as u64);
        check(&view, &history[written].0);
    }
}

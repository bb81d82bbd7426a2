//! Random lives of a whole state.

use crate::model::{Leaves, Words, check_proof, oracle_root, seeded, storage_leaves, told};
use alloy_primitives::{B256, U256, keccak256, utils::KECCAK256_EMPTY};
use mooring_trie::{
    Account, AccountChange, EMPTY_ROOT_HASH, MemoryNodes, StateError, StateTrie, TrieAccount,
    WordChange,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Accounts and their storage, without zero slots.
type Model = BTreeMap<B256, (Account, Words)>;

/// A change without the previous storage root, which the model knows.
#[derive(Debug, Clone)]
struct Step {
    account: Option<Account>,
    storage: BTreeMap<B256, U256>,
    wiped: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let account = (any::<u64>(), 0u64..9).prop_map(|(balance, nonce)| Account {
        nonce,
        balance: U256::from(balance),
        code_hash: KECCAK256_EMPTY,
    });
    let slot = (0u8..30).prop_map(|slot| keccak256([slot]));
    let word = prop_oneof![Just(U256::ZERO), (1u64..200).prop_map(U256::from), Just(U256::MAX)];
    let storage = prop::collection::btree_map(slot, word, 0..12);
    (prop::option::weighted(0.8, account), storage, prop::bool::weighted(0.2))
        .prop_map(|(account, storage, wiped)| Step { account, storage, wiped })
}

fn block() -> impl Strategy<Value = BTreeMap<B256, Step>> {
    prop::collection::btree_map((0u8..12).prop_map(|seed| keccak256([seed])), step(), 0..10)
}

fn storage_root(model: &Model, address: &B256) -> B256 {
    model.get(address).map_or(EMPTY_ROOT_HASH, |(_, s)| oracle_root(&storage_leaves(s)))
}

fn account_leaves(model: &Model) -> Leaves {
    let leaf = |(address, (account, _)): (&B256, &(Account, _))| {
        let root = storage_root(model, address);
        let Account { nonce, balance, code_hash } = *account;
        (*address, alloy_rlp::encode(TrieAccount::new(nonce, balance, root, code_hash)))
    };
    model.iter().map(leaf).collect()
}

/// All nodes that a state of these accounts has.
fn all_nodes(model: &Model) -> MemoryNodes {
    let change = |(address, (account, storage)): (&B256, &(Account, Words))| {
        let (account, storage) = (Some(*account), told(&Words::new(), storage));
        let storage_root = EMPTY_ROOT_HASH;
        (*address, AccountChange { before: None, account, storage, wiped: false, storage_root })
    };
    let changes = model.iter().map(change).collect();
    let mut nodes = MemoryNodes::default();
    let applied = StateTrie::default().apply(&nodes, 0, &changes).unwrap();
    nodes.write(None, &applied);
    nodes
}

fn changes(model: &Model, block: &BTreeMap<B256, Step>) -> BTreeMap<B256, AccountChange> {
    let change = |(address, step): (&B256, &Step)| {
        let Step { account, storage, wiped } = step.clone();
        let storage_root = storage_root(model, address);
        let (before, words) = model.get(address).cloned().unzip();
        let storage = told(&words.unwrap_or_default(), &storage);
        // Told wrong for one in four.
        let before = if address[31] % 4 == 0 { account } else { before };
        (*address, AccountChange { before, account, storage, wiped, storage_root })
    };
    block.iter().map(change).collect()
}

fn follow(model: &mut Model, block: BTreeMap<B256, Step>) {
    for (address, step) in block {
        let Some(account) = step.account else {
            model.remove(&address);
            continue;
        };
        let entry = model.entry(address).or_insert((account, BTreeMap::new()));
        entry.0 = account;
        if step.wiped {
            entry.1.clear();
        }
        entry.1.extend(step.storage);
        entry.1.retain(|_, value| !value.is_zero());
    }
}

proptest! {
    #![proptest_config(seeded(200))]

    #[test]
    fn state_roots_and_nodes_follow_from_the_accounts_alone(
        blocks in prop::collection::vec((block(), any::<bool>()), 1..8)
    ) {
        let (mut model, mut nodes) = (Model::new(), MemoryNodes::default());
        let mut trie = StateTrie::default();
        for (height, (block, forget)) in (0..).zip(blocks) {
            let changes = changes(&model, &block);
            let applied = trie.apply(&nodes, height, &changes).unwrap();
            follow(&mut model, block);
            prop_assert_eq!(applied.trie.root(), oracle_root(&account_leaves(&model)));
            let alive = changes.keys().filter(|address| model.contains_key(*address));
            let roots = alive.map(|address| (*address, storage_root(&model, address))).collect();
            prop_assert_eq!(&applied.storage_roots, &roots);
            nodes.write(u64::checked_sub(height, 1), &applied);
            prop_assert_eq!(&nodes, &all_nodes(&model));
            trie = applied.trie;
            if forget {
                trie = trie.pruned(height, height);
            }
        }
        for (address, (_, storage)) in &model {
            let leaves = storage_leaves(storage);
            let root = storage_root(&model, address);
            for slot in (0u8..32).map(|slot| keccak256([slot])) {
                let proof = trie.storage_proof(&nodes, *address, slot).unwrap();
                check_proof(root, slot, leaves.get(&slot), &proof);
            }
        }
        let leaves = account_leaves(&model);
        for address in (0u8..14).map(|seed| keccak256([seed])) {
            let proof = trie.account_proof(&nodes, address).unwrap();
            check_proof(trie.root(), address, leaves.get(&address), &proof);
        }
    }
}

#[test]
fn a_wrong_previous_storage_root_is_refused() {
    let account = Some(Account { nonce: 1, balance: U256::from(5), code_hash: KECCAK256_EMPTY });
    let storage = BTreeMap::from([(keccak256("slot"), WordChange::to(U256::from(7)))]);
    let address = keccak256("address");
    let storage_root = EMPTY_ROOT_HASH;
    let mut change = AccountChange { before: None, account, storage, wiped: false, storage_root };
    let nodes = MemoryNodes::default();
    let first = StateTrie::default().apply(&nodes, 1, &[(address, change.clone())].into()).unwrap();

    let error = first.trie.apply(&nodes, 2, &[(address, change.clone())].into()).unwrap_err();
    let right = first.storage_roots[&address];
    assert!(matches!(error, StateError::StorageRoot { committed, .. } if committed == right));
    change.storage_root = right;
    let again = first.trie.apply(&nodes, 2, &[(address, change)].into()).unwrap();
    assert_eq!(again.trie.root(), first.trie.root());
    assert_eq!(again.trie.changed_since(Some(1), |at, _| Err(at)), Ok(()));
    assert!(again.gone.is_empty());
}

/// Wiping forgets the stored nodes, so the same words must be stored again.
#[test]
fn storage_that_is_wiped_and_written_again_stays_in_the_store() {
    let account = Some(Account { nonce: 1, balance: U256::from(5), code_hash: KECCAK256_EMPTY });
    let (address, slot) = (keccak256("address"), keccak256("slot"));
    let storage = BTreeMap::from([(slot, WordChange::to(U256::from(7)))]);
    let storage_root = EMPTY_ROOT_HASH;
    let mut change = AccountChange { before: None, account, storage, wiped: true, storage_root };
    let mut nodes = MemoryNodes::default();
    let first = StateTrie::default().apply(&nodes, 1, &[(address, change.clone())].into()).unwrap();
    nodes.write(None, &first);
    let whole = nodes.clone();

    change.storage_root = first.storage_roots[&address];
    let again = first.trie.apply(&nodes, 2, &[(address, change)].into()).unwrap();
    nodes.write(Some(1), &again);
    assert_eq!(again.trie.root(), first.trie.root());
    assert_eq!(nodes, whole);
    StateTrie::at(again.trie.root()).storage_proof(&nodes, address, slot).unwrap();
}

//! Blocks made by hand: state changes without an EVM.

use std::collections::BTreeMap;
use std::path::Path;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use mooring_bridge::exit::{Exit, Frontier};
use mooring_bridge::types::ExitIndex;
use mooring_stf::state::AccountChange;
use mooring_stf::{AccountRecord, ChangeSet, ExecutedBlock, StateReader as _};
use mooring_trie::{EMPTY_ROOT_HASH, MemoryNodes, NodeReader};

use crate::store::{Layer, Store, View};

pub(super) const CHAIN: B256 = B256::repeat_byte(1);

pub(super) fn open(dir: &Path) -> Store {
    Store::open(dir, CHAIN, || Ok(genesis())).unwrap()
}

fn genesis() -> ExecutedBlock {
    let header = Header { state_root: EMPTY_ROOT_HASH, ..Header::default() };
    executed(header, &Frontier::default())
}

fn executed(header: Header, frontier: &Frontier) -> ExecutedBlock {
    let hash = header.hash_slow();
    ExecutedBlock {
        header,
        hash,
        transactions: Vec::new(),
        receipts: Vec::new(),
        outcomes: Vec::new(),
        changes: ChangeSet::default(),
        nodes: BTreeMap::new(),
        exits: Vec::new(),
        exit_root: frontier.root(),
        exit_count: frontier.count(),
        app_hash: keccak256(hash),
    }
}

/// What a block is to change.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    balances: BTreeMap<Address, u64>,
    codes: BTreeMap<Address, Bytes>,
    slots: BTreeMap<Address, BTreeMap<U256, U256>>,
    deleted: Vec<Address>,
    exits: Vec<u64>,
}

impl Draft {
    pub(super) fn balance(mut self, address: Address, wei: u64) -> Self {
        self.balances.insert(address, wei);
        self
    }

    pub(super) fn slot(mut self, address: Address, slot: u64, value: u64) -> Self {
        let slots = self.slots.entry(address).or_default();
        slots.insert(U256::from(slot), U256::from(value));
        self
    }

    pub(super) fn code(mut self, address: Address, code: &Bytes) -> Self {
        self.codes.insert(address, code.clone());
        self
    }

    /// Deletes the account; what else the draft says of it makes it anew.
    pub(super) fn delete(mut self, address: Address) -> Self {
        self.deleted.push(address);
        self
    }

    pub(super) fn exit(mut self, amount: u64) -> Self {
        self.exits.push(amount);
        self
    }

    pub(super) fn commit(self, store: &Store, lag: usize) -> View {
        store.commit(self.layer(&store.latest()), lag).unwrap()
    }

    pub(super) fn layer(self, parent: &View) -> Layer {
        let changes = self.changes(parent);
        let root = parent.header().state_root;
        let committed = mooring_trie::apply(parent, root, &hashed(parent, &changes)).unwrap();
        let (frontier, exits) = self.exits_over(parent);
        let header = Header {
            parent_hash: parent.hash(),
            number: parent.number() + 1,
            state_root: committed.root,
            ..Header::default()
        };
        let mut block = executed(header, &frontier);
        block.changes = changes;
        for (address, change) in &mut block.changes.accounts {
            if let Some(account) = &mut change.account {
                account.storage_root = committed.storage_roots[&keccak256(address)];
            }
        }
        block.nodes = committed.nodes;
        block.exits = exits;
        Layer::new(parent, block, Vec::new()).unwrap()
    }

    fn changes(&self, parent: &View) -> ChangeSet {
        let mut changes = ChangeSet::default();
        for &address in &self.deleted {
            let gone = AccountChange { wiped: true, ..AccountChange::default() };
            changes.accounts.insert(address, gone);
        }
        let touched = self.balances.keys().chain(self.codes.keys()).chain(self.slots.keys());
        for &address in touched {
            let wiped = self.deleted.contains(&address);
            let before = if wiped { empty() } else { parent.account_or_empty(address).unwrap() };
            let code = self.codes.get(&address);
            let account = AccountRecord {
                nonce: before.nonce + 1,
                balance: self.balances.get(&address).map_or(before.balance, |b| U256::from(*b)),
                code_hash: code.map_or(before.code_hash, keccak256),
                storage_root: before.storage_root,
            };
            let storage = self.slots.get(&address).cloned().unwrap_or_default();
            let change = AccountChange { account: Some(account), wiped, storage };
            changes.accounts.insert(address, change);
        }
        changes.code = self.codes.values().map(|code| (keccak256(code), code.clone())).collect();
        changes
    }

    fn exits_over(&self, parent: &View) -> (Frontier, Vec<Exit>) {
        let mut frontier = parent.exit_frontier().unwrap();
        let mut exits = Vec::new();
        for &amount in &self.exits {
            let exit = Exit {
                index: ExitIndex::new(frontier.count()),
                asset: Address::ZERO,
                recipient: Address::repeat_byte(2),
                amount: U256::from(amount),
                fee: U256::ZERO,
            };
            frontier.append(exit.leaf()).unwrap();
            exits.push(exit);
        }
        (frontier, exits)
    }
}

fn empty() -> AccountRecord {
    AccountRecord {
        nonce: 0,
        balance: U256::ZERO,
        code_hash: KECCAK256_EMPTY,
        storage_root: EMPTY_ROOT_HASH,
    }
}

/// The same changes by hashed key, for the trie.
fn hashed(parent: &View, changes: &ChangeSet) -> BTreeMap<B256, mooring_trie::AccountChange> {
    let one = |(address, change): (&Address, &AccountChange)| {
        let before = parent.account(*address).unwrap();
        let account = change.account.as_ref().map(|account| mooring_trie::Account {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash,
        });
        let slots = change.storage.iter();
        let storage =
            slots.map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value)).collect();
        let storage_root = before.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let change =
            mooring_trie::AccountChange { account, storage, wiped: change.wiped, storage_root };
        (keccak256(address), change)
    };
    changes.accounts.iter().map(one).collect()
}

/// The state root of a state built anew in memory.
pub(super) fn root_of(state: &BTreeMap<Address, (AccountRecord, BTreeMap<U256, U256>)>) -> B256 {
    let changes = state
        .iter()
        .map(|(address, (account, slots))| {
            let slots = slots.iter().filter(|(_, value)| !value.is_zero());
            let change = mooring_trie::AccountChange {
                account: Some(mooring_trie::Account {
                    nonce: account.nonce,
                    balance: account.balance,
                    code_hash: account.code_hash,
                }),
                storage: slots.map(|(k, v)| (keccak256(k.to_be_bytes::<32>()), *v)).collect(),
                wiped: false,
                storage_root: EMPTY_ROOT_HASH,
            };
            (keccak256(address), change)
        })
        .collect();
    let nodes = MemoryNodes::default();
    // The reader is there for its type alone: an empty trie reads nothing.
    assert!(nodes.node(None, &mooring_trie::Nibbles::new()).unwrap().is_none());
    mooring_trie::apply(&nodes, EMPTY_ROOT_HASH, &changes).unwrap().root
}

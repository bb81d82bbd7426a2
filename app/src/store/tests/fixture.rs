//! Blocks made by hand: state changes without an EVM.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use mooring_bridge::exit::{Exit, Frontier};
use mooring_bridge::types::ExitIndex;
use mooring_stf::state::AccountChange;
use mooring_stf::{
    AccountRecord, BlockState as _, ChangeSet, ExecutedBlock, SlotChange, StateReader as _,
};
use mooring_trie::{EMPTY_ROOT_HASH, MemoryNodes, StateTrie};

use crate::store::{Layer, Store, View};

pub(super) const CHAIN: B256 = B256::repeat_byte(1);

pub(super) fn open(dir: &Path) -> Store {
    Store::open(dir, CHAIN, || Ok(genesis())).unwrap()
}

pub(super) fn genesis() -> ExecutedBlock {
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
        trie: StateTrie::default(),
        gone: BTreeSet::new(),
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
        assert_eq!(parent.trie().unwrap().root(), root);
        let height = parent.number() + 1;
        let trie = parent.trie().unwrap();
        let committed = trie.apply(parent, height, &changes.hashed()).unwrap();
        let (frontier, exits) = self.exits_over(parent);
        let header = Header {
            parent_hash: parent.hash(),
            number: height,
            state_root: committed.trie.root(),
            ..Header::default()
        };
        let mut block = executed(header, &frontier);
        block.changes = changes;
        for (address, change) in &mut block.changes.accounts {
            if let Some(account) = &mut change.account {
                account.storage_root = committed.storage_roots[&keccak256(address)];
            }
        }
        block.trie = committed.trie;
        block.gone = committed.gone;
        block.exits = exits;
        Layer::new(parent, block, Vec::new()).unwrap()
    }

    fn changes(&self, parent: &View) -> ChangeSet {
        let mut changes = ChangeSet::default();
        for &address in &self.deleted {
            let before = parent.account(address).unwrap();
            let gone = AccountChange { before, wiped: true, ..AccountChange::default() };
            changes.accounts.insert(address, gone);
        }
        let touched = self.balances.keys().chain(self.codes.keys()).chain(self.slots.keys());
        for &address in touched {
            let wiped = self.deleted.contains(&address);
            let found = parent.account(address).unwrap();
            let before = if wiped { None } else { found.clone() }.unwrap_or_else(empty);
            let code = self.codes.get(&address);
            let account = AccountRecord {
                nonce: before.nonce + 1,
                balance: self.balances.get(&address).map_or(before.balance, |b| U256::from(*b)),
                code_hash: code.map_or(before.code_hash, keccak256),
                storage_root: before.storage_root,
            };
            let slots = self.slots.get(&address).into_iter().flatten();
            let slot = |(slot, after): (&U256, &U256)| {
                let before = parent.storage(address, *slot).unwrap();
                let before = if wiped { U256::ZERO } else { before };
                (*slot, SlotChange { before, after: *after })
            };
            let storage = slots.map(slot).filter(|(_, word)| word.before != word.after).collect();
            let wiped = wiped && found.is_some();
            let change = AccountChange { before: found, account: Some(account), wiped, storage };
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

/// The state root of a state built anew in memory.
pub(super) fn root_of(state: &BTreeMap<Address, (AccountRecord, BTreeMap<U256, U256>)>) -> B256 {
    let changes = state
        .iter()
        .map(|(address, (account, slots))| {
            let slots = slots.iter().filter(|(_, value)| !value.is_zero());
            let change = mooring_trie::AccountChange {
                before: None,
                account: Some(mooring_trie::Account {
                    nonce: account.nonce,
                    balance: account.balance,
                    code_hash: account.code_hash,
                }),
                storage: slots
                    .map(|(k, v)| {
                        (keccak256(k.to_be_bytes::<32>()), mooring_trie::WordChange::to(*v))
                    })
                    .collect(),
                wiped: false,
                storage_root: EMPTY_ROOT_HASH,
            };
            (keccak256(address), change)
        })
        .collect();
    // An empty trie reads nothing.
    StateTrie::default().apply(&MemoryNodes::default(), 1, &changes).unwrap().trie.root()
}

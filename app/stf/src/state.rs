//! What the state transition reads and what it writes.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use rayon::prelude::*;

use crate::Fault;

/// One account as the state holds it; its storage root lives in the trie alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// keccak256 of the code; `KECCAK_EMPTY` for none.
    pub code_hash: B256,
    /// Root of the account's storage trie; `EMPTY_ROOT_HASH` for none.
    pub storage_root: B256,
}

impl AccountRecord {
    const fn in_trie(&self) -> mooring_trie::Account {
        let Self { nonce, balance, code_hash, .. } = *self;
        mooring_trie::Account { nonce, balance, code_hash }
    }
}

/// The accounts after one block. Enough for calls; execution needs a [`BlockState`].
pub trait StateReader: std::fmt::Debug + Sync {
    /// The account at `address`, `None` when it does not exist.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    fn account(&self, address: Address) -> Result<Option<AccountRecord>, Fault>;

    /// The word at `slot`, zero when unset.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    fn storage(&self, address: Address, slot: U256) -> Result<U256, Fault>;

    /// The code with this hash.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read or does not hold it.
    fn code(&self, code_hash: B256) -> Result<Bytes, Fault>;

    /// The hash of the Ethereum block `number` (one of the last 256), zero when unknown.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    fn block_hash(&self, number: u64) -> Result<B256, Fault>;
}

/// The committed state that a block is executed on: accounts and the trie that commits to them,
/// all of one block.
pub trait BlockState: StateReader + mooring_trie::NodeReader<Error = Fault> {
    /// The trie of this state. Nodes that it does not hold are read from `self`.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot tell it.
    fn trie(&self) -> Result<mooring_trie::StateTrie, Fault>;
}

/// One account's change in a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The account before the block, `None` when it did not exist.
    pub before: Option<AccountRecord>,
    /// The account after the block, `None` when it no longer exists.
    pub account: Option<AccountRecord>,
    /// Its storage from before the block was destroyed before `storage` was written.
    pub wiped: bool,
    /// Slots written.
    pub storage: BTreeMap<U256, SlotChange>,
}

/// One slot's change in a block. Zero stands for an absent word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotChange {
    /// The word before the block; zero where the storage was wiped.
    pub before: U256,
    /// The word after the block.
    pub after: U256,
}

/// Everything a block wrote, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// Changed accounts.
    pub accounts: BTreeMap<Address, AccountChange>,
    /// New code by hash.
    pub code: BTreeMap<B256, Bytes>,
}

impl ChangeSet {
    /// The same by hashed key, for the trie.
    pub fn hashed(&self) -> BTreeMap<B256, mooring_trie::AccountChange> {
        sorted(&self.accounts, |address| *address, AccountChange::hashed)
    }
}

/// The entries under their hashed keys, made and sorted in parallel where they are many.
fn sorted<K: Sync, B: AsRef<[u8]>, V: Sync, T: Send>(
    entries: &BTreeMap<K, V>,
    bytes: impl Fn(&K) -> B + Sync + Send,
    made: impl Fn(&V) -> T + Sync + Send,
) -> BTreeMap<B256, T> {
    const PARALLEL: usize = 256;
    let all: Vec<(&K, &V)> = entries.iter().collect();
    let hashed = |some: &[(&K, &V)]| {
        let keys: Vec<B> = some.iter().map(|(key, _)| bytes(key)).collect();
        mooring_keccak::all(&keys)
    };
    let values = all.iter().map(|(_, value)| *value);
    if all.len() < PARALLEL {
        return hashed(&all).into_iter().zip(values.map(made)).collect();
    }
    let hashes: Vec<B256> = all.par_chunks(PARALLEL).flat_map_iter(hashed).collect();
    // Sorted before the values are made: they are large.
    let mut all: Vec<_> = hashes.into_iter().zip(values).collect();
    all.par_sort_unstable_by_key(|(key, _)| *key);
    let all: Vec<_> = all.into_par_iter().map(|(key, value)| (key, made(value))).collect();
    all.into_iter().collect()
}

impl AccountChange {
    fn hashed(&self) -> mooring_trie::AccountChange {
        mooring_trie::AccountChange {
            before: self.before.as_ref().map(AccountRecord::in_trie),
            account: self.account.as_ref().map(AccountRecord::in_trie),
            storage: sorted(
                &self.storage,
                U256::to_be_bytes::<32>,
                |SlotChange { before, after }| mooring_trie::WordChange {
                    before: *before,
                    after: *after,
                },
            ),
            wiped: self.wiped,
            storage_root: self
                .before
                .as_ref()
                .map_or(mooring_trie::EMPTY_ROOT_HASH, |account| account.storage_root),
        }
    }
}

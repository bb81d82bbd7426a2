//! A committed state in memory.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use mooring_trie::{Applied, EMPTY_ROOT_HASH, MemoryNodes, Nibbles, NodeReader, StateTrie};

use crate::{AccountRecord, BlockState, ExecutedBlock, Fault, SlotChange, StateReader};

/// The state after the last block written, with its whole trie.
#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    /// Accounts by address.
    pub accounts: BTreeMap<Address, AccountRecord>,
    /// Non-zero words by address and slot.
    pub storage: BTreeMap<(Address, U256), U256>,
    /// Code by hash.
    pub code: BTreeMap<B256, Bytes>,
    /// Block hashes by number.
    pub hashes: BTreeMap<u64, B256>,
    /// The trie.
    pub trie: StateTrie,
}

impl MemoryState {
    /// Builds the tries of a state that was filled by hand, and gives its root.
    ///
    /// # Errors
    /// When a word belongs to no account.
    pub fn build_tries(&mut self) -> Result<B256, Fault> {
        let mut changes: BTreeMap<B256, mooring_trie::AccountChange> = BTreeMap::new();
        let keys: BTreeMap<Address, B256> =
            self.accounts.keys().map(|address| (*address, keccak256(address))).collect();
        for (address, account) in &self.accounts {
            let AccountRecord { nonce, balance, code_hash, .. } = *account;
            let account = Some(mooring_trie::Account { nonce, balance, code_hash });
            let change = mooring_trie::AccountChange {
                before: None,
                account,
                storage: BTreeMap::new(),
                wiped: false,
                storage_root: EMPTY_ROOT_HASH,
            };
            changes.insert(keys[address], change);
        }
        for ((owner, slot), value) in &self.storage {
            let change = keys.get(owner).and_then(|key| changes.get_mut(key));
            let change = change.ok_or_else(|| Fault::new(format!("find the account {owner}")))?;
            change
                .storage
                .insert(keccak256(slot.to_be_bytes::<32>()), mooring_trie::WordChange::to(*value));
        }
        let Applied { trie, storage_roots, .. } = StateTrie::default()
            .apply(&MemoryNodes::default(), 0, &changes)
            .map_err(|error| Fault::from_cause("build the tries", error))?;
        for (address, account) in &mut self.accounts {
            account.storage_root = storage_roots[&keys[address]];
        }
        self.trie = trie;
        Ok(self.trie.root())
    }

    /// Takes over what a block wrote.
    pub fn write(&mut self, block: &ExecutedBlock) {
        self.hashes.insert(block.header.number, block.hash);
        self.trie = block.trie.clone();
        self.code.extend(block.changes.code.clone());
        for (address, change) in &block.changes.accounts {
            if change.wiped || change.account.is_none() {
                self.storage.retain(|(owner, _), _| owner != address);
            }
            match &change.account {
                Some(account) => self.accounts.insert(*address, account.clone()),
                None => self.accounts.remove(address),
            };
            for (slot, SlotChange { after, .. }) in &change.storage {
                if after.is_zero() {
                    self.storage.remove(&(*address, *slot));
                } else {
                    self.storage.insert((*address, *slot), *after);
                }
            }
        }
    }
}

impl StateReader for MemoryState {
    fn account(&self, address: Address) -> Result<Option<AccountRecord>, Fault> {
        Ok(self.accounts.get(&address).cloned())
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Fault> {
        Ok(self.storage.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn code(&self, code_hash: B256) -> Result<Bytes, Fault> {
        let code = self.code.get(&code_hash).cloned();
        code.ok_or_else(|| Fault::new(format!("read code {code_hash}: it is not there")))
    }

    fn block_hash(&self, number: u64) -> Result<B256, Fault> {
        Ok(self.hashes.get(&number).copied().unwrap_or_default())
    }
}

impl NodeReader for MemoryState {
    type Error = Fault;

    fn node(&self, _: Option<B256>, _: &Nibbles) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }
}

impl BlockState for MemoryState {
    fn trie(&self) -> Result<StateTrie, Fault> {
        Ok(self.trie.clone())
    }
}

//! What a block has written so far, over the state it is executed on.
//!
//! A plain map, filled by reads and written after each transaction. Nothing of it reaches the
//! store before the block is decided.

mod database;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use mooring_trie::EMPTY_ROOT_HASH;
use revm::{
    bytecode::Bytecode,
    state::{Account as EvmAccount, AccountInfo, EvmState},
};

use crate::{AccountChange, AccountRecord, ChangeSet, Fault, SlotChange, StateReader};

/// The parts of an account that transactions change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl From<&AccountRecord> for Account {
    fn from(record: &AccountRecord) -> Self {
        Self { nonce: record.nonce, balance: record.balance, code_hash: record.code_hash }
    }
}

/// A word of storage.
#[derive(Clone, Copy, Debug)]
struct Word {
    before: U256,
    now: U256,
}

/// An account that was read or written.
#[derive(Clone, Debug)]
struct Entry {
    before: Option<AccountRecord>,
    now: Option<Account>,
    /// The storage from before the block is gone.
    wiped: bool,
    storage: BTreeMap<U256, Word>,
}

impl Entry {
    fn is_changed(&self) -> bool {
        self.now != self.before.as_ref().map(Account::from)
            || (self.wiped && self.before.is_some())
            || self.storage.values().any(|word| word.before != word.now)
    }

    fn delete(&mut self) {
        self.now = None;
        self.wiped = true;
        self.storage.clear();
    }

    fn change(&self) -> AccountChange {
        let written = self.storage.iter().filter(|(_, word)| word.before != word.now);
        let storage = written.map(|(slot, word)| (*slot, word.change())).collect();
        AccountChange { storage, ..self.account_change() }
    }

    /// The change without that of the words.
    fn account_change(&self) -> AccountChange {
        let storage_root =
            self.before.as_ref().map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        AccountChange {
            before: self.before.clone(),
            account: self.now.map(|Account { nonce, balance, code_hash }| AccountRecord {
                nonce,
                balance,
                code_hash,
                storage_root,
            }),
            wiped: self.wiped && self.before.is_some(),
            storage: BTreeMap::new(),
        }
    }
}

impl Word {
    const fn change(&self) -> SlotChange {
        SlotChange { before: self.before, after: self.now }
    }
}

/// What was written since somebody last asked.
#[derive(Clone, Debug, Default)]
struct Written {
    accounts: Vec<Address>,
    words: Vec<(Address, U256)>,
    /// An account or its storage is gone.
    has_removals: bool,
}

/// Sums of native coin: money is made or lost where they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Supply {
    /// Sum of the changed accounts' balances before.
    pub(crate) before: U256,
    /// Sum of the same accounts' balances after.
    pub(crate) after: U256,
}

/// The state before the block and the block's writes.
#[derive(Debug)]
pub(crate) struct Overlay<'a> {
    reader: &'a dyn StateReader,
    /// Boxed: the map moves its entries, and they are large.
    accounts: BTreeMap<Address, Box<Entry>>,
    /// Code read or deployed, analysed once a block.
    code: BTreeMap<B256, Bytecode>,
    deployed: BTreeMap<B256, Bytes>,
    /// Hashes of blocks that only a simulation has.
    hashes: BTreeMap<u64, B256>,
    written: Written,
}

impl Clone for Overlay<'_> {
    fn clone(&self) -> Self {
        Self {
            reader: self.reader,
            accounts: self.accounts.clone(),
            code: self.code.clone(),
            deployed: self.deployed.clone(),
            hashes: self.hashes.clone(),
            written: self.written.clone(),
        }
    }
}

impl<'a> Overlay<'a> {
    pub(crate) const fn new(reader: &'a dyn StateReader) -> Self {
        Self {
            reader,
            accounts: BTreeMap::new(),
            code: BTreeMap::new(),
            deployed: BTreeMap::new(),
            hashes: BTreeMap::new(),
            written: Written { accounts: Vec::new(), words: Vec::new(), has_removals: false },
        }
    }

    /// Names a block that the reader does not have.
    pub(crate) fn add_hash(&mut self, number: u64, hash: B256) {
        self.hashes.insert(number, hash);
    }

    fn hash_of(&self, number: u64) -> Result<B256, Fault> {
        match self.hashes.get(&number) {
            Some(hash) => Ok(*hash),
            None => self.reader.block_hash(number),
        }
    }

    /// The account as it is now.
    pub(crate) fn account(&mut self, address: Address) -> Result<Option<Account>, Fault> {
        Ok(self.entry(address)?.now)
    }

    /// The word as it is now.
    pub(crate) fn slot(&self, address: Address, slot: U256) -> Result<U256, Fault> {
        match self.accounts.get(&address) {
            Some(entry) => match entry.storage.get(&slot) {
                Some(word) => Ok(word.now),
                None if entry.wiped || entry.before.is_none() => Ok(U256::ZERO),
                None => self.reader.storage(address, slot),
            },
            None => self.reader.storage(address, slot),
        }
    }

    /// Whether the account has a word that is not zero.
    pub(crate) fn has_storage(&mut self, address: Address) -> Result<bool, Fault> {
        let entry = self.entry(address)?;
        // What the block cleared of an account's storage is not looked at: it had some.
        let from_before = !entry.wiped
            && entry.before.as_ref().is_some_and(|record| record.storage_root != EMPTY_ROOT_HASH);
        Ok(from_before || entry.storage.values().any(|word| !word.now.is_zero()))
    }

    /// Writes a word. The account must exist, else the word is lost with it.
    pub(crate) fn set_slot(
        &mut self,
        address: Address,
        slot: U256,
        value: U256,
    ) -> Result<(), Fault> {
        self.written.words.push((address, slot));
        if let Some(word) = self.entry(address)?.storage.get_mut(&slot) {
            word.now = value;
            return Ok(());
        }
        let before = self.slot(address, slot)?;
        self.entry(address)?.storage.insert(slot, Word { before, now: value });
        Ok(())
    }

    /// Drops the account's storage.
    pub(crate) fn wipe_storage(&mut self, address: Address) -> Result<(), Fault> {
        let entry = self.entry(address)?;
        entry.wiped = true;
        entry.storage.clear();
        self.written.has_removals = true;
        Ok(())
    }

    /// Writes the account's nonce, balance and code hash.
    pub(crate) fn set_account(&mut self, address: Address, account: Account) -> Result<(), Fault> {
        self.entry(address)?.now = Some(account);
        self.written.accounts.push(address);
        Ok(())
    }

    /// Deletes the account with its storage.
    fn delete(&mut self, address: Address) -> Result<(), Fault> {
        let entry = self.entry(address)?;
        let was_there = entry.before.is_some() || entry.now.is_some();
        entry.delete();
        self.written.has_removals |= was_there;
        Ok(())
    }

    /// Keeps code, and gives its hash.
    pub(crate) fn add_code(&mut self, code: Bytes) -> Result<B256, Fault> {
        if code.is_empty() {
            return Ok(KECCAK256_EMPTY);
        }
        let hash = keccak256(&code);
        self.code.insert(hash, analysed(hash, code.clone())?);
        self.deployed.insert(hash, code);
        Ok(hash)
    }

    /// Adds native coin to an account, which is created if need be. `false`, and nothing changes,
    /// when the balance would overflow.
    pub(crate) fn mint(&mut self, address: Address, amount: U256) -> Result<bool, Fault> {
        if amount.is_zero() {
            return Ok(true);
        }
        let account = self.account(address)?.unwrap_or_default();
        let Some(balance) = account.balance.checked_add(amount) else { return Ok(false) };
        self.set_account(address, Account { balance, ..account })?;
        Ok(true)
    }

    /// Takes native coin from an account. `false`, and nothing changes, when it has less.
    pub(crate) fn burn(&mut self, address: Address, amount: U256) -> Result<bool, Fault> {
        if amount.is_zero() {
            return Ok(true);
        }
        let account = self.account(address)?.unwrap_or_default();
        let Some(balance) = account.balance.checked_sub(amount) else { return Ok(false) };
        self.set_account(address, Account { balance, ..account })?;
        self.remove_if_empty(address)?;
        Ok(true)
    }

    /// Takes over what one transaction wrote.
    pub(crate) fn commit(&mut self, state: EvmState) -> Result<(), Fault> {
        for (address, account) in sorted(state) {
            self.commit_account(address, account)?;
        }
        Ok(())
    }

    fn commit_account(&mut self, address: Address, account: EvmAccount) -> Result<(), Fault> {
        if !account.is_touched() {
            return Ok(());
        }
        // Before EIP-161 an empty account that is touched comes into being: revm calls it created.
        if account.is_selfdestructed() || (account.is_empty() && !account.is_created()) {
            return self.delete(address);
        }
        let AccountInfo { balance, nonce, code_hash, code, .. } = account.info;
        let before = self.account(address)?.unwrap_or_default();
        self.set_account(address, Account { nonce, balance, code_hash })?;
        if let Some(code) = code.filter(|code| !code.is_empty() && code_hash != before.code_hash) {
            self.deployed.insert(code_hash, code.original_bytes());
            self.code.insert(code_hash, code);
        }
        for (key, slot) in sorted(account.storage) {
            if slot.is_changed() {
                self.set_slot(address, key, slot.present_value)?;
            }
        }
        Ok(())
    }

    /// Native coin before and after one transaction that is not committed yet.
    pub(crate) fn supply_of(&mut self, state: &EvmState) -> Result<Supply, Fault> {
        let mut supply = Supply::default();
        for (address, account) in state.iter().filter(|(_, account)| account.is_touched()) {
            let before = self.account(*address)?.unwrap_or_default().balance;
            let after = if account.is_selfdestructed() { U256::ZERO } else { account.info.balance };
            supply.add(before, after)?;
        }
        Ok(supply)
    }

    /// Native coin before and after the block, over the accounts that it changed.
    pub(crate) fn supply(&self) -> Result<Supply, Fault> {
        let mut supply = Supply::default();
        for entry in self.accounts.values() {
            let before = entry.before.as_ref().map_or(U256::ZERO, |account| account.balance);
            let after = entry.now.map_or(U256::ZERO, |account| account.balance);
            supply.add(before, after)?;
        }
        Ok(supply)
    }

    /// What the block wrote so far. Storage roots are those from before the block.
    pub(crate) fn changes(&self) -> ChangeSet {
        let changed = self.accounts.iter().filter(|(_, entry)| entry.is_changed());
        ChangeSet {
            accounts: changed.map(|(address, entry)| (*address, entry.change())).collect(),
            code: self.deployed.clone(),
        }
    }

    /// What was written since this was last asked; `None` once anything was removed. A word that
    /// has its old value again is listed too.
    pub(crate) fn take_written(&mut self) -> Option<ChangeSet> {
        if self.written.has_removals {
            return None;
        }
        let Written { mut accounts, mut words, .. } = std::mem::take(&mut self.written);
        accounts.extend(words.iter().map(|(address, _)| *address));
        accounts.sort_unstable();
        accounts.dedup();
        words.sort_unstable();
        words.dedup();
        let mut words = words.into_iter().peekable();
        let change = |address: Address| {
            // Words written to an account that is not there count only if it comes into being.
            let entry = self.accounts.get(&address).filter(|entry| entry.now.is_some())?;
            let mut change = entry.account_change();
            while let Some((_, slot)) = words.next_if(|(at, _)| *at == address) {
                change.storage.insert(slot, entry.storage.get(&slot)?.change());
            }
            Some((address, change))
        };
        let accounts = accounts.into_iter().map(change).collect::<Option<_>>()?;
        Some(ChangeSet { accounts, code: BTreeMap::new() })
    }

    fn remove_if_empty(&mut self, address: Address) -> Result<(), Fault> {
        if self.account(address)? == Some(Account::default()) {
            self.delete(address)?;
        }
        Ok(())
    }

    fn entry(&mut self, address: Address) -> Result<&mut Entry, Fault> {
        use std::collections::btree_map::Entry as Place;
        Ok(match self.accounts.entry(address) {
            Place::Occupied(place) => place.into_mut(),
            Place::Vacant(place) => {
                let before = self.reader.account(address)?;
                let now = before.as_ref().map(Account::from);
                let storage = BTreeMap::new();
                place.insert(Box::new(Entry { before, now, wiped: false, storage }))
            }
        })
    }
}

impl Supply {
    fn add(&mut self, before: U256, after: U256) -> Result<(), Fault> {
        let overflow = || Fault::new("sum native balances: they exceed 256 bits");
        self.before = self.before.checked_add(before).ok_or_else(overflow)?;
        self.after = self.after.checked_add(after).ok_or_else(overflow)?;
        Ok(())
    }
}

/// The one place where what revm returns is put in order: its maps have none.
fn sorted<K: Ord + Copy, V>(unordered: impl IntoIterator<Item = (K, V)>) -> Vec<(K, V)> {
    let mut all: Vec<_> = unordered.into_iter().collect();
    all.sort_unstable_by_key(|(key, _)| *key);
    all
}

fn analysed(hash: B256, code: Bytes) -> Result<Bytecode, Fault> {
    Bytecode::new_raw_checked(code)
        .map_err(|error| Fault::from_cause(format!("analyse the code {hash}"), error))
}

//! The overlay as revm reads it.

use alloy_primitives::{Address, B256, U256};
use revm::{Database, DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use super::{Account, Overlay, Word, analysed};
use crate::Fault;

impl Database for Overlay<'_> {
    type Error = Fault;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Fault> {
        Ok(self.account(address)?.map(info))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Fault> {
        if let Some(code) = self.code.get(&code_hash) {
            return Ok(code.clone());
        }
        let code = analysed(code_hash, self.reader.code(code_hash)?)?;
        self.code.insert(code_hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Fault> {
        if let Some(word) = self.entry(address)?.storage.get(&slot) {
            return Ok(word.now);
        }
        let value = self.slot(address, slot)?;
        self.entry(address)?.storage.insert(slot, Word { before: value, now: value });
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Fault> {
        self.hash_of(number)
    }
}

/// The same for inspectors, which have no right to change what is kept.
impl DatabaseRef for Overlay<'_> {
    type Error = Fault;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Fault> {
        let account = match self.accounts.get(&address) {
            Some(entry) => entry.now,
            None => self.reader.account(address)?.as_ref().map(Account::from),
        };
        Ok(account.map(info))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Fault> {
        match self.code.get(&code_hash) {
            Some(code) => Ok(code.clone()),
            None => analysed(code_hash, self.reader.code(code_hash)?),
        }
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Fault> {
        self.slot(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Fault> {
        self.hash_of(number)
    }
}

const fn info(account: Account) -> AccountInfo {
    AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.code_hash,
        account_id: None,
        code: None,
    }
}

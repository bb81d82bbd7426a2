//! The state that runs begin with: many accounts, and one token that they all hold.

use std::collections::BTreeMap;
use std::path::Path;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use mooring_app::store::{Store, StoreOptions};
use mooring_bridge::contracts::TestToken;
use mooring_genesis::Genesis;
use mooring_stf::testing::{pegged_genesis, wallet};
use mooring_stf::{AccountChange, AccountRecord, ExecutedBlock, Fault, SlotChange};
use mooring_trie::{EMPTY_ROOT_HASH, MemoryNodes, StateTrie};
use rayon::prelude::*;

use crate::Result;

/// The token that all hold.
pub(crate) const TOKEN: Address = Address::repeat_byte(0x70);
/// Wei and token units that each account begins with.
const WEALTH: u128 = 1_000_000_000_000_000_000_000_000;

/// A chain of one validator, with a peg.
pub(crate) fn genesis() -> Genesis {
    pegged_genesis(1)
}

/// The caches that the speed target needs: all tries in memory, flushes far apart.
pub(crate) fn options(is_large: bool) -> StoreOptions {
    let default = StoreOptions::default();
    if !is_large {
        return default;
    }
    StoreOptions {
        trie_cache: 3 << 30,
        state_cache: 1 << 30,
        block_cache: 256 << 20,
        flush_bytes: 512 << 20,
        ..default
    }
}

pub(crate) fn key(index: u64) -> B256 {
    keccak256([&b"key"[..], &index.to_be_bytes()].concat())
}

/// An account that nobody has the key of.
pub(crate) fn holder(index: u64) -> Address {
    Address::from_word(keccak256([&b"holder"[..], &index.to_be_bytes()].concat()))
}

/// Opens the store as a node would.
pub(crate) fn open(dir: &Path, options: StoreOptions) -> Result<Store> {
    let genesis = || Err(Fault::new("open a world that was set up"));
    Ok(Store::open_with(&dir.join("db"), self::genesis().hash(), options, genesis)?)
}

/// Makes the state and writes it.
pub(crate) fn create(dir: &Path, accounts: u64, senders: u64) -> Result<()> {
    let owners = (0..senders).into_par_iter().map(|index| wallet::address(key(index)));
    let holders = (senders..accounts).into_par_iter().map(holder);
    let owners: Vec<Address> = owners.chain(holders).collect();
    let block = || block_zero(&owners);
    let database = dir.join("db");
    Store::open_with(&database, genesis().hash(), StoreOptions::default(), block)?;
    Ok(())
}

fn block_zero(owners: &[Address]) -> std::result::Result<ExecutedBlock, Fault> {
    let mut block = mooring_stf::genesis_block(&genesis())?;
    let code = TestToken::DEPLOYED_BYTECODE.clone();
    let token = account(U256::ZERO, keccak256(&code));
    block.changes.code.insert(keccak256(&code), code);
    let accounts = &mut block.changes.accounts;
    accounts.extend(
        owners.iter().map(|owner| (*owner, change(account(U256::from(WEALTH), KECCAK256_EMPTY)))),
    );
    let storage: BTreeMap<U256, SlotChange> = owners
        .iter()
        .map(|owner| {
            let slot = keccak256([owner.into_word(), B256::ZERO].concat());
            (slot.into(), SlotChange { before: U256::ZERO, after: U256::from(WEALTH) })
        })
        .collect();
    accounts.insert(TOKEN, AccountChange { storage, ..change(token) });
    let applied = StateTrie::default()
        .apply(&MemoryNodes::default(), 0, &block.changes.hashed())
        .map_err(|e| Fault::from_cause("make the first state", e))?;
    for (address, change) in &mut block.changes.accounts {
        if let Some(account) = &mut change.account {
            account.storage_root = applied.storage_roots[&keccak256(address)];
        }
    }
    block.header.state_root = applied.trie.root();
    block.hash = block.header.hash_slow();
    block.trie = applied.trie;
    Ok(block)
}

fn account(balance: U256, code_hash: B256) -> AccountRecord {
    AccountRecord { nonce: 0, balance, code_hash, storage_root: EMPTY_ROOT_HASH }
}

fn change(account: AccountRecord) -> AccountChange {
    AccountChange { account: Some(account), ..AccountChange::default() }
}

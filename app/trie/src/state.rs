//! A block's changes applied to the account trie and the storage tries.

use crate::{
    EMPTY_ROOT_HASH, NodeReader, PathUpdates, StateError, Trie, TrieAccount, commit::Commit,
};
use alloy_primitives::{B256, U256};
use alloy_rlp::Decodable;
use std::collections::BTreeMap;

/// What to write, by owner: `None` is the account trie, else the hashed address of a storage
/// trie. Owners without changes are absent.
pub type NodeUpdates = BTreeMap<Option<B256>, PathUpdates>;

/// An account without its storage root, which follows from its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created by a contract.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Keccak-256 of the code; of nothing where there is no code.
    pub code_hash: B256,
}

/// How a block changed one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountChange {
    /// The account after the block. `None` deletes it, and with it all its storage: the caller
    /// passes this for empty accounts too (EIP-161).
    pub account: Option<Account>,
    /// Changed slots by hashed slot, with their values after the block; zero deletes. Has no
    /// effect where the account is deleted.
    pub storage: BTreeMap<B256, U256>,
    /// Whether the storage from before the block is dropped before `storage` is written.
    pub wiped: bool,
    /// The account's storage root before the block; the empty root where it had no account.
    pub storage_root: B256,
}

/// The state after a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCommit {
    /// The new state root.
    pub root: B256,
    /// What to write so that the store holds the new state's nodes and no others.
    pub nodes: NodeUpdates,
    /// The storage root after the block of each changed account that still exists, by hashed
    /// address, whether the root changed or not.
    pub storage_roots: BTreeMap<B256, B256>,
}

/// Applies `changes`, by hashed address, to the state with this root.
///
/// # Errors
/// A node cannot be read, or a storage root given is not the one in the account trie.
pub fn apply<R: NodeReader>(
    reader: R,
    root: B256,
    changes: &BTreeMap<B256, AccountChange>,
) -> Result<StateCommit, StateError<R::Error>> {
    let mut accounts = Trie::open(&reader, None, root);
    let mut nodes = NodeUpdates::new();
    let mut storage_roots = BTreeMap::new();
    for (&address, change) in changes {
        check_storage_root(&mut accounts, address, change.storage_root)?;
        let storage = storage(&reader, address, change)?;
        if !storage.updates.is_empty() {
            nodes.insert(Some(address), storage.updates);
        }
        match change.account {
            None => accounts.remove(address)?,
            Some(account) => {
                let Account { nonce, balance, code_hash } = account;
                let value = TrieAccount::new(nonce, balance, storage.root, code_hash);
                accounts.insert(address, alloy_rlp::encode(value))?;
                storage_roots.insert(address, storage.root);
            }
        }
    }
    let Commit { root, updates } = accounts.commit();
    if !updates.is_empty() {
        nodes.insert(None, updates);
    }
    Ok(StateCommit { root, nodes, storage_roots })
}

/// A storage root that is not the account's would be written back under the state root, so it is
/// compared with the one committed there.
fn check_storage_root<R: NodeReader>(
    accounts: &mut Trie<R>,
    account: B256,
    given: B256,
) -> Result<(), StateError<R::Error>> {
    let committed = match accounts.get(account)? {
        None => EMPTY_ROOT_HASH,
        Some(mut value) => {
            TrieAccount::decode(&mut value)
                .map_err(|source| StateError::NotAnAccount { account, source })?
                .storage_root
        }
    };
    if committed != given {
        return Err(StateError::StorageRoot { account, given, committed });
    }
    Ok(())
}

/// The account's storage trie after the change.
fn storage<R: NodeReader>(
    reader: &R,
    address: B256,
    change: &AccountChange,
) -> Result<Commit, StateError<R::Error>> {
    let mut trie = Trie::open(reader, Some(address), change.storage_root);
    if change.wiped || change.account.is_none() {
        trie.clear()?;
    }
    if change.account.is_some() {
        for (&slot, value) in &change.storage {
            if value.is_zero() {
                trie.remove(slot)?;
            } else {
                trie.insert(slot, alloy_rlp::encode(value))?;
            }
        }
    }
    Ok(trie.commit())
}

//! The whole state: the account trie and the storage tries below it.

use crate::{
    EMPTY_ROOT_HASH, NodeReader, StateError, TrieAccount, TrieError,
    context::{Context, Findings},
    known::{self, Ahead, Known},
    leaf::{self, AccountLeaf},
    node::Child,
    proof::proof,
    update::{self, Change, Outcome},
    walk::{self, Changed, Limit},
};
use alloy_primitives::{B256, Bytes, U256};
use alloy_trie::Nibbles;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Where a node is stored: its owner (`None`: the account trie, else the hashed address of a
/// storage trie) and its path.
pub type NodeAt = (Option<B256>, Nibbles);

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
    /// The account before the block, where the caller knows it. Nothing follows from it, but its
    /// leaf need not be read.
    pub before: Option<Account>,
    /// The account after the block. `None` deletes it, and with it all its storage: the caller
    /// passes this for empty accounts too (EIP-161).
    pub account: Option<Account>,
    /// Changed slots by hashed slot. Has no effect where the account is deleted.
    pub storage: BTreeMap<B256, WordChange>,
    /// Whether the storage from before the block is dropped before `storage` is written.
    pub wiped: bool,
    /// The account's storage root before the block; the empty root where it had no account.
    pub storage_root: B256,
}

/// How a block changed one word of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordChange {
    /// The word before the block, where the caller knows it, else zero. Nothing follows from it,
    /// but its leaf need not be read.
    pub before: U256,
    /// The word after the block; zero deletes.
    pub after: U256,
}

impl WordChange {
    /// The change to `after` from whatever there was.
    pub const fn to(after: U256) -> Self {
        Self { before: U256::ZERO, after }
    }
}

/// One version of the state. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct StateTrie {
    root: Option<Child<AccountLeaf>>,
}

/// The state after a block.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The new version.
    pub trie: StateTrie,
    /// The storage root after the block of each changed account that still exists, by hashed
    /// address, whether the root changed or not.
    pub storage_roots: BTreeMap<B256, B256>,
    /// Where a store may hold a node of the old version that the new one does not have. A node
    /// of a later version may stand there again.
    pub gone: BTreeSet<NodeAt>,
}

impl Default for StateTrie {
    /// No accounts.
    fn default() -> Self {
        Self { root: None }
    }
}

impl StateTrie {
    /// The state with this root. Nothing is read yet.
    pub fn at(root: B256) -> Self {
        Self { root: (root != EMPTY_ROOT_HASH).then(|| Child::root(root)) }
    }

    /// The state root.
    pub fn root(&self) -> B256 {
        self.root.as_ref().map_or(EMPTY_ROOT_HASH, leaf::hash)
    }

    /// Bytes of memory that this version holds, those shared with others included.
    pub fn resident(&self) -> usize {
        self.root.as_ref().map_or(0, Child::resident)
    }

    /// Applies the `changes` of the block at `height`, by hashed address. Nodes that are not in
    /// memory come from `reader`, which holds them as they were when they were let go.
    ///
    /// # Errors
    /// A node cannot be read, or a storage root given is not the one in the account trie.
    pub fn apply<R: NodeReader + Sync>(
        &self,
        reader: &R,
        height: u64,
        changes: &BTreeMap<B256, AccountChange>,
    ) -> Result<Applied, StateError<R::Error>> {
        let findings = Mutex::new(Findings::default());
        let context = Context { reader, owner: None, height, findings: &findings };
        let changes: Vec<_> = changes
            .iter()
            .map(|(address, change)| Change { key: Nibbles::unpack_array(address), change })
            .collect();
        let outcome = update::below(&context, self.root.as_ref(), Nibbles::new(), &changes)?;
        let root = match outcome.named() {
            Outcome::Same => self.root.clone(),
            Outcome::Now(root) => root,
        };
        let Findings { gone, storage_roots } =
            findings.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Applied {
            trie: Self { root },
            storage_roots: storage_roots.into_iter().collect(),
            gone: gone.into_iter().collect(),
        })
    }

    /// Visits every node that a store of an earlier version, that of height `since`, lacks (`None`:
    /// an empty store), in the order of [`NodeAt`]. With the nodes `gone` since then removed first,
    /// the store holds exactly this version.
    ///
    /// # Errors
    /// The first of `visit`'s, which ends it.
    pub fn changed_since<E>(
        &self,
        since: Option<u64>,
        visit: impl FnMut(NodeAt, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(root) = &self.root else { return Ok(()) };
        let mut accounts = Changed { owner: None, since, visit, below: Vec::new() };
        accounts.walk(root, Nibbles::new())?;
        let Changed { mut visit, below, .. } = accounts;
        below.into_iter().try_for_each(|(owner, root)| {
            let (owner, below) = (Some(owner), Vec::new());
            Changed { owner, since, visit: &mut visit, below }.walk(root, Nibbles::new())
        })
    }

    /// The same version with less of it in memory: of the nodes that the store holds, as of
    /// height `stored`, only those used at height `used` or above stay.
    #[must_use]
    pub fn pruned(&self, stored: u64, used: u64) -> Self {
        let root = self.root.as_ref();
        let pruned = root.and_then(|root| walk::pruned(root, Limit { stored, used }));
        Self { root: pruned.or_else(|| self.root.clone()) }
    }

    /// The same version with more of it in memory: level by level, the nodes that fit into
    /// `budget` bytes besides those that are there. They come from `reader`, which holds those of
    /// this version, and count as used at `height`.
    ///
    /// # Errors
    /// A node cannot be read.
    pub fn read_ahead<R: NodeReader + Sync>(
        &self,
        reader: &R,
        height: u64,
        budget: usize,
    ) -> Result<Self, TrieError<R::Error>> {
        let ahead = Ahead::new(reader, height, budget);
        let mut trie = self.clone();
        for levels in 1.. {
            let Some(root) = trie.root.as_ref().filter(|_| ahead.goes_on()) else { break };
            if let Some(root) = ahead.deepened(None, root, Nibbles::new(), levels)? {
                trie.root = Some(root);
            }
        }
        Ok(trie)
    }

    /// The same version with those of its nodes in memory too that `other` has in memory.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let roots = self.root.as_ref().zip(other.root.as_ref());
        let joined = roots.and_then(|(mine, theirs)| known::joined(mine, theirs));
        Self { root: joined.or_else(|| self.root.clone()) }
    }

    /// The account by hashed address, as far as memory tells: outer `None` where a node on the
    /// way to it is not in memory.
    pub fn known_account(&self, address: B256) -> Option<Option<TrieAccount>> {
        match known::known(self.root.as_ref(), address) {
            Known::Unknown => None,
            Known::Absent => Some(None),
            Known::Present(account) => Some(Some(account.value())),
        }
    }

    /// The word by hashed address and hashed slot, zero where it is absent, as far as memory
    /// tells.
    pub fn known_word(&self, address: B256, slot: B256) -> Option<U256> {
        let account = match known::known(self.root.as_ref(), address) {
            Known::Unknown => return None,
            Known::Absent => return Some(U256::ZERO),
            Known::Present(account) => account,
        };
        match known::known(account.storage.as_deref(), slot) {
            Known::Unknown => None,
            Known::Absent => Some(U256::ZERO),
            Known::Present(word) => Some(*word),
        }
    }

    /// The proof of an account, by hashed address: the nodes from the state root to it.
    ///
    /// # Errors
    /// A node cannot be read.
    pub fn account_proof<R: NodeReader>(
        &self,
        reader: &R,
        address: B256,
    ) -> Result<Vec<Bytes>, TrieError<R::Error>> {
        Ok(proof(reader, None, self.root.as_ref(), address)?.0)
    }

    /// The proof of a word, by hashed address and hashed slot: the nodes from the storage root to
    /// it. Empty where the account has no storage or does not exist.
    ///
    /// # Errors
    /// A node cannot be read.
    pub fn storage_proof<R: NodeReader>(
        &self,
        reader: &R,
        address: B256,
        slot: B256,
    ) -> Result<Vec<Bytes>, TrieError<R::Error>> {
        let (_, account) = proof(reader, None, self.root.as_ref(), address)?;
        let storage = account.and_then(|account| account.storage);
        Ok(proof(reader, Some(address), storage.as_deref(), slot)?.0)
    }
}

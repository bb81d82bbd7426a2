//! What leaves hold: accounts, each with its storage trie, and words of storage.

use crate::{
    EMPTY_ROOT_HASH, NodeReader, StateError, TrieAccount, TrieError,
    context::{Context, Failure},
    known::{self, Ahead},
    node::Child,
    state::{Account, AccountChange, WordChange},
    update::{self, Change, Outcome},
    walk::{self, Limit},
};
use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::Decodable as _;
use alloy_trie::Nibbles;

/// The value of a leaf.
pub(crate) trait Leaf: Clone + PartialEq + Send + Sync + Sized {
    /// How a block changes it.
    type Change: Sync;

    /// Whether the change leaves no leaf behind, whatever there was.
    fn is_removal(change: &Self::Change) -> bool;

    /// Whether what hangs below the leaf is made anew, even where it comes out as it was.
    fn is_rewrite(change: &Self::Change) -> bool;

    /// The value before the change, where that is told. It may be told wrong.
    fn told(change: &Self::Change) -> Option<Self>;

    /// The value after the change, `None` when the leaf goes.
    ///
    /// # Errors
    /// What hangs below the leaf cannot be read, or does not fit the change.
    fn changed<R: NodeReader + Sync>(
        old: Option<&Self>,
        key: B256,
        change: &Self::Change,
        context: &Context<'_, R>,
    ) -> Result<Option<Self>, Failure<R>>;

    /// The RLP that the leaf node holds.
    fn encode(&self) -> Vec<u8>;

    /// # Errors
    /// What is wrong with a leaf's value.
    fn decode(value: &[u8]) -> Result<Self, &'static str>;

    /// Bytes of memory of what hangs below the leaf.
    fn resident(&self) -> usize;

    /// The root of the trie below the leaf.
    fn storage(&self) -> Option<&Child<U256>>;

    /// The same value with less of what hangs below it in memory; `None` where nothing is let go.
    fn pruned(&self, limit: Limit) -> Option<Self>;

    /// The same value with so many levels of what hangs below it in memory; `None` where that
    /// changes nothing.
    ///
    /// # Errors
    /// A node cannot be read.
    fn deepened<R: NodeReader + Sync>(
        &self,
        ahead: &Ahead<'_, R>,
        key: B256,
        levels: usize,
    ) -> Result<Option<Self>, TrieError<R::Error>>;

    /// The same value with what `other` has in memory below it; `None` where that is nothing new.
    fn joined(&self, other: &Self) -> Option<Self>;
}

/// A word of storage; never zero.
pub(crate) type Word = U256;

impl Leaf for Word {
    type Change = WordChange;

    fn is_removal(change: &WordChange) -> bool {
        change.after.is_zero()
    }

    fn is_rewrite(_: &WordChange) -> bool {
        false
    }

    fn told(change: &WordChange) -> Option<Self> {
        (!change.before.is_zero()).then_some(change.before)
    }

    fn changed<R: NodeReader + Sync>(
        _: Option<&Self>,
        _: B256,
        change: &WordChange,
        _: &Context<'_, R>,
    ) -> Result<Option<Self>, Failure<R>> {
        Ok((!change.after.is_zero()).then_some(change.after))
    }

    fn encode(&self) -> Vec<u8> {
        alloy_rlp::encode(self)
    }

    fn decode(value: &[u8]) -> Result<Self, &'static str> {
        alloy_rlp::decode_exact(value).map_err(|_| "a leaf's value is no word")
    }

    fn resident(&self) -> usize {
        0
    }

    fn storage(&self) -> Option<&Child<U256>> {
        None
    }

    fn pruned(&self, _: Limit) -> Option<Self> {
        None
    }

    fn deepened<R: NodeReader + Sync>(
        &self,
        _: &Ahead<'_, R>,
        _: B256,
        _: usize,
    ) -> Result<Option<Self>, TrieError<R::Error>> {
        Ok(None)
    }

    fn joined(&self, _: &Self) -> Option<Self> {
        None
    }
}

/// An account with its storage trie.
#[derive(Debug, Clone)]
pub(crate) struct AccountLeaf {
    account: Account,
    /// Root of the storage trie, `None` where it is empty. Few accounts have one.
    pub(crate) storage: Option<Box<Child<Word>>>,
}

impl AccountLeaf {
    /// The leaf's value.
    pub(crate) fn value(&self) -> TrieAccount {
        let Account { nonce, balance, code_hash } = self.account;
        TrieAccount::new(nonce, balance, self.storage_root(), code_hash)
    }

    pub(crate) fn storage_root(&self) -> B256 {
        match &self.storage {
            None => EMPTY_ROOT_HASH,
            Some(root) => hash(root),
        }
    }

    /// The same account above another version of its storage trie.
    fn with_root(&self, root: Child<Word>) -> Self {
        Self { account: self.account, storage: Some(Box::new(root)) }
    }

    /// Applies the storage part of a change.
    fn with_storage<R: NodeReader + Sync>(
        mut self,
        change: &AccountChange,
        context: &Context<'_, R>,
    ) -> Result<Self, Failure<R>> {
        let writes: Vec<_> = change
            .storage
            .iter()
            .map(|(slot, word)| Change { key: Nibbles::unpack_array(slot), change: word })
            .collect();
        let outcome = update::below(context, self.storage.as_deref(), Nibbles::new(), &writes)?;
        if let Outcome::Now(root) = outcome.named() {
            self.storage = root.map(Box::new);
        }
        Ok(self)
    }
}

impl PartialEq for AccountLeaf {
    fn eq(&self, other: &Self) -> bool {
        self.account == other.account && self.storage_root() == other.storage_root()
    }
}

impl Leaf for AccountLeaf {
    type Change = AccountChange;

    fn is_removal(change: &AccountChange) -> bool {
        change.account.is_none()
    }

    fn is_rewrite(change: &AccountChange) -> bool {
        change.wiped
    }

    fn told(change: &AccountChange) -> Option<Self> {
        Some(Self { account: change.before?, storage: storage_at(change.storage_root) })
    }

    fn changed<R: NodeReader + Sync>(
        old: Option<&Self>,
        key: B256,
        change: &AccountChange,
        context: &Context<'_, R>,
    ) -> Result<Option<Self>, Failure<R>> {
        let context = context.of_storage(key);
        let committed = old.map_or(EMPTY_ROOT_HASH, Self::storage_root);
        // A root that is not the trie's would be written back under the state root.
        if committed != change.storage_root {
            let given = change.storage_root;
            return Err(StateError::StorageRoot { account: key, given, committed });
        }
        let mut storage = old.and_then(|old| old.storage.clone());
        if (change.wiped || change.account.is_none())
            && let Some(root) = storage.take()
        {
            walk::forget_all(&context, &root, Nibbles::new())?;
        }
        let Some(account) = change.account else { return Ok(None) };
        let leaf = Self { account, storage }.with_storage(change, &context)?;
        let root = leaf.storage_root();
        context.note(|findings| findings.storage_roots.push((key, root)));
        Ok(Some(leaf))
    }

    fn encode(&self) -> Vec<u8> {
        alloy_rlp::encode(self.value())
    }

    fn decode(mut value: &[u8]) -> Result<Self, &'static str> {
        let TrieAccount { nonce, balance, storage_root, code_hash, .. } =
            TrieAccount::decode(&mut value).map_err(|_| "a leaf's value is no account")?;
        if !value.is_empty() {
            return Err("bytes follow an account");
        }
        let storage = storage_at(storage_root);
        Ok(Self { account: Account { nonce, balance, code_hash }, storage })
    }

    fn resident(&self) -> usize {
        self.storage.as_ref().map_or(0, |root| size_of_val::<Child<_>>(root) + root.resident())
    }

    fn storage(&self) -> Option<&Child<U256>> {
        self.storage.as_deref()
    }

    fn pruned(&self, limit: Limit) -> Option<Self> {
        let root = walk::pruned(self.storage.as_ref()?, limit)?;
        Some(self.with_root(root))
    }

    fn deepened<R: NodeReader + Sync>(
        &self,
        ahead: &Ahead<'_, R>,
        key: B256,
        levels: usize,
    ) -> Result<Option<Self>, TrieError<R::Error>> {
        let Some(root) = &self.storage else { return Ok(None) };
        let root = ahead.deepened(Some(key), root, Nibbles::new(), levels)?;
        Ok(root.map(|root| self.with_root(root)))
    }

    fn joined(&self, other: &Self) -> Option<Self> {
        let root = known::joined(self.storage.as_ref()?, other.storage.as_ref()?)?;
        Some(self.with_root(root))
    }
}

/// The storage trie with this root hash, named only.
fn storage_at(root: B256) -> Option<Box<Child<Word>>> {
    (root != EMPTY_ROOT_HASH).then(|| Box::new(Child::root(root)))
}

/// The hash of a root, however short its RLP is.
pub(crate) fn hash<L>(root: &Child<L>) -> B256 {
    root.reference.as_hash().unwrap_or_else(|| keccak256(&root.reference))
}

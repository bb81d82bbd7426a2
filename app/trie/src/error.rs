//! What can go wrong: always the store's fault or the caller's, never the data's of a user.

use alloy_primitives::B256;
use alloy_trie::Nibbles;
use core::fmt;

/// Where a node is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// `None` for the account trie, the hashed address for a storage trie.
    pub owner: Option<B256>,
    /// Nibbles from the root of that trie to the node.
    pub path: Nibbles,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            None => write!(f, "account trie, path 0x")?,
            Some(owner) => write!(f, "storage trie of {owner}, path 0x")?,
        }
        self.path.iter().try_for_each(|nibble| write!(f, "{nibble:x}"))
    }
}

/// A trie cannot be read. Each means that the node store fails or is damaged; none can be caused
/// by a transaction.
#[derive(Debug, thiserror::Error)]
pub enum TrieError<E: std::error::Error + 'static> {
    /// The node reader failed.
    #[error("cannot read the node at {at}")]
    Reader {
        /// The node asked for.
        at: Location,
        /// The reader's error.
        source: E,
    },
    /// The parent names a node that the store does not hold.
    #[error("node {hash} is missing at {at}")]
    Missing {
        /// Where the node should be.
        at: Location,
        /// The hash by which its parent names it.
        hash: B256,
    },
    /// The stored node is not the one its parent names.
    #[error("corrupt node at {at}: its hash is not {expected}")]
    Corrupt {
        /// Where the node is.
        at: Location,
        /// The hash by which its parent names it.
        expected: B256,
    },
    /// The node has the right hash but is no trie node with 32-byte keys: the root given was
    /// never the root of such a trie.
    #[error("malformed node at {at}: {reason}")]
    Malformed {
        /// Where the node is.
        at: Location,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A set of state changes cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum StateError<E: std::error::Error + 'static> {
    /// A trie cannot be read.
    #[error(transparent)]
    Trie(#[from] TrieError<E>),
    /// The caller's previous storage root is not the one under the state root: its flat tables
    /// and its trie have parted.
    #[error("storage root of account {account} is {committed} in the trie, not {given}")]
    StorageRoot {
        /// Hashed address.
        account: B256,
        /// The root that the caller gave.
        given: B256,
        /// The root in the account trie; the empty root where there is no account.
        committed: B256,
    },
}

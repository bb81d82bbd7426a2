//! The state commitment: an Ethereum Merkle-Patricia trie (yellow paper, appendix D), in memory
//! as far as it is in use, stored by path below that.
//!
//! * Keys are 32 bytes and already hashed by the caller (the "secure" trie), so all keys have
//!   the same length and no branch carries a value.
//! * [`StateTrie`] is one version of the whole state: the account trie, with each account's
//!   storage trie under its leaf. Versions are immutable and share what they have in common, so
//!   a block can be tried and dropped, and readers keep theirs while the next is made.
//! * A block's changes are applied in one sorted pass, in parallel where they are many.
//! * A node is stored under `(owner, path)`: the owner is `None` for the account trie and the
//!   hashed address for a storage trie, the path is the nibbles from the root to the node. A new
//!   version of a node overwrites the old one in place, so the store holds exactly the nodes of
//!   one version. Nodes whose RLP is shorter than 32 bytes live inside their parent and are never
//!   stored; the root always is.
//! * Each stored node is checked against the hash by which its parent names it when it is read.
//!   A corrupt store gives a typed error, never a wrong root.
//!
//! The crate does no I/O: nodes come in through [`NodeReader`]; [`StateTrie::changed_since`] gives
//! what a store lacks. [`StateTrie::pruned`] bounds the memory, [`StateTrie::read_ahead`] fills it.

mod build;
mod context;
mod error;
mod known;
mod leaf;
mod naming;
mod node;
mod proof;
mod state;
mod store;
mod update;
mod walk;

pub use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
pub use build::{TrieBuilder, Unordered};
pub use error::{Location, StateError, TrieError};
pub use state::{Account, AccountChange, Applied, NodeAt, StateTrie, WordChange};
pub use store::{MemoryNodes, NodeReader, node_key};

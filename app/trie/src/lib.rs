//! The state commitment: an Ethereum Merkle-Patricia trie (yellow paper, appendix D),
//! stored by path.
//!
//! * Keys are 32 bytes and already hashed by the caller (the "secure" trie), so all keys have
//!   the same length and no branch carries a value.
//! * A node is stored under `(owner, path)`: the owner is `None` for the account trie and the
//!   hashed address for a storage trie, the path is the nibbles from the root to the node. A new
//!   version of a node overwrites the old one in place, so the store holds exactly the live nodes.
//! * Nodes whose RLP is shorter than 32 bytes live inside their parent and are never stored;
//!   the root always is.
//! * Each stored node is checked against the hash by which its parent names it when it is read.
//!   A corrupt store gives a typed error, never a wrong root.
//!
//! The crate does no I/O: nodes come in through [`NodeReader`] and changes go out as sorted maps.
//!
//! [`Trie`] is one trie, [`apply`] a block's changes to the whole state, [`proof`] the node list
//! of `eth_getProof`.

mod commit;
mod error;
mod node;
mod proof;
mod remove;
mod source;
mod state;
mod store;
mod trie;

pub use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
pub use commit::{Commit, PathUpdates};
pub use error::{Location, StateError, TrieError};
pub use proof::proof;
pub use state::{Account, AccountChange, NodeUpdates, StateCommit, apply};
pub use store::{MemoryNodes, NodeReader, node_key};
pub use trie::Trie;

//! The trie against an oracle: `alloy_trie::HashBuilder`, which makes roots from sorted leaves in
//! another way, and against tries built anew.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod build;
mod corrupt;
mod known;
mod model;
mod random;
mod state;

//! Column families, tables and key encodings: the only place that knows them.
//! `tests::keys_should_not_change` pins every byte; a change there is a new [`SCHEMA`] and breaks
//! existing data directories.
//!
//! Integers in keys are big-endian, so that byte order is numeric order.

use alloy_primitives::{B256, U256, keccak256};
use mooring_rocks::{ColumnFamily, Kind};
use mooring_trie::NodeAt;

/// The version of everything in this file and in `record.rs`.
pub(super) const SCHEMA: u32 = 2;

const fn family(name: &'static str, kind: Kind) -> ColumnFamily {
    ColumnFamily { name, kind }
}

/// Name → schema version, chain identity, height of the tip.
pub(super) const META: ColumnFamily = family("meta", Kind::Ordered);
/// Height → header, app hash, exit tree.
pub(super) const HEADER: ColumnFamily = family("header", Kind::Records);
/// Height → Ethereum transactions with their senders.
pub(super) const BODY: ColumnFamily = family("body", Kind::Records);
/// Height → receipts.
pub(super) const RECEIPTS: ColumnFamily = family("receipts", Kind::Records);
/// Height → what the block changed, with the values before and after.
pub(super) const CHANGES: ColumnFamily = family("changes", Kind::Records);
/// Code hash → code.
pub(super) const CODE: ColumnFamily = family("code", Kind::Records);
/// All that follows from the records above, as of [`FLUSHED`]: see [`Table`].
pub(super) const TABLES: ColumnFamily = family("tables", Kind::Point);
/// Height ‖ part → decided consensus block, certificate.
pub(super) const DECIDED: ColumnFamily = family("decided", Kind::Records);
/// Height ‖ the engine's key → proposed consensus block.
pub(super) const PROPOSED: ColumnFamily = family("proposed", Kind::Records);
/// The engine's own records by name.
pub(super) const ENGINE: ColumnFamily = family("engine", Kind::Ordered);

/// Every column family.
pub(super) const ALL: [ColumnFamily; 10] =
    [META, HEADER, BODY, RECEIPTS, CHANGES, CODE, TABLES, DECIDED, PROPOSED, ENGINE];

/// In [`META`]: the schema version.
pub(super) const META_SCHEMA: &[u8] = b"schema";
/// In [`META`]: the hash of the genesis document.
pub(super) const META_CHAIN: &[u8] = b"chain";
/// In [`META`]: the height of the last committed block.
pub(super) const META_TIP: &[u8] = b"tip";
/// In [`META`]: the lowest height, above genesis, whose block is kept; absent where all are.
pub(super) const META_BLOCKS: &[u8] = b"blocks";
/// In [`META`]: there while a snapshot is written into the store, which counts as empty.
pub(super) const META_LOADING: &[u8] = b"loading";

/// The parts of [`TABLES`], by the first byte of their keys. One column family holds them all, so
/// that one table file moves them all to a later height, or none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    /// Name → height.
    Meta = 0,
    /// keccak(address) → account.
    Account = 1,
    /// keccak(address) ‖ keccak(slot) → word.
    Storage = 2,
    /// Path → node of the account trie.
    TrieAccount = 3,
    /// keccak(address) ‖ path → node of that account's storage trie.
    TrieStorage = 4,
    /// keccak(address) ‖ height → the account before that block.
    AccountHistory = 5,
    /// keccak(address) ‖ keccak(slot) ‖ height → the word before that block.
    StorageHistory = 6,
    /// Ethereum block hash → height.
    Number = 7,
    /// Ethereum transaction hash → height, index.
    Tx = 8,
    /// Index → exit; never pruned.
    Exit = 9,
    /// Level ‖ index → complete node of the exit tree; never pruned.
    ExitNode = 10,
}

impl Table {
    pub(super) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut key = Vec::with_capacity(1 + length);
        key.push(self as u8);
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }
}

/// In [`Table::Meta`]: the height of the block that the tables are of.
pub(super) const FLUSHED: &[u8] = &[Table::Meta as u8, b'f'];
/// In [`Table::Meta`]: the lowest height whose state can be read.
pub(super) const FLOOR: &[u8] = &[Table::Meta as u8, b'l'];

/// Which half of a decided block a [`decided`] key names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// The block.
    Block = 0,
    /// The certificate.
    Certificate = 1,
}

pub(super) fn height(height: u64) -> [u8; 8] {
    height.to_be_bytes()
}

/// A slot as the tries and the tables know it.
pub(super) fn hashed(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

pub(super) fn account(address: B256) -> Vec<u8> {
    Table::Account.key(&[address.as_slice()])
}

pub(super) fn storage(address: B256, slot: B256) -> Vec<u8> {
    Table::Storage.key(&[address.as_slice(), slot.as_slice()])
}

/// The beginning of the keys of all of an account's words.
pub(super) fn storage_of(address: B256) -> Vec<u8> {
    Table::Storage.key(&[address.as_slice()])
}

pub(super) fn account_history(address: B256, height: u64) -> Vec<u8> {
    Table::AccountHistory.key(&[address.as_slice(), &height.to_be_bytes()])
}

pub(super) fn storage_history(address: B256, slot: B256, height: u64) -> Vec<u8> {
    Table::StorageHistory.key(&[address.as_slice(), slot.as_slice(), &height.to_be_bytes()])
}

pub(super) fn node((owner, path): &NodeAt) -> Vec<u8> {
    let table = if owner.is_some() { Table::TrieStorage } else { Table::TrieAccount };
    table.key(&[&mooring_trie::node_key(*owner, path)])
}

pub(super) fn number(hash: B256) -> Vec<u8> {
    Table::Number.key(&[hash.as_slice()])
}

pub(super) fn tx(hash: B256) -> Vec<u8> {
    Table::Tx.key(&[hash.as_slice()])
}

pub(super) fn exit(index: u64) -> Vec<u8> {
    Table::Exit.key(&[&index.to_be_bytes()])
}

pub(super) fn exit_node(level: usize, index: u64) -> Vec<u8> {
    let level = u8::try_from(level).expect("the exit tree has at most 32 levels");
    Table::ExitNode.key(&[&[level], &index.to_be_bytes()])
}

pub(super) fn decided(height: u64, part: Part) -> Vec<u8> {
    [&height.to_be_bytes()[..], &[part as u8]].concat()
}

pub(super) fn proposed(height: u64, key: &[u8]) -> Vec<u8> {
    [&height.to_be_bytes()[..], key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, b256};
    use mooring_trie::Nibbles;

    #[test]
    fn keys_should_not_change() {
        let who = address!("00000000000000000000000000000000000000aa");
        let who = keccak256(who);
        let slot = hashed(U256::from(1));
        let owner = b256!("00000000000000000000000000000000000000000000000000000000000000bb");
        let path = Nibbles::from_nibbles([1, 2, 15]);
        let keys: Vec<(&str, Vec<u8>)> = vec![
            ("meta.schema", META_SCHEMA.to_vec()),
            ("meta.chain", META_CHAIN.to_vec()),
            ("meta.tip", META_TIP.to_vec()),
            ("meta.blocks", META_BLOCKS.to_vec()),
            ("meta.loading", META_LOADING.to_vec()),
            ("height", height(258).to_vec()),
            ("flushed", FLUSHED.to_vec()),
            ("floor", FLOOR.to_vec()),
            ("account", account(who)),
            ("storage", storage(who, slot)),
            ("storage.of", storage_of(who)),
            ("trie.account", node(&(None, path))),
            ("trie.storage", node(&(Some(owner), path))),
            ("account.history", account_history(who, 258)),
            ("storage.history", storage_history(who, slot, 258)),
            ("number", number(owner)),
            ("tx", tx(owner)),
            ("exit", exit(258)),
            ("exit.node", exit_node(3, 258)),
            ("decided.block", decided(258, Part::Block)),
            ("decided.certificate", decided(258, Part::Certificate)),
            ("proposed", proposed(258, b"k")),
        ];
        let mut found =
            format!("schema {SCHEMA}\nfamilies {}\n", ALL.map(|family| family.name).join(" "));
        for (name, key) in keys {
            found.push_str(&format!("{name} {}\n", hex::encode(key)));
        }
        assert_eq!(found, include_str!("keys.snapshot"));
    }
}

//! Column families and key encodings: the only place that knows them. `tests::keys_should_not_change`
//! pins every byte; a change there is a new [`SCHEMA`] and breaks existing data directories.
//!
//! Integers in keys are big-endian, so that byte order is numeric order.

use alloy_primitives::{Address, B256, U256, keccak256};
use mooring_rocks::{ColumnFamily, Kind};
use mooring_trie::Nibbles;

/// The version of everything in this file and in `record.rs`.
pub(super) const SCHEMA: u32 = 1;

const fn family(name: &'static str, kind: Kind) -> ColumnFamily {
    ColumnFamily { name, kind }
}

/// Name → schema version, chain identity, tip.
pub(super) const META: ColumnFamily = family("meta", Kind::Ordered);
/// Height → header.
pub(super) const HEADER: ColumnFamily = family("header", Kind::Records);
/// Height → Ethereum transactions with their senders.
pub(super) const BODY: ColumnFamily = family("body", Kind::Records);
/// Height → receipts.
pub(super) const RECEIPTS: ColumnFamily = family("receipts", Kind::Records);
/// Ethereum block hash → height.
pub(super) const NUMBER: ColumnFamily = family("number", Kind::Point);
/// Ethereum transaction hash → height, index.
pub(super) const TX: ColumnFamily = family("tx", Kind::Point);
/// keccak(address) → account.
pub(super) const ACCOUNT: ColumnFamily = family("account", Kind::Point);
/// keccak(address) ‖ keccak(slot) → word.
pub(super) const STORAGE: ColumnFamily = family("storage", Kind::Point);
/// Code hash → code.
pub(super) const CODE: ColumnFamily = family("code", Kind::Records);
/// Path → node of the account trie.
pub(super) const TRIE_ACCOUNT: ColumnFamily = family("trie.account", Kind::Point);
/// keccak(address) ‖ path → node of that account's storage trie.
pub(super) const TRIE_STORAGE: ColumnFamily = family("trie.storage", Kind::Point);
/// Exits by index, and the complete nodes of the exit tree by level and index; never pruned.
pub(super) const EXIT: ColumnFamily = family("exit", Kind::Ordered);
/// Height ‖ part → decided consensus block, certificate.
pub(super) const DECIDED: ColumnFamily = family("decided", Kind::Records);
/// Height ‖ the engine's key → proposed consensus block.
pub(super) const PROPOSED: ColumnFamily = family("proposed", Kind::Records);
/// The engine's own records by name.
pub(super) const ENGINE: ColumnFamily = family("engine", Kind::Ordered);

/// Every column family.
pub(super) const ALL: [ColumnFamily; 15] = [
    META,
    HEADER,
    BODY,
    RECEIPTS,
    NUMBER,
    TX,
    ACCOUNT,
    STORAGE,
    CODE,
    TRIE_ACCOUNT,
    TRIE_STORAGE,
    EXIT,
    DECIDED,
    PROPOSED,
    ENGINE,
];

/// In [`META`]: the schema version.
pub(super) const META_SCHEMA: &[u8] = b"schema";
/// In [`META`]: the hash of the genesis document.
pub(super) const META_CHAIN: &[u8] = b"chain";
/// In [`META`]: the last committed block.
pub(super) const META_TIP: &[u8] = b"tip";

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

pub(super) fn account(address: Address) -> [u8; 32] {
    keccak256(address).0
}

pub(super) fn storage(address: Address, slot: U256) -> Vec<u8> {
    [keccak256(address).0, keccak256(slot.to_be_bytes::<32>()).0].concat()
}

/// The column family and the key of a trie node.
pub(super) fn node(owner: Option<B256>, path: &Nibbles) -> (ColumnFamily, Vec<u8>) {
    let family = if owner.is_some() { TRIE_STORAGE } else { TRIE_ACCOUNT };
    (family, mooring_trie::node_key(owner, path))
}

pub(super) fn exit(index: u64) -> Vec<u8> {
    [&[0][..], &index.to_be_bytes()].concat()
}

pub(super) fn exit_node(level: usize, index: u64) -> Vec<u8> {
    let level = u8::try_from(level).expect("the exit tree has at most 32 levels");
    [&[1, level][..], &index.to_be_bytes()].concat()
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

    #[test]
    fn keys_should_not_change() {
        let who = address!("00000000000000000000000000000000000000aa");
        let owner = b256!("00000000000000000000000000000000000000000000000000000000000000bb");
        let path = Nibbles::from_nibbles([1, 2, 15]);
        let keys: Vec<(&str, Vec<u8>)> = vec![
            ("meta.schema", META_SCHEMA.to_vec()),
            ("meta.chain", META_CHAIN.to_vec()),
            ("meta.tip", META_TIP.to_vec()),
            ("height", height(258).to_vec()),
            ("account", account(who).to_vec()),
            ("storage", storage(who, U256::from(1))),
            ("trie.account", node(None, &path).1),
            ("trie.storage", node(Some(owner), &path).1),
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

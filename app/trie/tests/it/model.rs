//! What a trie should be: sorted maps, and the oracle's answers about them.

use alloy_primitives::{B256, U256, keccak256, utils::KECCAK256_EMPTY};
use alloy_trie::{HashBuilder, proof::verify_proof};
use mooring_trie::{
    Account, AccountChange, EMPTY_ROOT_HASH, MemoryNodes, Nibbles, StateTrie, TrieAccount,
    WordChange,
};
use proptest::{prelude::*, test_runner::RngSeed};
use std::collections::BTreeMap;

/// A trie's leaves: the RLP that each key holds.
pub(crate) type Leaves = BTreeMap<B256, Vec<u8>>;
/// Non-zero words by hashed slot.
pub(crate) type Words = BTreeMap<B256, U256>;

/// The same cases in each run.
pub(crate) fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() }
}

/// Keys of two sorts: far apart, and alike but for their last bytes. The leaves of the latter
/// are deep and short, hence inside their parents where values are short too.
pub(crate) fn key() -> impl Strategy<Value = B256> {
    prop_oneof![
        (0u8..40).prop_map(|seed| keccak256([seed])),
        (0u8..3, 29usize..32, 0u8..4, any::<u8>()).prop_map(|(seed, at, high, low)| {
            let mut key = keccak256([seed]);
            key[at] ^= high << 4;
            key[31] = low;
            key
        }),
    ]
}

/// Words, of which some are zero: removals.
pub(crate) fn word() -> impl Strategy<Value = U256> {
    prop_oneof![
        2 => Just(U256::ZERO),
        2 => (1u64..200).prop_map(U256::from),
        2 => any::<[u64; 4]>().prop_map(U256::from_limbs),
    ]
}

pub(crate) fn oracle_root(leaves: &Leaves) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

pub(crate) fn storage_leaves(words: &Words) -> Leaves {
    words.iter().map(|(slot, word)| (*slot, alloy_rlp::encode(word))).collect()
}

pub(crate) fn storage_root(words: &Words) -> B256 {
    oracle_root(&storage_leaves(words))
}

/// The one account of a state with one storage trie.
pub(crate) const OWNER: B256 = B256::repeat_byte(9);

const OWNER_ACCOUNT: Account =
    Account { nonce: 1, balance: U256::ZERO, code_hash: KECCAK256_EMPTY };

/// Writes, told with what was there before. Some are told wrong, or not at all: nothing may follow
/// from it.
pub(crate) fn told(before: &Words, writes: &Words) -> BTreeMap<B256, WordChange> {
    let change = |(slot, after): (&B256, &U256)| {
        let told = match slot[31] % 4 {
            0 => U256::from(slot[30] % 3),
            1 => *after,
            _ => before.get(slot).copied().unwrap_or_default(),
        };
        (*slot, WordChange { before: told, after: *after })
    };
    writes.iter().map(change).collect()
}

/// A change of [`OWNER`]'s storage.
pub(crate) fn writes(before: &Words, writes: &Words, wiped: bool) -> BTreeMap<B256, AccountChange> {
    let change = AccountChange {
        before: (!before.is_empty()).then_some(OWNER_ACCOUNT),
        account: Some(OWNER_ACCOUNT),
        storage: told(before, writes),
        wiped,
        storage_root: if before.is_empty() { EMPTY_ROOT_HASH } else { storage_root(before) },
    };
    BTreeMap::from([(OWNER, change)])
}

/// The words after `writes`.
pub(crate) fn follow(words: &mut Words, writes: &Words) {
    words.extend(writes);
    words.retain(|_, word| !word.is_zero());
}

/// The root of a state whose one account has these words.
pub(crate) fn state_root(words: &Words) -> B256 {
    let Account { nonce, balance, code_hash } = OWNER_ACCOUNT;
    let account = TrieAccount::new(nonce, balance, storage_root(words), code_hash);
    oracle_root(&BTreeMap::from([(OWNER, alloy_rlp::encode(account))]))
}

/// The state of these words, built at once, with a store of it.
pub(crate) fn built(words: &Words) -> (StateTrie, MemoryNodes) {
    let mut nodes = MemoryNodes::default();
    let changes = writes(&Words::new(), words, false);
    let applied = StateTrie::default().apply(&nodes, 0, &changes).unwrap();
    nodes.write(None, &applied);
    (applied.trie, nodes)
}

/// A proof verifies for `value`, and for no other.
pub(crate) fn check_proof(
    root: B256,
    key: B256,
    value: Option<&Vec<u8>>,
    proof: &[alloy_primitives::Bytes],
) {
    let path = Nibbles::unpack(key);
    verify_proof(root, path, value.cloned(), proof).unwrap();
    let other = if value.is_some() { None } else { Some(vec![1]) };
    assert!(verify_proof(root, path, other, proof).is_err());
}

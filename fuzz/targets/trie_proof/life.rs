//! The state trie beside a plain map of the state.

use std::{collections::BTreeMap, convert::Infallible};

use alloy_primitives::{B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount, proof::verify_proof};
use arbitrary::Arbitrary;
use mooring_trie::{
    Account, AccountChange, Applied, MemoryNodes, NodeAt, NodeReader, StateTrie, WordChange,
};

/// Blocks, and a node of the store to damage afterwards.
#[derive(Arbitrary, Debug)]
pub(crate) struct Life {
    blocks: Vec<Block>,
    damage: Damage,
}

#[derive(Arbitrary, Debug)]
struct Block {
    changes: Vec<Change>,
    /// The store is brought up to the state.
    store: bool,
    /// Only what was used in so many blocks stays in memory.
    keep: u8,
}

#[derive(Arbitrary, Debug)]
struct Change {
    owner: Key,
    delete: bool,
    wipe: bool,
    nonce: u8,
    balance: u64,
    words: Vec<(Key, Word)>,
}

/// Keys far apart, and some that are alike but for their ends.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Key {
    seed: u8,
    end: u8,
    alike: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Word {
    Zero,
    Small(u8),
    Large([u8; 32]),
}

#[derive(Arbitrary, Debug)]
struct Damage {
    node: u8,
    at: u16,
    byte: u8,
    missing: bool,
}

impl Key {
    fn hashed(self) -> B256 {
        let mut key = keccak256([self.seed % 16]);
        if self.alike % 2 == 1 {
            key[31 - usize::from(self.alike / 2) % 4] ^= self.end;
        }
        key
    }
}

impl Word {
    const fn value(self) -> U256 {
        match self {
            Self::Zero => U256::ZERO,
            Self::Small(byte) => U256::from_limbs([byte as u64, 0, 0, 0]),
            Self::Large(bytes) => U256::from_be_bytes(bytes),
        }
    }
}

/// An account and its words, as they should be.
#[derive(Clone, Debug)]
struct Expected {
    account: Account,
    words: BTreeMap<B256, U256>,
}

type State = BTreeMap<B256, Expected>;

impl Life {
    /// Roots, storage roots, proofs and stores follow from the state alone, and a damaged store
    /// is found out.
    pub(crate) fn check(&self) {
        let mut state = State::new();
        let mut trie = StateTrie::default();
        let mut nodes = MemoryNodes::default();
        let (mut stored, mut gone) = (None, Vec::new());
        for (height, block) in (0_u64..).zip(self.blocks.iter().take(8)) {
            let changes = block.apply(&mut state);
            let applied = trie.apply(&nodes, height, &changes).expect("the store is whole");
            assert_eq!(applied.trie.root(), state_root(&state), "state root");
            for (owner, root) in &applied.storage_roots {
                let words = state.get(owner).map(|expected| &expected.words);
                assert_eq!(*root, words.map_or(EMPTY_ROOT_HASH, storage_root), "storage root");
            }
            gone.extend(applied.gone.iter().copied());
            trie = applied.trie;
            if block.store {
                nodes.write(stored, &up_to(&trie, gone.drain(..)));
                stored = Some(height);
            }
            if let Some(stored) = stored {
                trie = trie.pruned(stored, height.saturating_sub(block.keep.into()));
            }
        }
        prove(&trie, &nodes, &state);
        nodes.write(stored, &up_to(&trie, gone.drain(..)));
        self.damage(&nodes, &state);
    }

    /// Changes everything over a damaged store: the right root, or an error.
    fn damage(&self, nodes: &MemoryNodes, before: &State) {
        let Damage { node, at, byte, missing } = self.damage;
        let broken = Broken { nodes, broken: node, at, byte, missing };
        let mut after = before.clone();
        let changes = after
            .iter_mut()
            .map(|(owner, expected)| {
                expected.account.nonce += 1;
                let first = expected.words.first_key_value().map(|(slot, _)| *slot);
                let storage_root = storage_root(&expected.words);
                let words: BTreeMap<_, _> =
                    first.into_iter().map(|slot| (slot, U256::from(7))).collect();
                let storage = told(&expected.words, &words);
                expected.words.extend(&words);
                let (before, account) = (Some(expected.account), Some(expected.account));
                (*owner, AccountChange { before, account, storage, wiped: false, storage_root })
            })
            .collect();
        let trie = StateTrie::at(state_root(before));
        if let Ok(applied) = trie.apply(&broken, 9, &changes) {
            assert_eq!(applied.trie.root(), state_root(&after), "a damaged store gives a root");
        }
    }
}

impl Block {
    /// Follows the block in the plain state; what the trie is told of it.
    fn apply(&self, state: &mut State) -> BTreeMap<B256, AccountChange> {
        let mut changes = BTreeMap::new();
        for change in self.changes.iter().take(32) {
            let owner = change.owner.hashed();
            // A block tells each account once.
            if changes.contains_key(&owner) {
                continue;
            }
            let before = state.get(&owner);
            let storage_root = before.map_or(EMPTY_ROOT_HASH, |e| storage_root(&e.words));
            let told_account = before.map(|e| e.account);
            let mut words = before.map(|e| e.words.clone()).unwrap_or_default();
            if change.wipe {
                words.clear();
            }
            let written: BTreeMap<_, _> =
                change.words.iter().map(|(key, word)| (key.hashed(), word.value())).collect();
            let storage = told(&words, &written);
            words.extend(&written);
            words.retain(|_, word| !word.is_zero());
            let account = (!change.delete).then(|| Account {
                nonce: change.nonce.into(),
                balance: U256::from(change.balance),
                code_hash: KECCAK256_EMPTY,
            });
            match account {
                Some(account) => drop(state.insert(owner, Expected { account, words })),
                None => drop(state.remove(&owner)),
            }
            let wiped = change.wipe;
            // Told wrong where the account stays as it was made out to become.
            let before = if change.nonce % 3 == 0 { account } else { told_account };
            let change = AccountChange { before, account, storage, wiped, storage_root };
            changes.insert(owner, change);
        }
        changes
    }
}

/// Writes, told with what was there before.
fn told(
    before: &BTreeMap<B256, U256>,
    written: &BTreeMap<B256, U256>,
) -> BTreeMap<B256, WordChange> {
    let change = |(slot, after): (&B256, &U256)| {
        let before = before.get(slot).copied().unwrap_or_default();
        (*slot, WordChange { before, after: *after })
    };
    written.iter().map(change).collect()
}

fn up_to(trie: &StateTrie, gone: impl Iterator<Item = NodeAt>) -> Applied {
    Applied { trie: trie.clone(), storage_roots: BTreeMap::new(), gone: gone.collect() }
}

/// Every account and word has a proof that another verifier takes, and so has an absent account.
fn prove(trie: &StateTrie, nodes: &MemoryNodes, state: &State) {
    let verify = |root, key: B256, value, proof: &[_]| {
        verify_proof(root, Nibbles::unpack(key), value, proof).expect("a true proof");
    };
    let absent = keccak256("absent");
    let proof = trie.account_proof(nodes, absent).expect("the store is whole");
    verify(trie.root(), absent, None, &proof);
    for (owner, expected) in state.iter().take(4) {
        let proof = trie.account_proof(nodes, *owner).expect("the store is whole");
        verify(trie.root(), *owner, Some(leaf(expected)), &proof);
        let root = storage_root(&expected.words);
        for (slot, word) in expected.words.iter().take(4) {
            let proof = trie.storage_proof(nodes, *owner, *slot).expect("the store is whole");
            verify(root, *slot, Some(alloy_rlp::encode(word)), &proof);
        }
    }
}

fn leaf(expected: &Expected) -> Vec<u8> {
    let Account { nonce, balance, code_hash } = expected.account;
    alloy_rlp::encode(TrieAccount::new(nonce, balance, storage_root(&expected.words), code_hash))
}

fn storage_root(words: &BTreeMap<B256, U256>) -> B256 {
    root(words.iter().map(|(slot, word)| (*slot, alloy_rlp::encode(word))))
}

fn state_root(state: &State) -> B256 {
    root(state.iter().map(|(owner, expected)| (*owner, leaf(expected))))
}

fn root(leaves: impl Iterator<Item = (B256, Vec<u8>)>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), &value);
    }
    builder.root()
}

/// A store of which one node is damaged or lost.
struct Broken<'a> {
    nodes: &'a MemoryNodes,
    broken: u8,
    at: u16,
    byte: u8,
    missing: bool,
}

impl NodeReader for Broken<'_> {
    type Error = Infallible;

    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>, Infallible> {
        let broken = self.nodes.iter().nth(self.broken.into()).map(|(at, _)| *at);
        let mut node = self.nodes.node(owner, path)?;
        if broken == Some((owner, *path)) {
            if self.missing {
                return Ok(None);
            }
            if let Some(node) = &mut node {
                let at = usize::from(self.at) % node.len().max(1);
                if let Some(byte) = node.get_mut(at) {
                    *byte ^= self.byte;
                }
            }
        }
        Ok(node)
    }
}

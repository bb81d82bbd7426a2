//! Proofs that somebody tampered with.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{
    EMPTY_ROOT_HASH, HashBuilder, KECCAK_EMPTY, Nibbles, TrieAccount, TrieMask,
    nodes::{BranchNode, ExtensionNode, LeafNode, RlpNode},
    proof::ProofRetainer,
};
use arbitrary::Arbitrary;
use mooring_bridge::{
    deposit::{HEAD_ACC_SLOT, HEAD_COUNT_SLOT},
    proof::{HeadProof, ProvenHead, SlotProof, verify_head},
};

const VAULT: Address = Address::repeat_byte(0xaa);

/// Tries that a peer made up, each a path of nodes from the root.
#[derive(Arbitrary, Debug)]
pub(crate) struct Nodes {
    account: Vec<Node>,
    storage: Vec<Node>,
    claims: [Claim; 2],
}

/// A node on the way to a key; the next one of the list is its child.
#[derive(Arbitrary, Debug)]
enum Node {
    Bytes(Vec<u8>),
    Branch { at: Option<u8> },
    Extension { nibbles: u8 },
    Leaf { nibbles: u8, value: Vec<u8> },
}

/// What the storage is said to hold.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Claim {
    count: u64,
    acc: [u8; 32],
}

impl Nodes {
    /// The verifier ends, and the same nodes never prove two heads.
    pub(crate) fn check(&self) {
        let heads: Vec<_> = self.claims.iter().filter_map(|claim| self.verify(claim)).collect();
        if let [one, other] = heads[..] {
            assert_eq!(one, other, "two heads proven by the same nodes");
        }
    }

    fn verify(&self, claim: &Claim) -> Option<ProvenHead> {
        let (storage_root, count_nodes) = linked(&self.storage, HEAD_COUNT_SLOT);
        let (_, acc_nodes) = linked(&self.storage, HEAD_ACC_SLOT);
        let account = TrieAccount::new(1, U256::ZERO, storage_root, KECCAK_EMPTY);
        let (state_root, account_nodes) = if self.account.is_empty() {
            // The account is in the state, so that the verifier gets to the slots.
            let leaf = [(keccak256(VAULT), alloy_rlp::encode(account))].into();
            let (root, mut nodes) = trie(&leaf, &[keccak256(VAULT)]);
            (root, nodes.remove(0))
        } else {
            linked(&self.account, VAULT)
        };
        let header = header(state_root);
        let hash = keccak256(&header);
        let count = SlotProof { value: U256::from(claim.count), nodes: count_nodes };
        let acc = SlotProof { value: U256::from_be_bytes(claim.acc), nodes: acc_nodes };
        verify_head(hash, VAULT, &HeadProof { header, account, account_nodes, count, acc }).ok()
    }
}

/// The root and the nodes of a trie with one path, which follows the hash of `key` as far as that
/// goes.
fn linked(path: &[Node], key: impl AsRef<[u8]>) -> (B256, Vec<Bytes>) {
    let key = Nibbles::unpack(keccak256(key));
    let mut at = 0;
    let mut places = Vec::new();
    for node in path {
        places.push(at);
        at += match node {
            Node::Bytes(_) => 0,
            Node::Branch { .. } => 1,
            Node::Extension { nibbles } | Node::Leaf { nibbles, .. } => usize::from(nibbles % 65),
        };
    }
    let mut child = RlpNode::from_rlp(&[0x80]);
    let mut nodes = Vec::new();
    for (node, at) in path.iter().zip(places).rev() {
        let encoded = node.encode(&key, at, child);
        child = RlpNode::from_rlp(&encoded);
        // A short node is in its parent.
        if child.is_hash() {
            nodes.insert(0, Bytes::from(encoded));
        }
    }
    (nodes.first().map_or(EMPTY_ROOT_HASH, keccak256), nodes)
}

impl Node {
    fn encode(&self, key: &Nibbles, at: usize, child: RlpNode) -> Vec<u8> {
        let slice = |nibbles: &u8| {
            let most = usize::from(nibbles % 65);
            Nibbles::from_nibbles(
                (at..at + most).map(|i| key.get(i).unwrap_or_default()).collect::<Vec<_>>(),
            )
        };
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Branch { at: other } => {
                let index = other.or_else(|| key.get(at)).unwrap_or_default() % 16;
                alloy_rlp::encode(BranchNode::new(vec![child], TrieMask::new(1 << index)))
            }
            Self::Extension { nibbles } => {
                alloy_rlp::encode(ExtensionNode::new(slice(nibbles), child))
            }
            Self::Leaf { nibbles, value } => {
                alloy_rlp::encode(LeafNode::new(slice(nibbles), value.clone()))
            }
        }
    }
}

fn header(state_root: B256) -> Bytes {
    let header = Header { state_root, number: 77, timestamp: 1_700_000_000, ..Default::default() };
    alloy_rlp::encode(header).into()
}

/// A true proof, and what is done to it.
#[derive(Arbitrary, Debug)]
pub(crate) struct Head {
    changes: Vec<Change>,
}

#[derive(Arbitrary, Debug)]
enum Change {
    Count(u64),
    Acc([u8; 32]),
    StorageRoot([u8; 32]),
    Balance(u64),
    Header {
        at: u16,
        byte: u8,
    },
    /// A byte of a node.
    Flip {
        list: u8,
        node: u8,
        at: u16,
        byte: u8,
    },
    Drop {
        list: u8,
        node: u8,
    },
    Add {
        list: u8,
        node: u8,
        bytes: Vec<u8>,
    },
    /// A node of one list in another.
    Copy {
        from: u8,
        node: u8,
        to: u8,
        place: u8,
    },
}

static TRUTH: LazyLock<(B256, HeadProof)> = LazyLock::new(truth);

impl Head {
    /// Whatever verifies is the truth.
    pub(crate) fn check(&self) {
        let (hash, truth) = &*TRUTH;
        let mut proof = truth.clone();
        for change in &self.changes {
            change.apply(&mut proof);
        }
        if let Ok(proven) = verify_head(*hash, VAULT, &proof) {
            let known = verify_head(*hash, VAULT, truth).expect("the truth verifies");
            assert_eq!(proven, known, "a lie is proven");
        }
    }
}

impl Change {
    fn apply(&self, proof: &mut HeadProof) {
        match self {
            Self::Count(count) => proof.count.value = U256::from(*count),
            Self::Acc(acc) => proof.acc.value = U256::from_be_bytes(*acc),
            Self::StorageRoot(root) => proof.account.storage_root = root.into(),
            Self::Balance(balance) => proof.account.balance = U256::from(*balance),
            Self::Header { at, byte } => flip(&mut proof.header, *at, *byte),
            Self::Flip { list, node, at, byte } => {
                let nodes = nodes(proof, *list);
                let node = usize::from(*node) % nodes.len().max(1);
                if let Some(node) = nodes.get_mut(node) {
                    flip(node, *at, *byte);
                }
            }
            Self::Drop { list, node } => {
                let nodes = nodes(proof, *list);
                if !nodes.is_empty() {
                    nodes.remove(usize::from(*node) % nodes.len());
                }
            }
            Self::Add { list, node, bytes } => {
                let nodes = nodes(proof, *list);
                nodes.insert(usize::from(*node) % (nodes.len() + 1), bytes.clone().into());
            }
            Self::Copy { from, node, to, place } => {
                let source = nodes(proof, *from);
                let Some(copy) = source.get(usize::from(*node) % source.len().max(1)).cloned()
                else {
                    return;
                };
                let target = nodes(proof, *to);
                target.insert(usize::from(*place) % (target.len() + 1), copy);
            }
        }
    }
}

fn nodes(proof: &mut HeadProof, list: u8) -> &mut Vec<Bytes> {
    match list % 3 {
        0 => &mut proof.account_nodes,
        1 => &mut proof.count.nodes,
        _ => &mut proof.acc.nodes,
    }
}

fn flip(bytes: &mut Bytes, at: u16, byte: u8) {
    let mut copy = bytes.to_vec();
    let at = usize::from(at) % copy.len().max(1);
    if let Some(place) = copy.get_mut(at) {
        *place ^= byte;
    }
    *bytes = copy.into();
}

fn truth() -> (B256, HeadProof) {
    let (count, acc) = (U256::from(42), U256::from_be_bytes([0xac; 32]));
    let other = |index: u64| (B256::from(U256::from(index)), U256::from(index + 1));
    let slots = (0..40).map(other).chain([(HEAD_COUNT_SLOT, count), (HEAD_ACC_SLOT, acc)]);
    let words: BTreeMap<_, _> =
        slots.map(|(slot, word)| (keccak256(slot), alloy_rlp::encode(word))).collect();
    let targets = [keccak256(HEAD_COUNT_SLOT), keccak256(HEAD_ACC_SLOT)];
    let (storage_root, lists) = trie(&words, &targets);
    let account = TrieAccount::new(1, U256::from(1_000), storage_root, KECCAK_EMPTY);
    let mut accounts: BTreeMap<_, _> = (0_u8..40)
        .map(|index| (keccak256(Address::repeat_byte(index)), alloy_rlp::encode(account)))
        .collect();
    accounts.insert(keccak256(VAULT), alloy_rlp::encode(account));
    let (state_root, mut account_nodes) = trie(&accounts, &[keccak256(VAULT)]);
    let [count_nodes, acc_nodes] = lists.try_into().expect("a list for each target");
    let header = header(state_root);
    let proof = HeadProof {
        account,
        account_nodes: account_nodes.remove(0),
        count: SlotProof { value: count, nodes: count_nodes },
        acc: SlotProof { value: acc, nodes: acc_nodes },
        header,
    };
    (keccak256(&proof.header), proof)
}

/// Root of a trie by hashed keys, and the nodes that prove each of `targets`.
fn trie(entries: &BTreeMap<B256, Vec<u8>>, targets: &[B256]) -> (B256, Vec<Vec<Bytes>>) {
    let paths: Vec<_> = targets.iter().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(paths.clone()));
    for (key, value) in entries {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    let proof =
        |path| nodes.matching_nodes_sorted(path).into_iter().map(|(_, node)| node).collect();
    (root, paths.iter().map(proof).collect())
}

//! The proof of the Vault's head, over a state trie built here.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{
    EMPTY_ROOT_HASH, HashBuilder, KECCAK_EMPTY, Nibbles, TrieAccount,
    nodes::{ExtensionNode, LeafNode, RlpNode},
    proof::ProofRetainer,
};
use mooring_bridge::{
    Count,
    deposit::{HEAD_ACC_SLOT, HEAD_COUNT_SLOT},
    proof::{HeadProof, HeadProofError, SlotProof, verify_head},
};
use std::collections::BTreeMap;

const ACC: B256 = B256::repeat_byte(0xac);

fn vault() -> Address {
    Address::repeat_byte(0xaa)
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

fn storage(count: U256, acc: U256) -> (B256, SlotProof, SlotProof) {
    let mut entries = BTreeMap::new();
    let other = |index: u64| (B256::from(U256::from(index)), U256::from(index + 1));
    let mut slots: Vec<_> = (0..20).map(other).collect();
    slots.extend([(HEAD_COUNT_SLOT, count), (HEAD_ACC_SLOT, acc)]);
    for (slot, value) in slots {
        if !value.is_zero() {
            entries.insert(keccak256(slot), alloy_rlp::encode(value));
        }
    }
    let (root, proofs) = trie(&entries, &[keccak256(HEAD_COUNT_SLOT), keccak256(HEAD_ACC_SLOT)]);
    let [count_nodes, acc_nodes] = proofs.try_into().unwrap();
    let count = SlotProof { value: count, nodes: count_nodes };
    (root, count, SlotProof { value: acc, nodes: acc_nodes })
}

fn accounts(account: &TrieAccount) -> (B256, Vec<Bytes>) {
    let mut entries = BTreeMap::new();
    let other = TrieAccount {
        nonce: 1,
        balance: U256::from(5),
        storage_root: EMPTY_ROOT_HASH,
        code_hash: KECCAK_EMPTY,
    };
    for index in 0u8..20 {
        entries.insert(keccak256(Address::repeat_byte(index)), alloy_rlp::encode(other));
    }
    entries.insert(keccak256(vault()), alloy_rlp::encode(account));
    let (root, mut proofs) = trie(&entries, &[keccak256(vault())]);
    (root, proofs.remove(0))
}

fn proof(count: U256, acc: U256) -> (B256, HeadProof) {
    let (storage_root, count, acc) = storage(count, acc);
    let account = TrieAccount {
        nonce: 1,
        balance: U256::from(1_000),
        storage_root,
        code_hash: B256::repeat_byte(0xc0),
    };
    let (state_root, account_nodes) = accounts(&account);
    let header = Header { state_root, number: 77, timestamp: 1_700_000_000, ..Default::default() };
    let header: Bytes = alloy_rlp::encode(&header).into();
    (keccak256(&header), HeadProof { header, account, account_nodes, count, acc })
}

#[test]
fn a_true_head_is_proven() {
    let (hash, proof) = proof(U256::from(42), ACC.into());
    let proven = verify_head(hash, vault(), &proof).unwrap();
    assert_eq!((proven.head.count, proven.head.acc), (Count::new(42), ACC));
    assert_eq!((proven.block_number, proven.block_time), (77, 1_700_000_000));
}

#[test]
fn the_head_of_an_empty_log_is_proven_by_absence_of_its_count() {
    let (hash, proof) = proof(U256::ZERO, ACC.into());
    assert_eq!(verify_head(hash, vault(), &proof).unwrap().head.count, Count::ZERO);
}

#[test]
fn a_vault_without_a_log_or_with_an_absurd_count_is_refused() {
    let (hash, empty) = proof(U256::from(1), U256::ZERO);
    assert!(matches!(verify_head(hash, vault(), &empty), Err(HeadProofError::NoLog)));
    let (hash, absurd) = proof(U256::MAX, ACC.into());
    assert!(matches!(verify_head(hash, vault(), &absurd), Err(HeadProofError::Count(_))));
}

#[test]
fn a_lie_in_any_part_is_refused() {
    let (hash, truth) = proof(U256::from(42), ACC.into());
    let lie = |change: &dyn Fn(&mut HeadProof)| {
        let mut lie = truth.clone();
        change(&mut lie);
        verify_head(hash, vault(), &lie).unwrap_err()
    };
    let storage = |error| matches!(error, HeadProofError::Storage { .. });
    assert!(storage(lie(&|proof| proof.count.value = U256::from(43))));
    assert!(storage(lie(&|proof| proof.count.value = U256::ZERO)));
    assert!(storage(lie(&|proof| proof.acc.value += U256::from(1))));
    assert!(storage(lie(&|proof| std::mem::swap(&mut proof.count, &mut proof.acc))));
    assert!(storage(lie(&|proof| drop(proof.acc.nodes.pop()))));
    assert!(storage(lie(&|proof| proof.count.nodes.clear())));
    let account = |error| matches!(error, HeadProofError::Account(_));
    assert!(account(lie(&|proof| proof.account.balance = U256::ZERO)));
    assert!(account(lie(&|proof| proof.account.storage_root = B256::ZERO)));
    assert!(account(lie(&|proof| drop(proof.account_nodes.pop()))));
    let header = |error| matches!(error, HeadProofError::BlockHash { .. });
    assert!(header(lie(&|proof| proof.header = Bytes::new())));
    let other = verify_head(hash, Address::repeat_byte(3), &truth).unwrap_err();
    assert!(account(other), "another account of the same block");
}

#[test]
fn fields_of_later_forks_in_the_header_do_no_harm() {
    let (_, mut proof) = proof(U256::from(42), ACC.into());
    let mut rest = proof.header.as_ref();
    let mut fields = alloy_rlp::Header::decode_bytes(&mut rest, true).unwrap().to_vec();
    fields.extend(alloy_rlp::encode(B256::repeat_byte(9)));
    let mut header = Vec::new();
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut header);
    header.extend(fields);
    proof.header = header.into();
    let proven = verify_head(keccak256(&proof.header), vault(), &proof).unwrap();
    assert_eq!(proven.block_number, 77);
}

#[test]
fn bytes_that_are_no_header_are_refused_even_with_the_right_hash() {
    let (_, mut proof) = proof(U256::from(42), ACC.into());
    for bytes in [&[][..], &[0xc0], &[0x80], &[0xf9, 0xff]] {
        proof.header = Bytes::copy_from_slice(bytes);
        let result = verify_head(keccak256(bytes), vault(), &proof);
        assert!(matches!(result, Err(HeadProofError::Header(_))), "{bytes:?}");
    }
}

/// A peer could make up a trie that is deeper than any key, were the root not checked first.
#[test]
fn a_path_that_is_longer_than_a_key_is_refused() {
    let path = Nibbles::from_nibbles([0; 40]);
    let leaf = alloy_rlp::encode(LeafNode::new(path, vec![1]));
    assert!(leaf.len() < 32, "it is inside its parent");
    let top = alloy_rlp::encode(ExtensionNode::new(path, RlpNode::from_rlp(&leaf)));
    let (_, mut proof) = proof(U256::from(42), ACC.into());
    proof.header =
        alloy_rlp::encode(Header { state_root: keccak256(&top), ..Default::default() }).into();
    proof.account_nodes = vec![top.into()];
    let result = verify_head(keccak256(&proof.header), vault(), &proof);
    assert!(matches!(result, Err(HeadProofError::Account(_))), "{result:?}");
}

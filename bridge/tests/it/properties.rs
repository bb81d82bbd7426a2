//! Properties of the encodings, the exit tree, quorums and signatures.

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_primitives::{Address, B256, U256, address, b256, keccak256};
use mooring_bridge::{
    Count, DepositHead, Domain, Epoch, Exit, ExitIndex, FederationMessage, FederationUpdate,
    Frontier, Head, Height, Leaf, Member, MemberList, Signature, SignatureError, SignedStruct,
    SystemTx,
    deposit::{self, Deposit, EpochRecord, LeafError, TokenMetadata},
    exit::{self, NodeReader, TreeError},
    federation::{
        CheckpointVote, FEDERATION_TX_TYPE, HeadVote, MAX_MESSAGE_BYTES, MessageError, UpdateVote,
    },
    members::{self, MembersError, POWER_LIMIT},
    system_tx::Cause,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

prop_compose! {
    fn any_address()(bytes in any::<[u8; 20]>()) -> Address { bytes.into() }
}

prop_compose! {
    fn hash()(bytes in any::<[u8; 32]>()) -> B256 { bytes.into() }
}

prop_compose! {
    fn word()(bytes in any::<[u8; 32]>()) -> U256 { U256::from_be_bytes(bytes) }
}

prop_compose! {
    fn deposit()(
        count in 1..=u64::MAX, asset in any_address(), sender in any_address(), recipient in any_address(),
        amount in word(), gas_wei in word(), refund_to in any_address(),
    ) -> Leaf {
        let count = Count::new(count);
        Leaf::Deposit(Deposit { count, asset, sender, recipient, amount, gas_wei, refund_to })
    }
}

prop_compose! {
    fn metadata()(
        count in 1..=u64::MAX, asset in any_address(), name in hash(), symbol in hash(),
        decimals in any::<u8>(),
    ) -> Leaf {
        Leaf::TokenMetadata(TokenMetadata { count: Count::new(count), asset, name, symbol, decimals })
    }
}

prop_compose! {
    fn record()(count in 1..=u64::MAX, epoch in any::<u64>(), members_hash in hash()) -> Leaf {
        let (count, epoch) = (Count::new(count), Epoch::new(epoch));
        Leaf::EpochRecord(EpochRecord { count, epoch, members_hash })
    }
}

fn leaf() -> impl Strategy<Value = Leaf> {
    prop_oneof![deposit(), metadata(), record()]
}

prop_compose! {
    fn signature()(mut bytes in prop::array::uniform32(1u8..0x7f), r in any::<[u8; 31]>(), v in 27u8..=28)
        -> Signature
    {
        bytes[0] = 1;
        Signature::parse(&[&[1][..], &r, &bytes, &[v]].concat()).unwrap()
    }
}

fn message() -> impl Strategy<Value = FederationMessage> {
    let head_vote =
        (any::<[u64; 2]>(), hash(), signature()).prop_map(|([epoch, count], acc, signature)| {
            let head = DepositHead { epoch: Epoch::new(epoch), count: Count::new(count), acc };
            FederationMessage::HeadVote(HeadVote { head, signature })
        });
    let delivery = prop::collection::vec(leaf(), 1..20).prop_map(FederationMessage::Delivery);
    let checkpoint = (any::<[u64; 2]>(), signature()).prop_map(|([epoch, height], signature)| {
        let (epoch, height) = (Epoch::new(epoch), Height::new(height));
        FederationMessage::CheckpointVote(CheckpointVote { epoch, height, signature })
    });
    let update = (any::<[u64; 2]>(), hash(), hash(), word(), signature()).prop_map(
        |([epoch, first], members_hash, recovery_hash, total_power, signature)| {
            let (epoch, first_height) = (Epoch::new(epoch), Height::new(first));
            let update =
                FederationUpdate { epoch, first_height, members_hash, recovery_hash, total_power };
            FederationMessage::UpdateVote(UpdateVote { update, signature })
        },
    );
    prop_oneof![head_vote, delivery, checkpoint, update]
}

proptest! {
    #[test]
    fn leaves_survive_their_encoding(leaf in leaf()) {
        prop_assert_eq!(Leaf::decode(&leaf.encode()), Ok(leaf));
    }

    #[test]
    fn damaged_leaves_are_refused_or_canonical(
        leaf in leaf(), at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let mut bytes = leaf.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = Leaf::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
            prop_assert_ne!(other.hash(), leaf.hash());
        }
    }

    #[test]
    fn messages_survive_their_encoding(message in message()) {
        let bytes = message.encode();
        prop_assert!(bytes[0] == FEDERATION_TX_TYPE);
        prop_assert_eq!(FederationMessage::decode(&bytes), Ok(message));
    }

    #[test]
    fn damaged_messages_are_refused_or_canonical(
        message in message(), at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let mut bytes = message.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = FederationMessage::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
            prop_assert_ne!(other, message);
        }
    }

    #[test]
    fn lengthened_and_cut_messages_are_refused(message in message(), extra in any::<u8>()) {
        let mut bytes = message.encode();
        prop_assert!(FederationMessage::decode(&bytes[..bytes.len() - 1]).is_err());
        bytes.push(extra);
        prop_assert!(FederationMessage::decode(&bytes).is_err());
    }

    #[test]
    fn system_transactions_survive_their_encoding(
        acc in hash(), mint in word(), data in any::<Vec<u8>>(), at in any::<prop::sample::Index>(),
    ) {
        let transaction = SystemTx::new(Cause::Bounce, acc, mint, data.into());
        let mut bytes = transaction.encode();
        prop_assert_eq!(SystemTx::decode(&bytes), Ok(transaction));
        let at = at.index(bytes.len());
        bytes[at] ^= 1;
        if let Ok(other) = SystemTx::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        let _ = Leaf::decode(&bytes);
        let _ = Signature::parse(&bytes);
        let _ = FederationMessage::decode(&[&[FEDERATION_TX_TYPE], bytes.as_slice()].concat());
        let _ = SystemTx::decode(&[&[0x7e], bytes.as_slice()].concat());
    }

    #[test]
    fn signatures_recover_their_signer_and_are_not_malleable(
        key in prop::array::uniform32(1u8..0xff), digest in hash(),
    ) {
        let signed = sign_message(key.into(), digest).unwrap();
        let signature = Signature::try_from(signed).unwrap();
        let signer = signature.recover(digest).unwrap();
        prop_assert_eq!(signer, address_of(key));
        prop_assert_ne!(signature.recover(keccak256(digest)), Ok(signer));

        let (r, vs) = signature.to_eip2098();
        prop_assert_eq!(Signature::from_eip2098(r, vs), Ok(signature));

        let order = U256::from_be_bytes(b256!(
            "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ).0);
        let mut twin = *signature.as_bytes();
        let high_s = order - U256::from_be_bytes(signature.s().0);
        twin[32..64].copy_from_slice(&high_s.to_be_bytes::<32>());
        twin[64] = 27 + 28 - twin[64];
        prop_assert_eq!(Signature::parse(&twin), Err(SignatureError::HighS));
        let mut old_v = *signature.as_bytes();
        old_v[64] -= 27;
        prop_assert_eq!(Signature::parse(&old_v), Err(SignatureError::V(old_v[64])));
    }

    #[test]
    fn quorum_is_strictly_more_than_two_thirds(total in 1u128..(1 << 103)) {
        let least = total * 2 / 3 + 1;
        prop_assert!(members::quorum(least, total));
        prop_assert!(!members::quorum(least - 1, total));
    }

    #[test]
    fn member_words_survive(address in any_address(), power in 1..POWER_LIMIT) {
        let member = Member { address, power };
        prop_assert_eq!(Member::from_word(member.word()), member);
    }
}

/// The address of a private key, recovered by another implementation of the curve.
fn address_of(key: [u8; 32]) -> Address {
    let digest = keccak256("any");
    sign_message(key.into(), digest).unwrap().recover_address_from_prehash(&digest).unwrap()
}

#[test]
fn the_first_anvil_key_signs_for_the_first_anvil_account() {
    let key = b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    let signature = Signature::try_from(sign_message(key, B256::ZERO).unwrap()).unwrap();
    let account = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    assert_eq!(signature.recover(B256::ZERO), Ok(account));
}

#[test]
fn leaves_with_wide_words_or_wrong_length_are_refused() {
    let leaf = Leaf::TokenMetadata(TokenMetadata {
        count: Count::new(1),
        asset: Address::repeat_byte(1),
        name: B256::ZERO,
        symbol: B256::ZERO,
        decimals: 18,
    });
    let bytes = leaf.encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Leaf::decode(&bytes)
    };
    assert_eq!(with(64, 1), Err(LeafError::Wide), "address with high bytes");
    assert_eq!(with(32, 1), Err(LeafError::Wide), "count beyond 64 bits");
    assert_eq!(with(5 * 32 + 30, 1), Err(LeafError::Wide), "decimals beyond 8 bits");
    assert_eq!(with(63, 0), Err(LeafError::ZeroCount));
    assert_eq!(with(31, 4), Err(LeafError::Kind(U256::from(4))));
    assert_eq!(with(31, 1), Err(LeafError::Short), "a deposit has more fields");
    assert_eq!(with(31, 3), Err(LeafError::Wide), "an address is no epoch");
    assert_eq!(Leaf::decode(&[&bytes[..], &[0; 32]].concat()), Err(LeafError::Long));
    assert_eq!(Leaf::decode(&[&bytes[..], &[0]].concat()), Err(LeafError::Long));
    assert_eq!(Leaf::decode(&[]), Err(LeafError::Short));
}

#[test]
fn a_head_takes_only_the_next_leaf() {
    let record = |count| {
        let (count, epoch) = (Count::new(count), Epoch::new(1));
        Leaf::EpochRecord(EpochRecord { count, epoch, members_hash: B256::ZERO })
    };
    let empty = Head { count: Count::ZERO, acc: B256::repeat_byte(1) };
    let two = empty.extend_all(&[record(1), record(2)]).unwrap();
    assert_eq!(two.count, Count::new(2));
    let by_hand = deposit::extend(deposit::extend(empty.acc, record(1).hash()), record(2).hash());
    assert_eq!(two.acc, by_hand);
    for wrong in [0, 2, 3] {
        assert!(empty.extend(&record(wrong)).is_err(), "{wrong}");
    }
    let last = Head { count: Count::new(u64::MAX), acc: empty.acc };
    assert!(last.extend(&record(1)).is_err());
}

#[test]
fn oversized_empty_and_foreign_messages_are_refused() {
    let long = vec![FEDERATION_TX_TYPE; MAX_MESSAGE_BYTES + 1];
    let too_long = MessageError::TooLong(MAX_MESSAGE_BYTES + 1);
    assert_eq!(FederationMessage::decode(&long), Err(too_long));
    let empty = FederationMessage::Delivery(Vec::new()).encode();
    assert_eq!(FederationMessage::decode(&empty), Err(MessageError::EmptyDelivery));
    assert_eq!(FederationMessage::decode(&[0x02, 0xc0]), Err(MessageError::Type));
    assert_eq!(FederationMessage::decode(&[]), Err(MessageError::Type));
    assert_eq!(FederationMessage::decode(&[0x7d, 0xc1, 9]), Err(MessageError::Kind(9)));
}

#[derive(Default)]
struct Nodes(BTreeMap<(usize, u64), B256>);

impl NodeReader for Nodes {
    fn node(&self, level: usize, index: u64) -> Option<B256> {
        self.0.get(&(level, index)).copied()
    }
}

fn exit_leaf(index: u64) -> B256 {
    let (asset, recipient) = (Address::ZERO, Address::repeat_byte(7));
    let amount = U256::from(index + 1);
    Exit { index: ExitIndex::new(index), asset, recipient, amount, fee: U256::ZERO }.leaf()
}

/// The spec's words, literally: pad to a power of two, hash level by level.
fn naive_root(count: u64) -> B256 {
    let mut level: Vec<_> = (0..count).map(exit_leaf).collect();
    level.resize((count as usize).next_power_of_two(), B256::ZERO);
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| exit::node(pair[0], pair[1])).collect();
    }
    exit::root(count, level[0])
}

fn tree(count: u64) -> (Frontier, Nodes) {
    let (mut frontier, mut nodes) = (Frontier::default(), Nodes::default());
    for index in 0..count {
        let complete = frontier.append(exit_leaf(index)).unwrap();
        let last = complete.last().unwrap();
        assert_eq!(frontier.levels()[last.level], last.hash);
        nodes.0.extend(complete.iter().map(|node| ((node.level, node.index), node.hash)));
    }
    (frontier, nodes)
}

#[test]
fn frontier_and_stored_nodes_give_the_naive_root() {
    let mut frontier = Frontier::default();
    let (_, nodes) = tree(300);
    for count in 0..=300 {
        assert_eq!(frontier.count(), count);
        assert_eq!(frontier.root(), naive_root(count), "{count}");
        assert_eq!(exit::root_at(&nodes, count), Ok(naive_root(count)), "{count}");
        let restored = Frontier::from_parts(count, *frontier.levels()).unwrap();
        assert_eq!(restored.root(), frontier.root());
        frontier.append(exit_leaf(count)).unwrap();
    }
}

#[test]
fn every_proof_against_every_earlier_count_verifies() {
    let (_, nodes) = tree(70);
    for count in 1..=70 {
        let root = naive_root(count);
        for index in 0..count {
            let proof = exit::proof(&nodes, ExitIndex::new(index), count).unwrap();
            assert_eq!(proof.len(), exit::height(count));
            let index = ExitIndex::new(index);
            assert!(exit::verify(root, count, index, exit_leaf(index.get()), &proof));
        }
    }
}

#[test]
fn tampered_proofs_fail() {
    let (frontier, nodes) = tree(11);
    let (index, leaf, root) = (ExitIndex::new(5), exit_leaf(5), frontier.root());
    let proof = exit::proof(&nodes, index, 11).unwrap();
    for at in 0..proof.len() {
        let mut bad = proof.clone();
        bad[at][0] ^= 1;
        assert!(!exit::verify(root, 11, index, leaf, &bad));
    }
    assert!(!exit::verify(root, 11, index, leaf, &proof[..3]));
    assert!(!exit::verify(root, 11, index, leaf, &[proof.clone(), vec![B256::ZERO]].concat()));
    assert!(!exit::verify(root, 11, ExitIndex::new(4), leaf, &proof));
    assert!(!exit::verify(root, 12, index, leaf, &proof));
    assert!(!exit::verify(root, 11, index, exit_leaf(6), &proof));
    assert!(!exit::verify(root, 11, ExitIndex::new(5 + 16), leaf, &proof), "index wraps");
    let out = TreeError::OutOfRange { index: 11, count: 11 };
    assert_eq!(exit::proof(&nodes, ExitIndex::new(11), 11), Err(out));
    let missing = TreeError::Missing { level: 0, index: 4 };
    assert_eq!(exit::proof(&Nodes::default(), index, 11), Err(missing));
}

#[test]
fn padding_cannot_be_claimed_as_an_exit() {
    let (frontier, nodes) = tree(5);
    let mut proof = exit::proof(&nodes, ExitIndex::new(4), 5).unwrap();
    proof[0] = exit_leaf(4);
    assert!(!exit::verify(frontier.root(), 5, ExitIndex::new(5), B256::ZERO, &proof));
}

#[test]
fn a_full_tree_takes_no_exit() {
    let mut full = Frontier::from_parts(exit::MAX_EXITS, [B256::ZERO; exit::LEVELS]).unwrap();
    assert!(full.append(B256::ZERO).is_err());
    assert_eq!(full.count(), exit::MAX_EXITS);
    assert_eq!(exit::height(exit::MAX_EXITS), exit::LEVELS);
    assert!(Frontier::from_parts(exit::MAX_EXITS + 1, [B256::ZERO; exit::LEVELS]).is_err());
    let mut last = Frontier::from_parts(exit::MAX_EXITS - 1, [B256::ZERO; exit::LEVELS]).unwrap();
    last.append(B256::ZERO).unwrap();
}

#[test]
fn member_lists_are_strict() {
    let member = |byte, power| Member { address: Address::repeat_byte(byte), power };
    let list = |members: &[Member]| MemberList::new(members.to_vec());
    let (one, two) = (Address::repeat_byte(1), Address::repeat_byte(2));
    assert_eq!(list(&[]), Err(MembersError::Empty));
    assert_eq!(list(&[member(0, 1)]), Err(MembersError::ZeroAddress));
    assert_eq!(list(&[member(2, 1), member(1, 1)]), Err(MembersError::Order(one)));
    assert_eq!(list(&[member(2, 1), member(2, 1)]), Err(MembersError::Order(two)));
    assert_eq!(list(&[member(1, 0)]), Err(MembersError::NoPower(one)));
    assert_eq!(list(&[member(1, POWER_LIMIT)]), Err(MembersError::PowerTooLarge(one)));
    let many: Vec<_> = (1..=129).map(|byte| member(byte, POWER_LIMIT - 1)).collect();
    assert_eq!(list(&many), Err(MembersError::TooMany(129)));
    let most = list(&many[..128]).unwrap();
    assert_eq!(most.total(), (POWER_LIMIT - 1) * 128);
    assert_eq!(MemberList::from_words(&most.words()), Ok(most.clone()));
    assert_eq!(most.index_of(two), Some(1));
    assert_eq!(most.power_of(Address::ZERO), None);
    assert_eq!(most.power_of_bits(u128::MAX), most.total());
    assert!(most.quorum(most.total()));
}

#[test]
fn quorum_edges() {
    assert!(!members::quorum(2, 3), "exactly two thirds");
    assert!(members::quorum(3, 3));
    assert!(!members::quorum(0, 0), "an empty list never has quorum");
    assert!(!members::quorum(1, 0));
    let list = MemberList::new(
        (1..=4).map(|byte| Member { address: Address::repeat_byte(byte), power: 1 }).collect(),
    );
    let list = list.unwrap();
    assert!(list.quorum(list.power_of_bits(0b0111)));
    assert!(!list.quorum(list.power_of_bits(0b0011)));
    assert_eq!(list.power_of_bits(1 << 100), 0);
}

#[test]
fn a_signature_counts_in_one_domain_only() {
    let domain = Domain {
        l1_chain_id: 1,
        vault: Address::repeat_byte(1),
        sidechain_id: 42155,
        setup_hash: B256::repeat_byte(2),
    };
    let head = DepositHead { epoch: Epoch::new(1), count: Count::new(1), acc: B256::ZERO };
    let key = [7u8; 32];
    let signature = sign_message(key.into(), head.digest(&domain)).unwrap().try_into().unwrap();
    assert_eq!(head.signer(&domain, &signature), Ok(address_of(key)));
    let others = [
        Domain { l1_chain_id: 2, ..domain },
        Domain { vault: Address::repeat_byte(3), ..domain },
        Domain { sidechain_id: 42156, ..domain },
        Domain { setup_hash: B256::ZERO, ..domain },
    ];
    for other in others {
        assert_ne!(head.signer(&other, &signature), Ok(address_of(key)));
        assert_ne!(other.acc_0(), domain.acc_0());
    }
}

//! Roots that others published.

use alloy_primitives::{U256, address, b256, keccak256, utils::KECCAK256_EMPTY};
use mooring_trie::{
    Account, AccountChange, EMPTY_ROOT_HASH, MemoryNodes, Nibbles, StateTrie, node_key,
};
use std::collections::BTreeMap;

#[test]
fn the_empty_trie_has_the_known_root_and_no_nodes() {
    let trie = StateTrie::default();
    assert_eq!(
        trie.root(),
        b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
    );
    assert_eq!(trie.root(), keccak256([0x80]));
    assert_eq!(trie.changed_since(None, |at, _| Err(at)), Ok(()));
}

#[test]
fn sepolia_genesis_has_its_published_state_root() {
    let ether = |n: u64| U256::from(n) * U256::from(10).pow(U256::from(18));
    let million = ether(1_000_000);
    let accounts = [
        (address!("a2A6d93439144FFE4D27c9E088dCD8b783946263"), million),
        (address!("Bc11295936Aa79d594139de1B2e12629414F3BDB"), million),
        (address!("7cF5b79bfe291A67AB02b393E456cCc4c266F753"), million),
        (address!("aaec86394441f915bce3e6ab399977e9906f3b69"), million),
        (address!("F47CaE1CF79ca6758Bfc787dbD21E6bdBe7112B8"), million),
        (address!("d7eDDB78ED295B3C9629240E8924fb8D8874ddD8"), million),
        (address!("8b7F0977Bb4f0fBE7076FA22bC24acA043583F5e"), million),
        (address!("e2e2659028143784d557bcec6ff3a0721048880a"), million),
        (address!("d9a5179f091d85051d3c982785efd1455cec8699"), million),
        (address!("beef32ca5b9a198d27B4e02F4c70439fE60356Cf"), million),
        (address!("0000006916a87b82333f4245046623b23794c65c"), ether(10_000_000)),
        (address!("b21c33de1fab3fa15499c62b59fe0cc3250020d1"), ether(100_000_000)),
        (address!("10F5d45854e038071485AC9e402308cF80D2d2fE"), ether(100_000_000)),
        (address!("d7d76c58b3a519e9fA6Cc4D22dC017259BC49F1E"), ether(100_000_000)),
        (address!("799D329e5f583419167cD722962485926E338F4a"), ether(1)),
    ];
    let changes: BTreeMap<_, _> = accounts
        .into_iter()
        .map(|(address, balance)| {
            let account = Account { nonce: 0, balance, code_hash: KECCAK256_EMPTY };
            let change = AccountChange {
                before: None,
                account: Some(account),
                storage: BTreeMap::new(),
                wiped: false,
                storage_root: EMPTY_ROOT_HASH,
            };
            (keccak256(address), change)
        })
        .collect();
    let applied = StateTrie::default().apply(&MemoryNodes::default(), 0, &changes).unwrap();
    assert_eq!(
        applied.trie.root(),
        b256!("5eb6e371a698b8d68f665192350ffcecbbbf322916f4b51bd79bb6887da3f494")
    );
}

#[test]
fn store_keys_are_the_owner_and_one_byte_a_nibble() {
    let path = Nibbles::from_nibbles([1, 15, 0]);
    assert_eq!(node_key(None, &path), [1, 15, 0]);
    let owner = keccak256("owner");
    assert_eq!(node_key(Some(owner), &path), [owner.as_slice(), &[1, 15, 0]].concat());
    assert_eq!(node_key(None, &Nibbles::new()), []);
}

//! Whatever bytes a peer sends: decoding answers, and what it takes has one encoding.

use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxLegacy, TypedTransaction};
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use mooring_stf::{
    testing::{CHAIN_ID, wallet},
    tx::{ConsensusTx, EthTx, decode, decode_ethereum},
};
use proptest::prelude::*;

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

fn kind() -> impl Strategy<Value = TxKind> {
    prop_oneof![Just(TxKind::Create), address().prop_map(TxKind::Call)]
}

fn word() -> impl Strategy<Value = U256> {
    prop_oneof![any::<u64>().prop_map(U256::from), any::<[u8; 32]>().prop_map(U256::from_be_bytes),]
}

fn input() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..100).prop_map(Bytes::from)
}

fn access_list() -> impl Strategy<Value = AccessList> {
    let keys = prop::collection::vec(any::<[u8; 32]>().prop_map(B256::from), 0..3);
    let item = (address(), keys)
        .prop_map(|(address, storage_keys)| AccessListItem { address, storage_keys });
    prop::collection::vec(item, 0..3).prop_map(AccessList)
}

fn authorization() -> impl Strategy<Value = SignedAuthorization> {
    let fields = (word(), address(), any::<u64>(), any::<u8>(), word(), word());
    fields.prop_map(|(chain_id, address, nonce, parity, r, s)| {
        let inner = Authorization { chain_id, address, nonce };
        SignedAuthorization::new_unchecked(inner, parity, r, s)
    })
}

fn transaction() -> impl Strategy<Value = TypedTransaction> {
    let common = (any::<u64>(), any::<u64>(), any::<u128>(), kind(), word(), input());
    let typed =
        (0..4_u8, access_list(), any::<u128>(), prop::collection::vec(authorization(), 0..3));
    (common, typed).prop_map(|(common, (tx_type, access_list, tip, authorization_list))| {
        let (nonce, gas_limit, price, to, value, input) = common;
        let chain_id = CHAIN_ID;
        match tx_type {
            0 => TxLegacy {
                chain_id: (tip % 2 == 0).then_some(chain_id),
                nonce,
                gas_price: price,
                gas_limit,
                to,
                value,
                input,
            }
            .into(),
            1 => TxEip2930 {
                chain_id,
                nonce,
                gas_price: price,
                gas_limit,
                to,
                value,
                access_list,
                input,
            }
            .into(),
            2 => TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list,
                input,
            }
            .into(),
            _ => TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: tip,
                to: to.to().copied().unwrap_or_default(),
                value,
                access_list,
                authorization_list,
                input,
            }
            .into(),
        }
    })
}

fn key() -> impl Strategy<Value = B256> {
    prop::sample::select(wallet::KEYS.to_vec())
}

proptest! {
    #[test]
    fn a_signed_transaction_comes_back_with_its_sender(tx in transaction(), key in key()) {
        let bytes = wallet::sign(key, tx);
        let decoded = decode_ethereum(&bytes).unwrap();
        prop_assert_eq!(decoded.signer(), wallet::address(key));
        let listed = EthTx::Signed(decoded);
        prop_assert_eq!(&listed.encoded_2718(), &bytes);
        prop_assert_eq!(listed.hash(), keccak256(&bytes));
    }

    #[test]
    fn any_bytes_are_refused_or_are_their_own_encoding(
        first in prop::option::of(any::<u8>()),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes: Vec<u8> = first.into_iter().chain(rest).collect();
        if let Ok(ConsensusTx::Ethereum(tx)) = decode(&bytes) {
            prop_assert_eq!(EthTx::Signed(tx).encoded_2718(), bytes);
        }
    }

    #[test]
    fn a_damaged_transaction_is_refused_or_is_another_one(
        tx in transaction(),
        key in key(),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
    ) {
        let bytes = wallet::sign(key, tx);
        let mut damaged = bytes.to_vec();
        damaged[at.index(bytes.len())] ^= flip;
        if let Ok(ConsensusTx::Ethereum(tx)) = decode(&damaged) {
            let listed = EthTx::Signed(tx);
            prop_assert_eq!(listed.encoded_2718(), damaged);
            prop_assert_ne!(listed.hash(), keccak256(&bytes));
        }
    }

    #[test]
    fn nothing_may_be_cut_off_or_added(
        tx in transaction(),
        key in key(),
        at in any::<prop::sample::Index>(),
        more in prop::collection::vec(any::<u8>(), 1..8),
    ) {
        let bytes = wallet::sign(key, tx);
        prop_assert!(decode(&bytes[..at.index(bytes.len())]).is_err());
        prop_assert!(decode(&[bytes.as_ref(), &more].concat()).is_err());
    }
}

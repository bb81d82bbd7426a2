#![allow(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::U256;

use super::*;
use crate::testing::wallet;

#[test]
fn a_transaction_encodes_to_the_bytes_it_was_decoded_from() {
    let bytes = wallet::sign(wallet::KEYS[0], wallet::call(3, Address::ZERO, 5, [1, 2, 3]));
    let ConsensusTx::Ethereum(tx) = decode(&bytes).unwrap() else { panic!("not Ethereum's") };
    assert_eq!(tx.signer(), wallet::address(wallet::KEYS[0]));
    let tx = EthTx::Signed(tx);
    assert_eq!(tx.encoded_2718(), bytes);
    assert_eq!((tx.tx_type(), tx.hash()), (2, alloy_primitives::keccak256(&bytes)));
    assert_eq!(tx.effective_gas_price(100), 107);
}

#[test]
fn a_system_transaction_is_not_taken_as_input_but_is_listed() {
    let tx = SystemTx::new(
        mooring_bridge::system_tx::Cause::Bounce,
        B256::ZERO,
        U256::from(1),
        Bytes::new(),
    );
    assert_eq!(decode(&tx.encode()).unwrap_err(), InvalidTx::SystemType);
    let listed = EthTx::System(tx);
    assert_eq!((listed.tx_type(), listed.effective_gas_price(9)), (0x7e, 0));
}

#[test]
fn every_first_byte_gives_a_reason_or_a_transaction() {
    for first in 0..=u8::MAX {
        let reason = decode(&[first, 0xc0]).unwrap_err();
        match (first, reason) {
            (0x7e, InvalidTx::SystemType) | (0..=4 | 0x7d | 0xc0.., InvalidTx::Undecodable(_)) => {}
            (first, InvalidTx::UnknownType(unknown)) => assert_eq!(first, unknown),
            (first, other) => panic!("first byte {first:#x}: {other}"),
        }
    }
}

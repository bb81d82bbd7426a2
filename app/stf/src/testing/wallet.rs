//! Accounts with known keys, and the transactions that they send.

use alloy_consensus::{
    SignableTransaction as _, TxEip1559, TxEnvelope, TypedTransaction, crypto::secp256k1,
    transaction::SignerRecoverable as _,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, b256};

use super::CHAIN_ID;

/// Secret keys of the accounts that tests use.
pub const KEYS: [B256; 3] = [
    b256!("0x1111111111111111111111111111111111111111111111111111111111111111"),
    b256!("0x2222222222222222222222222222222222222222222222222222222222222222"),
    b256!("0x3333333333333333333333333333333333333333333333333333333333333333"),
];
/// What [`call`] pays at most, wei per gas.
pub const MAX_FEE: u128 = 10_000_000_000;
/// The tip that [`call`] offers, wei per gas.
pub const TIP: u128 = 7;

/// Signs a hash.
///
/// # Panics
/// When the key is no secp256k1 key.
pub fn sign_hash(key: B256, hash: B256) -> Signature {
    secp256k1::sign_message(key, hash).expect("the key is valid")
}

/// Signs a transaction; its EIP-2718 bytes.
///
/// # Panics
/// When the key is no secp256k1 key.
pub fn sign(key: B256, tx: impl Into<TypedTransaction>) -> Bytes {
    envelope(key, tx).encoded_2718().into()
}

/// Signs a transaction.
///
/// # Panics
/// When the key is no secp256k1 key.
pub fn envelope(key: B256, tx: impl Into<TypedTransaction>) -> TxEnvelope {
    let tx: TypedTransaction = tx.into();
    let signature = sign_hash(key, tx.signature_hash());
    TxEnvelope::new_unhashed(tx, signature)
}

/// The account of a key.
///
/// # Panics
/// When the key is no secp256k1 key.
pub fn address(key: B256) -> Address {
    envelope(key, TxEip1559::default()).recover_signer().expect("it was signed")
}

/// A call with this nonce, value and data, and gas enough for tests; change what the test is about.
pub fn call(nonce: u64, to: Address, value: u128, data: impl Into<Bytes>) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 1_000_000,
        max_fee_per_gas: MAX_FEE,
        max_priority_fee_per_gas: TIP,
        to: TxKind::Call(to),
        value: U256::from(value),
        input: data.into(),
        ..TxEip1559::default()
    }
}

/// A contract creation with this nonce and init code.
pub fn create(nonce: u64, value: u128, init_code: impl Into<Bytes>) -> TxEip1559 {
    TxEip1559 {
        to: TxKind::Create,
        gas_limit: 3_000_000,
        ..call(nonce, Address::ZERO, value, init_code)
    }
}

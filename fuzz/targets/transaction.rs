//! What a pool and a block take as a transaction: one encoding, one hash, one sender, and nothing
//! that a block refuses after the pool has checked it.

#![no_main]

use std::sync::LazyLock;

use alloy_consensus::{SignableTransaction, Signed, TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bytes, Signature, U256, keccak256, uint};
use libfuzzer_sys::fuzz_target;
use mooring_bridge::FederationMessage;
use mooring_stf::{
    ExecError, Mode,
    check::{self, Checked},
    fees,
    testing::{Federation, TestChain, ethereum_genesis, pegged_genesis},
    tx::{self, ConsensusTx, EthTx, stored},
};

/// The order of secp256k1's group.
const ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
const ETHER: u128 = 1_000_000_000_000_000_000;

/// A chain with Ethereum's fees and some money, and a pegged one with a delivery waiting.
static CHAINS: LazyLock<[TestChain; 2]> = LazyLock::new(|| {
    let mut pegged = TestChain::new(&pegged_genesis(1));
    let peg = pegged.params.peg.as_ref().expect("the chain is pegged");
    let mut federation = Federation::new(peg.domain, 1);
    let first = federation.deposit(0, Default::default(), Default::default(), ETHER, 0);
    let mut messages = federation.deliver(&[first]);
    messages.truncate(1);
    pegged.block(&messages).expect("the federation's votes are valid");
    [TestChain::new(&ethereum_genesis(ETHER)), pegged]
});

fuzz_target!(|bytes: &[u8]| {
    match tx::decode(bytes) {
        Err(_) => {}
        Ok(ConsensusTx::Federation(message)) => federation(&message, bytes),
        Ok(ConsensusTx::Ethereum(tx)) => {
            ethereum(tx.inner(), bytes);
            assert_eq!(tx.inner().recover_signer().ok(), Some(tx.signer()), "one sender");
            let tx = EthTx::Signed(tx);
            let stored = stored::encode_transaction(&tx);
            assert_eq!(stored::decode_transaction(&stored).as_ref(), Ok(&tx), "kept as it came");
        }
    }
    for chain in CHAINS.iter() {
        pooled(chain, bytes);
    }
});

fn federation(message: &FederationMessage, bytes: &[u8]) {
    assert_eq!(message.encode(), bytes, "one encoding");
    assert_eq!(message.hash(), keccak256(bytes), "one hash");
}

fn ethereum(tx: &TxEnvelope, bytes: &[u8]) {
    assert_eq!(tx.encoded_2718(), bytes, "one encoding");
    assert_eq!(*tx.tx_hash(), keccak256(bytes), "one hash");
    assert!(tx.signature().normalize_s().is_none(), "EIP-2: s is in the lower half");
    // The other signature of the same signer.
    let mirrored = match tx {
        TxEnvelope::Legacy(tx) => mirrored(tx).encoded_2718(),
        TxEnvelope::Eip2930(tx) => mirrored(tx).encoded_2718(),
        TxEnvelope::Eip1559(tx) => mirrored(tx).encoded_2718(),
        TxEnvelope::Eip7702(tx) => mirrored(tx).encoded_2718(),
        TxEnvelope::Eip4844(_) => return,
    };
    assert!(tx::decode(&mirrored).is_err(), "EIP-2: s is in the upper half");
}

fn mirrored<T: SignableTransaction<Signature> + Clone>(tx: &Signed<T>) -> Signed<T> {
    let signature = tx.signature();
    let mirrored = Signature::new(signature.r(), ORDER - signature.s(), !signature.v());
    Signed::new_unhashed(tx.tx().clone(), mirrored)
}

/// The pool takes or refuses, and a block takes what the pool does once it is its turn.
fn pooled(chain: &TestChain, bytes: &[u8]) {
    let rules = chain.params.spec.after(&chain.head.header);
    let turn = match check::check(&chain.params, &rules, &chain.state, bytes) {
        Ok(Checked::Federation(_)) => true,
        Ok(Checked::Ethereum(tx)) => {
            let fee = fees::next_base_fee(&chain.params, &chain.head.header);
            tx.account_nonce == tx.nonce() && tx.max_fee() >= fee.into()
        }
        Err(ExecError::Invalid(_)) => false,
        Err(ExecError::Fault(fault)) => panic!("input is no fault: {fault:?}"),
    };
    if turn {
        let block = chain.try_block(&[Bytes::copy_from_slice(bytes)], Mode::Strict);
        block.expect("the pool checked it");
    }
}

//! Calls as transactions that nobody signed.

use std::sync::Arc;

use alloy_consensus::{
    TxEip1559, TxEip4844, TxEip7702, TxEnvelope, TxLegacy, TypedTransaction, transaction::Recovered,
};
use alloy_primitives::{Address, Signature, TxKind, U256};

use crate::{call::CallInput, tx::EthTx};

/// The transaction of the newest type that the call's fields allow, as geth has it: legacy where
/// it names a gas price.
pub(super) fn of(call: &CallInput, chain_id: u64, nonce: u64, gas_limit: u64) -> EthTx {
    let to = call.to.map_or(TxKind::Create, TxKind::Call);
    let CallInput { value, data: input, .. } = call.clone();
    let access_list = call.access_list.clone().unwrap_or_default();
    let max_fee_per_gas = call.max_fee_per_gas.unwrap_or_default();
    let max_priority_fee_per_gas = call.max_priority_fee_per_gas.unwrap_or_default();
    let callee = call.to.unwrap_or(Address::ZERO);
    let tx: TypedTransaction = if let Some(gas_price) = call.gas_price {
        TxLegacy { chain_id: None, nonce, gas_price, gas_limit, to, value, input }.into()
    } else if !call.authorization_list.is_empty() {
        TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: callee,
            value,
            access_list,
            authorization_list: call.authorization_list.clone(),
            input,
        }
        .into()
    } else if !call.blob_hashes.is_empty() {
        TxEip4844 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: callee,
            value,
            access_list,
            blob_versioned_hashes: call.blob_hashes.clone(),
            max_fee_per_blob_gas: call.max_fee_per_blob_gas.unwrap_or_default(),
            input,
        }
        .into()
    } else {
        TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value,
            access_list,
            input,
        }
        .into()
    };
    let unsigned = Signature::new(U256::ZERO, U256::ZERO, false);
    let tx = TxEnvelope::new_unhashed(tx, unsigned);
    EthTx::Signed(Arc::new(Recovered::new_unchecked(tx, call.sender())))
}

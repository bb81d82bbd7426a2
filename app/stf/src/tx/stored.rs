//! How the store keeps transactions and receipts: a version byte, then RLP.
//!
//! The sender is kept beside a transaction so that reading a block recovers no signature; blooms
//! are left out and computed again.

use std::sync::Arc;

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, Log};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use mooring_bridge::{SystemTx, system_tx::SYSTEM_TX_TYPE};

use super::{EthReceipt, EthTx};

/// The version that is written.
const VERSION: u8 = 1;

/// A stored record cannot be read: the store is damaged or of another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// The record is empty.
    #[error("stored record is empty")]
    Empty,
    /// Another version than this program reads.
    #[error("stored record has version {0}, this program reads version 1")]
    Version(u8),
    /// Not the RLP that was written.
    #[error("stored record is damaged: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    /// A transaction in it is none.
    #[error("stored transaction is damaged: {0}")]
    Transaction(String),
}

#[derive(RlpEncodable, RlpDecodable)]
struct StoredTx {
    sender: Address,
    encoded: Bytes,
}

#[derive(RlpEncodable, RlpDecodable)]
#[rlp(trailing)]
struct StoredReceipt {
    tx_type: u8,
    success: bool,
    cumulative_gas_used: u64,
    gas_used: u64,
    effective_gas_price: u128,
    contract_address: Bytes,
    logs: Vec<Log>,
    post_state: Option<B256>,
}

/// The record of a block's transactions.
pub fn encode_transactions(transactions: &[EthTx]) -> Vec<u8> {
    let list: Vec<StoredTx> = transactions
        .iter()
        .map(|tx| StoredTx { sender: tx.sender(), encoded: tx.encoded_2718() })
        .collect();
    record(&list)
}

/// Reads what [`encode_transactions`] wrote.
///
/// # Errors
/// When the record is not one.
pub fn decode_transactions(bytes: &[u8]) -> Result<Vec<EthTx>, StoredError> {
    open::<Vec<StoredTx>>(bytes)?.into_iter().map(StoredTx::read).collect()
}

/// The record of one transaction.
pub fn encode_transaction(tx: &EthTx) -> Vec<u8> {
    record(&StoredTx { sender: tx.sender(), encoded: tx.encoded_2718() })
}

/// Reads what [`encode_transaction`] wrote.
///
/// # Errors
/// When the record is not one.
pub fn decode_transaction(bytes: &[u8]) -> Result<EthTx, StoredError> {
    open::<StoredTx>(bytes)?.read()
}

/// The record of a block's receipts.
pub fn encode_receipts(receipts: &[EthReceipt]) -> Vec<u8> {
    record(&receipts.iter().map(StoredReceipt::of).collect::<Vec<_>>())
}

/// Reads what [`encode_receipts`] wrote.
///
/// # Errors
/// When the record is not one.
pub fn decode_receipts(bytes: &[u8]) -> Result<Vec<EthReceipt>, StoredError> {
    open::<Vec<StoredReceipt>>(bytes)?.into_iter().map(StoredReceipt::read).collect()
}

fn record(value: &impl Encodable) -> Vec<u8> {
    let mut out = vec![VERSION];
    value.encode(&mut out);
    out
}

fn open<T: Decodable>(bytes: &[u8]) -> Result<T, StoredError> {
    let (&version, mut rest) = bytes.split_first().ok_or(StoredError::Empty)?;
    if version != VERSION {
        return Err(StoredError::Version(version));
    }
    let value = T::decode(&mut rest)?;
    if rest.is_empty() { Ok(value) } else { Err(alloy_rlp::Error::UnexpectedLength.into()) }
}

impl StoredTx {
    fn read(self) -> Result<EthTx, StoredError> {
        if self.encoded.first() == Some(&SYSTEM_TX_TYPE) {
            return SystemTx::decode(&self.encoded)
                .map(EthTx::System)
                .map_err(|error| StoredError::Transaction(error.to_string()));
        }
        let mut rest = self.encoded.as_ref();
        let tx = TxEnvelope::decode_2718(&mut rest)
            .map_err(|error| StoredError::Transaction(error.to_string()))?;
        if !rest.is_empty() || tx.encoded_2718() != self.encoded {
            return Err(StoredError::Transaction("not the canonical encoding".into()));
        }
        Ok(EthTx::Signed(Arc::new(Recovered::new_unchecked(tx, self.sender))))
    }
}

impl StoredReceipt {
    fn of(receipt: &EthReceipt) -> Self {
        Self {
            tx_type: receipt.tx_type,
            success: receipt.success,
            cumulative_gas_used: receipt.cumulative_gas_used,
            gas_used: receipt.gas_used,
            effective_gas_price: receipt.effective_gas_price,
            contract_address: receipt
                .contract_address
                .map_or_else(Bytes::new, |address| Bytes::copy_from_slice(address.as_slice())),
            logs: receipt.logs.clone(),
            post_state: receipt.post_state,
        }
    }

    fn read(self) -> Result<EthReceipt, StoredError> {
        let contract_address = match self.contract_address.as_ref() {
            [] => None,
            bytes => {
                Some(Address::try_from(bytes).map_err(|_| alloy_rlp::Error::UnexpectedLength)?)
            }
        };
        Ok(EthReceipt {
            tx_type: self.tx_type,
            success: self.success,
            post_state: self.post_state,
            cumulative_gas_used: self.cumulative_gas_used,
            logs: self.logs,
            gas_used: self.gas_used,
            effective_gas_price: self.effective_gas_price,
            contract_address,
        })
    }
}

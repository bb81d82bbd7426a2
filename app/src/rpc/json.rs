//! Blocks, transactions, receipts and logs as Ethereum's JSON.

use alloy_consensus::{Header, Sealed};
use alloy_primitives::{Address, B256, Log, U64, U256};
use alloy_rpc_types_eth::Log as RpcLog;
use mooring_bridge::SystemTx;
use mooring_stf::{
    ChainParams,
    tx::{EthReceipt, EthTx},
};
use serde::Serialize;
use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};

use super::{RpcError, foreign::Rest, raw};
use crate::store::Block;

pub(super) fn to_value(value: impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| RpcError::internal("write an answer", error))
}

/// The value as it is sent: what is large takes the least memory so.
pub(super) fn to_raw(answer: impl Serialize) -> Result<Box<RawValue>, RpcError> {
    to_raw_value(&answer).map_err(|error| RpcError::internal("write an answer", error))
}

/// A hex quantity.
pub(super) fn quantity(value: u64) -> Value {
    json!(U64::from(value))
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) block_hash: B256,
    pub(super) number: u64,
    pub(super) timestamp: u64,
    pub(super) index: usize,
    pub(super) base_fee: u64,
}

impl Place {
    pub(super) fn new(block: &Block, index: usize) -> Self {
        Self {
            block_hash: block.hash,
            number: block.number(),
            timestamp: block.header.timestamp,
            index,
            base_fee: block.header.base_fee_per_gas.unwrap_or_default(),
        }
    }
}

/// A header, as `eth_subscribe` sends it.
pub(super) fn header(header: &Header, hash: B256) -> Result<Value, RpcError> {
    let sealed = Sealed::new_unchecked(header.clone(), hash);
    to_value(alloy_rpc_types_eth::Header::from_consensus(sealed, None, None))
}

/// A header with the size of its block.
pub(super) fn sized_header(block: &Block, rest: Rest<'_>) -> Result<Value, RpcError> {
    let mut fields = header(&block.header, block.hash)?;
    if let Some(fields) = fields.as_object_mut() {
        let size = raw::block_len(block, rest);
        fields.insert("size".to_owned(), quantity(size as u64));
    }
    Ok(fields)
}

/// A block with its transactions, or only their hashes.
pub(super) fn block(block: &Block, rest: Rest<'_>, full: bool) -> Result<Value, RpcError> {
    let mut fields = sized_header(block, rest)?;
    let transactions: Vec<Value> = if full {
        let all = block.transactions.iter().enumerate();
        all.map(|(index, tx)| transaction(tx, Some(Place::new(block, index))))
            .collect::<Result<_, _>>()?
    } else {
        block.transactions.iter().map(|tx| json!(tx.hash())).collect()
    };
    if let Some(fields) = fields.as_object_mut() {
        let ommers: Vec<B256> = rest.ommers.iter().map(Header::hash_slow).collect();
        fields.insert("transactions".to_owned(), Value::Array(transactions));
        fields.insert("uncles".to_owned(), json!(ommers));
        if let Some(withdrawals) = rest.withdrawals {
            fields.insert("withdrawals".to_owned(), to_value(withdrawals)?);
        }
    }
    Ok(fields)
}

/// A transaction; one of the pool has no place.
pub(super) fn transaction(tx: &EthTx, place: Option<Place>) -> Result<Value, RpcError> {
    match tx {
        EthTx::System(tx) => Ok(system_transaction(tx, place)),
        EthTx::Signed(signed) => to_value(alloy_rpc_types_eth::Transaction {
            inner: signed.as_ref().clone(),
            block_hash: place.map(|place| place.block_hash),
            block_number: place.map(|place| place.number),
            transaction_index: place.map(|place| place.index as u64),
            effective_gas_price: place.map(|place| tx.effective_gas_price(place.base_fee)),
            block_timestamp: place.map(|place| place.timestamp),
        }),
    }
}

/// A derived transaction in the form of the OP Stack's deposit transaction, which tools parse: no
/// signature, no nonce, no price.
fn system_transaction(tx: &SystemTx, place: Option<Place>) -> Value {
    json!({
        "type": "0x7e",
        "hash": tx.hash(),
        "sourceHash": tx.source_hash,
        "from": tx.from,
        "to": tx.to,
        "mint": tx.mint,
        "value": tx.value,
        "gas": quantity(tx.gas),
        "isSystemTx": tx.is_system_tx,
        "input": tx.data,
        "nonce": "0x0",
        "gasPrice": "0x0",
        "v": "0x0",
        "r": "0x0",
        "s": "0x0",
        "yParity": "0x0",
        "blockHash": place.map(|place| place.block_hash),
        "blockNumber": place.map(|place| quantity(place.number)),
        "blockTimestamp": place.map(|place| quantity(place.timestamp)),
        "transactionIndex": place.map(|place| quantity(place.index as u64)),
    })
}

/// Whom a transaction called; `None` for one that creates a contract.
fn recipient(tx: &EthTx) -> Option<Address> {
    use alloy_consensus::Transaction as _;
    match tx {
        EthTx::System(tx) => Some(tx.to),
        EthTx::Signed(tx) => tx.inner().to(),
    }
}

/// The receipt at `index`.
pub(super) fn receipt(params: &ChainParams, block: &Block, index: usize) -> Option<Value> {
    let tx = block.transactions.get(index)?;
    let receipt = block.receipts.get(index)?;
    let before: usize = block.receipts.iter().take(index).map(|receipt| receipt.logs.len()).sum();
    let logs = logs_of(block, index, receipt, before, false, |_| true);
    let mut value = json!({
        "type": quantity(receipt.tx_type.into()),
        "transactionHash": tx.hash(),
        "transactionIndex": quantity(index as u64),
        "blockHash": block.hash,
        "blockNumber": quantity(block.number()),
        "from": tx.sender(),
        "to": recipient(tx),
        "cumulativeGasUsed": quantity(receipt.cumulative_gas_used),
        "gasUsed": quantity(receipt.gas_used),
        "effectiveGasPrice": U256::from(receipt.effective_gas_price),
        "contractAddress": receipt.contract_address,
        "logs": logs,
        "logsBloom": receipt.bloom(),
    });
    if let Some(fields) = value.as_object_mut() {
        match receipt.post_state {
            Some(root) => fields.insert("root".to_owned(), json!(root)),
            None => fields.insert("status".to_owned(), quantity(receipt.success.into())),
        };
        if let Some(blobs) = blob_gas(tx) {
            let price = blob_price(params, &block.header).unwrap_or_default();
            fields.insert("blobGasUsed".to_owned(), quantity(blobs));
            fields.insert("blobGasPrice".to_owned(), json!(U256::from(price)));
        }
    }
    Some(value)
}

/// Gas of the blobs that a transaction names; `None` for one that cannot name any.
fn blob_gas(tx: &EthTx) -> Option<u64> {
    use alloy_consensus::Transaction as _;
    match tx {
        EthTx::System(_) => None,
        EthTx::Signed(tx) => tx.blob_gas_used(),
    }
}

/// Wei per gas of blobs in the block with this header; `None` before Cancun.
pub(super) fn blob_price(params: &ChainParams, header: &Header) -> Option<u128> {
    let blobs = params.spec.at(header.number, header.timestamp).blobs;
    Some(blobs.calc_blob_fee(header.excess_blob_gas?))
}

/// All receipts of a block.
pub(super) fn receipts(params: &ChainParams, block: &Block) -> Vec<Value> {
    let indices = 0..block.transactions.len();
    indices.filter_map(|index| receipt(params, block, index)).collect()
}

/// The logs of a block that `matches`, in order.
pub(super) fn logs(block: &Block, removed: bool, matches: impl Fn(&Log) -> bool) -> Vec<RpcLog> {
    let mut found = Vec::new();
    let mut before: usize = 0;
    for (index, receipt) in block.receipts.iter().enumerate() {
        found.extend(logs_of(block, index, receipt, before, removed, &matches));
        before = before.saturating_add(receipt.logs.len());
    }
    found
}

/// Those of one receipt, with `before` logs before it in the block.
fn logs_of(
    block: &Block,
    index: usize,
    receipt: &EthReceipt,
    before: usize,
    removed: bool,
    matches: impl Fn(&Log) -> bool,
) -> Vec<RpcLog> {
    let wanted = receipt.logs.iter().zip(before as u64..).filter(|(log, _)| matches(log));
    let hash = block.transactions.get(index).map(EthTx::hash);
    let log = |(log, number): (&Log, u64)| RpcLog {
        inner: log.clone(),
        block_hash: Some(block.hash),
        block_number: Some(block.number()),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: hash,
        transaction_index: Some(index as u64),
        log_index: Some(number),
        removed,
    };
    wanted.map(log).collect()
}

/// An object from names and values.
pub(super) fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(fields.into_iter().collect::<Map<_, _>>())
}

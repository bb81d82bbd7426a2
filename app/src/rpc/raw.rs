//! Blocks, headers, receipts and transactions in the form that hashes commit to.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_eips::{BlockId, eip4895::Withdrawal};
use alloy_primitives::{Bytes, hex};
use alloy_rlp::Encodable;
use serde_json::{Value, json};

use super::{Args, Method, RpcContext, RpcError, blocks, foreign::Rest, transactions};
use crate::store::Block;

pub(super) const METHODS: &[Method] = &[
    ("debug_getRawBlock", raw_block),
    ("debug_getRawHeader", raw_header),
    ("debug_getRawReceipts", raw_receipts),
    ("debug_getRawTransaction", transactions::raw_by_hash),
];

fn find(context: &RpcContext, args: &mut Args<'_>) -> Result<Arc<Block>, RpcError> {
    let id: BlockId = args.required("block")?;
    blocks::find(context, id)?.ok_or_else(RpcError::header_not_found)
}

fn raw_block(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let found = find(context, args)?;
    Ok(json!(hex::encode_prefixed(block(&found, context.rest_of(&found)))))
}

fn raw_header(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    Ok(json!(hex::encode_prefixed(alloy_rlp::encode(&find(context, args)?.header))))
}

fn raw_receipts(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let block = find(context, args)?;
    let receipts: Vec<Bytes> =
        block.receipts.iter().map(|receipt| receipt.encoded_2718()).collect();
    Ok(json!(receipts))
}

/// The RLP of a block: header, transactions, ommers and, since Shanghai, withdrawals.
pub(super) fn block(block: &Block, rest: Rest<'_>) -> Vec<u8> {
    let transactions = transactions(block);
    let Rest { ommers, withdrawals } = rest;
    let mut body = Vec::new();
    block.header.encode(&mut body);
    list(&transactions, &mut body);
    alloy_rlp::encode_list::<Header, Header>(ommers, &mut body);
    if let Some(withdrawals) = withdrawals {
        alloy_rlp::encode_list::<Withdrawal, Withdrawal>(withdrawals, &mut body);
    }
    let mut out = Vec::with_capacity(body.len() + 9);
    list(&body, &mut out);
    out
}

/// Bytes of [`block`], which need not be made for it.
pub(super) fn block_len(block: &Block, rest: Rest<'_>) -> usize {
    let transactions = block.transactions.iter().map(|tx| match tx.encoded_2718_len() {
        bytes if tx.tx_type() == 0 => bytes,
        bytes => alloy_rlp::Header { list: false, payload_length: bytes }.length_with_payload(),
    });
    let list = |payload_length| alloy_rlp::Header { list: true, payload_length };
    let Rest { ommers, withdrawals } = rest;
    let body = block.header.length()
        + list(transactions.sum()).length_with_payload()
        + alloy_rlp::list_length::<Header, Header>(ommers)
        + withdrawals.map_or(0, alloy_rlp::list_length::<Withdrawal, Withdrawal>);
    list(body).length_with_payload()
}

/// A typed transaction stands in the list as a string, a legacy one as itself.
fn transactions(block: &Block) -> Vec<u8> {
    let mut out = Vec::new();
    for tx in &block.transactions {
        let bytes = tx.encoded_2718();
        if tx.tx_type() == 0 {
            out.extend_from_slice(&bytes);
        } else {
            bytes.encode(&mut out);
        }
    }
    out
}

fn list(payload: &[u8], out: &mut Vec<u8>) {
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(out);
    out.extend_from_slice(payload);
}

//! `rpc.discover`: what this server answers, as an OpenRPC document.
//!
//! One row a method. Types are names of `schemas.json`; `T[]` is a list, `T?` may be null, and a
//! parameter `name?` may be left out. A test holds the rows against the registered methods.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::RpcError;

/// Name, what it answers, parameters, result.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

/// The schemas that the rows name.
const SCHEMAS: &str = include_str!("schemas.json");
/// The version of the OpenRPC specification.
const OPENRPC: &str = "1.2.6";

const BLOCK: (&str, &str) = ("block", "BlockId");
const HASH: (&str, &str) = ("block hash", "Hash");
const AT: (&str, &str) = ("block?", "BlockId");
const ADDRESS: (&str, &str) = ("address", "Address");
const INDEX: (&str, &str) = ("index", "Number");
const TX: (&str, &str) = ("transaction hash", "Hash");
const RAW: (&str, &str) = ("transaction", "Bytes");
const CALL: (&str, &str) = ("transaction", "Call");
const STATE: (&str, &str) = ("state overrides?", "StateOverrides");
const OVERRIDES: (&str, &str) = ("block overrides?", "BlockOverrides");
const FULL: (&str, &str) = ("full transactions?", "Bool");
const FILTER: (&str, &str) = ("filter id", "Quantity");
const TRACE: (&str, &str) = ("options?", "Object");

const ROWS: &[Row] = &[
    ("rpc.discover", "This document", &[], "Object"),
    ("web3_clientVersion", "Name and version of this node", &[], "Text"),
    ("web3_sha3", "keccak256 of bytes", &[("data", "Bytes")], "Hash"),
    ("net_version", "The chain id, in decimal", &[], "Text"),
    ("net_listening", "Whether the node takes connections", &[], "Bool"),
    ("net_peerCount", "Connected peers of transaction gossip", &[], "Quantity"),
    ("eth_chainId", "The chain id", &[], "Quantity"),
    ("eth_syncing", "False: every block that is served is final", &[], "Bool"),
    ("eth_accounts", "Accounts whose keys the node holds: none", &[], "Address[]"),
    ("eth_config", "The fork's rules, now and next (EIP-7910)", &[], "Config"),
    ("eth_capabilities", "Heights that can be asked about", &[], "Object"),
    ("eth_blockNumber", "Height of the newest block", &[], "Quantity"),
    ("eth_getBalance", "Wei of an account", &[ADDRESS, AT], "Quantity"),
    ("eth_getTransactionCount", "Nonce of an account", &[ADDRESS, AT], "Quantity"),
    ("eth_getCode", "Code of an account", &[ADDRESS, AT], "Bytes"),
    ("eth_getStorageAt", "A word of storage", &[ADDRESS, ("slot", "Slot"), AT], "Hash"),
    (
        "eth_getStorageValues",
        "Words of storage of several accounts",
        &[("requests", "Object"), AT],
        "Object",
    ),
    (
        "eth_getProof",
        "Merkle proof of an account and its slots (EIP-1186)",
        &[ADDRESS, ("slots?", "Slot[]"), AT],
        "Proof",
    ),
    ("eth_getBlockByNumber", "A block", &[BLOCK, FULL], "Block?"),
    ("eth_getBlockByHash", "A block", &[HASH, FULL], "Block?"),
    ("eth_getHeaderByNumber", "A header", &[BLOCK], "Header?"),
    ("eth_getHeaderByHash", "A header", &[HASH], "Header?"),
    ("eth_getBlockTransactionCountByNumber", "Transactions of a block", &[BLOCK], "Quantity?"),
    ("eth_getBlockTransactionCountByHash", "Transactions of a block", &[HASH], "Quantity?"),
    ("eth_getUncleCountByBlockNumber", "Uncles of a block: 0", &[BLOCK], "Quantity?"),
    ("eth_getUncleCountByBlockHash", "Uncles of a block: 0", &[HASH], "Quantity?"),
    ("eth_getUncleByBlockNumberAndIndex", "An uncle: null", &[BLOCK, INDEX], "Header?"),
    ("eth_getUncleByBlockHashAndIndex", "An uncle: null", &[HASH, INDEX], "Header?"),
    ("eth_getBlockReceipts", "All receipts of a block", &[BLOCK], "Receipt[]?"),
    ("eth_getTransactionByHash", "A transaction, mined or pending", &[TX], "Transaction?"),
    (
        "eth_getTransactionByBlockNumberAndIndex",
        "A transaction of a block",
        &[BLOCK, INDEX],
        "Transaction?",
    ),
    (
        "eth_getTransactionByBlockHashAndIndex",
        "A transaction of a block",
        &[HASH, INDEX],
        "Transaction?",
    ),
    ("eth_getTransactionReceipt", "The receipt of a mined transaction", &[TX], "Receipt?"),
    ("eth_getRawTransactionByHash", "A transaction's bytes", &[TX], "Bytes?"),
    (
        "eth_getRawTransactionByBlockNumberAndIndex",
        "A transaction's bytes",
        &[BLOCK, INDEX],
        "Bytes?",
    ),
    ("eth_getRawTransactionByBlockHashAndIndex", "A transaction's bytes", &[HASH, INDEX], "Bytes?"),
    ("eth_sendRawTransaction", "Sends a signed transaction; its hash", &[RAW], "Hash"),
    (
        "eth_sendRawTransactionSync",
        "Sends a signed transaction and waits for its receipt (EIP-7966)",
        &[RAW, ("timeout in milliseconds?", "Number")],
        "Receipt",
    ),
    ("eth_call", "Executes a call that is not sent", &[CALL, AT, STATE, OVERRIDES], "Bytes"),
    (
        "eth_estimateGas",
        "The least gas limit with which a call succeeds",
        &[CALL, AT, STATE, OVERRIDES],
        "Quantity",
    ),
    (
        "eth_createAccessList",
        "Accounts and slots that a call touches, and its gas with that list (EIP-2930)",
        &[CALL, AT, STATE, OVERRIDES],
        "AccessListResult",
    ),
    (
        "eth_simulateV1",
        "Executes blocks of calls that are not sent, each on the one before",
        &[("options", "Object"), AT],
        "SimulatedBlock[]",
    ),
    ("eth_gasPrice", "A price that the next block takes, in wei", &[], "Quantity"),
    ("eth_maxPriorityFeePerGas", "A tip that the next block takes, in wei", &[], "Quantity"),
    ("eth_baseFee", "Base fee of the next block, in wei", &[], "Quantity"),
    ("eth_blobBaseFee", "Price of blob gas, in wei; the chain takes no blobs", &[], "Quantity"),
    (
        "eth_feeHistory",
        "Base fees, gas used and tips of past blocks",
        &[
            ("block count", "Number"),
            ("newest block", "BlockId"),
            ("reward percentiles?", "Percentile[]"),
        ],
        "FeeHistory",
    ),
    ("eth_getLogs", "Logs that a filter matches", &[("filter", "Filter")], "Log[]"),
    ("eth_newFilter", "Installs a filter of new logs", &[("filter", "Filter")], "Quantity"),
    ("eth_newBlockFilter", "Installs a filter of new blocks", &[], "Quantity"),
    (
        "eth_newPendingTransactionFilter",
        "Installs a filter of pending transactions",
        &[],
        "Quantity",
    ),
    ("eth_getFilterChanges", "What came since the last call", &[FILTER], "FilterChange[]"),
    ("eth_getFilterLogs", "All logs of a filter", &[FILTER], "Log[]"),
    ("eth_uninstallFilter", "Removes a filter", &[FILTER], "Bool"),
    (
        "eth_subscribe",
        "Over WebSocket: newHeads, logs, newPendingTransactions, syncing",
        &[("subscription", "Text"), ("detail?", "Any")],
        "Text",
    ),
    ("eth_unsubscribe", "Ends a subscription", &[("subscription id", "Text")], "Bool"),
    ("txpool_status", "Transactions in the pool", &[], "PoolStatus"),
    ("txpool_content", "The pool by sender and nonce", &[], "Pool"),
    ("txpool_contentFrom", "The pool of one sender by nonce", &[ADDRESS], "Pool"),
    ("txpool_inspect", "The pool in one line a transaction", &[], "Pool"),
    ("debug_getRawBlock", "A block in RLP", &[BLOCK], "Bytes"),
    ("debug_getRawHeader", "A header in RLP", &[BLOCK], "Bytes"),
    ("debug_getRawReceipts", "Receipts as their root commits to them", &[BLOCK], "Bytes[]"),
    ("debug_getRawTransaction", "A transaction's bytes", &[TX], "Bytes?"),
    ("debug_traceTransaction", "A mined transaction again, traced", &[TX, TRACE], "Any"),
    ("debug_traceCall", "A call, traced", &[CALL, AT, TRACE], "Any"),
    ("debug_traceBlockByNumber", "A block again, traced", &[BLOCK, TRACE], "TracedTransaction[]"),
    ("debug_traceBlockByHash", "A block again, traced", &[HASH, TRACE], "TracedTransaction[]"),
    ("peg_status", "Heads, exits, members and checkpoints of the peg", &[], "Object"),
    ("peg_domain", "Domain of everything that the federation signs", &[], "Object"),
    ("peg_genesis", "The genesis document", &[], "Object"),
    ("peg_submit", "Sends a federation message; its hash", &[("message", "Bytes")], "Hash"),
    (
        "peg_checkpoint",
        "A checkpoint with what the Vault takes",
        &[("\"latestQuorum\" or record", "Any")],
        "Object?",
    ),
    ("peg_exit", "An exit", &[INDEX], "Object?"),
    (
        "peg_exits",
        "Exits in a range, without its end",
        &[("first", "Number"), ("end", "Number")],
        "Object[]",
    ),
    ("peg_exitProof", "An exit's Merkle proof", &[INDEX, ("count", "Number")], "Object?"),
    ("peg_credit", "Whether a deposit is credited, and where", &[("count", "Number")], "Object"),
    ("dev_seal", "Dev chain: seals a block; its height", &[], "Quantity"),
    ("dev_reorg", "Dev chain: drops blocks; how many", &[("depth", "Number")], "Count"),
];

/// The document of a server with these methods.
///
/// # Errors
/// [`RpcError::Internal`] when `schemas.json` is no JSON, which a test refuses.
pub(super) fn document(methods: &BTreeSet<&str>) -> Result<Value, RpcError> {
    let schemas: Value = serde_json::from_str(SCHEMAS)
        .map_err(|error| RpcError::internal("read the RPC schemas", error))?;
    let served = ROWS.iter().filter(|(name, ..)| methods.contains(name));
    Ok(json!({
        "openrpc": OPENRPC,
        "info": {
            "title": "Mooring JSON-RPC",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0" },
        },
        "methods": served.map(method).collect::<Vec<_>>(),
        "components": { "schemas": schemas },
    }))
}

fn method((name, summary, params, result): &Row) -> Value {
    let param = |(name, kind): &(&str, &str)| {
        let required = !name.ends_with('?');
        json!({ "name": name.trim_end_matches('?'), "required": required, "schema": schema(kind) })
    };
    json!({
        "name": name,
        "summary": summary,
        "paramStructure": "by-position",
        "params": params.iter().map(param).collect::<Vec<_>>(),
        "result": { "name": "result", "schema": schema(result) },
    })
}

fn schema(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        return json!({ "oneOf": [schema(kind), { "type": "null" }] });
    }
    if let Some(kind) = kind.strip_suffix("[]") {
        return json!({ "type": "array", "items": schema(kind) });
    }
    let mut fields = Map::new();
    fields.insert("$ref".to_owned(), json!(format!("#/components/schemas/{kind}")));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_schema_that_is_named_exists() {
        let names: BTreeSet<&str> = ROWS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names.len(), ROWS.len(), "a method has two rows");
        let document = document(&names).unwrap();
        let mut named = BTreeSet::new();
        collect(&document, &mut named);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let defined: BTreeSet<String> = schemas.keys().cloned().collect();
        assert_eq!(named, defined);
    }

    fn collect(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
                    names.insert(name.rsplit('/').next().unwrap().to_owned());
                }
                fields.values().for_each(|value| collect(value, names));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
}

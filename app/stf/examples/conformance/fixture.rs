//! The `state_test` format of execution-spec-tests, as far as a verdict needs it.

use std::{collections::BTreeMap, path::Path};

use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, U64, U128, U256};
use serde::Deserialize;
use serde_json::Value;

/// The state tests of a file by name, and how many entries are something else.
pub(crate) fn read(file: &Path) -> Result<(BTreeMap<String, Test>, usize), String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let all: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let Value::Object(all) = all else { return Ok((BTreeMap::new(), 1)) };
    let entries = all.len();
    let tests = all.into_iter().filter(|(_, entry)| is_state_test(entry)).map(|(name, entry)| {
        let test = serde_json::from_value(entry).map_err(|error| format!("{name}: {error}"))?;
        Ok((name, test))
    });
    let tests = tests.collect::<Result<BTreeMap<_, _>, String>>()?;
    let others = entries - tests.len();
    Ok((tests, others))
}

/// Whether an entry says that it is a state test, or looks like one and says nothing.
fn is_state_test(entry: &Value) -> bool {
    match entry.pointer("/_info/fixture-format").and_then(Value::as_str) {
        Some(format) => format == "state_test",
        None => ["env", "pre", "transaction", "post"].iter().all(|key| entry.get(key).is_some()),
    }
}

/// One test: a state, a transaction in variants, and what comes of each in each fork.
#[derive(Debug, Deserialize)]
pub(crate) struct Test {
    pub(crate) env: Env,
    pub(crate) pre: BTreeMap<Address, PreAccount>,
    /// Read as [`Variants`] only where the bytes are missing: tests of malformed transactions
    /// put here what fits no type.
    pub(crate) transaction: Value,
    pub(crate) post: BTreeMap<String, Vec<Post>>,
    #[serde(default)]
    pub(crate) config: Config,
}

/// The block.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Env {
    pub(crate) current_coinbase: Address,
    pub(crate) current_gas_limit: U256,
    pub(crate) current_number: U256,
    pub(crate) current_timestamp: U256,
    #[serde(default)]
    pub(crate) current_difficulty: U256,
    pub(crate) current_base_fee: Option<U256>,
    pub(crate) current_random: Option<B256>,
    pub(crate) current_excess_blob_gas: Option<U256>,
}

/// An account before the transaction.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PreAccount {
    pub(crate) nonce: U64,
    pub(crate) balance: U256,
    pub(crate) code: Bytes,
    pub(crate) storage: BTreeMap<U256, U256>,
}

/// The transaction; gas limit, value and data come in variants.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variants {
    pub(crate) nonce: U256,
    pub(crate) gas_limit: Vec<U256>,
    pub(crate) value: Vec<U256>,
    pub(crate) data: Vec<Bytes>,
    #[serde(default)]
    pub(crate) to: String,
    pub(crate) gas_price: Option<U128>,
    pub(crate) max_fee_per_gas: Option<U128>,
    pub(crate) max_priority_fee_per_gas: Option<U128>,
    pub(crate) access_lists: Option<Vec<Option<AccessList>>>,
    pub(crate) max_fee_per_blob_gas: Option<U128>,
    pub(crate) blob_versioned_hashes: Option<Vec<B256>>,
    pub(crate) authorization_list: Option<Vec<SignedAuthorization>>,
    pub(crate) secret_key: Option<B256>,
}

/// What one variant comes to in one fork.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Post {
    pub(crate) hash: B256,
    pub(crate) logs: B256,
    pub(crate) txbytes: Option<Bytes>,
    #[serde(default)]
    pub(crate) indexes: Indexes,
    pub(crate) expect_exception: Option<String>,
}

/// Which variant.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Indexes {
    pub(crate) data: usize,
    pub(crate) gas: usize,
    pub(crate) value: usize,
}

/// The chain.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) chainid: Option<U64>,
    #[serde(default)]
    pub(crate) blob_schedule: BTreeMap<String, BlobSchedule>,
}

/// EIP-7840.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlobSchedule {
    pub(crate) target: U64,
    pub(crate) max: U64,
    pub(crate) base_fee_update_fraction: U128,
}

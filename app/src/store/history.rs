//! State below the height of the tables: each change left the value before it under its height.
//! What a key held at some height is what the first change above that height found; where none
//! is, it is what the tables hold.

use alloy_primitives::{B256, U256};
use mooring_rocks::{Direction, Keys, Snapshot};
use mooring_stf::{AccountRecord, Fault};

use super::{keys, record};

/// The account at `height`: outer `None` where it has not changed since.
pub(super) fn account(
    base: &Snapshot,
    address: B256,
    height: u64,
) -> Result<Option<Option<AccountRecord>>, Fault> {
    let key = |height| keys::account_history(address, height);
    first_after(base, key, height, record::past_account)
}

/// The word at `height`, `None` where it has not changed since.
pub(super) fn word(
    base: &Snapshot,
    address: B256,
    slot: B256,
    height: u64,
) -> Result<Option<U256>, Fault> {
    first_after(base, |height| keys::storage_history(address, slot, height), height, record::word)
}

fn first_after<T>(
    base: &Snapshot,
    key: impl Fn(u64) -> Vec<u8>,
    height: u64,
    decode: impl FnOnce(&[u8]) -> Result<T, record::Malformed>,
) -> Result<Option<T>, Fault> {
    let (from, to) = (key(height.saturating_add(1)), key(u64::MAX));
    let attempt = || format!("read the history from {}", hex::encode(&from));
    let mut entries = base
        .scan(keys::TABLES, Keys::Range(&from..&to), Direction::Forward)
        .map_err(|e| Fault::from_cause(attempt(), e))?;
    let Some(entry) = entries.next() else { return Ok(None) };
    let (_, value) = entry.map_err(|e| Fault::from_cause(attempt(), e))?;
    let value = record::open(&value).and_then(decode);
    value.map(Some).map_err(|e| Fault::from_cause(attempt(), e))
}

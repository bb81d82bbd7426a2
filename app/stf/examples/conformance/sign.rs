//! The transaction of a case that does not carry its bytes.

use alloy_consensus::{TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy, TypedTransaction};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, Bytes, TxKind, U128, U256};
use mooring_stf::{Rules, SpecId, testing::wallet};

use crate::fixture::{Indexes, Test, Variants};

/// Builds and signs one variant.
pub(crate) fn transaction(test: &Test, rules: Rules, at: Indexes) -> Result<Bytes, String> {
    let variants: Variants = serde_json::from_value(test.transaction.clone())
        .map_err(|error| format!("read the transaction: {error}"))?;
    let key = variants.secret_key.ok_or("neither txbytes nor a secret key")?;
    let chain_id = test.config.chainid.map_or(1, |id| id.to());
    Ok(wallet::sign(key, unsigned(&variants, rules, chain_id, at)?))
}

/// The fields that all types share.
struct Common {
    chain_id: u64,
    nonce: u64,
    gas_limit: u64,
    to: TxKind,
    value: U256,
    input: Bytes,
    access_list: Option<AccessList>,
}

fn unsigned(
    tx: &Variants,
    rules: Rules,
    chain_id: u64,
    at: Indexes,
) -> Result<TypedTransaction, String> {
    let common = common(tx, chain_id, at)?;
    let max_fee = tx.max_fee_per_gas.unwrap_or_default().to();
    let tip = tx.max_priority_fee_per_gas.unwrap_or_default().to();
    Ok(if let Some(authorizations) = &tx.authorization_list {
        set_code(common, max_fee, tip, authorizations.clone())?.into()
    } else if let Some(hashes) = &tx.blob_versioned_hashes {
        let blob_fee = tx.max_fee_per_blob_gas.unwrap_or_default();
        let tx = blob(common, max_fee, tip)?;
        let max_fee_per_blob_gas = blob_fee.to();
        TxEip4844 { blob_versioned_hashes: hashes.clone(), max_fee_per_blob_gas, ..tx }.into()
    } else if tx.max_fee_per_gas.is_some() {
        fee_market(common, max_fee, tip).into()
    } else if common.access_list.is_some() {
        with_access_list(common, price(tx)).into()
    } else {
        legacy(common, price(tx), rules).into()
    })
}

fn price(tx: &Variants) -> u128 {
    tx.gas_price.map_or(0, |price: U128| price.to())
}

fn common(tx: &Variants, chain_id: u64, at: Indexes) -> Result<Common, String> {
    let missing = || format!("no variant {at:?}");
    let to = match tx.to.as_str() {
        "" => TxKind::Create,
        text => TxKind::Call(text.parse::<Address>().map_err(|error| error.to_string())?),
    };
    let small = |value: U256| u64::try_from(value).map_err(|error| error.to_string());
    Ok(Common {
        chain_id,
        nonce: small(tx.nonce)?,
        gas_limit: small(*tx.gas_limit.get(at.gas).ok_or_else(missing)?)?,
        to,
        value: *tx.value.get(at.value).ok_or_else(missing)?,
        input: tx.data.get(at.data).ok_or_else(missing)?.clone(),
        access_list: tx.access_lists.as_ref().and_then(|lists| lists.get(at.data)?.clone()),
    })
}

fn callee(to: TxKind) -> Result<Address, String> {
    to.to().copied().ok_or_else(|| "a transaction of this type creates no contract".to_owned())
}

fn legacy(tx: Common, gas_price: u128, rules: Rules) -> TxLegacy {
    let Common { nonce, gas_limit, to, value, input, .. } = tx;
    let chain_id = rules.has(SpecId::SPURIOUS_DRAGON).then_some(tx.chain_id);
    TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input }
}

fn with_access_list(tx: Common, gas_price: u128) -> TxEip2930 {
    let Common { chain_id, nonce, gas_limit, to, value, input, access_list } = tx;
    let access_list = access_list.unwrap_or_default();
    TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }
}

fn fee_market(tx: Common, max_fee_per_gas: u128, max_priority_fee_per_gas: u128) -> TxEip1559 {
    let Common { chain_id, nonce, gas_limit, to, value, input, access_list } = tx;
    TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        to,
        value,
        access_list: access_list.unwrap_or_default(),
        input,
    }
}

fn blob(
    tx: Common,
    max_fee_per_gas: u128,
    max_priority_fee_per_gas: u128,
) -> Result<TxEip4844, String> {
    let Common { chain_id, nonce, gas_limit, to, value, input, access_list } = tx;
    Ok(TxEip4844 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        to: callee(to)?,
        value,
        access_list: access_list.unwrap_or_default(),
        input,
        ..TxEip4844::default()
    })
}

fn set_code(
    tx: Common,
    max_fee_per_gas: u128,
    max_priority_fee_per_gas: u128,
    authorization_list: Vec<alloy_eips::eip7702::SignedAuthorization>,
) -> Result<TxEip7702, String> {
    let Common { chain_id, nonce, gas_limit, to, value, input, access_list } = tx;
    Ok(TxEip7702 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        to: callee(to)?,
        value,
        access_list: access_list.unwrap_or_default(),
        authorization_list,
        input,
    })
}

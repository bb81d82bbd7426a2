//! What gas costs: EIP-1559's base fee with a floor.

use alloy_consensus::{Header, Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::{Address, U256};

use crate::{
    ChainParams, Fault,
    overlay::{Account, Overlay},
};

/// The base fee of the block after `parent`, in wei per gas: EIP-1559's rule with Ethereum's
/// constants (target half the limit, at most 1/8 up or down), never below the chain's floor.
///
/// A parent without a base fee counts as one at the floor.
pub fn next_base_fee(params: &ChainParams, parent: &Header) -> u64 {
    let floor = params.base_fee_floor;
    let Some(base_fee) = parent.base_fee_per_gas else { return floor };
    alloy_eips::eip1559::calc_next_block_base_fee(
        parent.gas_used,
        parent.gas_limit.max(2),
        base_fee,
        BaseFeeParams::ethereum(),
    )
    .max(floor)
}

/// A transaction that fails after the EVM ran it, a withdrawal while the peg is halted: nothing
/// but nonce and fees stays. The base fee is paid out at the end of the block.
pub(crate) fn charge_only(
    overlay: &mut Overlay<'_>,
    tx: &Recovered<TxEnvelope>,
    gas_used: u64,
    base_fee: u64,
    beneficiary: Address,
) -> Result<(), Fault> {
    let price = tx.inner().effective_gas_price(Some(base_fee));
    let gas = U256::from(gas_used);
    let fee = U256::from(price).saturating_mul(gas);
    let tip = U256::from(price.saturating_sub(u128::from(base_fee))).saturating_mul(gas);
    let sender = overlay.account(tx.signer())?.unwrap_or_default();
    let paid = Account {
        nonce: sender.nonce.saturating_add(1),
        // It had the price of its whole gas limit before it ran.
        balance: sender.balance.saturating_sub(fee),
        ..sender
    };
    overlay.set_account(tx.signer(), paid)?;
    pay(overlay, beneficiary, tip)
}

/// Adds fees to an account.
pub(crate) fn pay(overlay: &mut Overlay<'_>, to: Address, amount: U256) -> Result<(), Fault> {
    if overlay.mint(to, amount)? {
        return Ok(());
    }
    Err(Fault::new(format!("pay {amount} wei of fees to {to}: its balance overflows")))
}

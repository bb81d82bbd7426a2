//! A transaction as the pool holds it: decoded and recovered once.

use alloy_primitives::{Address, B256, Bytes, U256};
use mooring_stf::{AccountRecord, tx::SignedTx};

/// One valid Ethereum transaction with its recovered sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PooledTx {
    /// keccak256 of the EIP-2718 bytes.
    pub hash: B256,
    /// Recovered from the signature.
    pub sender: Address,
    /// The sender's nonce.
    pub nonce: u64,
    /// `maxFeePerGas`, or the gas price of older types, in wei.
    pub max_fee: u128,
    /// `maxPriorityFeePerGas`, or the gas price of older types, in wei.
    pub max_tip: u128,
    /// Gas limit.
    pub gas_limit: u64,
    /// The most it can cost the sender: gas limit times fee cap, plus value, in wei.
    pub cost: U256,
    /// The decoded form with its sender, as block execution takes it.
    pub recovered: SignedTx,
    /// The EIP-2718 bytes.
    pub raw: Bytes,
}

impl PooledTx {
    /// What the builder earns a gas at this base fee, in wei; `None` when the fee cap is below it.
    pub fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        self.max_fee.checked_sub(base_fee.into()).map(|room| room.min(self.max_tip))
    }

    /// Whether this one pays at least `percent` per cent more than `old`, on both fee fields.
    pub(super) fn outbids(&self, old: &Self, percent: u128) -> bool {
        let raised = |fee: u128| {
            let step = fee.saturating_mul(percent).div_ceil(100);
            fee.saturating_add(step.max(1))
        };
        self.max_fee >= raised(old.max_fee) && self.max_tip >= raised(old.max_tip)
    }
}

/// What the pool knows of an account: its committed nonce and balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The next nonce.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
}

impl From<&AccountRecord> for Account {
    fn from(record: &AccountRecord) -> Self {
        Self { nonce: record.nonce, balance: record.balance }
    }
}

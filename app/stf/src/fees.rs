//! What gas costs: EIP-1559's base fee with a floor.

use alloy_consensus::Header;
use alloy_eips::eip1559::BaseFeeParams;

use crate::ChainParams;

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

//! The user's verbs as transactions: deposit, withdraw, claim.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use mooring_bridge::{
    NATIVE, addresses,
    contracts::{Gateway, TestToken, Vault},
};

use crate::{peg::CheckpointBundle, wallet::Action};

/// Locks ETH in the Vault; the same amount is credited to `recipient` on the sidechain.
pub fn deposit_eth(vault: Address, amount: U256, recipient: Address, refund_to: Address) -> Action {
    let call = Vault::depositETH_1Call { recipient, refundTo: refund_to };
    Action { to: Some(vault), value: amount, input: call.abi_encode().into() }
}

/// Locks an ERC-20 in the Vault, which must be allowed to take it. `gas_wei` of ETH goes along
/// and is credited as native coin.
pub fn deposit_token(
    vault: Address,
    token: Address,
    amount: U256,
    recipient: Address,
    refund_to: Address,
    gas_wei: U256,
) -> Action {
    let call = Vault::deposit_0Call { token, amount, recipient, refundTo: refund_to };
    Action { to: Some(vault), value: gas_wei, input: call.abi_encode().into() }
}

/// Allows `spender` to take `amount` of `token`.
pub fn approve(token: Address, spender: Address, amount: U256) -> Action {
    let call = TestToken::approveCall { spender, value: amount };
    Action { to: Some(token), value: U256::ZERO, input: call.abi_encode().into() }
}

/// Burns `amount` of an asset on the sidechain; `recipient` is paid on L1, less `fee`, which goes
/// to whoever claims for it. Both in the asset's smallest unit.
pub fn withdraw(asset: Address, amount: U256, recipient: Address, fee: U256) -> Action {
    let value = if asset == NATIVE { amount } else { U256::ZERO };
    let call = Gateway::withdrawCall { asset, amount, recipient, fee };
    Action { to: Some(addresses::GATEWAY), value, input: call.abi_encode().into() }
}

/// Pays one exit on L1 by its proof ([`crate::transfer::Chains::claim_of`]). Anyone may.
pub fn claim(vault: Address, item: Vault::Claim) -> Action {
    let call = Vault::claimCall { item };
    Action { to: Some(vault), value: U256::ZERO, input: call.abi_encode().into() }
}

/// Takes a signed checkpoint to the Vault and pays exits under it, in one transaction. Anyone may.
pub fn checkpoint_and_claim(
    vault: Address,
    bundle: &CheckpointBundle,
    items: Vec<Vault::Claim>,
) -> Action {
    let call = Vault::checkpointAndClaimCall {
        cp: checkpoint(bundle),
        members: bundle.member_words.clone(),
        signatures: bundle.signatures.clone(),
        items,
    };
    Action { to: Some(vault), value: U256::ZERO, input: call.abi_encode().into() }
}

/// The checkpoint of a bundle as the Vault takes it (spec section 4).
pub fn checkpoint(bundle: &CheckpointBundle) -> Vault::Checkpoint {
    let record = &bundle.record;
    Vault::Checkpoint {
        epoch: record.epoch,
        height: record.height,
        blockHash: record.block_hash,
        stateRoot: record.state_root,
        exitCount: record.exit_count,
        exitRoot: record.exit_root,
        creditedCount: record.credited_count,
        creditedAcc: record.credited_acc,
    }
}

//! The contracts on L1: the Vault, built from the setup, and an ERC-20 to play with.

use std::time::Duration;

use alloy_eips::BlockNumberOrTag;
use alloy_network::ReceiptResponse;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use mooring_bridge::{
    MemberList,
    contracts::{TestToken, Vault, test_token, vault},
};
use mooring_client::{Wallet, wallet::Action};

use crate::TestnetError;

const LIMIT: Duration = Duration::from_secs(30);

/// Where things are on L1.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The Vault.
    pub vault: Address,
    /// The test token.
    pub test_token: Address,
    /// The block that holds the Vault's creation.
    pub block: u64,
    /// That block's hash.
    pub block_hash: B256,
}

/// What the Vault's constructor takes.
#[derive(Clone, Debug)]
pub struct VaultSetup<'a> {
    /// The sidechain's chain id.
    pub sidechain_id: u64,
    /// Hash of the genesis document without its L1 section.
    pub setup_hash: B256,
    /// Hot keys with power.
    pub members: &'a MemberList,
    /// Recovery keys with power.
    pub recoveries: &'a MemberList,
}

/// Deploys both contracts in as few blocks as the L1 allows, and waits for them.
///
/// # Errors
/// [`TestnetError::Transaction`] with what the L1 said.
pub async fn deploy(wallet: &Wallet, setup: &VaultSetup<'_>) -> Result<Deployed, TestnetError> {
    let failed = |reason: String| TestnetError::Transaction {
        attempt: "deploying the contracts on L1".into(),
        reason,
    };
    let arguments = vault::Vault::constructorCall {
        sidechainId: U256::from(setup.sidechain_id),
        setupHash: setup.setup_hash,
        members: setup.members.words(),
        recoveries: setup.recoveries.words(),
    };
    let vault_code: Bytes =
        [Vault::BYTECODE.as_ref(), arguments.abi_encode().as_slice()].concat().into();
    let token =
        test_token::TestToken::constructorCall { name: "Test Token".into(), symbol: "TEST".into() };
    let token_code: Bytes =
        [TestToken::BYTECODE.as_ref(), token.abi_encode().as_slice()].concat().into();

    let nonce = wallet
        .endpoint()
        .nonce(wallet.address(), BlockNumberOrTag::Pending)
        .await
        .map_err(|e| failed(e.to_string()))?;
    let mut hashes = Vec::new();
    for (offset, input) in (0..).zip([vault_code, token_code]) {
        let action = Action { to: None, value: U256::ZERO, input };
        let hash = wallet
            .send_at(&action, nonce.saturating_add(offset))
            .await
            .map_err(|e| failed(e.to_string()))?;
        hashes.push(hash);
    }
    let mut receipts = Vec::new();
    for hash in hashes {
        receipts.push(wallet.wait(hash, LIMIT).await.map_err(|e| failed(e.to_string()))?);
    }
    let created = |index: usize| receipts.get(index).and_then(|r| r.contract_address());
    let first = receipts.first().ok_or_else(|| failed("no receipt".into()))?;
    Ok(Deployed {
        vault: created(0).ok_or_else(|| failed("the receipt names no contract".into()))?,
        test_token: created(1).ok_or_else(|| failed("the receipt names no contract".into()))?,
        block: first.block_number().ok_or_else(|| failed("the receipt names no block".into()))?,
        block_hash: first
            .block_hash()
            .ok_or_else(|| failed("the receipt names no block".into()))?,
    })
}

/// Gives `amount` of the test token to `to`.
pub fn mint(token: Address, to: Address, amount: U256) -> Action {
    let call = TestToken::mintCall { to, amount };
    Action { to: Some(token), value: U256::ZERO, input: call.abi_encode().into() }
}

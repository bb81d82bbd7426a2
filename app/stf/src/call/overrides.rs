//! State and block overrides of a call (geth's `stateOverride` and `blockOverrides`).

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};

use revm::handler::EthPrecompiles;

use crate::{BlockContext, Fault, SpecId, evm::Moves, overlay::Overlay};

/// Accounts to replace, by address.
pub type Overrides = BTreeMap<Address, AccountOverride>;

/// What to replace of one account; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// Wei.
    pub balance: Option<U256>,
    /// Nonce.
    pub nonce: Option<u64>,
    /// Code.
    pub code: Option<Bytes>,
    /// The whole storage: slots that are not here are zero.
    pub state: Option<BTreeMap<U256, U256>>,
    /// Single slots, over `state` or what is there.
    pub state_diff: BTreeMap<U256, U256>,
    /// Where the precompile of this address answers instead.
    pub move_precompile_to: Option<Address>,
}

/// What to replace of the block; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockOverrides {
    /// Height.
    pub number: Option<u64>,
    /// Whole seconds since 1970.
    pub time: Option<u64>,
    /// Gas limit.
    pub gas_limit: Option<u64>,
    /// Beneficiary.
    pub fee_recipient: Option<Address>,
    /// `block.prevrandao`.
    pub prev_randao: Option<B256>,
    /// Wei per gas.
    pub base_fee: Option<u64>,
    /// Wei per gas of blobs, in a simulation.
    pub blob_base_fee: Option<u128>,
}

impl BlockOverrides {
    /// `block` with the overrides in place.
    pub fn apply(&self, block: BlockContext) -> BlockContext {
        BlockContext {
            number: self.number.unwrap_or(block.number),
            timestamp: self.time.unwrap_or(block.timestamp),
            beneficiary: self.fee_recipient.unwrap_or(block.beneficiary),
            gas_limit: self.gas_limit.unwrap_or(block.gas_limit),
            base_fee: self.base_fee.unwrap_or(block.base_fee),
            prev_randao: self.prev_randao.unwrap_or(block.prev_randao),
            ..block
        }
    }
}

/// Overrides that contradict the chain or each other. geth's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// Only a precompile can be moved.
    #[error("account {0} is not a precompile")]
    NotPrecompile(Address),
    /// A precompile cannot be moved to an account that is overridden too.
    #[error("account {0} is already overridden")]
    Overridden(Address),
}

/// Where the overrides put the fork's precompiles. One that is overridden in any way answers no
/// longer where it was.
pub(super) fn moves(overrides: &Overrides, spec: SpecId) -> Result<Moves, OverrideError> {
    let known = EthPrecompiles::new(spec);
    let mut moves = Moves::new();
    for (address, change) in overrides {
        let is_precompile = known.contains(address);
        if let Some(to) = change.move_precompile_to {
            if !is_precompile {
                return Err(OverrideError::NotPrecompile(*address));
            }
            if overrides.contains_key(&to) {
                return Err(OverrideError::Overridden(to));
            }
            moves.insert(to, Some(*address));
        }
        if is_precompile {
            moves.insert(*address, None);
        }
    }
    Ok(moves)
}

/// Writes the overrides into an overlay.
pub(super) fn apply(overrides: &Overrides, overlay: &mut Overlay<'_>) -> Result<(), Fault> {
    for (address, change) in overrides {
        account(*address, change, overlay)?;
    }
    Ok(())
}

fn account(
    address: Address,
    change: &AccountOverride,
    overlay: &mut Overlay<'_>,
) -> Result<(), Fault> {
    let AccountOverride { balance, nonce, code, state, state_diff, move_precompile_to: _ } = change;
    if balance.is_none()
        && nonce.is_none()
        && code.is_none()
        && state.is_none()
        && state_diff.is_empty()
    {
        // An account that is named only does not come into being.
        return Ok(());
    }
    let mut account = overlay.account(address)?.unwrap_or_default();
    account.balance = change.balance.unwrap_or(account.balance);
    account.nonce = change.nonce.unwrap_or(account.nonce);
    if let Some(code) = &change.code {
        account.code_hash = overlay.add_code(code.clone())?;
    }
    overlay.set_account(address, account)?;
    if change.state.is_some() {
        overlay.wipe_storage(address)?;
    }
    for (slot, value) in change.state.iter().flatten().chain(&change.state_diff) {
        overlay.set_slot(address, *slot, *value)?;
    }
    Ok(())
}

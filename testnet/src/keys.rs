//! The keys of a testnet: the well-known development mnemonic, one index range a role.
//!
//! Everybody knows these keys. Genesis refuses them on a chain that is not marked `dev`.

use alloy_signer_local::{LocalSignerError, MnemonicBuilder, PrivateKeySigner};

/// The mnemonic that anvil and Hardhat ship; BIP-44 path `m/44'/60'/0'/0/{index}`.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Accounts that the L1 funds when it starts: every index that a role below uses.
pub const FUNDED: u32 = 60;

/// Who a key is for. Indices of two roles never meet: a network has at most ten of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The accounts that `testnet up` lists, for the person who tries things out.
    User,
    /// A member's hot key: signs heads and checkpoints, pays for L1 transactions.
    Member,
    /// A member's offline key.
    Recovery,
    /// Where a validator's fees go.
    Payout,
    /// Deploys the contracts.
    Deployer,
}

impl Role {
    const fn base(self) -> u32 {
        match self {
            Self::User => 0,
            Self::Member => 10,
            Self::Recovery => 20,
            Self::Payout => 30,
            Self::Deployer => 40,
        }
    }
}

/// The key of the `index`-th holder of a role.
///
/// # Errors
/// Never for the indices a testnet uses; the derivation's error otherwise.
pub fn signer(role: Role, index: u32) -> Result<PrivateKeySigner, LocalSignerError> {
    signer_at(role.base().saturating_add(index))
}

/// The key at an index of the mnemonic, whoever's it is.
///
/// # Errors
/// Never below [`FUNDED`]; the derivation's error otherwise.
pub fn signer_at(index: u32) -> Result<PrivateKeySigner, LocalSignerError> {
    MnemonicBuilder::try_from_phrase_nth(MNEMONIC, index)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use alloy_primitives::address;

    use super::*;

    #[test]
    fn the_first_user_is_anvils_first_account() {
        let key = signer(Role::User, 0).unwrap();
        assert_eq!(key.address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    }

    #[test]
    fn roles_do_not_share_keys() {
        let member = signer(Role::Member, 0).unwrap().address();
        let user = signer(Role::User, 9).unwrap().address();
        assert_ne!(member, user);
    }
}

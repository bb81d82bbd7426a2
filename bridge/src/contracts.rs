//! Typed calls, events, errors and code of the contracts, from the committed artifacts in
//! `bridge/artifacts` (spec 11).
//!
//! Creation code is `vault::Vault::BYTECODE` and so on (constructor arguments from
//! `vault::Vault::constructorCall` follow it); code at an address is `…::DEPLOYED_BYTECODE`, which
//! for the Vault and the tokens lacks their immutables.

use alloy_primitives::{B256, b256};

macro_rules! bindings {
    ($($(#[$doc:meta])* $module:ident::$name:ident = $path:literal;)*) => {
        $(
            $(#[$doc])*
            pub mod $module {
                #![allow(
                    missing_docs,
                    unreachable_pub,
                    clippy::too_many_arguments,
                    clippy::use_self,
                    reason = "generated from the contract"
                )]

                alloy_sol_types::sol!(
                    #[sol(extra_derives(Debug, PartialEq, Eq))]
                    $name,
                    $path
                );
            }
        )*
    };
}

bindings! {
    /// The Vault on L1, with the structs that its calls take.
    vault::Vault = "artifacts/Vault.json";
    /// The Gateway on the sidechain.
    gateway::Gateway = "artifacts/Gateway.json";
    /// The ERC-20 on the sidechain that stands for an L1 token.
    wrapped_token::WrappedToken = "artifacts/WrappedToken.json";
    /// A mintable ERC-20 for test networks.
    test_token::TestToken = "artifacts/TestToken.json";
}

pub use gateway::Gateway;
pub use test_token::TestToken;
pub use vault::Vault;
pub use wrapped_token::WrappedToken;

/// `keccak256` of the wrapped token's creation code: a part of every wrapped token's address.
pub const WRAPPED_INIT_CODE_HASH: B256 =
    b256!("0xfa2fab8883d19db259d5ec1b85360a3171e06b96de4ecd30d2f61f0fd8ea3227");

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    #[test]
    fn wrapped_init_code_hash_is_the_artifacts() {
        assert_eq!(keccak256(&WrappedToken::BYTECODE), WRAPPED_INIT_CODE_HASH);
    }
}

//! The EIP-712 domain that every signature of the peg is bound to (spec 2.1).

use crate::words::Words;
use alloy_primitives::{Address, B256, b256, keccak256};

/// `keccak256` of the domain's EIP-712 type, with all five fields.
const TYPE_HASH: B256 = b256!("0xd87cd6ef79d4e2b95e15ce8abf732db51ec771f1ca2edccf22a46c729ac56472");

/// The name in the domain.
pub const NAME: &str = "Mooring";
/// The version in the domain.
pub const VERSION: &str = "1";

/// What makes one peg different from every other: a relaunch, a fork and a second Vault never
/// share a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Chain id of the L1.
    pub l1_chain_id: u64,
    /// The Vault on the L1.
    pub vault: Address,
    /// Chain id of the sidechain.
    pub sidechain_id: u64,
    /// Hash of the genesis document without its L1 section.
    pub setup_hash: B256,
}

impl Domain {
    /// `keccak256(abi.encode(sidechainChainId, setupHash))`.
    pub fn salt(&self) -> B256 {
        Words::new().u64(self.sidechain_id).b256(self.setup_hash).hash()
    }

    /// The EIP-712 domain separator, as the Vault computes it.
    pub fn separator(&self) -> B256 {
        Words::new()
            .b256(TYPE_HASH)
            .b256(keccak256(NAME))
            .b256(keccak256(VERSION))
            .u64(self.l1_chain_id)
            .address(self.vault)
            .b256(self.salt())
            .hash()
    }

    /// The deposit log's value before its first leaf.
    pub fn acc_0(&self) -> B256 {
        keccak256(self.separator())
    }

    /// The EIP-712 digest of a struct with the given hash: what is signed.
    pub fn digest(&self, struct_hash: B256) -> B256 {
        let mut bytes = [0u8; 66];
        bytes[..2].copy_from_slice(&[0x19, 0x01]);
        bytes[2..34].copy_from_slice(self.separator().as_slice());
        bytes[34..].copy_from_slice(struct_hash.as_slice());
        keccak256(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_sol_types::eip712_domain;

    #[test]
    fn separator_is_the_one_of_eip_712() {
        let domain = Domain {
            l1_chain_id: 31337,
            vault: Address::repeat_byte(0xaa),
            sidechain_id: 42155,
            setup_hash: B256::repeat_byte(0x11),
        };
        let reference = eip712_domain! {
            name: NAME,
            version: VERSION,
            chain_id: 31337,
            verifying_contract: Address::repeat_byte(0xaa),
            salt: domain.salt(),
        };
        assert_eq!(reference.type_hash(), TYPE_HASH);
        assert_eq!(domain.separator(), reference.separator());
    }
}

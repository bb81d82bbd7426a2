//! Fixed addresses, and those derived from them (spec 2.6).

use crate::{contracts::WRAPPED_INIT_CODE_HASH, types::Asset, words::Words};
use alloy_primitives::{Address, B256, address};

/// The system contract that burns and, by system call, mints.
pub const GATEWAY: Address = address!("0x6d6f6f72696e6700000000000000000000000001");
/// The system contract of the validators; later.
pub const REGISTRY: Address = address!("0x6d6f6f72696e6700000000000000000000000002");
/// The code-less account whose storage is the peg's state.
pub const PEG: Address = address!("0x6d6f6f72696e6700000000000000000000000003");
/// The sender of system calls (EIP-4788's system address).
pub const SYSTEM_CALLER: Address = address!("0xfffffffffffffffffffffffffffffffffffffffe");
/// The contract that keeps past block hashes (EIP-2935).
pub const HISTORY: Address = address!("0x0000F90827F1C53a10cb7A02335B175320002935");

/// "mooring" and six zero bytes: the system contracts' addresses start with these.
const SYSTEM_PREFIX: [u8; 13] = *b"mooring\0\0\0\0\0\0";

/// Whether a deposit to this recipient can never be credited: zero, precompiles (below 0x10000),
/// and whatever belongs to the chain itself. The Vault refuses the same list.
pub fn is_uncreditable(recipient: Address) -> bool {
    recipient[..18].iter().all(|byte| *byte == 0)
        || recipient == SYSTEM_CALLER
        || recipient == HISTORY
        || recipient[..13] == SYSTEM_PREFIX
}

/// The CREATE2 salt of a wrapped token: `keccak256(abi.encode(l1ChainId, l1Token))`.
pub fn wrapped_salt(l1_chain_id: u64, asset: Asset) -> B256 {
    Words::new().u64(l1_chain_id).address(asset).hash()
}

/// The address on the sidechain of the token that stands for an L1 token.
pub fn wrapped_token(l1_chain_id: u64, asset: Asset) -> Address {
    GATEWAY.create2(wrapped_salt(l1_chain_id, asset), WRAPPED_INIT_CODE_HASH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_addresses_spell_the_name() {
        assert_eq!(&GATEWAY[..13], SYSTEM_PREFIX);
        assert_eq!(&PEG[..13], SYSTEM_PREFIX);
    }

    #[test]
    fn uncreditable_recipients_end_where_the_spec_says() {
        let below = address!("0x000000000000000000000000000000000000ffff");
        let above = address!("0x0000000000000000000000000000000000010000");
        let last_system = address!("0x6d6f6f72696e67000000000000ffffffffffffff");
        let past_system = address!("0x6d6f6f72696e6700000000000100000000000000");
        for refused in
            [Address::ZERO, below, SYSTEM_CALLER, HISTORY, GATEWAY, REGISTRY, PEG, last_system]
        {
            assert!(is_uncreditable(refused), "{refused}");
        }
        for allowed in [above, past_system, Address::repeat_byte(0xff)] {
            assert!(!is_uncreditable(allowed), "{allowed}");
        }
    }
}

//! Many hashes against one at a time.

use alloy_primitives::keccak256;
use proptest::{collection::vec, prelude::*};

/// Around the ends of blocks of 136 bytes, which padding fills in different ways.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![0..600_usize, 130..140_usize, 268..276_usize, 531..533_usize]
}

proptest! {
    #[test]
    fn many_messages_hash_as_each_alone(
        lengths in vec(length(), 0..40),
        filling in any::<u8>(),
    ) {
        let byte = |at: usize, i: usize| u8::try_from((at * 31 + i * 7) % 256).unwrap_or_default();
        let message = |(i, length): (usize, &usize)| -> Vec<u8> {
            (0..*length).map(|at| byte(at, i) ^ filling).collect()
        };
        let messages: Vec<_> = lengths.iter().enumerate().map(message).collect();
        let alone: Vec<_> = messages.iter().map(keccak256).collect();
        prop_assert_eq!(mooring_keccak::all(&messages), alone);
    }
}

#[test]
fn messages_of_every_length_hash_as_each_alone() {
    let messages: Vec<_> = (0..700).map(|length| vec![0xa5_u8; length]).collect();
    let alone: Vec<_> = messages.iter().map(keccak256).collect();
    assert_eq!(mooring_keccak::all(&messages), alone);
}

//! Keccak-256 of many messages at once.
//!
//! A block is hashed for in short messages that do not wait for each other: the keys of tries,
//! their nodes of one depth, the topics of logs. Where the processor has AVX-512, eight of them
//! take little longer than one; elsewhere they are hashed one by one. The hashes are the same.

#[cfg(target_arch = "x86_64")]
mod eight;

use alloy_primitives::{B256, keccak256};

/// The Keccak-256 of each message.
pub fn all<M: AsRef<[u8]>>(messages: &[M]) -> Vec<B256> {
    #[cfg(target_arch = "x86_64")]
    if messages.len() > 1 && std::arch::is_x86_feature_detected!("avx512f") {
        return eight::all(messages);
    }
    messages.iter().map(keccak256).collect()
}

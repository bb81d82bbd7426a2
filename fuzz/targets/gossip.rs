//! What peers send: batches of transactions, and the messages of consensus.

#![no_main]

use alloy_primitives::bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mooring_app::p2p::batch::{self, Batch};

fuzz_target!(|input: &[u8]| {
    // The first byte: the type of a message, or a batch.
    match input.split_first() {
        Some((kind, bytes)) if kind.is_ascii_uppercase() => {
            mooring_malachite::fuzz::message(kind - b'A', bytes);
        }
        Some((_, bytes)) => batch(bytes),
        None => {}
    }
});

/// A batch that is read holds what is packed into the same bytes.
fn batch(bytes: &[u8]) {
    let Ok(transactions) = batch::decode(Bytes::copy_from_slice(bytes)) else { return };
    let mut packed = Batch::default();
    let mut messages: Vec<_> = transactions.iter().filter_map(|raw| packed.push(raw)).collect();
    messages.extend(packed.take());
    if let [message] = &messages[..] {
        assert_eq!(message, bytes, "one encoding");
    }
    let again = messages.into_iter().flat_map(|m| batch::decode(m.into()).expect("a batch"));
    assert!(again.eq(transactions), "what is packed is unpacked in order");
}

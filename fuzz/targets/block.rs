//! Blocks as they lie on the disk and as they are proposed.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The first byte: the type of a record, or a proposal.
    match input.split_first() {
        Some((kind, bytes)) if kind.is_ascii_uppercase() => {
            mooring_app::store::fuzz::record(kind - b'A', bytes);
        }
        Some((_, bytes)) => mooring_malachite::fuzz::block(bytes),
        None => {}
    }
});

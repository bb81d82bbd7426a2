//! Snapshots as another node offers them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mooring_app::snapshot::fuzz;

fuzz_target!(|input: &[u8]| {
    // The first byte: what is told of a snapshot and in how many chunks, or a chunk.
    match input.split_first() {
        Some((count, metadata)) if *count >= b'0' => {
            fuzz::manifest(u64::from(*count), u32::from(*count - b'0'), metadata);
        }
        Some((_, chunk)) => fuzz::chunk(chunk),
        None => {}
    }
});

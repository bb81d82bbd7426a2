//! Doors for `make fuzz`: the decoding of what peers send. Each panics when a rule is broken.

use arc_malachitebft_app::consensus::LivenessMsg;
use arc_malachitebft_app::types::core::{
    ExtendedCommitCertificate, PolkaCertificate, ValidatorProof,
};
use arc_malachitebft_app::types::streaming::StreamMessage;
use arc_malachitebft_app::types::sync::{Request, Response, Status};
use arc_malachitebft_app::types::{ProposedValue, SignedConsensusMsg};
use bytes::Bytes;

use crate::block::{ParsedBlock, evidence_key, misbehavior, offence_height};
use crate::codec::Wire;
use crate::context::{Context, Part};

/// Reads a message of the engine, of the type that `kind` chooses: one that is read can be
/// written, and is read again as the same.
///
/// # Panics
/// When that does not hold.
pub fn message(kind: u8, bytes: &[u8]) {
    match kind % 11 {
        0 => again::<Part>(bytes),
        1 => again::<SignedConsensusMsg<Context>>(bytes),
        2 => again::<LivenessMsg<Context>>(bytes),
        3 => again::<StreamMessage<Part>>(bytes),
        4 => again::<ValidatorProof<Context>>(bytes),
        5 => again::<Status<Context>>(bytes),
        6 => again::<Request<Context>>(bytes),
        7 => again::<Response<Context>>(bytes),
        8 => again::<ProposedValue<Context>>(bytes),
        9 => again::<PolkaCertificate<Context>>(bytes),
        _ => again::<ExtendedCommitCertificate<Context>>(bytes),
    }
}

fn again<M: Wire>(bytes: &[u8]) {
    let Ok(message) = M::from_bytes(Bytes::copy_from_slice(bytes)) else { return };
    let written = message.to_bytes().expect("what was read can be written");
    let again = M::from_bytes(written.clone()).expect("what was written can be read");
    assert_eq!(again.to_bytes().ok(), Some(written), "it is the same again");
}

/// Reads a proposed block as far as no state is needed: one that is read has these bytes and no
/// others.
///
/// # Panics
/// When that does not hold.
pub fn block(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(block) = ParsedBlock::parse(bytes.clone()) else { return };
    assert_eq!(*block.bytes(), bytes, "a block is its bytes");
    for piece in block.evidence() {
        evidence_key(piece);
        offence_height(piece);
        misbehavior(piece);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn random_bytes_break_nothing(
            kind in any::<u8>(),
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..32_u8], 0..100),
        ) {
            message(kind, &bytes);
            block(&bytes);
        }
    }
}

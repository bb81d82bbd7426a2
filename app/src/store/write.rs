//! A block as one durable record: all that cannot be derived from anything else.
//!
//! Block zero's has no changes: nothing was before it, and its record is written only when the
//! tables hold its state. Of a large genesis they would be one value of hundreds of megabytes.

use mooring_rocks::Batch;

use super::block::Layer;
use super::{changes, keys, record};

/// The block's record: header, body, receipts, changes, code, and the height of the tip.
pub(super) fn batch(layer: &Layer) -> Batch {
    let mut batch = Batch::new();
    let height = keys::height(layer.number());
    let is_above_genesis = layer.number() > 0;
    // Of a full block each of the three is some milliseconds' work.
    let (body, (receipts, changes)) = rayon::join(
        || record::seal_transactions(&layer.block.transactions),
        || {
            rayon::join(
                || record::seal_receipts(&layer.block.receipts),
                || is_above_genesis.then(|| changes::seal(&layer.changes, &layer.exits)),
            )
        },
    );
    batch.put(keys::HEADER, height, record::seal_tip(&layer.tip));
    batch.put(keys::BODY, height, body);
    batch.put(keys::RECEIPTS, height, receipts);
    if let Some(changes) = changes {
        batch.put(keys::CHANGES, height, changes);
    }
    for (hash, code) in &layer.changes.code {
        batch.put(keys::CODE, hash.as_slice(), record::seal(code));
    }
    batch.put(keys::META, keys::META_TIP, record::seal(&height));
    batch
}

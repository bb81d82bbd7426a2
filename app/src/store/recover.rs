//! Opening: the tables as they are, and the blocks above them from their records.

use std::path::Path;
use std::sync::Arc;

use alloy_primitives::B256;
use mooring_rocks::{Db, Snapshot, Sync};
use mooring_stf::{BlockState as _, ExecutedBlock, Fault};
use mooring_trie::StateTrie;
use rayon::prelude::*;

use super::block::{Block, Layer, Parts, Tip};
use super::chain::Chain;
use super::flush::{self, Job};
use super::hot::Hot;
use super::layer_trie::{Grown, LayerTrie};
use super::mark::Mark;
use super::view::{self, Base};
use super::{StoreError, View, changes, keys, record, write};

/// The chain in the database, with block zero, made by `genesis`, where there was none yet.
pub(super) fn chain(
    db: &Arc<Db>,
    identity: B256,
    hot: Arc<Hot>,
    genesis: impl FnOnce() -> Result<ExecutedBlock, Fault>,
) -> Result<Chain, Fault> {
    if tip_height(&db.snapshot())?.is_none() {
        write_genesis(db, identity, Layer::genesis(genesis()?)?)?;
    }
    let (base, base_tip) = base(db)?;
    let tip = tip_height(&base.snapshot)?.ok_or_else(|| Fault::new("read back the tip"))?;
    flush::forget_changes(db, base.floor)?;
    let mut chain = Chain::new(Arc::new(base), base_tip, Vec::new(), tip, hot);
    chain.layers = layers(&chain, tip)?;
    Ok(chain.renewed())
}

/// The blocks above the tables, up to `tip`, without their tries.
fn layers(tables: &Chain, tip: u64) -> Result<Vec<Arc<Layer>>, Fault> {
    let base = &tables.base;
    let heights: Vec<_> = (base.height + 1..=tip).collect();
    let read = |height: &u64| parts(&base.snapshot, *height);
    let found = heights.par_iter().map(read).collect::<Result<Vec<_>, Fault>>()?;
    let mut frontier = tables.latest.exit_frontier()?;
    let mut parent = tables.base_tip.hash;
    let mut layers = Vec::with_capacity(found.len());
    for parts in found {
        let Tip { header, hash, .. } = &parts.tip;
        if std::mem::replace(&mut parent, *hash) != header.parent_hash {
            let number = header.number;
            return Err(Fault::new(format!("read back block {number}: it has another parent")));
        }
        layers.push(Arc::new(Layer::over(&mut frontier, parts, Vec::new())?));
    }
    Ok(layers)
}

/// What the records say of the block at `height`.
fn parts(base: &Snapshot, height: u64) -> Result<Parts, Fault> {
    let key = keys::height(height);
    let missing = |what| move || Fault::new(format!("read the {what} of block {height}"));
    let tip = view::read(base, keys::HEADER, &key, record::tip)?;
    let tip = tip.ok_or_else(missing("header"))?;
    let changes = view::read(base, keys::CHANGES, &key, changes::changes)?;
    let changes = changes.ok_or_else(missing("changes"))?;
    let transactions = view::read(base, keys::BODY, &key, record::transactions)?;
    let receipts = view::read(base, keys::RECEIPTS, &key, record::receipts)?;
    let block = Block {
        header: tip.header.clone(),
        hash: tip.hash,
        transactions: transactions.ok_or_else(missing("body"))?,
        receipts: receipts.ok_or_else(missing("receipts"))?,
    };
    let trie = LayerTrie::default();
    Ok(Parts { tip, block, changes: changes.state, exits: changes.exits, trie })
}

/// The trie after `layer`, a child of `parent`.
pub(super) fn trie(parent: &View, layer: &Layer) -> Result<Grown, Fault> {
    let height = layer.number();
    let applied = parent.trie()?.apply(parent, height, &layer.changes.hashed());
    let applied = applied
        .map_err(|e| Fault::from_cause(format!("apply block {height} to the state tries"), e))?;
    let (found, expected) = (applied.trie.root(), layer.tip.header.state_root);
    if found != expected {
        return Err(Fault::new(format!(
            "apply block {height}: its state root is {found}, its header says {expected}"
        )));
    }
    Ok(Grown { trie: applied.trie, gone: Arc::new(applied.gone) })
}

/// The tables first: without the record, which names the chain, they are made again.
fn write_genesis(db: &Arc<Db>, identity: B256, layer: Layer) -> Result<(), Fault> {
    let mut batch = write::batch(&layer);
    batch.put(keys::META, keys::META_SCHEMA, record::seal(&keys::SCHEMA.to_be_bytes()));
    batch.put(keys::META, keys::META_CHAIN, record::seal(identity.as_slice()));
    let base = Arc::new(Base {
        snapshot: Arc::new(db.snapshot()),
        height: 0,
        floor: 0,
        blocks: 0,
        trie: StateTrie::default(),
    });
    Job { base, since: None, layers: vec![Arc::new(layer)], floor: 0 }.run(db)?;
    db.write(batch, Sync::Yes).map_err(|e| Fault::from_cause("write block zero", e))
}

/// The tables as they are, and the block that they are of.
pub(super) fn base(db: &Arc<Db>) -> Result<(Base, Tip), Fault> {
    let snapshot = db.snapshot();
    let height = |key, what: &str| {
        let height = view::read(&snapshot, keys::TABLES, key, record::height)?;
        height.ok_or_else(|| Fault::new(format!("read the {what} of the tables")))
    };
    let (height, floor) = (height(keys::FLUSHED, "height")?, height(keys::FLOOR, "floor")?);
    let blocks = view::read(&snapshot, keys::META, keys::META_BLOCKS, record::height)?.unwrap_or(0);
    let tip = stored_tip(&snapshot, height)?;
    let trie = StateTrie::at(tip.header.state_root);
    Ok((Base { snapshot: Arc::new(snapshot), height, floor, blocks, trie }, tip))
}

fn stored_tip(base: &Snapshot, height: u64) -> Result<Tip, Fault> {
    let tip = view::read(base, keys::HEADER, &keys::height(height), record::tip)?;
    tip.ok_or_else(|| Fault::new(format!("read the header of block {height}")))
}

/// The height of the last block on disk.
pub(super) fn tip_height(base: &Snapshot) -> Result<Option<u64>, Fault> {
    view::read(base, keys::META, keys::META_TIP, record::height)
}

/// The height of the block that the tables are of.
pub(super) fn flushed(base: &Snapshot) -> Result<Option<u64>, Fault> {
    view::read(base, keys::TABLES, keys::FLUSHED, record::height)
}

/// Refuses the directory of another schema or chain; an empty one passes.
pub(super) fn check_identity(
    dir: &Path,
    base: &Snapshot,
    expected: B256,
) -> Result<(), StoreError> {
    let path = || dir.to_owned();
    let broken = |source: Fault| StoreError::Database { path: path(), source: Box::new(source) };
    let schema = view::read(base, keys::META, keys::META_SCHEMA, record::schema);
    if let Some(found) = schema.map_err(broken)?
        && found != keys::SCHEMA
    {
        return Err(StoreError::Schema { path: path(), expected: keys::SCHEMA, found });
    }
    let chain = view::read(base, keys::META, keys::META_CHAIN, record::hash);
    match chain.map_err(broken)? {
        Some(found) if found != expected => {
            Err(StoreError::OtherChain { path: path(), expected, found })
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a database that has fewer blocks than it had: than were noted, or than its tables have
/// taken in.
pub(super) fn check_mark(
    dir: &Path,
    base: &Snapshot,
    logs: Vec<String>,
) -> Result<Mark, StoreError> {
    let path = || dir.to_owned();
    let fault = |e: Fault| StoreError::Database { path: path(), source: Box::new(e) };
    let disk = |e: std::io::Error| StoreError::Database { path: path(), source: Box::new(e) };
    let found = tip_height(base).map_err(fault)?;
    let flushed = flushed(base).map_err(fault)?;
    let expected = Mark::read(dir).map_err(disk)?.max(flushed);
    // Block zero is made again where only its tables are there.
    let (found, expected) = (found.unwrap_or(0), expected.unwrap_or(0));
    if expected > found {
        return Err(StoreError::LostBlocks { path: path(), found, expected, logs });
    }
    Mark::open(dir).map_err(disk)
}

//! Opening: the tables as they are, and the blocks above them from their records.

use std::path::Path;
use std::sync::Arc;

use alloy_primitives::B256;
use mooring_rocks::{Db, Snapshot, Sync};
use mooring_stf::{BlockState as _, ExecutedBlock, Fault};
use mooring_trie::StateTrie;

use super::block::{Layer, Tip};
use super::chain::Chain;
use super::flush::{self, Job};
use super::hot::Hot;
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
    let empty = Chain::new(Arc::new(base), base_tip, Vec::new(), tip, hot);
    (empty.base.height + 1..=tip).try_fold(empty, |mut chain, height| {
        let layer = layer(&chain.latest, height)?;
        chain.layers.push(Arc::new(layer));
        Ok(chain.renewed())
    })
}

/// The block at `height`, one above the view, from its record.
fn layer(parent: &View, height: u64) -> Result<Layer, Fault> {
    let key = keys::height(height);
    let missing = |what| Fault::new(format!("read the {what} of block {height}"));
    let tip = parent.read(keys::HEADER, &key, record::tip)?.ok_or_else(|| missing("header"))?;
    let changes = parent.read(keys::CHANGES, &key, changes::changes)?;
    let changes = changes.ok_or_else(|| missing("changes"))?;
    let (applied, (transactions, receipts)) = rayon::join(
        || parent.trie().apply(parent, height, &changes.state.hashed()),
        || {
            let transactions = parent.read(keys::BODY, &key, record::transactions);
            (transactions, parent.read(keys::RECEIPTS, &key, record::receipts))
        },
    );
    let applied = applied
        .map_err(|e| Fault::from_cause(format!("apply block {height} to the state tries"), e))?;
    let (found, expected) = (applied.trie.root(), tip.header.state_root);
    if found != expected {
        return Err(Fault::new(format!(
            "apply block {height}: its state root is {found}, its header says {expected}"
        )));
    }
    let Tip { header, hash, app_hash, exit_root, exit_count } = tip;
    let executed = ExecutedBlock {
        header,
        hash,
        transactions: transactions?.ok_or_else(|| missing("body"))?,
        receipts: receipts?.ok_or_else(|| missing("receipts"))?,
        outcomes: Vec::new(),
        changes: changes.state,
        trie: applied.trie,
        gone: applied.gone,
        exits: changes.exits,
        exit_root,
        exit_count,
        app_hash,
    };
    Layer::new(parent, executed, Vec::new())
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

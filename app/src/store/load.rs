//! Writing a snapshot into an empty store.
//!
//! It takes many table files, so a mark goes first, durable: while it is there, the store counts
//! as empty, and opening it clears what a crash left. The last write takes the mark away together
//! with writing the tip: before it there is no chain above genesis, after it there is one.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use bytes::Bytes;
use mooring_bridge::exit::CompleteNode;
use mooring_rocks::{Batch, Db, Sync};
use mooring_stf::Fault;
use mooring_trie::TrieAccount;

use super::block::Tip;
use super::chain::Chain;
use super::keys::{Part, Table};
use super::view::read;
use super::{Shared, Store, keys, record, recover};
use crate::snapshot::{Entry, Sink, SnapshotError};

/// Bytes of entries in memory before they become table files.
const BUFFER: usize = 64 << 20;
/// About what an entry takes in memory besides its bytes.
const ENTRY_OVERHEAD: usize = 48;
/// Beyond every key of the database.
const END: [u8; 1] = [u8::MAX];

/// A checked snapshot's small parts.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// The chain after the snapshot's block.
    pub(crate) tip: Tip,
    /// The headers below, newest first.
    pub(crate) headers: Vec<Header>,
    /// What an embedded engine must know.
    pub(crate) engine: Option<Engine>,
}

/// What an embedded engine must know to go on.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    /// The consensus block of the snapshot's height.
    pub(crate) block: Bytes,
    /// What proves that it was decided; empty where it is not known.
    pub(crate) certificate: Bytes,
    /// Records by name.
    pub(crate) records: Vec<(Vec<u8>, Bytes)>,
}

impl Store {
    /// Makes the empty store that of a snapshot: `fill` gives its entries, in any order of
    /// tables, and then the rest, all of it checked before. Durable on return. After a failure
    /// the store takes no block, but another snapshot; opened again it is empty.
    ///
    /// # Errors
    /// The store is not empty, what `fill` says, or a [`Fault`] when the disk fails or is full.
    pub(crate) fn load(
        &self,
        fill: impl FnOnce(&mut Loader<'_>) -> Result<Rest, SnapshotError>,
    ) -> Result<(), SnapshotError> {
        let shared = &self.0.shared;
        let _no_flush = shared.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let _writer = shared.lock_writer();
        let height = shared.read(Chain::height);
        let engine = mooring_abci::ConsensusStore::tip(self);
        let engine = engine.map_err(|e| Fault::from_cause("read the decided heights", e))?;
        if height.max(engine) > 0 {
            return Err(SnapshotError::NotEmpty { height: height.max(engine) });
        }
        shared.is_loading.store(true, Ordering::SeqCst);
        let mut begin = cleared();
        begin.put(keys::META, keys::META_LOADING, record::seal(&[]));
        shared.write(begin, Sync::Yes)?;
        let mut loader = Loader::new(&shared.db);
        let rest = fill(&mut loader)?;
        let height = rest.tip.header.number;
        loader.end(&rest.tip)?;
        shared.write(last_batch(&rest), Sync::Yes)?;
        let noted = shared.mark.set(height);
        noted.map_err(|e| Fault::from_cause("note the newest block on disk", e))?;
        let (base, tip) = recover::base(&shared.db)?;
        let hot = shared.read(|chain| Arc::clone(&chain.hot));
        hot.clear();
        shared.publish(Chain::new(Arc::new(base), tip, Vec::new(), height, hot));
        shared.is_loading.store(false, Ordering::SeqCst);
        Ok(())
    }
}

impl Shared {
    /// Refuses to build on what is no chain.
    pub(super) fn check_whole(&self) -> Result<(), Fault> {
        if self.is_loading.load(Ordering::SeqCst) {
            return Err(Fault::new(
                "commit a block: a snapshot was begun and not ended; start the node anew to begin \
                 from genesis, or give it another snapshot",
            ));
        }
        Ok(())
    }
}

/// Makes a store empty whose snapshot a crash cut off.
pub(super) fn clear_unfinished(db: &Arc<Db>) -> Result<(), Fault> {
    let begun = read(&db.snapshot(), keys::META, keys::META_LOADING, |_| Ok(()))?;
    if begun.is_none() {
        return Ok(());
    }
    let mut batch = cleared();
    batch.delete(keys::META, keys::META_TIP);
    batch.delete(keys::META, keys::META_LOADING);
    db.write(batch, Sync::Yes).map_err(|e| Fault::from_cause("clear a snapshot cut off", e))
}

/// All that a store at height zero has in its tables goes.
fn cleared() -> Batch {
    let mut batch = Batch::new();
    batch.delete_range(keys::TABLES, [], END);
    batch
}

/// The step that makes it a chain.
fn last_batch(rest: &Rest) -> Batch {
    let Rest { tip, headers, engine } = rest;
    let height = tip.header.number;
    let mut batch = Batch::new();
    batch.put(keys::HEADER, keys::height(height), record::seal_tip(tip));
    for header in headers {
        let (at, hash) = (keys::height(header.number), header.hash_slow());
        // Of these nothing but the header is known.
        let (app_hash, exit_root, exit_count) = (B256::ZERO, B256::ZERO, 0);
        let tip = Tip { header: header.clone(), hash, app_hash, exit_root, exit_count };
        batch.put(keys::HEADER, at, record::seal_tip(&tip));
    }
    if let Some(Engine { block, certificate, records }) = engine {
        let mut put = |part, bytes: &Bytes| {
            batch.put(keys::DECIDED, keys::decided(height, part), record::seal(bytes));
        };
        put(Part::Block, block);
        put(Part::Certificate, certificate);
        for (name, value) in records {
            batch.put(keys::ENGINE, name.clone(), record::seal(value));
        }
    }
    let blocks = record::seal(&height.saturating_add(1).to_be_bytes());
    batch.put(keys::META, keys::META_BLOCKS, blocks);
    batch.put(keys::META, keys::META_TIP, record::seal(&height.to_be_bytes()));
    batch.delete(keys::META, keys::META_LOADING);
    batch
}

/// The entries of one table, in the order that they came in.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Takes a snapshot's entries into table files, within bounded memory.
#[derive(Debug)]
pub(crate) struct Loader<'a> {
    db: &'a Db,
    /// A buffer each, so that files of one table overlap little.
    tables: [Entries; Table::ExitNode as usize + 1],
    bytes: usize,
}

impl<'a> Loader<'a> {
    fn new(db: &'a Db) -> Self {
        Self { db, tables: Default::default(), bytes: 0 }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Fault> {
        self.bytes += key.len() + value.len() + ENTRY_OVERHEAD;
        // The first byte of a key names its table.
        let table = key.first().and_then(|table| self.tables.get_mut(usize::from(*table)));
        table.ok_or_else(|| Fault::new("name the table of a key"))?.push((key, value));
        if self.bytes > BUFFER { self.write() } else { Ok(()) }
    }

    /// Writes what is in memory, a file a table.
    fn write(&mut self) -> Result<(), Fault> {
        self.bytes = 0;
        for table in &mut self.tables {
            let mut entries = std::mem::take(table);
            if entries.is_empty() {
                continue;
            }
            entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            let put = |file: &mut mooring_rocks::TableFile<'_>| {
                entries.iter().try_for_each(|(key, value)| file.put(key, value))
            };
            let ingested = self.db.ingest(keys::TABLES, put);
            ingested.map_err(|e| Fault::from_cause("write a snapshot's tables", e))?;
        }
        Ok(())
    }

    /// What the tables hold besides the snapshot's entries.
    fn end(&mut self, tip: &Tip) -> Result<(), Fault> {
        let height = record::seal(&tip.header.number.to_be_bytes());
        self.put(keys::FLUSHED.to_vec(), height.clone())?;
        self.put(keys::FLOOR.to_vec(), height.clone())?;
        self.put(keys::number(tip.hash), height)?;
        self.write()
    }
}

impl Sink for Loader<'_> {
    fn put(&mut self, entry: Entry<'_>) -> Result<(), Fault> {
        match entry {
            Entry::Account(key, account) => self.account(key, account),
            Entry::Word(owner, slot, value) => self.word(owner, slot, value),
            Entry::Node(at, rlp) => Self::put(self, keys::node(&at), record::seal(&rlp)),
            Entry::Code(hash, code) => {
                let mut batch = Batch::new();
                batch.put(keys::CODE, hash.as_slice(), record::seal(code));
                // The last write makes it durable: they share one log.
                let written = self.db.write(batch, Sync::No);
                written.map_err(|e| Fault::from_cause("write a snapshot's code", e))
            }
            Entry::Exit(exit) => {
                Self::put(self, keys::exit(exit.index.get()), record::seal_exit(exit))
            }
            Entry::ExitNode(node) => self.exit_node(node),
        }
    }
}

impl Loader<'_> {
    fn account(&mut self, key: B256, account: &TrieAccount) -> Result<(), Fault> {
        Self::put(self, keys::account(key), record::seal(&alloy_rlp::encode(account)))
    }

    fn word(&mut self, owner: B256, slot: B256, value: U256) -> Result<(), Fault> {
        Self::put(self, keys::storage(owner, slot), record::seal_word(value))
    }

    fn exit_node(&mut self, node: CompleteNode) -> Result<(), Fault> {
        let CompleteNode { level, index, hash } = node;
        Self::put(self, keys::exit_node(level, index), record::seal(hash.as_slice()))
    }
}

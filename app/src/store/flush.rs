//! Bringing the tables up to a later block, by one table file.
//!
//! Everything in the tables follows from the records, so the file is written behind, unhurried,
//! and a crash on the way loses nothing: either it is taken over whole or the tables stay at the
//! height they were.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use mooring_rocks::{Batch, Db, Direction, Error as RocksError, Keys, Sync, TableFile};
use mooring_stf::{AccountChange, ChangeSet, Fault, SlotChange};
use mooring_trie::NodeAt;

use super::block::Layer;
use super::entries::Entries;
use super::view::Base;
use super::{changes, keys, record};

/// At most so many blocks of history are pruned in one go.
const MAX_PRUNED: u64 = 4096;

/// The blocks that the tables are to take in.
#[derive(Debug)]
pub(super) struct Job {
    /// The tables as they are.
    pub(super) base: Arc<Base>,
    /// The height of their tries; `None` where there is nothing yet.
    pub(super) since: Option<u64>,
    /// The blocks above them, oldest first; never empty.
    pub(super) layers: Vec<Arc<Layer>>,
    /// The lowest height whose state is to be kept.
    pub(super) floor: u64,
}

/// What stops a flush.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Disk(#[from] RocksError),
    #[error(transparent)]
    Read(#[from] Fault),
}

impl Job {
    /// The height that the tables are brought to.
    pub(super) fn height(&self) -> u64 {
        self.layers.last().map_or(self.base.height, |layer| layer.number())
    }

    /// The floor after this job: what one job cannot prune is left to the next.
    pub(super) fn new_floor(&self) -> u64 {
        self.floor.clamp(self.base.floor, self.base.floor.saturating_add(MAX_PRUNED))
    }

    /// Writes the tables' new entries; durable when this returns.
    ///
    /// # Errors
    /// A [`Fault`] when the database cannot be read or the disk fails or is full.
    pub(super) fn run(&self, db: &Db) -> Result<(), Fault> {
        db.ingest(keys::TABLES, |file| self.fill(file)).map_err(|failure: Failure| {
            let height = self.height();
            Fault::from_cause(format!("bring the tables to height {height}"), failure)
        })?;
        if self.new_floor() > self.base.floor {
            forget_changes(db, self.new_floor())?;
        }
        Ok(())
    }

    /// All tables, in the order of their keys, one in memory at a time.
    fn fill(&self, file: &mut TableFile<'_>) -> Result<(), Failure> {
        self.heights().write(file)?;
        let changes = self.changes();
        accounts(&changes).write(file)?;
        let wipes = self.wipes(&changes)?;
        words(&changes, &wipes).write(file)?;
        self.nodes(file)?;
        // Below genesis is no height that could be asked about.
        if self.since.is_some() {
            let pruned = self.pruned()?;
            account_history(&changes, pruned.accounts).write(file)?;
            word_history(&changes, pruned.words, &wipes).write(file)?;
        }
        drop(changes);
        self.numbers().write(file)?;
        self.transactions().write(file)?;
        self.exits().write(file)?;
        Ok(self.exit_nodes().write(file)?)
    }

    fn heights(&self) -> Entries {
        let mut entries = Entries::default();
        entries.put(keys::FLUSHED, &record::seal(&self.height().to_be_bytes()));
        entries.put(keys::FLOOR, &record::seal(&self.new_floor().to_be_bytes()));
        entries
    }

    fn changes(&self) -> Vec<Change<'_>> {
        let all = self.layers.iter().flat_map(|layer| hashed(layer.number(), &layer.changes));
        all.collect()
    }

    /// The nodes of both sorts of tries: their tables follow each other, and the order of the
    /// nodes is that of their keys. They are most of a job, and never in memory together.
    fn nodes(&self, file: &mut TableFile<'_>) -> Result<(), Failure> {
        let Some(last) = self.layers.last() else { return Ok(()) };
        let mut gone = BTreeSet::<&NodeAt>::new();
        for layer in &self.layers {
            gone.extend(layer.trie.wait()?.gone.iter());
        }
        let mut gone = gone.into_iter().peekable();
        last.trie.wait()?.trie.changed_since(self.since, |at, rlp| {
            while let Some(before) = gone.next_if(|next| **next < at) {
                file.delete(&keys::node(before))?;
            }
            // What went and came again is there.
            gone.next_if_eq(&&at);
            file.put(&keys::node(&at), &record::seal(&rlp))
        })?;
        Ok(gone.try_for_each(|at| file.delete(&keys::node(at)))?)
    }

    fn numbers(&self) -> Entries {
        let mut entries = Entries::default();
        for layer in &self.layers {
            let number = record::seal(&layer.number().to_be_bytes());
            entries.put(&keys::number(layer.tip.hash), &number);
        }
        entries
    }

    fn transactions(&self) -> Entries {
        let mut entries = Entries::default();
        for layer in &self.layers {
            for (index, tx) in layer.block.transactions.iter().enumerate() {
                let position = record::seal_position(layer.number(), index);
                entries.put(&keys::tx(tx.hash()), &position);
            }
        }
        entries
    }

    fn exits(&self) -> Entries {
        let mut entries = Entries::default();
        for exit in self.layers.iter().flat_map(|layer| &layer.exits) {
            entries.put(&keys::exit(exit.index.get()), &record::seal_exit(exit));
        }
        entries
    }

    fn exit_nodes(&self) -> Entries {
        let mut entries = Entries::default();
        for node in self.layers.iter().flat_map(|layer| &layer.exit_nodes) {
            let key = keys::exit_node(node.level, node.index);
            entries.put(&key, &record::seal(node.hash.as_slice()));
        }
        entries
    }
}

/// An account's change by a block, with the keys that the tables know it by.
#[derive(Debug)]
struct Change<'a> {
    height: u64,
    address: Address,
    owner: B256,
    change: &'a AccountChange,
    /// The hashed slots of `change.storage`, in its order.
    slots: Vec<B256>,
}

impl Change<'_> {
    /// The words written, by hashed slot.
    fn words(&self) -> impl Iterator<Item = (B256, &SlotChange)> {
        self.slots.iter().copied().zip(self.change.storage.values())
    }
}

/// The changes of the block at `height`; what it hashes it hashes together.
fn hashed(height: u64, changes: &ChangeSet) -> impl Iterator<Item = Change<'_>> {
    let addresses: Vec<_> = changes.accounts.keys().copied().collect();
    let storage = changes.accounts.values().flat_map(|change| change.storage.keys());
    let slots: Vec<_> = storage.map(U256::to_be_bytes::<32>).collect();
    let owners = mooring_keccak::all(&addresses);
    let mut slots = mooring_keccak::all(&slots).into_iter();
    changes.accounts.iter().zip(owners).map(move |((address, change), owner)| {
        let slots = slots.by_ref().take(change.storage.len()).collect();
        Change { height, address: *address, owner, change, slots }
    })
}

fn accounts(changes: &[Change<'_>]) -> Entries {
    let mut entries = Entries::default();
    for Change { owner, change, .. } in changes {
        let account = change.account.as_ref().map(record::seal_account);
        entries.push(&keys::account(*owner), account.as_deref());
    }
    entries
}

fn words(changes: &[Change<'_>], wipes: &Wipes) -> Entries {
    let mut entries = Entries::default();
    for at @ Change { owner, change, .. } in changes {
        if let Some(words) = wipes.get(&(at.height, at.address)) {
            words.keys().for_each(|slot| entries.remove(&keys::storage(*owner, *slot)));
        }
        // What is written to an account that ends the block deleted is lost with it.
        for (slot, word) in at.words().filter(|_| change.account.is_some()) {
            let value = (!word.after.is_zero()).then(|| record::seal_word(word.after));
            entries.push(&keys::storage(*owner, slot), value.as_deref());
        }
    }
    entries
}

fn account_history(changes: &[Change<'_>], pruned: Entries) -> Entries {
    let mut entries = pruned;
    for Change { height, owner, change, .. } in changes {
        let before = record::seal_past_account(change.before.as_ref());
        entries.put(&keys::account_history(*owner, *height), &before);
    }
    entries
}

fn word_history(changes: &[Change<'_>], pruned: Entries, wipes: &Wipes) -> Entries {
    let mut entries = pruned;
    for at in changes {
        let key = |slot| keys::storage_history(at.owner, slot, at.height);
        for (slot, word) in at.words() {
            entries.put(&key(slot), &record::seal_word(word.before));
        }
        // Later entries win: a wiped word was there before, whatever was written after.
        for (slot, word) in wipes.get(&(at.height, at.address)).into_iter().flatten() {
            entries.put(&key(*slot), &record::seal_word(*word));
        }
    }
    entries
}

/// The words that a block's wiping of an account's storage took away, by hashed slot.
type Wipes = BTreeMap<(u64, Address), BTreeMap<B256, U256>>;

/// Removals from the two tables of history.
#[derive(Debug, Default)]
struct Pruned {
    accounts: Entries,
    words: Entries,
}

impl Job {
    /// What each wiped storage held: that of the tables and of the earlier blocks of the job.
    fn wipes(&self, changes: &[Change<'_>]) -> Result<Wipes, Fault> {
        let mut wipes = Wipes::new();
        for Change { height, address, owner, change, .. } in changes {
            if change.before.is_some() && (change.wiped || change.account.is_none()) {
                let words = self.words_before(*height, *owner, *address)?;
                if !words.is_empty() {
                    wipes.insert((*height, *address), words);
                }
            }
        }
        Ok(wipes)
    }

    fn words_before(
        &self,
        height: u64,
        owner: B256,
        address: Address,
    ) -> Result<BTreeMap<B256, U256>, Fault> {
        let mut words = self.stored_words(owner)?;
        let earlier = self.layers.iter().take_while(|layer| layer.number() < height);
        for change in earlier.filter_map(|layer| layer.changes.accounts.get(&address)) {
            if change.wiped || change.account.is_none() {
                words.clear();
            }
            let written = change.storage.iter().filter(|_| change.account.is_some());
            words.extend(written.map(|(slot, word)| (keys::hashed(*slot), word.after)));
        }
        words.retain(|_, word| !word.is_zero());
        Ok(words)
    }

    fn stored_words(&self, owner: B256) -> Result<BTreeMap<B256, U256>, Fault> {
        let fault = |e| Fault::from_cause(format!("read the storage of account {owner}"), e);
        let prefix = keys::storage_of(owner);
        let snapshot = &self.base.snapshot;
        let scan = snapshot.scan(keys::TABLES, Keys::Prefix(&prefix), Direction::Forward);
        let mut words = BTreeMap::new();
        for entry in scan.map_err(fault)? {
            let (key, value) = entry.map_err(fault)?;
            let word = record::open(&value).and_then(record::word);
            let word = word.map_err(|e| Fault::from_cause("read a word of storage", e))?;
            words.insert(B256::from_slice(&key[prefix.len()..]), word);
        }
        Ok(words)
    }

    /// The history of accounts and of words that the new floor makes useless, as removals.
    fn pruned(&self) -> Result<Pruned, Fault> {
        let mut pruned = Pruned::default();
        for height in self.base.floor + 1..=self.new_floor() {
            let attempt = || format!("read the changes of block {height}");
            let key = keys::height(height);
            let found = self.base.snapshot.get(keys::CHANGES, key);
            let found = found.map_err(|e| Fault::from_cause(attempt(), e))?;
            // Wiped words that were not written anew stay: they are few, and never read.
            let Some(found) = found else { continue };
            let found = record::open(&found).and_then(changes::changes);
            let found = found.map_err(|e| Fault::from_cause(attempt(), e))?;
            for Change { owner, slots, .. } in hashed(height, &found.state) {
                pruned.accounts.remove(&keys::account_history(owner, height));
                for slot in slots {
                    pruned.words.remove(&keys::storage_history(owner, slot, height));
                }
            }
        }
        Ok(pruned)
    }
}

/// Removes the records of changes that no history needs: those up to `floor`. The tip's stays.
pub(super) fn forget_changes(db: &Db, floor: u64) -> Result<(), Fault> {
    let mut batch = Batch::new();
    batch.delete_range(keys::CHANGES, keys::height(1), keys::height(floor.saturating_add(1)));
    db.write(batch, Sync::No).map_err(|e| Fault::from_cause("prune the records of changes", e))
}

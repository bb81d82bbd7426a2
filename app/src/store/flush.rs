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

use super::block::Layer;
use super::view::Base;
use super::{changes, keys, record};

/// At most so many blocks of history are pruned in one go.
const MAX_PRUNED: u64 = 4096;

/// One table's entries: the value of a key, `None` where it goes.
type Entries = Vec<(Vec<u8>, Option<Vec<u8>>)>;

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
        let height = |height: u64| Some(record::seal(&height.to_be_bytes()));
        let meta = [
            (keys::FLUSHED.to_vec(), height(self.height())),
            (keys::FLOOR.to_vec(), height(self.new_floor())),
        ];
        write(file, meta.into())?;
        let changes = self.changes();
        write(file, accounts(&changes))?;
        let wipes = self.wipes(&changes)?;
        write(file, words(&changes, &wipes))?;
        write(file, self.nodes()?)?;
        // Below genesis is no height that could be asked about.
        if self.since.is_some() {
            let pruned = self.pruned()?;
            write(file, account_history(&changes, pruned.accounts))?;
            write(file, word_history(&changes, pruned.words, &wipes))?;
        }
        drop(changes);
        write(file, self.numbers())?;
        write(file, self.transactions())?;
        write(file, self.exits())?;
        Ok(write(file, self.exit_nodes())?)
    }

    fn changes(&self) -> Vec<Change<'_>> {
        let all = self.layers.iter().flat_map(|layer| hashed(layer.number(), &layer.changes));
        all.collect()
    }

    /// The nodes of both sorts of tries: their tables follow each other.
    fn nodes(&self) -> Result<Entries, Fault> {
        let mut entries = Entries::new();
        for layer in &self.layers {
            let gone = &layer.trie.wait()?.gone;
            entries.extend(gone.iter().map(|at| (keys::node(at), None)));
        }
        if let Some(layer) = self.layers.last() {
            layer.trie.wait()?.trie.changed_since(self.since, |at, rlp| {
                entries.push((keys::node(&at), Some(record::seal(&rlp))));
            });
        }
        Ok(entries)
    }

    fn numbers(&self) -> Entries {
        let entry = |layer: &Arc<Layer>| {
            let number = record::seal(&layer.number().to_be_bytes());
            (keys::number(layer.tip.hash), Some(number))
        };
        self.layers.iter().map(entry).collect()
    }

    fn transactions(&self) -> Entries {
        let mut entries = Entries::new();
        for layer in &self.layers {
            for (index, tx) in layer.block.transactions.iter().enumerate() {
                let position = record::seal_position(layer.number(), index);
                entries.push((keys::tx(tx.hash()), Some(position)));
            }
        }
        entries
    }

    fn exits(&self) -> Entries {
        let exits = self.layers.iter().flat_map(|layer| &layer.exits);
        exits.map(|exit| (keys::exit(exit.index.get()), Some(record::seal_exit(exit)))).collect()
    }

    fn exit_nodes(&self) -> Entries {
        let nodes = self.layers.iter().flat_map(|layer| &layer.exit_nodes);
        let entry = |node: &mooring_bridge::exit::CompleteNode| {
            let key = keys::exit_node(node.level, node.index);
            (key, Some(record::seal(node.hash.as_slice())))
        };
        nodes.map(entry).collect()
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
    let entry = |Change { owner, change, .. }: &Change<'_>| {
        (keys::account(*owner), change.account.as_ref().map(record::seal_account))
    };
    changes.iter().map(entry).collect()
}

fn words(changes: &[Change<'_>], wipes: &Wipes) -> Entries {
    let mut entries = Entries::new();
    for at @ Change { owner, change, .. } in changes {
        if let Some(words) = wipes.get(&(at.height, at.address)) {
            entries.extend(words.keys().map(|slot| (keys::storage(*owner, *slot), None)));
        }
        // What is written to an account that ends the block deleted is lost with it.
        for (slot, word) in at.words().filter(|_| change.account.is_some()) {
            let value = (!word.after.is_zero()).then(|| record::seal_word(word.after));
            entries.push((keys::storage(*owner, slot), value));
        }
    }
    entries
}

fn account_history(changes: &[Change<'_>], pruned: Entries) -> Entries {
    let mut entries = pruned;
    for Change { height, owner, change, .. } in changes {
        let before = record::seal_past_account(change.before.as_ref());
        entries.push((keys::account_history(*owner, *height), Some(before)));
    }
    entries
}

fn word_history(changes: &[Change<'_>], pruned: Entries, wipes: &Wipes) -> Entries {
    let mut entries = pruned;
    for at in changes {
        let key = |slot| keys::storage_history(at.owner, slot, at.height);
        for (slot, word) in at.words() {
            entries.push((key(slot), Some(record::seal_word(word.before))));
        }
        // Later entries win: a wiped word was there before, whatever was written after.
        for (slot, word) in wipes.get(&(at.height, at.address)).into_iter().flatten() {
            entries.push((key(*slot), Some(record::seal_word(*word))));
        }
    }
    entries
}

/// The words that a block's wiping of an account's storage took away, by hashed slot.
type Wipes = BTreeMap<(u64, Address), BTreeMap<B256, U256>>;

/// Removals from the two tables of history.
#[derive(Debug)]
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
        let (mut accounts, mut words) = (BTreeSet::new(), BTreeSet::new());
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
                accounts.insert(keys::account_history(owner, height));
                let slots = slots.into_iter();
                words.extend(slots.map(|slot| keys::storage_history(owner, slot, height)));
            }
        }
        let removals = |keys: BTreeSet<Vec<u8>>| keys.into_iter().map(|key| (key, None)).collect();
        Ok(Pruned { accounts: removals(accounts), words: removals(words) })
    }
}

/// Writes one table, or several that follow each other, in order of keys; of entries with one key
/// the last counts.
fn write(file: &mut TableFile<'_>, mut entries: Entries) -> Result<(), RocksError> {
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let mut entries = entries.into_iter().peekable();
    while let Some((key, value)) = entries.next() {
        if entries.peek().is_some_and(|next| next.0 == key) {
            continue;
        }
        match value {
            Some(value) => file.put(&key, &value)?,
            None => file.delete(&key)?,
        }
    }
    Ok(())
}

/// Removes the records of changes that no history needs: those up to `floor`. The tip's stays.
pub(super) fn forget_changes(db: &Db, floor: u64) -> Result<(), Fault> {
    let mut batch = Batch::new();
    batch.delete_range(keys::CHANGES, keys::height(1), keys::height(floor.saturating_add(1)));
    db.write(batch, Sync::No).map_err(|e| Fault::from_cause("prune the records of changes", e))
}

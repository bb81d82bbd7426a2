//! A block in memory, and what it writes.

use std::collections::HashMap;
use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use bytes::Bytes;
use mooring_bridge::exit::{CompleteNode, Exit, Frontier};
use mooring_stf::tx::{EthReceipt, EthTx};
use mooring_stf::{AccountRecord, ChangeSet, ExecutedBlock, Fault};
use mooring_trie::StateTrie;

use super::View;
use super::layer_trie::LayerTrie;

/// A block of the chain with its receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The true Ethereum header.
    pub header: Header,
    /// keccak256 of the header.
    pub hash: B256,
    /// The Ethereum list.
    pub transactions: Vec<EthTx>,
    /// One receipt a transaction.
    pub receipts: Vec<EthReceipt>,
}

impl Block {
    /// The block's height.
    pub const fn number(&self) -> u64 {
        self.header.number
    }
}

/// The chain after one block, in short: what `Info` and the next block need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The Ethereum header.
    pub header: Header,
    /// keccak256 of the header.
    pub hash: B256,
    /// What the next block's consensus header carries.
    pub app_hash: B256,
    /// Root of the exit tree after the block.
    pub exit_root: B256,
    /// Exits made since genesis.
    pub exit_count: u64,
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxPosition {
    /// Height of its block.
    pub height: u64,
    /// Index in the block's Ethereum list.
    pub index: usize,
}

/// One executed block with everything it writes: what [`super::Store::commit`] takes, and an
/// overlay over the tables until they are brought up to it.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(super) tip: Tip,
    pub(super) block: Arc<Block>,
    pub(super) changes: ChangeSet,
    /// The state's trie after the block.
    pub(super) trie: LayerTrie,
    pub(super) exits: Vec<Exit>,
    pub(super) exit_nodes: Vec<CompleteNode>,
    pub(super) included: Vec<Bytes>,
    /// Transactions by hash.
    index: HashMap<B256, usize>,
    /// About how many bytes of memory its changes take, those of its trie included.
    pub(super) weight: usize,
}

impl Layer {
    /// Block zero.
    ///
    /// # Errors
    /// A [`Fault`] when genesis holds more exits than a tree can.
    pub fn genesis(executed: ExecutedBlock) -> Result<Self, Fault> {
        Self::over(&mut Frontier::default(), executed.into(), Vec::new())
    }

    /// The block executed on `parent`. `included` are the consensus transactions it was made of.
    ///
    /// # Errors
    /// A [`Fault`] when the exit tree cannot be read, or `executed` is not the parent's child.
    pub fn new(
        parent: &View,
        executed: ExecutedBlock,
        included: Vec<Bytes>,
    ) -> Result<Self, Fault> {
        if executed.header.parent_hash != parent.hash() {
            return Err(Fault::new("append a block to another block than its parent"));
        }
        Self::over(&mut parent.exit_frontier()?, executed.into(), included)
    }

    /// The block on one with this exit tree, which grows by the block's exits.
    ///
    /// # Errors
    /// A [`Fault`] when the tree is full, or becomes another than the block's.
    pub(super) fn over(
        frontier: &mut Frontier,
        parts: Parts,
        included: Vec<Bytes>,
    ) -> Result<Self, Fault> {
        let Parts { tip, block, changes, exits, trie } = parts;
        let mut exit_nodes = Vec::new();
        for exit in &exits {
            let nodes = frontier
                .append(exit.leaf())
                .map_err(|full| Fault::from_cause("append to the exit tree", full))?;
            exit_nodes.extend(nodes);
        }
        if frontier.root() != tip.exit_root || frontier.count() != tip.exit_count {
            return Err(Fault::new("keep an exit tree equal to the state's"));
        }
        let hashes = block.transactions.iter().enumerate();
        let index = hashes.map(|(index, tx)| (tx.hash(), index)).collect();
        let weight = weight(&changes);
        let block = Arc::new(block);
        Ok(Self { tip, block, changes, trie, exits, exit_nodes, included, index, weight })
    }

    /// The chain after this block.
    pub const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The block.
    pub const fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// The consensus transactions it was made of.
    pub fn included(&self) -> &[Bytes] {
        &self.included
    }

    /// Height of the block.
    pub(super) const fn number(&self) -> u64 {
        self.tip.header.number
    }

    /// Lets go of the trie's nodes beyond `budget` bytes, least recently used first, as far as the
    /// tables, at height `stored`, hold them.
    pub(super) fn trim(&mut self, stored: u64, budget: usize) {
        let resident = |trie: &LayerTrie| trie.get().map_or(0, StateTrie::resident);
        if resident(&self.trie) <= budget {
            return;
        }
        for keep in [64, 8, 1] {
            let used = self.number().saturating_sub(keep);
            self.trie = self.trie.changed(|trie| trie.pruned(stored, used));
            if resident(&self.trie) <= budget / 4 * 3 {
                return;
            }
        }
    }

    /// The accounts it changed, as they are after it; `None` for one that is gone.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, Option<AccountRecord>)> + '_ {
        self.changes.accounts.iter().map(|(address, change)| (*address, change.account.clone()))
    }

    /// The account at `address` after this block: outer `None` when the block left it alone.
    pub(super) fn account(&self, address: Address) -> Option<Option<&AccountRecord>> {
        Some(self.changes.accounts.get(&address)?.account.as_ref())
    }

    /// The word after this block, `None` when the block left it alone.
    pub(super) fn slot(&self, address: Address, slot: U256) -> Option<U256> {
        let change = self.changes.accounts.get(&address)?;
        if change.account.is_none() {
            return Some(U256::ZERO);
        }
        let written = change.storage.get(&slot).map(|change| change.after);
        written.or_else(|| change.wiped.then_some(U256::ZERO))
    }

    /// Where the transaction with this hash is in the block.
    pub(super) fn position(&self, hash: B256) -> Option<TxPosition> {
        let index = *self.index.get(&hash)?;
        Some(TxPosition { height: self.number(), index })
    }
}

/// What a layer is made of, from an execution or from records.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) tip: Tip,
    pub(super) block: Block,
    pub(super) changes: ChangeSet,
    pub(super) exits: Vec<Exit>,
    pub(super) trie: LayerTrie,
}

impl From<ExecutedBlock> for Parts {
    fn from(executed: ExecutedBlock) -> Self {
        let ExecutedBlock { header, hash, app_hash, exit_root, exit_count, .. } = executed;
        let ExecutedBlock { transactions, receipts, changes, exits, trie, gone, .. } = executed;
        Self {
            tip: Tip { header: header.clone(), hash, app_hash, exit_root, exit_count },
            block: Block { header, hash, transactions, receipts },
            changes,
            exits,
            trie: LayerTrie::new(trie, gone),
        }
    }
}

fn weight(changes: &ChangeSet) -> usize {
    const PER_CHANGE: usize = 1024;
    let words: usize = changes.accounts.values().map(|account| account.storage.len()).sum();
    (words + changes.accounts.len()) * PER_CHANGE
}

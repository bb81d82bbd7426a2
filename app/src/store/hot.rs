//! Accounts, words and old blocks in use, each under a budget of bytes.
//!
//! A block is what its hash says. Every other entry is the newest value of its key, with the height since which it is known to hold:
//! right for every view at that height or above. Commits overwrite before readers see the new tip.

use std::sync::Arc;

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256};
use mooring_stf::{AccountRecord, ChangeSet, tx::EthTx};
use mooring_trie::EMPTY_ROOT_HASH;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::block::Block;

/// The least budget of each of the two parts, so that an entry always fits.
const LEAST_BYTES: u64 = 1 << 20;
/// About what an entry costs besides its key and its value.
const ENTRY_OVERHEAD: u64 = 32;

/// Budget of the blocks: some of five thousand transactions, which take ten milliseconds to read.
const BLOCK_BYTES: u64 = 16 << 20;
/// How many blocks to expect.
const BLOCKS: usize = 256;
/// About what a transaction takes with its receipt, besides its data and its logs.
const TX_BYTES: usize = 1_000;
/// About what a log takes besides its data.
const LOG_BYTES: usize = 250;

#[derive(Clone, Debug)]
struct Known<T> {
    since: u64,
    value: T,
}

type Accounts = Cache<Address, Known<Option<AccountRecord>>, Bytes>;
type Slots = Cache<(Address, U256), Known<U256>, Bytes>;

type Blocks = Cache<B256, Arc<Block>, BlockWeight>;

/// About the bytes of memory of a block.
#[derive(Clone, Debug)]
struct BlockWeight;

impl Weighter<B256, Arc<Block>> for BlockWeight {
    fn weight(&self, _: &B256, block: &Arc<Block>) -> u64 {
        let logs = block.receipts.iter().flat_map(|receipt| &receipt.logs);
        let logs = logs.fold(0, |sum: usize, log| sum + LOG_BYTES + log.data.data.len());
        let inputs: usize = block.transactions.iter().map(input_bytes).sum();
        let each = (1 + block.transactions.len()).saturating_mul(TX_BYTES);
        each.saturating_add(logs).saturating_add(inputs) as u64
    }
}

fn input_bytes(tx: &EthTx) -> usize {
    match tx {
        EthTx::System(tx) => tx.data.len(),
        EthTx::Signed(tx) => tx.input().len(),
    }
}

/// All entries of a part weigh the same.
#[derive(Clone, Debug)]
struct Bytes(u64);

impl<K, V> Weighter<K, V> for Bytes {
    fn weight(&self, _: &K, _: &V) -> u64 {
        self.0
    }
}

impl Bytes {
    const fn of<K, V>() -> Self {
        Self((size_of::<K>() + size_of::<V>()) as u64 + ENTRY_OVERHEAD)
    }
}

/// The newest values of accounts and words in use, and blocks that were read back.
#[derive(Debug)]
pub(super) struct Hot {
    accounts: Accounts,
    slots: Slots,
    blocks: Blocks,
}

impl Hot {
    /// With at most about `bytes` of memory.
    pub(super) fn new(bytes: usize) -> Self {
        let half = (bytes as u64 / 2).max(LEAST_BYTES);
        let account = Bytes::of::<Address, Known<Option<AccountRecord>>>();
        let slot = Bytes::of::<(Address, U256), Known<U256>>();
        let items = |weight: &Bytes| usize::try_from(half / weight.0).unwrap_or(usize::MAX);
        Self {
            accounts: Cache::with_weighter(items(&account), half, account),
            slots: Cache::with_weighter(items(&slot), half, slot),
            blocks: blocks(),
        }
    }

    /// The block with this hash, where it was read.
    pub(super) fn block(&self, hash: B256) -> Option<Arc<Block>> {
        self.blocks.get(&hash)
    }

    /// Keeps a block that was read.
    pub(super) fn keep_block(&self, block: &Arc<Block>) {
        self.blocks.insert(block.hash, Arc::clone(block));
    }

    /// The account at `height`, where it is known.
    pub(super) fn account(&self, address: Address, height: u64) -> Option<Option<AccountRecord>> {
        let known = self.accounts.get(&address)?;
        (known.since <= height).then_some(known.value)
    }

    /// The word at `height`, where it is known.
    pub(super) fn slot(&self, address: Address, slot: U256, height: u64) -> Option<U256> {
        let known = self.slots.get(&(address, slot))?;
        (known.since <= height).then_some(known.value)
    }

    /// Keeps what was read at the tip, which is at `height`.
    pub(super) fn keep_account(&self, address: Address, height: u64, value: Option<AccountRecord>) {
        self.accounts.insert(address, Known { since: height, value });
    }

    /// Keeps what was read at the tip, which is at `height`.
    pub(super) fn keep_slot(&self, address: Address, slot: U256, height: u64, value: U256) {
        self.slots.insert((address, slot), Known { since: height, value });
    }

    /// Takes over what the block at `height` changed.
    pub(super) fn commit(&self, height: u64, changes: &ChangeSet) {
        for change in changes.accounts.values() {
            let had_storage = |before: &AccountRecord| before.storage_root != EMPTY_ROOT_HASH;
            let is_wiped = change.wiped || change.account.is_none();
            if is_wiped && change.before.as_ref().is_some_and(had_storage) {
                // Which of its words are known is not; it happens next to never.
                self.slots.clear();
            }
        }
        for (address, change) in &changes.accounts {
            self.keep_account(*address, height, change.account.clone());
            // What is written to an account that ends the block deleted is lost with it.
            for (slot, word) in change.storage.iter().filter(|_| change.account.is_some()) {
                self.keep_slot(*address, *slot, height, word.after);
            }
        }
    }

    /// Forgets everything: blocks were dropped.
    pub(super) fn clear(&self) {
        self.accounts.clear();
        self.slots.clear();
    }
}

/// In one shard, so that a large block fits, and half of it for those that were read once.
fn blocks() -> Blocks {
    let mut options = OptionsBuilder::new();
    options.shards(1).estimated_items_capacity(BLOCKS).weight_capacity(BLOCK_BYTES);
    match options.hot_allocation(0.5).build() {
        Ok(options) => Cache::with_options(
            options,
            BlockWeight,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ),
        Err(_) => Cache::with_weighter(BLOCKS, BLOCK_BYTES, BlockWeight),
    }
}

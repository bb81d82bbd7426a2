//! The chain as it was after one block.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use mooring_bridge::exit::{Frontier, LEVELS};
use mooring_rocks::{ColumnFamily, Snapshot};
use mooring_stf::{AccountRecord, BlockState, Fault, StateReader};
use mooring_trie::{EMPTY_ROOT_HASH, Nibbles, NodeReader, StateTrie};

use super::block::{Block, Layer, Tip};
use super::hot::Hot;
use super::{history, keys, record};

/// The database as it was at one moment.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) snapshot: Arc<Snapshot>,
    /// The height that the tables are of.
    pub(super) height: u64,
    /// The lowest height whose state they can still tell.
    pub(super) floor: u64,
    /// The lowest height, above genesis, whose block is kept: of those below, the newest have a
    /// header and no more.
    pub(super) blocks: u64,
    /// Their trie.
    pub(super) trie: StateTrie,
}

/// A consistent, read-only view of the chain up to one block: its state, and all blocks below.
/// Cheap to clone; commits that happen meanwhile do not show in it. Hold it for one answer, not
/// for ever: it keeps old versions on disk.
#[derive(Clone, Debug)]
pub struct View(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tip: Tip,
    /// The newest block of the chain that can no longer be dropped.
    finalized: u64,
    base: Arc<Base>,
    /// Blocks above the base, oldest first.
    layers: Vec<Arc<Layer>>,
    hot: Arc<Hot>,
    /// Whether what is read from the base is kept in `hot`: for the tip alone.
    is_head: bool,
}

impl View {
    /// The view of the last of `layers`, or of the base where there are none.
    pub(super) fn new(
        tip: Tip,
        finalized: u64,
        base: Arc<Base>,
        layers: Vec<Arc<Layer>>,
        hot: Arc<Hot>,
    ) -> Self {
        Self(Arc::new(Inner { tip, finalized, base, layers, hot, is_head: false }))
    }

    /// The same view, which also keeps what it reads for later: for whoever executes blocks on
    /// the tip, one at a time, and commits nothing while it is in use.
    #[must_use]
    pub(super) fn as_head(&self) -> Self {
        let Inner { tip, finalized, base, layers, hot, .. } = &*self.0;
        let (tip, base, hot) = (tip.clone(), Arc::clone(base), Arc::clone(hot));
        let (finalized, layers) = (*finalized, layers.clone());
        Self(Arc::new(Inner { tip, finalized, base, layers, hot, is_head: true }))
    }

    /// The block that the view ends at.
    pub fn tip(&self) -> &Tip {
        &self.0.tip
    }

    /// The header of that block.
    pub fn header(&self) -> &Header {
        &self.0.tip.header
    }

    /// Its height.
    pub fn number(&self) -> u64 {
        self.header().number
    }

    /// Its hash.
    pub fn hash(&self) -> B256 {
        self.0.tip.hash
    }

    /// The newest block at or below the view's that can no longer be dropped. Equal to
    /// [`Self::number`] but on a dev chain with a finality lag.
    pub fn finalized_number(&self) -> u64 {
        self.0.finalized.min(self.number())
    }

    /// The nonce, balance and code hash at `address`; an absent account reads as an empty one.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn account_or_empty(&self, address: Address) -> Result<AccountRecord, Fault> {
        Ok(self.account(address)?.unwrap_or(AccountRecord {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: KECCAK256_EMPTY,
            storage_root: EMPTY_ROOT_HASH,
        }))
    }

    /// The code at `address`, empty when there is none.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn code_at(&self, address: Address) -> Result<Bytes, Fault> {
        self.code(self.account_or_empty(address)?.code_hash)
    }

    /// The block with this hash, where it was read from the base before.
    pub(super) fn known_block(&self, hash: B256) -> Option<Arc<Block>> {
        self.0.hot.block(hash)
    }

    /// Keeps a block that was read from the base.
    pub(super) fn keep_block(&self, block: &Arc<Block>) {
        self.0.hot.keep_block(block);
    }

    /// The value `decode`d from a record of the base, `None` when it is absent.
    pub(super) fn read<T>(
        &self,
        family: ColumnFamily,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, record::Malformed>,
    ) -> Result<Option<T>, Fault> {
        read(&self.0.base.snapshot, family, key, decode)
    }

    /// The value `decode`d from an entry of the tables, `None` when it is absent.
    pub(super) fn table<T>(
        &self,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, record::Malformed>,
    ) -> Result<Option<T>, Fault> {
        self.read(keys::TABLES, key, decode)
    }

    /// Whether the block at `number`, not above the view, is kept: not where the chain came from
    /// a snapshot above it. Genesis always is.
    pub fn has_block(&self, number: u64) -> bool {
        number == 0 || number >= self.0.base.blocks
    }

    /// The blocks above the base, newest first.
    pub(super) fn layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.0.layers.iter().rev()
    }

    /// The right edge of the exit tree after the view's block.
    pub(super) fn exit_frontier(&self) -> Result<Frontier, Fault> {
        let count = self.tip().exit_count;
        let mut levels = [B256::ZERO; LEVELS];
        for (level, hash) in levels.iter_mut().enumerate() {
            if count >> level & 1 == 1 {
                *hash = self
                    .exit_node(level, (count >> level) - 1)?
                    .ok_or_else(|| Fault::new("read the exit tree's frontier"))?;
            }
        }
        Frontier::from_parts(count, levels)
            .map_err(|full| Fault::from_cause("read the exit tree's frontier", full))
    }
}

/// Reads and decodes one record of a snapshot.
pub(super) fn read<T>(
    base: &Snapshot,
    family: ColumnFamily,
    key: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, record::Malformed>,
) -> Result<Option<T>, Fault> {
    let attempt = || format!("read {} {}", family.name, hex::encode(key));
    let Some(bytes) = base.get(family, key).map_err(|cause| Fault::from_cause(attempt(), cause))?
    else {
        return Ok(None);
    };
    record::open(&bytes).and_then(decode).map(Some).map_err(|e| Fault::from_cause(attempt(), e))
}

impl NodeReader for View {
    type Error = Fault;

    /// A node that the view's trie does not hold in memory: it has not changed since the base.
    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>, Fault> {
        self.table(&keys::node(&(owner, *path)), |bytes| Ok(bytes.to_vec()))
    }
}

impl BlockState for View {
    /// Waits for it where the view's block was read back a moment ago.
    fn trie(&self) -> Result<StateTrie, Fault> {
        if let Some(layer) = self.0.layers.last() {
            return Ok(layer.trie.wait()?.trie.clone());
        }
        let held = self.held_trie().cloned();
        Ok(held.unwrap_or_else(|| StateTrie::at(self.header().state_root)))
    }
}

impl View {
    /// The account as far as the trie in memory tells.
    fn known_account(&self, address: Address) -> Option<Option<AccountRecord>> {
        let known = self.held_trie()?.known_account(keccak256(address))?;
        Some(known.map(record::of_value))
    }

    /// The word as far as the trie in memory tells.
    fn known_word(&self, address: Address, slot: U256) -> Option<U256> {
        self.held_trie()?.known_word(keccak256(address), keys::hashed(slot))
    }

    /// The view's trie, where some of it is in memory.
    fn held_trie(&self) -> Option<&StateTrie> {
        match self.0.layers.last() {
            Some(layer) => layer.trie.get(),
            None => (self.number() == self.0.base.height).then_some(&self.0.base.trie),
        }
    }

    /// The account in the tables, as it was at the view's height.
    fn stored_account(&self, address: Address) -> Result<Option<AccountRecord>, Fault> {
        let key = keccak256(address);
        let base = &self.0.base;
        if self.number() < base.height
            && let Some(past) = history::account(&base.snapshot, key, self.number())?
        {
            return Ok(past);
        }
        self.table(&keys::account(key), record::account)
    }

    /// The word in the tables, as it was at the view's height.
    fn stored_word(&self, address: Address, slot: U256) -> Result<U256, Fault> {
        let (owner, slot) = (keccak256(address), keys::hashed(slot));
        let base = &self.0.base;
        if self.number() < base.height
            && let Some(past) = history::word(&base.snapshot, owner, slot, self.number())?
        {
            return Ok(past);
        }
        Ok(self.table(&keys::storage(owner, slot), record::word)?.unwrap_or_default())
    }
}

impl StateReader for View {
    fn account(&self, address: Address) -> Result<Option<AccountRecord>, Fault> {
        if let Some(account) = self.0.hot.account(address, self.number()) {
            return Ok(account);
        }
        let in_layers = || {
            let found = self.layers().find_map(|layer| layer.account(address));
            found.map(Option::<&AccountRecord>::cloned)
        };
        let account = match self.known_account(address).or_else(in_layers) {
            Some(account) => account,
            None => self.stored_account(address)?,
        };
        if self.0.is_head {
            self.0.hot.keep_account(address, self.number(), account.clone());
        }
        Ok(account)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Fault> {
        if let Some(word) = self.0.hot.slot(address, slot, self.number()) {
            return Ok(word);
        }
        let in_layers = || self.layers().find_map(|layer| layer.slot(address, slot));
        let word = match self.known_word(address, slot).or_else(in_layers) {
            Some(word) => word,
            None => self.stored_word(address, slot)?,
        };
        if self.0.is_head {
            self.0.hot.keep_slot(address, slot, self.number(), word);
        }
        Ok(word)
    }

    fn code(&self, code_hash: B256) -> Result<Bytes, Fault> {
        if code_hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        for layer in self.layers() {
            if let Some(code) = layer.changes.code.get(&code_hash) {
                return Ok(code.clone());
            }
        }
        let stored =
            self.read(keys::CODE, code_hash.as_slice(), |bytes| Ok(Bytes::copy_from_slice(bytes)))?;
        stored.ok_or_else(|| Fault::new(format!("read code {code_hash}")))
    }

    fn block_hash(&self, number: u64) -> Result<B256, Fault> {
        Ok(self.hash_of(number)?.unwrap_or_default())
    }
}

/// `eth_getProof` at the view's block (EIP-1186).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The account, empty where it does not exist.
    pub account: AccountRecord,
    /// Nodes from the state root to the account.
    pub nodes: Vec<Bytes>,
    /// One proof a slot asked for.
    pub storage: Vec<SlotProof>,
}

/// One slot of an [`AccountProof`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// The slot.
    pub slot: U256,
    /// Its value.
    pub value: U256,
    /// Nodes from the storage root to the slot.
    pub nodes: Vec<Bytes>,
}

impl View {
    /// Whether the trie of this block's state is at hand: for proofs, and for blocks on top of it.
    pub fn has_trie(&self) -> bool {
        self.number() >= self.0.base.height
    }

    /// The proof of an account and some of its slots against this block's state root. `None` for
    /// a block so old that its trie is no longer in memory.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read or is damaged.
    pub fn proof(&self, address: Address, slots: &[U256]) -> Result<Option<AccountProof>, Fault> {
        if !self.has_trie() {
            return Ok(None);
        }
        let fault = |e| Fault::from_cause(format!("prove account {address}"), e);
        let (trie, owner) = (self.trie()?, keccak256(address));
        let nodes = trie.account_proof(self, owner).map_err(fault)?;
        let storage = slots
            .iter()
            .map(|&slot| {
                let nodes = trie.storage_proof(self, owner, keys::hashed(slot)).map_err(fault)?;
                Ok(SlotProof { slot, value: self.storage(address, slot)?, nodes })
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Some(AccountProof { account: self.account_or_empty(address)?, nodes, storage }))
    }
}

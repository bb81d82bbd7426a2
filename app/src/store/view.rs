//! The chain as it was after one block.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use mooring_bridge::exit::{Frontier, LEVELS};
use mooring_rocks::{ColumnFamily, Snapshot};
use mooring_stf::{AccountRecord, Fault, StateReader};
use mooring_trie::{EMPTY_ROOT_HASH, Nibbles, NodeReader};

use super::block::{Layer, Tip};
use super::{keys, record};

/// A consistent, read-only view of the chain up to one block: its state, and all blocks below.
/// Cheap to clone; commits that happen meanwhile do not show in it. Hold it for one answer, not
/// for ever: it keeps old versions on disk.
#[derive(Clone, Debug)]
pub struct View(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tip: Tip,
    base: Arc<Snapshot>,
    /// Blocks above the base that are not on disk, oldest first.
    layers: Vec<Arc<Layer>>,
}

impl View {
    pub(super) fn new(tip: Tip, base: Arc<Snapshot>, layers: Vec<Arc<Layer>>) -> Self {
        Self(Arc::new(Inner { tip, base, layers }))
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

    /// The newest block that can no longer be dropped. Equal to [`Self::number`] but on a dev
    /// chain with a finality lag.
    pub fn finalized_number(&self) -> u64 {
        self.number().saturating_sub(self.0.layers.len() as u64)
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

    /// The value `decode`d from a record of the base, `None` when it is absent.
    pub(super) fn read<T>(
        &self,
        family: ColumnFamily,
        key: impl AsRef<[u8]>,
        decode: impl FnOnce(&[u8]) -> Result<T, record::Malformed>,
    ) -> Result<Option<T>, Fault> {
        read(&self.0.base, family, key.as_ref(), decode)
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

    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>, Fault> {
        for layer in self.layers() {
            if let Some(node) = layer.nodes.get(&owner).and_then(|nodes| nodes.get(path)) {
                return Ok(node.clone());
            }
        }
        let (family, key) = keys::node(owner, path);
        self.read(family, key, |bytes| Ok(bytes.to_vec()))
    }
}

impl StateReader for View {
    fn account(&self, address: Address) -> Result<Option<AccountRecord>, Fault> {
        match self.layers().find_map(|layer| layer.account(address)) {
            Some(account) => Ok(account.cloned()),
            None => self.read(keys::ACCOUNT, keys::account(address), record::account),
        }
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Fault> {
        for layer in self.layers() {
            let Some(change) = layer.changes.accounts.get(&address) else { continue };
            if let Some(value) = change.storage.get(&slot) {
                return Ok(*value);
            }
            if change.wiped || change.account.is_none() {
                return Ok(U256::ZERO);
            }
        }
        let value = self.read(keys::STORAGE, keys::storage(address, slot), record::word)?;
        Ok(value.unwrap_or_default())
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
        self.read(keys::CODE, code_hash, |bytes| Ok(Bytes::copy_from_slice(bytes)))?
            .ok_or_else(|| Fault::new(format!("read code {code_hash}")))
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
    /// The proof of an account and some of its slots against this block's state root.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read or is damaged.
    pub fn proof(&self, address: Address, slots: &[U256]) -> Result<AccountProof, Fault> {
        let fault = |e| Fault::from_cause(format!("prove account {address}"), e);
        let account = self.account_or_empty(address)?;
        let owner = keccak256(address);
        let nodes =
            mooring_trie::proof(self, None, self.header().state_root, owner).map_err(fault)?;
        let storage = slots
            .iter()
            .map(|&slot| {
                let key = keccak256(slot.to_be_bytes::<32>());
                let nodes = mooring_trie::proof(self, Some(owner), account.storage_root, key)
                    .map_err(fault)?;
                Ok(SlotProof { slot, value: self.storage(address, slot)?, nodes })
            })
            .collect::<Result<_, Fault>>()?;
        Ok(AccountProof { account, nodes, storage })
    }
}

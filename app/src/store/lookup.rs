//! Blocks, transactions and exits of a view's chain.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::B256;
use mooring_bridge::exit::{self, Exit, TreeError};
use mooring_bridge::types::ExitIndex;
use mooring_stf::Fault;
use mooring_stf::tx::EthReceipt;

use super::block::{Block, Layer, Tip, TxPosition};
use super::{View, keys, record};

/// An exit with its Merkle proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitProof {
    /// The exit.
    pub exit: Exit,
    /// The tree's size that the proof is for.
    pub count: u64,
    /// The tree's root at that size.
    pub root: B256,
    /// Siblings, leaf to top.
    pub siblings: Vec<B256>,
}

impl View {
    /// The height of the block with this hash, `None` when it is not in the view's chain.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn number_of(&self, hash: B256) -> Result<Option<u64>, Fault> {
        let number = match self.layers().find(|layer| layer.tip.hash == hash) {
            Some(layer) => Some(layer.number()),
            None => self.table(&keys::number(hash), record::height)?,
        };
        Ok(number.filter(|number| *number <= self.number()))
    }

    /// The hash of the block at `number`.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn hash_of(&self, number: u64) -> Result<Option<B256>, Fault> {
        Ok(self.header_at(number)?.map(|(_, hash)| hash))
    }

    /// The header at `number` with its hash.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn header_at(&self, number: u64) -> Result<Option<(Header, B256)>, Fault> {
        if number == self.number() {
            return Ok(Some((self.header().clone(), self.hash())));
        }
        Ok(self.recorded(number)?.map(|tip| (tip.header, tip.hash)))
    }

    /// The chain after the block at `number`, `None` above the view and where the block is not
    /// kept ([`Self::has_block`]).
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn tip_at(&self, number: u64) -> Result<Option<Tip>, Fault> {
        if number == self.number() {
            return Ok(Some(self.tip().clone()));
        }
        if self.has_block(number) { self.recorded(number) } else { Ok(None) }
    }

    /// The record of the header at `number`; where the block is not kept, its header alone is
    /// right.
    fn recorded(&self, number: u64) -> Result<Option<Tip>, Fault> {
        match self.layer_at(number) {
            Some(layer) => Ok(Some(layer.tip.clone())),
            None if number > self.number() => Ok(None),
            None => self.read(keys::HEADER, &keys::height(number), record::tip),
        }
    }

    /// The block at `number`, with its receipts; `None` above the view and where it is not kept
    /// ([`Self::has_block`]).
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn block(&self, number: u64) -> Result<Option<Arc<Block>>, Fault> {
        if let Some(layer) = self.layer_at(number) {
            return Ok(Some(Arc::clone(&layer.block)));
        }
        if !self.has_block(number) {
            return Ok(None);
        }
        let Some((header, hash)) = self.header_at(number)? else { return Ok(None) };
        if let Some(block) = self.known_block(hash) {
            return Ok(Some(block));
        }
        let transactions = self
            .read(keys::BODY, &keys::height(number), record::transactions)?
            .ok_or_else(|| Fault::new(format!("read the body of block {number}")))?;
        let receipts = self.stored_receipts(number)?;
        let block = Arc::new(Block { header, hash, transactions, receipts });
        self.keep_block(&block);
        Ok(Some(block))
    }

    /// The receipts of the block at `number`, `None` above the view and where it is not kept.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn receipts(&self, number: u64) -> Result<Option<Vec<EthReceipt>>, Fault> {
        if number > self.number() || !self.has_block(number) {
            return Ok(None);
        }
        match self.layer_at(number) {
            Some(layer) => Ok(Some(layer.block.receipts.clone())),
            None => self.stored_receipts(number).map(Some),
        }
    }

    /// Where the transaction with this hash is.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn transaction(&self, hash: B256) -> Result<Option<TxPosition>, Fault> {
        let position = match self.layers().find_map(|layer| layer.position(hash)) {
            Some(position) => Some(position),
            None => self.table(&keys::tx(hash), record::position)?,
        };
        Ok(position.filter(|position| position.height <= self.number()))
    }

    /// The exit with this index.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn exit(&self, index: u64) -> Result<Option<Exit>, Fault> {
        let found = |exit: &&Exit| exit.index.get() == index;
        if index >= self.tip().exit_count {
            return Ok(None);
        }
        match self.layers().find_map(|layer| layer.exits.iter().find(found)) {
            Some(exit) => Ok(Some(exit.clone())),
            None => self.table(&keys::exit(index), record::exit),
        }
    }

    /// The exit with its proof in the tree as it was at `count` exits; `None` when that tree does
    /// not hold it, or is larger than the view's.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read or is damaged.
    pub fn exit_proof(&self, index: u64, count: u64) -> Result<Option<ExitProof>, Fault> {
        if index >= count || count > self.tip().exit_count {
            return Ok(None);
        }
        let Some(exit) = self.exit(index)? else { return Ok(None) };
        let nodes = ExitNodes { view: self, fault: std::cell::RefCell::new(None) };
        let made = exit::proof(&nodes, ExitIndex::new(index), count)
            .and_then(|siblings| Ok((siblings, exit::root_at(&nodes, count)?)));
        if let Some(fault) = nodes.fault.into_inner() {
            return Err(fault);
        }
        let (siblings, root) =
            made.map_err(|e: TreeError| Fault::from_cause(format!("prove exit {index}"), e))?;
        Ok(Some(ExitProof { exit, count, root, siblings }))
    }

    /// A complete node of the exit tree.
    pub(super) fn exit_node(&self, level: usize, index: u64) -> Result<Option<B256>, Fault> {
        for layer in self.layers() {
            let node = layer.exit_nodes.iter().find(|n| n.level == level && n.index == index);
            if let Some(node) = node {
                return Ok(Some(node.hash));
            }
        }
        self.table(&keys::exit_node(level, index), record::hash)
    }

    fn layer_at(&self, number: u64) -> Option<&Arc<Layer>> {
        self.layers().find(|layer| layer.number() == number)
    }

    fn stored_receipts(&self, number: u64) -> Result<Vec<EthReceipt>, Fault> {
        self.read(keys::RECEIPTS, &keys::height(number), record::receipts)?
            .ok_or_else(|| Fault::new(format!("read the receipts of block {number}")))
    }
}

/// The exit tree's reader has no error of its own: the first fault is kept beside it.
struct ExitNodes<'a> {
    view: &'a View,
    fault: std::cell::RefCell<Option<Fault>>,
}

impl exit::NodeReader for ExitNodes<'_> {
    fn node(&self, level: usize, index: u64) -> Option<B256> {
        self.view.exit_node(level, index).unwrap_or_else(|fault| {
            self.fault.borrow_mut().get_or_insert(fault);
            None
        })
    }
}

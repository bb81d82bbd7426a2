//! The state of one height as a snapshot's records.

use std::sync::Arc;

use alloy_primitives::{B256, KECCAK256_EMPTY, U256};
use bytes::Bytes;
use mooring_malachite::checkpoint;
use mooring_rocks::{Entry, Keys, Scan};
use mooring_stf::Fault;
use mooring_trie::TrieAccount;
use std::collections::BTreeSet;

use super::block::Tip;
use super::chain::Chain;
use super::keys::{Part, Table};
use super::view::{Base, read};
use super::{keys, record};
use crate::snapshot::{Head, PAST_HEADERS, Record, SnapshotError};

/// The chain after the block that the tables were of at some moment. Keeps old versions on disk
/// until it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    base: Arc<Base>,
    tip: Tip,
}

/// Whoever takes the records.
type Visit<'a> = &'a mut dyn FnMut(Record) -> Result<(), SnapshotError>;

impl Frozen {
    pub(super) fn of(chain: &Chain) -> Self {
        Self { base: Arc::clone(&chain.base), tip: chain.base_tip.clone() }
    }

    /// The block's height.
    pub(crate) fn height(&self) -> u64 {
        self.base.height
    }

    /// The chain after the block, in short.
    pub(crate) const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The hash of the genesis document.
    pub(crate) fn chain(&self) -> Result<B256, Fault> {
        let chain = read(&self.base.snapshot, keys::META, keys::META_CHAIN, record::hash)?;
        chain.ok_or_else(|| Fault::new("read the chain's identity"))
    }

    /// The embedded engine's proof that the block was decided, where there is one.
    pub(crate) fn certificate(&self) -> Result<Option<Bytes>, Fault> {
        let key = keys::decided(self.height(), Part::Certificate);
        Ok(self.bytes(keys::DECIDED, &key)?.filter(|bytes| !bytes.is_empty()))
    }

    /// Visits every record of the snapshot, in its order.
    ///
    /// # Errors
    /// The database cannot be read, or what `visit` says.
    pub(crate) fn records(&self, visit: Visit<'_>) -> Result<(), SnapshotError> {
        let head = Head { chain: self.chain()?, tip: self.tip.clone() };
        visit(Record::Head(Box::new(head)))?;
        self.headers(visit)?;
        if let Some(checkpoint) = self.checkpoint()? {
            for piece in checkpoint.chunks(crate::snapshot::PIECE) {
                visit(Record::Engine(piece.to_vec()))?;
            }
        }
        let codes = self.accounts(visit)?;
        for hash in codes {
            let code = self.bytes(keys::CODE, hash.as_slice())?;
            let code = code.ok_or_else(|| Fault::new(format!("read code {hash}")))?;
            visit(Record::Code(code.to_vec()))?;
        }
        for entry in self.sweep(Table::Exit)? {
            let exit = decoded(&entry.map_err(unread)?.1, record::exit)?;
            visit(Record::Exit(exit))?;
        }
        Ok(())
    }

    /// The headers below the block, newest first.
    fn headers(&self, visit: Visit<'_>) -> Result<(), SnapshotError> {
        let height = self.height();
        for below in (height.saturating_sub(PAST_HEADERS).max(1)..height).rev() {
            let tip = read(&self.base.snapshot, keys::HEADER, &keys::height(below), record::tip)?;
            let tip = tip.ok_or_else(|| Fault::new(format!("read the header of block {below}")))?;
            visit(Record::Header(Box::new(tip.header)))?;
        }
        Ok(())
    }

    /// What an embedded engine must know; `None` where the engine keeps blocks of its own.
    fn checkpoint(&self) -> Result<Option<Bytes>, Fault> {
        let block = |height| self.bytes(keys::DECIDED, &keys::decided(height, Part::Block));
        let Some(decided) = block(self.height())? else { return Ok(None) };
        let engine = |name: &[u8]| {
            let record = self.bytes(keys::ENGINE, name);
            record.map_err(|e| mooring_abci::Fault::from_cause("read the engine's records", e))
        };
        let next = block(self.height().saturating_add(1))?;
        let kept = checkpoint::Kept { block: decided, next, record: &engine };
        let made = checkpoint::make(kept);
        made.map(Some).map_err(|e| Fault::from_cause("keep the engine's state", e))
    }

    /// Each account with its words behind it; the hashes of their codes.
    fn accounts(&self, visit: Visit<'_>) -> Result<BTreeSet<B256>, SnapshotError> {
        let mut codes = BTreeSet::new();
        let mut words = self.sweep(Table::Storage)?.peekable();
        for entry in self.sweep(Table::Account)? {
            let (key, value) = entry.map_err(unread)?;
            let key = B256::from_slice(&key[1..]);
            let account: TrieAccount = decoded(&value, record::rlp)?;
            if account.code_hash != KECCAK256_EMPTY {
                codes.insert(account.code_hash);
            }
            visit(Record::Account { key, account })?;
            let owned = |entry: &Result<Entry, _>| match entry {
                Ok((at, _)) => at[1..].starts_with(key.as_slice()),
                Err(_) => true,
            };
            while let Some(entry) = words.next_if(owned) {
                let (at, value) = entry.map_err(unread)?;
                let key = B256::from_slice(&at[1 + B256::len_bytes()..]);
                let value: U256 = decoded(&value, record::word)?;
                visit(Record::Word { key, value })?;
            }
        }
        match words.next() {
            None => Ok(codes),
            Some(_) => Err(Fault::new("read the state: a word belongs to no account").into()),
        }
    }

    /// All entries of one table.
    fn sweep(&self, table: Table) -> Result<Scan<'_>, Fault> {
        self.base.snapshot.sweep(keys::TABLES, Keys::Prefix(&[table as u8])).map_err(unread)
    }

    fn bytes(
        &self,
        family: mooring_rocks::ColumnFamily,
        key: &[u8],
    ) -> Result<Option<Bytes>, Fault> {
        read(&self.base.snapshot, family, key, |body| Ok(Bytes::copy_from_slice(body)))
    }
}

fn unread(error: mooring_rocks::Error) -> Fault {
    Fault::from_cause("read the state for a snapshot", error)
}

fn decoded<T>(
    value: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, record::Malformed>,
) -> Result<T, Fault> {
    let value = record::open(value).and_then(decode);
    value.map_err(|e| Fault::from_cause("read the state for a snapshot", e))
}

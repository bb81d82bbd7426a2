//! The embedded engine's memory, in the same write-ahead log as the chain.

use bytes::Bytes;
use mooring_abci::{ConsensusStore, DecidedBlock, Fault, ProposedBlock};
use mooring_rocks::{Batch, ColumnFamily, Direction, Keys, Sync};

use super::keys::Part;
use super::{Store, keys, record};

impl ConsensusStore for Store {
    fn tip(&self) -> Result<u64, Fault> {
        self.edge(Direction::Backward)
    }

    fn base(&self) -> Result<u64, Fault> {
        self.edge(Direction::Forward)
    }

    fn decided(&self, height: u64) -> Result<Option<DecidedBlock>, Fault> {
        let part = |part| self.engine_get(keys::DECIDED, &keys::decided(height, part));
        Ok(match (part(Part::Block)?, part(Part::Certificate)?) {
            (Some(block), Some(certificate)) => Some(DecidedBlock { block, certificate }),
            (None, _) | (_, None) => None,
        })
    }

    fn put_decided(&self, height: u64, decided: &DecidedBlock) -> Result<(), Fault> {
        let mut batch = Batch::new();
        let mut put = |part, bytes: &Bytes| {
            batch.put(keys::DECIDED, keys::decided(height, part), record::seal(bytes));
        };
        put(Part::Block, &decided.block);
        put(Part::Certificate, &decided.certificate);
        self.engine_write(batch, Sync::No)
    }

    fn put_certificate(&self, height: u64, certificate: &Bytes) -> Result<(), Fault> {
        let mut batch = Batch::new();
        let key = keys::decided(height, Part::Certificate);
        batch.put(keys::DECIDED, key, record::seal(certificate));
        self.engine_write(batch, Sync::No)
    }

    fn proposed(&self, height: u64) -> Result<Vec<ProposedBlock>, Fault> {
        let prefix = keys::height(height);
        let fault = |e| Fault::from_cause(format!("read the proposals of height {height}"), e);
        let entries =
            self.0.shared.db.scan(keys::PROPOSED, Keys::Prefix(&prefix), Direction::Forward);
        entries
            .map_err(fault)?
            .map(|entry| {
                let (key, value) = entry.map_err(fault)?;
                let key = Bytes::copy_from_slice(&key[prefix.len()..]);
                Ok(ProposedBlock { key, value: unsealed(&value)? })
            })
            .collect()
    }

    fn put_proposed(&self, height: u64, proposed: &ProposedBlock) -> Result<(), Fault> {
        let mut batch = Batch::new();
        let key = keys::proposed(height, &proposed.key);
        batch.put(keys::PROPOSED, key, record::seal(&proposed.value));
        self.engine_write(batch, Sync::Yes)
    }

    fn prune_proposed(&self, height: u64) -> Result<(), Fault> {
        let end = keys::height(height.saturating_add(1));
        let fault = |e| Fault::from_cause("prune proposals", e);
        let mut batch = Batch::new();
        let old = self.0.shared.db.scan(keys::PROPOSED, Keys::Before(&end), Direction::Forward);
        for entry in old.map_err(fault)? {
            batch.delete(keys::PROPOSED, entry.map_err(fault)?.0);
        }
        if batch.is_empty() { Ok(()) } else { self.engine_write(batch, Sync::No) }
    }

    fn record(&self, name: &[u8]) -> Result<Option<Bytes>, Fault> {
        self.engine_get(keys::ENGINE, name)
    }

    fn put_record(&self, name: &[u8], value: &Bytes) -> Result<(), Fault> {
        let mut batch = Batch::new();
        batch.put(keys::ENGINE, name, record::seal(value));
        self.engine_write(batch, Sync::No)
    }
}

impl Store {
    /// The first decided height in this direction, 0 when there is none.
    fn edge(&self, direction: Direction) -> Result<u64, Fault> {
        let fault = |e| Fault::from_cause("read the decided heights", e);
        let mut scan = self.0.shared.db.scan(keys::DECIDED, Keys::All, direction).map_err(fault)?;
        let Some(entry) = scan.next() else { return Ok(0) };
        let (key, _) = entry.map_err(fault)?;
        let height = key.first_chunk::<8>().copied();
        height.map(u64::from_be_bytes).ok_or_else(|| Fault::new("read the key of a decided block"))
    }

    fn engine_get(&self, family: ColumnFamily, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        let value = self.0.shared.db.get(family, key);
        let value = value.map_err(|e| Fault::from_cause("read the engine's records", e))?;
        value.as_deref().map(unsealed).transpose()
    }

    fn engine_write(&self, batch: Batch, sync: Sync) -> Result<(), Fault> {
        let written = self.0.shared.db.write(batch, sync);
        written.map_err(|e| Fault::from_cause("write the engine's records", e))
    }
}

fn unsealed(value: &[u8]) -> Result<Bytes, Fault> {
    let bytes = record::open(value).map_err(|e| Fault::from_cause("read an engine's record", e))?;
    Ok(Bytes::copy_from_slice(bytes))
}

//! A consensus store in memory. It outlives a node, as a disk does.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use mooring_abci::{ConsensusStore, DecidedBlock, Fault, ProposedBlock};

#[derive(Default)]
struct Tables {
    decided: BTreeMap<u64, DecidedBlock>,
    proposed: BTreeMap<(u64, Bytes), Bytes>,
    records: BTreeMap<Vec<u8>, Bytes>,
}

#[derive(Default)]
pub(crate) struct MemoryStore(Mutex<Tables>);

impl MemoryStore {
    fn with<R>(&self, f: impl FnOnce(&mut Tables) -> R) -> Result<R, Fault> {
        Ok(f(&mut self.0.lock().unwrap()))
    }
}

impl ConsensusStore for MemoryStore {
    fn tip(&self) -> Result<u64, Fault> {
        self.with(|t| t.decided.keys().next_back().copied().unwrap_or(0))
    }

    fn base(&self) -> Result<u64, Fault> {
        self.with(|t| t.decided.keys().next().copied().unwrap_or(0))
    }

    fn decided(&self, height: u64) -> Result<Option<DecidedBlock>, Fault> {
        self.with(|t| t.decided.get(&height).cloned())
    }

    fn put_decided(&self, height: u64, decided: &DecidedBlock) -> Result<(), Fault> {
        self.with(|t| assert!(t.decided.insert(height, decided.clone()).is_none()))
    }

    fn put_certificate(&self, height: u64, certificate: &Bytes) -> Result<(), Fault> {
        self.with(|t| t.decided.get_mut(&height).unwrap().certificate = certificate.clone())
    }

    fn proposed(&self, height: u64) -> Result<Vec<ProposedBlock>, Fault> {
        self.with(|t| {
            let at = t.proposed.iter().filter(|((h, _), _)| *h == height);
            at.map(|((_, key), value)| ProposedBlock { key: key.clone(), value: value.clone() })
                .collect()
        })
    }

    fn put_proposed(&self, height: u64, proposed: &ProposedBlock) -> Result<(), Fault> {
        self.with(|t| {
            t.proposed.insert((height, proposed.key.clone()), proposed.value.clone());
        })
    }

    fn prune_proposed(&self, height: u64) -> Result<(), Fault> {
        self.with(|t| t.proposed.retain(|(h, _), _| *h > height))
    }

    fn record(&self, name: &[u8]) -> Result<Option<Bytes>, Fault> {
        self.with(|t| t.records.get(name).cloned())
    }

    fn put_record(&self, name: &[u8], value: &Bytes) -> Result<(), Fault> {
        self.with(|t| {
            t.records.insert(name.to_vec(), value.clone());
        })
    }
}

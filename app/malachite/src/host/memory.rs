//! Typed access to the consensus store.

use std::sync::Arc;

use arc_malachitebft_app::types::ProposedValue;
use arc_malachitebft_app::types::core::ExtendedCommitCertificate;
use bytes::Bytes;
use mooring_abci::{ConsensusStore, DecidedBlock, ProposedBlock};
use prost::Message;
use tendermint_proto::v0_38::crypto::{PublicKey, public_key::Sum};
use tendermint_proto::v0_38::types::{self as pb, EvidenceList};

use crate::block::{ChainState, Offence, ParsedBlock};
use crate::codec::{Stored, Wire};
use crate::context::{Context, Height, ValidatorSet};
use crate::error::EngineError;

/// The state record; sets are kept apart, by hash, since they rarely change.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StateRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) height: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) app_hash: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) last_results_hash: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) last_validators: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) validators: Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    pub(crate) next_validators: Bytes,
}

impl StateRecord {
    /// The state after `last`, which `next`, the block that follows, commits to.
    pub(crate) fn between(last: &ParsedBlock, next: &ParsedBlock) -> Self {
        let (height, last, next) = (last.height().get(), last.header(), next.header().clone());
        Self {
            height,
            app_hash: next.app_hash.into(),
            last_results_hash: next.last_results_hash.into(),
            last_validators: last.validators_hash.clone().into(),
            validators: next.validators_hash.into(),
            next_validators: next.next_validators_hash.into(),
        }
    }
}

/// The name of the state record.
pub(crate) const STATE: &[u8] = b"state";
const EVIDENCE_POOL: &[u8] = b"evidence/pool";

/// A proposed block with the verdict on it.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    pub(crate) value: ProposedValue<Context>,
    pub(crate) block: ParsedBlock,
}

/// The store, in this crate's types.
#[derive(Clone)]
pub(crate) struct Memory {
    store: Arc<dyn ConsensusStore>,
}

fn corrupt(what: &'static str, height: u64) -> impl Fn(&dyn std::fmt::Display) -> EngineError {
    move |reason| EngineError::Corrupt { what, height, reason: reason.to_string() }
}

impl Memory {
    pub(crate) fn new(store: Arc<dyn ConsensusStore>) -> Self {
        Self { store }
    }

    pub(crate) fn tip(&self) -> Result<u64, EngineError> {
        Ok(self.store.tip()?)
    }

    /// The lowest height that others can be given.
    pub(crate) fn base(&self) -> Result<u64, EngineError> {
        let base = self.store.base()?;
        // A restored node may have the block of its snapshot without a certificate.
        let is_whole = base == 0 || self.decided(base)?.is_some();
        Ok(if is_whole { base } else { base.saturating_add(1) })
    }

    /// The raw block and certificate of a decided height; `None` too where only the block came
    /// with a snapshot.
    pub(crate) fn decided(
        &self,
        height: u64,
    ) -> Result<Option<(Bytes, ExtendedCommitCertificate<Context>)>, EngineError> {
        let Some(decided) = self.store.decided(height)? else { return Ok(None) };
        if decided.certificate.is_empty() {
            return Ok(None);
        }
        let certificate = ExtendedCommitCertificate::from_bytes(decided.certificate)
            .map_err(|e| corrupt("certificate", height)(&e))?;
        Ok(Some((decided.block, certificate)))
    }

    /// The decided block of a height that must be there.
    pub(crate) fn block(&self, height: u64) -> Result<ParsedBlock, EngineError> {
        let decided = self.store.decided(height)?;
        let decided = decided.ok_or_else(|| corrupt("block", height)(&"missing"))?;
        ParsedBlock::parse(decided.block).map_err(|e| corrupt("block", height)(&e))
    }

    pub(crate) fn put_decided(
        &self,
        block: &ParsedBlock,
        certificate: &ExtendedCommitCertificate<Context>,
    ) -> Result<(), EngineError> {
        let height = block.height().get();
        let certificate = certificate_bytes(certificate)?;
        let decided = DecidedBlock { block: block.bytes().clone(), certificate };
        Ok(self.store.put_decided(height, &decided)?)
    }

    pub(crate) fn put_certificate(
        &self,
        certificate: &ExtendedCommitCertificate<Context>,
    ) -> Result<(), EngineError> {
        let bytes = certificate_bytes(certificate)?;
        Ok(self.store.put_certificate(certificate.height.get(), &bytes)?)
    }

    /// The blocks proposed at a height.
    pub(crate) fn proposed(&self, height: Height) -> Result<Vec<Proposed>, EngineError> {
        let wrong = corrupt("proposed block", height.get());
        let parse = |stored: ProposedBlock| {
            let stored = Stored::decode(stored.value).map_err(|e| wrong(&e))?;
            let value = stored.value.ok_or_else(|| wrong(&"no verdict"))?;
            let value = ProposedValue::from_proto(value).map_err(|e| wrong(&e))?;
            let block = ParsedBlock::parse(stored.block).map_err(|e| wrong(&e))?;
            Ok(Proposed { value, block })
        };
        self.store.proposed(height.get())?.into_iter().map(parse).collect()
    }

    /// Makes a proposed block durable, off the async threads since it waits for the disk.
    pub(crate) async fn put_proposed(&self, proposed: &Proposed) -> Result<(), EngineError> {
        let height = proposed.value.height.get();
        let value = proposed.value.to_proto();
        let value = value.map_err(|e| corrupt("proposed block", height)(&e))?;
        let stored = Stored { value: Some(value), block: proposed.block.bytes().clone() };
        let mut key = proposed.value.round.as_i64().to_be_bytes().to_vec();
        key.extend_from_slice(&proposed.value.value.hash);
        key.extend_from_slice(&proposed.value.value.parts.hash);
        let entry = ProposedBlock { key: key.into(), value: stored.encode_to_vec().into() };
        let store = Arc::clone(&self.store);
        let put = tokio::task::spawn_blocking(move || store.put_proposed(height, &entry));
        let put = put.await.map_err(|_| EngineError::Stopped("a store call panicked"))?;
        Ok(put?)
    }

    pub(crate) fn prune_proposed(&self, height: Height) -> Result<(), EngineError> {
        Ok(self.store.prune_proposed(height.get())?)
    }

    fn put_set(&self, set: &ValidatorSet) -> Result<Bytes, EngineError> {
        let hash = set.hash();
        let name = set_name(&hash);
        if self.store.record(&name)?.is_none() {
            self.store.put_record(&name, &encode_set(set))?;
        }
        Ok(Bytes::copy_from_slice(&hash))
    }

    /// The set of this hash, which must be there.
    fn set(&self, hash: &[u8], height: u64) -> Result<ValidatorSet, EngineError> {
        let wrong = corrupt("validator set", height);
        let bytes = self.store.record(&set_name(hash))?.ok_or_else(|| wrong(&"missing"))?;
        decode_set(&bytes).filter(|set| set.hash() == hash).ok_or_else(|| wrong(&"malformed"))
    }

    /// Keeps the state; synced with the application's commit.
    pub(crate) fn put_state(&self, state: &ChainState) -> Result<(), EngineError> {
        let record = StateRecord {
            height: state.height.get(),
            app_hash: state.app_hash.clone(),
            last_results_hash: Bytes::copy_from_slice(&state.last_results_hash),
            last_validators: self.put_set(&state.last_validators)?,
            validators: self.put_set(&state.validators)?,
            next_validators: self.put_set(&state.next_validators)?,
        };
        Ok(self.store.put_record(STATE, &record.encode_to_vec().into())?)
    }

    /// The state after `height`, above 0: from the header that follows, which commits to all
    /// of it, or at the tip from the state record.
    pub(crate) fn state_after(&self, height: u64) -> Result<ChainState, EngineError> {
        let record = if self.tip()? > height {
            self.header_record(height)?
        } else {
            self.tip_record(height)?
        };
        let last = self.block(height)?.id();
        let results = record.last_results_hash.as_ref().try_into();
        Ok(ChainState {
            height: Height::new(height),
            last_block: Some(last),
            last_time: last.time,
            app_hash: record.app_hash,
            last_results_hash: results
                .map_err(|_| corrupt("state", height)(&"last_results_hash"))?,
            last_validators: self.set(&record.last_validators, height)?,
            validators: self.set(&record.validators, height)?,
            next_validators: self.set(&record.next_validators, height)?,
        })
    }

    fn header_record(&self, height: u64) -> Result<StateRecord, EngineError> {
        let (last, next) = (self.block(height)?, self.block(height.saturating_add(1))?);
        Ok(StateRecord::between(&last, &next))
    }

    fn tip_record(&self, height: u64) -> Result<StateRecord, EngineError> {
        let wrong = corrupt("state", height);
        let bytes = self.store.record(STATE)?.ok_or_else(|| wrong(&"missing"))?;
        let record = StateRecord::decode(bytes).map_err(|e| wrong(&e))?;
        if record.height == height {
            Ok(record)
        } else {
            Err(wrong(&format!("it is of height {}", record.height)))
        }
    }

    /// What evidence of votes at `height` is checked against; `None` when the block is pruned.
    pub(crate) fn offence(&self, height: u64) -> Result<Option<Offence>, EngineError> {
        let Some(decided) = self.store.decided(height)? else { return Ok(None) };
        let block = ParsedBlock::parse(decided.block).map_err(|e| corrupt("block", height)(&e))?;
        let set = self.set(&block.header().validators_hash, height)?;
        Ok(Some(Offence { set, time: block.id().time }))
    }

    pub(crate) fn evidence_pool(&self) -> Result<Vec<pb::Evidence>, EngineError> {
        let Some(bytes) = self.store.record(EVIDENCE_POOL)? else { return Ok(Vec::new()) };
        let list = EvidenceList::decode(bytes).map_err(|e| corrupt("evidence", 0)(&e))?;
        Ok(list.evidence)
    }

    pub(crate) fn put_evidence_pool(&self, pool: &[pb::Evidence]) -> Result<(), EngineError> {
        let list = EvidenceList { evidence: pool.to_vec() };
        Ok(self.store.put_record(EVIDENCE_POOL, &list.encode_to_vec().into())?)
    }

    /// The height of the block that holds this piece of evidence.
    pub(crate) fn evidence_height(&self, key: &[u8; 32]) -> Result<Option<u64>, EngineError> {
        let Some(bytes) = self.store.record(&evidence_name(key))? else { return Ok(None) };
        let height = bytes.as_ref().try_into().map(u64::from_be_bytes);
        height.map(Some).map_err(|_| corrupt("evidence mark", 0)(&"malformed"))
    }

    pub(crate) fn put_evidence_height(
        &self,
        key: &[u8; 32],
        height: Height,
    ) -> Result<(), EngineError> {
        let bytes = Bytes::copy_from_slice(&height.get().to_be_bytes());
        Ok(self.store.put_record(&evidence_name(key), &bytes)?)
    }
}

fn certificate_bytes(
    certificate: &ExtendedCommitCertificate<Context>,
) -> Result<Bytes, EngineError> {
    certificate.to_bytes().map_err(|e| corrupt("certificate", certificate.height.get())(&e))
}

/// The name of the record of the validator set with this hash.
pub(crate) fn set_name(hash: &[u8]) -> Vec<u8> {
    [b"set/".as_slice(), hash].concat()
}

fn evidence_name(key: &[u8; 32]) -> Vec<u8> {
    [b"evidence/in/".as_slice(), key].concat()
}

pub(crate) fn encode_set(set: &ValidatorSet) -> Bytes {
    let validators = set.as_slice().iter().map(|validator| pb::Validator {
        address: validator.address().bytes().to_vec(),
        pub_key: Some(PublicKey { sum: Some(Sum::Ed25519(validator.key().to_bytes().to_vec())) }),
        voting_power: validator.power_i64(),
        proposer_priority: 0,
    });
    pb::ValidatorSet { validators: validators.collect(), ..pb::ValidatorSet::default() }
        .encode_to_vec()
        .into()
}

fn decode_set(bytes: &Bytes) -> Option<ValidatorSet> {
    let set = pb::ValidatorSet::decode(bytes.clone()).ok()?;
    let member = |validator: pb::Validator| {
        let Sum::Ed25519(key) = validator.pub_key?.sum? else { return None };
        Some((key.try_into().ok()?, u64::try_from(validator.voting_power).ok()?))
    };
    ValidatorSet::new(set.validators.into_iter().map(member).collect::<Option<Vec<_>>>()?).ok()
}

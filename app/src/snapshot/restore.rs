//! From a snapshot to a chain: checked whole, then written.

use alloy_primitives::B256;
use bytes::Bytes;
use mooring_genesis::{Engine as EngineKind, Genesis};
use mooring_malachite::GenesisValidator;
use mooring_malachite::checkpoint::{self, Trusted};
use mooring_stf::ChainParams;

use super::rebuild::{Nowhere, Rebuilt, rebuild};
use super::saved::Saved;
use super::{Manifest, SnapshotError};
use crate::store::{Engine, Rest, Store};

/// What a snapshot is checked against.
#[derive(Clone, Debug)]
pub struct Rules {
    chain: B256,
    params: ChainParams,
    validators: Vec<GenesisValidator>,
    consensus_id: String,
    /// The embedded engine decides: a node without its part could not start.
    needs_engine: bool,
}

/// A snapshot that holds what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The block whose state it is.
    pub height: u64,
    /// The block's Ethereum hash.
    pub block_hash: B256,
    /// The application's hash after it: what must be trusted, all else follows.
    pub app_hash: B256,
    /// Accounts, words, codes and exits.
    pub entries: u64,
    /// Whether it holds what the embedded engine must know: not on chains of other engines.
    pub has_engine: bool,
    /// Whether a certificate of the validators is beside it, so that a restored validator can
    /// propose at once.
    pub has_certificate: bool,
}

impl Rules {
    /// Those of the chain with this genesis.
    pub fn of(genesis: &Genesis) -> Self {
        let params = ChainParams::from_genesis(genesis);
        let validator = |(pub_key, power): &([u8; 32], u64)| GenesisValidator {
            pub_key: *pub_key,
            power: *power,
        };
        let validators = params.validators.iter().map(validator).collect();
        let consensus_id = crate::application::consensus_id(&params);
        let needs_engine = genesis.setup().engine == EngineKind::Malachite;
        Self { chain: genesis.hash(), params, validators, consensus_id, needs_engine }
    }

    /// The same for a chain that a test decides.
    #[cfg(test)]
    pub(super) const fn without_engine(mut self) -> Self {
        self.needs_engine = false;
        self
    }

    /// Checks what is told of a snapshot: the chain, and the app hash where one is trusted.
    ///
    /// # Errors
    /// What differs.
    pub fn check(&self, manifest: &Manifest, app_hash: Option<B256>) -> Result<(), SnapshotError> {
        if manifest.chain != self.chain {
            let (expected, found) = (self.chain, manifest.chain);
            return Err(SnapshotError::OtherChain { expected, found });
        }
        let found = manifest.app_hash;
        match app_hash.filter(|expected| *expected != found) {
            Some(expected) => Err(SnapshotError::OtherAppHash { expected, found }),
            None => Ok(()),
        }
    }

    /// The engine's part of a snapshot, checked.
    fn engine(&self, saved: &Saved, rebuilt: &Rebuilt) -> Result<Option<Engine>, SnapshotError> {
        if rebuilt.engine.is_empty() {
            let missing = || SnapshotError::forged("the engine's part of it is missing");
            return if self.needs_engine { Err(missing()) } else { Ok(None) };
        }
        let trusted = Trusted {
            chain_id: &self.consensus_id,
            height: rebuilt.tip.header.number,
            app_hash: rebuilt.tip.app_hash.0,
            validators: &self.validators,
        };
        let certificate = saved.certificate()?;
        let checkpoint = Bytes::copy_from_slice(&rebuilt.engine);
        let restored = checkpoint::restore(&checkpoint, certificate.as_ref(), &trusted);
        let restored =
            restored.map_err(|e| SnapshotError::forged(format!("the engine's part of it: {e}")))?;
        let certificate = certificate.unwrap_or_default();
        Ok(Some(Engine { block: restored.block, certificate, records: restored.records }))
    }
}

/// Reads a snapshot through and checks all of it, against an app hash where one is trusted.
/// Without one it is checked to be what it says it is, which anyone can make.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(
    saved: &Saved,
    rules: &Rules,
    app_hash: Option<B256>,
) -> Result<Checked, SnapshotError> {
    rules.check(saved.manifest(), app_hash)?;
    let rebuilt = rebuild(saved, &rules.params, &mut Nowhere)?;
    let engine = rules.engine(saved, &rebuilt)?;
    Ok(Checked {
        height: rebuilt.tip.header.number,
        block_hash: rebuilt.tip.hash,
        app_hash: rebuilt.tip.app_hash,
        entries: rebuilt.entries,
        has_engine: engine.is_some(),
        has_certificate: engine.is_some_and(|engine| !engine.certificate.is_empty()),
    })
}

/// Makes an empty store that of the snapshot. It is read twice: nothing of it is written before
/// all of it is checked.
///
/// # Errors
/// The store is not empty, or the first thing that is wrong: then the store stays as it was. Or
/// the disk fails.
pub fn restore(
    saved: &Saved,
    rules: &Rules,
    store: &Store,
    app_hash: B256,
) -> Result<Checked, SnapshotError> {
    let height = store.latest().number();
    if height > 0 {
        return Err(SnapshotError::NotEmpty { height });
    }
    let checked = verify(saved, rules, Some(app_hash))?;
    store.load(|loader| {
        let rebuilt = rebuild(saved, &rules.params, loader)?;
        let engine = rules.engine(saved, &rebuilt)?;
        let Rebuilt { tip, headers, .. } = rebuilt;
        Ok(Rest { tip, headers, engine })
    })?;
    Ok(checked)
}

//! The L1 as several endpoints agree on it.

pub mod agree;
mod leaves;

use std::{future::Future, sync::Arc, time::Duration};

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256};
use futures::future::join_all;
use mooring_bridge::{
    Count, Leaf,
    proof::{ProvenHead, verify_head},
};
use mooring_client::ClientError;

use crate::{
    RelayerError,
    board::Board,
    endpoints::{Endpoints, Identity},
};

/// How long an endpoint may take when all are asked at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// An endpoint whose finalized block is so far behind the agreed one is named.
const LAG: u64 = 64;

/// A finalized block on which enough endpoints agree.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    /// Its number.
    pub(crate) number: u64,
    /// Its hash.
    pub(crate) hash: B256,
    /// Who agrees.
    by: Vec<usize>,
}

/// Why nothing is known of the L1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum L1Error {
    /// Not enough endpoints agree on a finalized block.
    #[error("L1 endpoints do not agree: {0}")]
    Agreement(#[from] agree::NoAgreement),
    /// No endpoint proves the Vault's head.
    #[error("no L1 endpoint proves the Vault's head in block {block}: {reason}")]
    NoProof {
        /// The block.
        block: u64,
        /// What the last one said.
        reason: String,
    },
    /// An endpoint cannot be asked.
    #[error(transparent)]
    Endpoint(#[from] RelayerError),
}

/// The L1.
#[derive(Clone, Debug)]
pub(crate) struct L1 {
    pub(crate) endpoints: Endpoints,
    vault: Address,
    deploy_block: u64,
    agree: usize,
}

impl L1 {
    /// The L1 with `chain_id`, as `agree` of the endpoints at `urls` see it.
    pub(crate) fn new(
        urls: &[String],
        section: &mooring_genesis::L1Section,
        agree: usize,
        board: Arc<Board>,
    ) -> Result<Self, RelayerError> {
        let identity = Identity::L1 { chain_id: section.chain_id };
        let endpoints = Endpoints::new(urls, identity, board)?;
        if urls.len() < agree {
            return Err(RelayerError::TooFewEndpoints {
                want: agree,
                got: urls.len(),
                reason: "give more `l1_endpoints` in relayer.toml".into(),
            });
        }
        Ok(Self { endpoints, vault: section.vault, deploy_block: section.deploy_block, agree })
    }

    /// The Vault.
    pub(crate) const fn vault(&self) -> Address {
        self.vault
    }

    /// The block that holds the Vault's creation: before it is final there is nothing to prove.
    pub(crate) const fn deploy_block(&self) -> u64 {
        self.deploy_block
    }

    /// The newest finalized block on which enough endpoints agree. The others are named.
    pub(crate) async fn finalized(&self) -> Result<Agreed, L1Error> {
        let numbers = self.ask_all(|endpoint| async move {
            let block = endpoint.block(BlockNumberOrTag::Finalized).await?;
            Ok(block.map(|block| block.header.number))
        });
        let numbers: Vec<Option<u64>> = numbers.await.into_iter().map(Option::flatten).collect();
        let number = agree::candidate(&numbers, self.agree)?;
        let hashes = self.ask_all(|endpoint| async move {
            let block = endpoint.block(BlockNumberOrTag::Number(number)).await?;
            Ok(block.map(|block| block.header.hash))
        });
        let mut hashes: Vec<Option<B256>> = hashes.await.into_iter().map(Option::flatten).collect();
        // Only who holds the block for final has a say.
        for (hash, finalized) in hashes.iter_mut().zip(&numbers) {
            *hash = hash.filter(|_| finalized.is_some_and(|finalized| finalized >= number));
        }
        let verdict = agree::agree(&hashes, self.agree);
        self.name(number, &numbers, &hashes, verdict.as_ref().ok());
        let hash = verdict?;
        let by = (0..hashes.len()).filter(|index| hashes[*index] == Some(hash)).collect();
        Ok(Agreed { number, hash, by })
    }

    fn name(
        &self,
        agreed: u64,
        numbers: &[Option<u64>],
        hashes: &[Option<B256>],
        right: Option<&B256>,
    ) {
        for (index, (number, hash)) in numbers.iter().zip(hashes).enumerate() {
            let Some(number) = *number else { continue };
            let lags = number.saturating_add(LAG) < agreed;
            let lags = lags.then(|| format!("lags: its block {number} is final, others' {agreed}"));
            self.endpoints.accuse(index, "lag", lags);
            if let (Some(hash), Some(right)) = (hash, right) {
                let lies = (hash != right)
                    .then(|| format!("lies: final block {agreed} is {hash}, others say {right}"));
                self.endpoints.accuse(index, "hash", lies);
            }
        }
    }

    /// Asks every endpoint at once; who does not answer says nothing.
    async fn ask_all<T, F, Fut>(&self, call: F) -> Vec<Option<T>>
    where
        F: Fn(mooring_client::Endpoint) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let call = &call;
        let asked = (0..self.endpoints.len()).map(|index| async move {
            // While enough others answer, nobody waits for one that was silent just now.
            if self.endpoints.rests(index) && self.endpoints.len() > self.agree {
                return None;
            }
            let answer = tokio::time::timeout(PATIENCE, self.endpoints.ask(index, call)).await;
            match answer {
                Ok(answer) => answer.ok(),
                Err(_) => {
                    self.endpoints.rest(index, "does not answer in time".into());
                    None
                }
            }
        });
        join_all(asked).await
    }

    /// The Vault's head in an agreed block, proven by whoever can of those who agree.
    pub(crate) async fn head(&self, block: &Agreed) -> Result<ProvenHead, L1Error> {
        let mut reason = "nobody was asked".to_owned();
        for index in &block.by {
            match self.head_of(*index, block.hash).await {
                Ok(proven) => return Ok(proven),
                Err(error) => reason = error,
            }
        }
        Err(L1Error::NoProof { block: block.number, reason })
    }

    async fn head_of(&self, index: usize, hash: B256) -> Result<ProvenHead, String> {
        let vault = self.vault;
        let proof = self
            .endpoints
            .ask(index, |endpoint| async move { endpoint.head_proof(vault, hash).await })
            .await
            .map_err(|error| error.to_string())?;
        let proven = verify_head(hash, vault, &proof);
        let wrong = proven.as_ref().err();
        let wrong = wrong.map(|error| format!("proves nothing in block {hash}: {error}"));
        self.endpoints.accuse(index, "proof", wrong);
        proven.map_err(|error| error.to_string())
    }

    /// The leaves after `after` up to `to` with the block of each, from the logs up to `block`, as
    /// one endpoint has them (another one with each `attempt`). From `from` on if that is known,
    /// else from the Vault's birth. Hints.
    pub(crate) async fn leaves(
        &self,
        after: Count,
        to: Count,
        from: Option<u64>,
        block: u64,
        attempt: u64,
    ) -> Result<Vec<(Leaf, u64)>, RelayerError> {
        let size = u64::try_from(self.endpoints.len()).unwrap_or(1).max(1);
        let index = usize::try_from(attempt % size).unwrap_or_default();
        let from = from.filter(|_| attempt == 0).unwrap_or(self.deploy_block);
        let vault = self.vault;
        let read = |endpoint: mooring_client::Endpoint| async move {
            leaves::read(&endpoint, vault, after, to, from, block).await
        };
        match self.endpoints.ask(index, read).await {
            Ok(leaves) => Ok(leaves),
            Err(_) => self.endpoints.read(read).await,
        }
    }
}

//! The engine's signer and verifier over the canonical bytes.

use std::sync::{Arc, Mutex, PoisonError};

use arc_malachitebft_app::types::core::{
    SignedMessage, SignedProposal, SignedVote, ValidatorProof, VoteExtensionScope, VoteType,
};
use arc_malachitebft_signing::{Error, Signer, VerificationResult, Verifier};
use async_trait::async_trait;
use bytes::Bytes;
use ed25519_consensus::VerificationKey;
use tokio::sync::mpsc;

use crate::canonical::{proposal_sign_bytes, vote_sign_bytes};
use crate::context::{Context, Height, Proposal, Signature, Vote};
use crate::guard::{Guard, GuardError, Slot, Step};
use crate::keys::PrivValidatorKey;

/// Verifies by ZIP-215.
#[derive(Clone, Debug)]
pub(crate) struct ZipVerifier {
    chain_id: Arc<str>,
}

impl ZipVerifier {
    pub(crate) fn new(chain_id: &str) -> Self {
        Self { chain_id: chain_id.into() }
    }
}

type Verified = Result<VerificationResult, Error>;

#[async_trait]
impl Verifier<Context> for ZipVerifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &VerificationKey,
    ) -> Verified {
        let bytes = vote_sign_bytes(&self.chain_id, vote);
        Ok(VerificationResult::from_bool(signature.verify(key, &bytes)))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &VerificationKey,
    ) -> Verified {
        let bytes = proposal_sign_bytes(&self.chain_id, proposal);
        Ok(VerificationResult::from_bool(signature.verify(key, &bytes)))
    }

    /// Extensions are disabled: none is valid.
    async fn verify_signed_vote_extension(
        &self,
        _scope: &VoteExtensionScope<Context>,
        _extension: &Bytes,
        _signature: &Signature,
        _key: &VerificationKey,
    ) -> Verified {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(&self, proof: &ValidatorProof<Context>) -> Verified {
        let valid = VerificationKey::try_from(proof.public_key.as_slice())
            .is_ok_and(|key| proof.signature.verify(&key, &proof.preimage()));
        Ok(VerificationResult::from_bool(valid))
    }
}

/// Signs behind the guard. A refusal is also sent to `refused`, which ends the engine.
pub(crate) struct GuardedSigner {
    chain_id: Arc<str>,
    key: PrivValidatorKey,
    guard: Arc<Mutex<Guard>>,
    refused: mpsc::Sender<GuardError>,
}

#[derive(Debug, thiserror::Error)]
#[error("the guard gave no signature")]
struct Refused;

#[derive(Debug, thiserror::Error)]
#[error("vote extensions are disabled")]
struct NoExtensions;

impl GuardedSigner {
    /// A signer, and the receiver of its first refusal.
    pub(crate) fn new(
        chain_id: &str,
        key: PrivValidatorKey,
        guard: Arc<Mutex<Guard>>,
    ) -> (Self, mpsc::Receiver<GuardError>) {
        let (refused, refusals) = mpsc::channel(1);
        (Self { chain_id: chain_id.into(), key, guard, refused }, refusals)
    }

    /// The guard writes to disk, so it runs off the async threads.
    async fn sign(&self, slot: Slot, bytes: Vec<u8>) -> Result<Signature, Error> {
        let (guard, key) = (Arc::clone(&self.guard), self.key.clone());
        let signed = tokio::task::spawn_blocking(move || {
            let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
            guard.sign(slot, &bytes, |message| key.sign(message))
        })
        .await;
        match signed {
            Ok(Ok(signature)) => Ok(Signature::new(signature)),
            Ok(Err(refusal)) => {
                // When the channel is full an earlier refusal already ends the engine.
                let _ = self.refused.try_send(refusal);
                Err(Error::from_source(Refused))
            }
            Err(panic) => Err(Error::from_source(panic)),
        }
    }
}

fn slot(height: Height, round: Option<u32>, step: Step) -> Result<Slot, Error> {
    let round = round.ok_or_else(Error::new)?;
    Ok(Slot { height: height.get(), round, step })
}

#[async_trait]
impl Signer<Context> for GuardedSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedVote<Context>, Error> {
        let step = match vote.kind {
            VoteType::Prevote => Step::Prevote,
            VoteType::Precommit => Step::Precommit,
        };
        let slot = slot(vote.height, vote.round.as_u32(), step)?;
        let signature = self.sign(slot, vote_sign_bytes(&self.chain_id, &vote)).await?;
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(&self, proposal: Proposal) -> Result<SignedProposal<Context>, Error> {
        let slot = slot(proposal.height, proposal.round.as_u32(), Step::Proposal)?;
        let signature = self.sign(slot, proposal_sign_bytes(&self.chain_id, &proposal)).await?;
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _scope: VoteExtensionScope<Context>,
        _extension: Bytes,
    ) -> Result<SignedMessage<Context, Bytes>, Error> {
        Err(Error::from_source(NoExtensions))
    }

    /// The proof has a domain of its own ("PoV" and fixed-width lengths), which no canonical
    /// vote or proposal begins with, so it needs no guard.
    async fn sign_validator_proof(
        &self,
        public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Context>, Error> {
        let bytes = ValidatorProof::<Context>::signing_bytes(&public_key, &peer_id);
        let signature = Signature::new(self.key.sign(&bytes));
        Ok(ValidatorProof::new(public_key, peer_id, signature))
    }
}

//! The engine's signer and verifier over the canonical bytes.

use std::sync::{Arc, Mutex, PoisonError};

use arc_malachitebft_app::types::core::{
    ExtendedCommitCertificate, SignedMessage, SignedProposal, SignedVote, ValidatorProof,
    VoteExtensionScope, VoteType,
};
use arc_malachitebft_signing::{Error, Signer, VerificationResult, Verifier};
use async_trait::async_trait;
use bytes::Bytes;
use ed25519_consensus::VerificationKey;
use tokio::sync::mpsc;

use crate::canonical::{proposal_sign_bytes, vote_sign_bytes};
use crate::context::{Context, Height, Proposal, Signature, ValidatorSet, Vote};
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

/// What stands where a signature would, of a step that this node abstains from: nobody's.
const ABSTAINED: [u8; 64] = [0; 64];

/// Takes out of a certificate what a node counted of its own where it abstained: the engine does
/// not verify its own votes. `None` where the others' signatures are no quorum: then nothing is
/// decided yet, whatever the engine says, and to commit could be to commit what nobody else will.
pub(crate) fn without_abstentions(
    mut certificate: ExtendedCommitCertificate<Context>,
    validators: &ValidatorSet,
) -> Option<ExtendedCommitCertificate<Context>> {
    let all = certificate.commit_signatures.len();
    certificate.commit_signatures.retain(|commit| *commit.signature.bytes() != ABSTAINED);
    if certificate.commit_signatures.len() == all {
        return Some(certificate);
    }
    let signers = certificate.commit_signatures.iter().map(|commit| &commit.address);
    let power =
        signers.filter_map(|address| validators.find(address)).map(|(_, v)| v.power()).sum();
    validators.is_quorum(power).then_some(certificate)
}

/// Signs behind the guard. A refusal is also sent to `refused`, which ends the process.
///
/// A validator whose data was lost or came from a snapshot catches up through heights that it has
/// voted on before. They are decided, so it abstains there, and signs again from the height of its
/// last signature on. That needs others to decide: one who is a quorum alone is refused.
pub(crate) struct GuardedSigner {
    chain_id: Arc<str>,
    key: PrivValidatorKey,
    guard: Arc<Mutex<Guard>>,
    may_abstain: bool,
    refused: mpsc::Sender<GuardError>,
}

#[derive(Debug, thiserror::Error)]
#[error("the guard gave no signature")]
struct Refused;

#[derive(Debug, thiserror::Error)]
#[error("vote extensions are disabled")]
struct NoExtensions;

impl GuardedSigner {
    /// A signer, and the receiver of its first refusal. `may_abstain`: it cannot decide alone.
    pub(crate) fn new(
        chain_id: &str,
        key: PrivValidatorKey,
        guard: Guard,
        may_abstain: bool,
    ) -> (Self, mpsc::Receiver<GuardError>) {
        let (refused, refusals) = mpsc::channel(1);
        let guard = Arc::new(Mutex::new(guard));
        (Self { chain_id: chain_id.into(), key, guard, may_abstain, refused }, refusals)
    }

    /// The guard writes to disk, so it runs off the async threads.
    async fn sign(&self, slot: Slot, bytes: Vec<u8>) -> Result<Signature, Error> {
        let (guard, key) = (Arc::clone(&self.guard), self.key.clone());
        let may_abstain = self.may_abstain;
        let signed = tokio::task::spawn_blocking(move || {
            let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
            if may_abstain && slot.height < guard.height() {
                return Ok(ABSTAINED);
            }
            guard.sign(slot, &bytes, |message| key.sign(message))
        })
        .await;
        match signed {
            Ok(Ok(signature)) => Ok(Signature::new(signature)),
            Ok(Err(refusal)) => {
                // When the channel is full an earlier refusal already ends the process.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use arc_malachitebft_app::types::core::{ExtendedCommitSignature, NilOrVal, Round};

    use super::*;
    use crate::context::{Address, BlockRef, BlockTime, PartSet};
    use std::time::Duration;

    #[test]
    fn an_abstention_decides_nothing() {
        let keys: Vec<_> = (1..=4).map(|seed| PrivValidatorKey::generate([seed; 32])).collect();
        let set = ValidatorSet::new(keys.iter().map(|key| (key.public_key(), 10))).unwrap();
        let certificate = |signatures: [u8; 4]| ExtendedCommitCertificate {
            height: Height::new(4),
            round: Round::new(0),
            value_id: BlockRef {
                hash: [1; 32],
                parts: PartSet { total: 1, hash: [2; 32] },
                time: BlockTime::since_epoch(Duration::ZERO),
            },
            commit_signatures: keys
                .iter()
                .zip(signatures)
                .filter(|(_, byte)| *byte != u8::MAX)
                .map(|(key, byte)| {
                    let address = Address::new(key.address());
                    ExtendedCommitSignature::new(address, Signature::new([byte; 64]), None)
                })
                .collect(),
        };
        let left = |signatures| {
            let left = without_abstentions(certificate(signatures), &set)?;
            Some(left.commit_signatures.len())
        };
        assert_eq!(left([1, 1, 1, 1]), Some(4));
        assert_eq!(left([1, 1, 1, u8::MAX]), Some(3), "a certificate without its own vote");
        assert_eq!(left([1, 1, 1, 0]), Some(3), "three others decide");
        assert_eq!(left([1, 1, u8::MAX, 0]), None, "two do not");
    }

    #[tokio::test]
    async fn below_its_last_signature_a_validator_abstains_or_is_refused() {
        let vote = |height| Vote {
            kind: VoteType::Prevote,
            height: Height::new(height),
            round: Round::new(0),
            value: NilOrVal::Nil,
            address: Address::new([1; 20]),
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard.json");
        let sign = async |may_abstain, height| {
            let key = PrivValidatorKey::generate([2; 32]);
            let guard = Guard::open(&path).unwrap();
            let (signer, mut refusals) = GuardedSigner::new("c", key, guard, may_abstain);
            let signed = signer.sign_vote(vote(height)).await.ok();
            (signed.map(|signed| *signed.signature.bytes()), refusals.try_recv().is_ok())
        };
        let (first, _) = sign(true, 5).await;
        assert_ne!(first.unwrap(), ABSTAINED);
        assert_eq!(sign(true, 4).await, (Some(ABSTAINED), false));
        assert_eq!(sign(false, 4).await, (None, true));
        assert_eq!(sign(true, 5).await, (first, false), "the guard was left alone");
    }
}

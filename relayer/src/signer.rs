//! The only place where the member key signs for the peg: guard, journal, then signature.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use mooring_bridge::{Checkpoint, DepositHead, Domain, Signature, SignedStruct, domain};

use crate::{
    crash,
    journal::{Guarded, Journal, Slot},
};

/// Why a signature was not made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Another value was signed for the slot before, or may have been.
    #[error("the guard refuses {slot:?}: {by} was signed there before, not {want}")]
    Guard {
        /// The slot.
        slot: Slot,
        /// What it holds.
        by: B256,
        /// What would have been signed.
        want: B256,
    },
    /// The journal cannot be used: without it nothing is signed.
    #[error("journal: {0}")]
    Journal(#[from] rusqlite::Error),
    /// The key cannot sign.
    #[error("cannot sign: {0}")]
    Key(#[from] alloy_signer::Error),
    /// The signature has not the accepted form.
    #[error(transparent)]
    Form(#[from] mooring_bridge::SignatureError),
}

/// The member key, bound to one network and guarded by the journal.
#[derive(Clone, Debug)]
pub struct MemberSigner {
    key: PrivateKeySigner,
    domain: Domain,
    journal: Arc<Journal>,
}

impl MemberSigner {
    /// A signer for `domain`.
    pub const fn new(key: PrivateKeySigner, domain: domain::Domain, journal: Arc<Journal>) -> Self {
        Self { key, domain, journal }
    }

    /// The member's address.
    pub const fn address(&self) -> Address {
        self.key.address()
    }

    /// Signs a head of the deposit log.
    ///
    /// # Errors
    /// When another acc was signed for that count, or journal or key fail.
    pub fn head(&self, head: &DepositHead) -> Result<Signature, SignError> {
        self.guard(Slot::Head(head.count), head.acc)?;
        crash::at("head.journalled");
        let signature = self.sign(head.digest(&self.domain))?;
        crash::at("head.signed");
        Ok(signature)
    }

    /// Signs a checkpoint.
    ///
    /// # Errors
    /// When another checkpoint was signed for that height, or journal or key fail.
    pub fn checkpoint(&self, checkpoint: &Checkpoint) -> Result<Signature, SignError> {
        let digest = checkpoint.digest(&self.domain);
        self.guard(Slot::Checkpoint(checkpoint.height), digest)?;
        crash::at("checkpoint.journalled");
        let signature = self.sign(digest)?;
        crash::at("checkpoint.signed");
        Ok(signature)
    }

    fn guard(&self, slot: Slot, want: B256) -> Result<(), SignError> {
        match self.journal.guard(slot, want)? {
            Guarded::Free => Ok(()),
            Guarded::Taken { by } => Err(SignError::Guard { slot, by, want }),
        }
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignError> {
        if let Some(signature) = self.journal.signature(digest)? {
            return Ok(signature);
        }
        let signature = Signature::try_from(self.key.sign_hash_sync(&digest)?)?;
        self.journal.keep_signature(digest, &signature)?;
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mooring_bridge::{Count, Epoch, Height};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn domain() -> Domain {
        Domain {
            l1_chain_id: 1,
            vault: Address::repeat_byte(1),
            sidechain_id: 2,
            setup_hash: B256::repeat_byte(3),
        }
    }

    fn signer(dir: &std::path::Path, key: &PrivateKeySigner) -> MemberSigner {
        let journal = Journal::open(&dir.join("journal.sqlite"), B256::ZERO).unwrap();
        MemberSigner::new(key.clone(), domain(), Arc::new(journal))
    }

    fn head(epoch: u64, count: u64, acc: u8) -> DepositHead {
        let acc = B256::repeat_byte(acc);
        DepositHead { epoch: Epoch::new(epoch), count: Count::new(count), acc }
    }

    #[test]
    fn signatures_are_the_members_and_equal_for_equal_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let key = PrivateKeySigner::random();
        let first = signer(dir.path(), &key).head(&head(1, 5, 9)).unwrap();
        let again = signer(dir.path(), &key).head(&head(1, 5, 9)).unwrap();
        assert_eq!(first, again);
        assert_eq!(head(1, 5, 9).signer(&domain(), &first).unwrap(), key.address());
        // The same acc may be signed for the next epoch, another acc never.
        assert!(signer(dir.path(), &key).head(&head(2, 5, 9)).is_ok());
        let other = signer(dir.path(), &key).head(&head(2, 5, 8));
        assert!(matches!(other, Err(SignError::Guard { .. })));
    }

    #[test]
    fn a_crash_between_guard_signature_and_journal_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let key = PrivateKeySigner::random();
        let wanted = head(1, 5, 9);
        // The guard was written, nothing was signed.
        let first = signer(dir.path(), &key);
        first.guard(Slot::Head(wanted.count), wanted.acc).unwrap();
        drop(first);
        let other = signer(dir.path(), &key).head(&head(1, 5, 8));
        assert!(matches!(other, Err(SignError::Guard { .. })));
        // The signature was made and not kept: it comes out the same.
        let lost = Signature::try_from(key.sign_hash_sync(&wanted.digest(&domain())).unwrap());
        assert_eq!(signer(dir.path(), &key).head(&wanted).unwrap(), lost.unwrap());
    }

    #[test]
    fn one_checkpoint_a_height() {
        let dir = tempfile::tempdir().unwrap();
        let signer = signer(dir.path(), &PrivateKeySigner::random());
        let mut checkpoint = Checkpoint {
            epoch: Epoch::new(1),
            height: Height::new(8),
            block_hash: B256::repeat_byte(1),
            state_root: B256::repeat_byte(2),
            exit_count: 0,
            exit_root: B256::ZERO,
            credited_count: Count::ZERO,
            credited_acc: B256::ZERO,
        };
        signer.checkpoint(&checkpoint).unwrap();
        signer.checkpoint(&checkpoint).unwrap();
        checkpoint.state_root = B256::repeat_byte(3);
        assert!(matches!(signer.checkpoint(&checkpoint), Err(SignError::Guard { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_order_of_requests_and_restarts_signs_two_accs_for_a_count(
            requests in prop::collection::vec((1u64..3, 1u64..5, 0u8..3, any::<bool>()), 1..25),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let key = PrivateKeySigner::random();
            let mut member = signer(dir.path(), &key);
            let mut signed = BTreeMap::new();
            for (epoch, count, acc, restart) in requests {
                if restart {
                    member = signer(dir.path(), &key);
                }
                if member.head(&head(epoch, count, acc)).is_ok() {
                    prop_assert_eq!(*signed.entry(count).or_insert(acc), acc);
                }
            }
        }
    }
}

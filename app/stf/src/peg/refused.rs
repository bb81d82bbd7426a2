//! Why a federation message is refused.

use alloy_primitives::{Address, B256};
use mooring_bridge::{Count, Epoch, Height, SignatureError};

use crate::Fault;

/// A federation message that is invalid here and now. It changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The peg has halted itself: no messages, no credits, no checkpoints.
    #[error("the peg is halted")]
    Halted,
    /// Votes for a new federation are not taken by this version.
    #[error("update votes are not open")]
    UpdatesNotOpen,
    /// The vote is for another epoch than the one that signs.
    #[error("vote is for epoch {got}, epoch {want} signs here")]
    WrongEpoch {
        /// The epoch that signs.
        want: Epoch,
        /// The epoch in the vote.
        got: Epoch,
    },
    /// The signature belongs to no key (its form was checked when the message was decoded).
    #[error("vote has a bad signature")]
    Signature(#[from] SignatureError),
    /// The signature is not a member's. A vote for other bytes than were signed looks so too.
    #[error("signer {signer} is not a member of epoch {epoch}")]
    NotMember {
        /// Who signed, if these bytes are what was signed.
        signer: Address,
        /// The epoch whose members sign.
        epoch: Epoch,
    },
    /// The member has signed exactly this before.
    #[error("member {member} has voted for this already")]
    AlreadyVoted {
        /// The member.
        member: Address,
    },
    /// The head is not newer than the accepted one.
    #[error("head {got} is not above the accepted head {accepted}")]
    NotAboveAccepted {
        /// The accepted head's count.
        accepted: Count,
        /// The vote's count.
        got: Count,
    },
    /// The head is more leaves above the accepted one than a delivery carries.
    #[error("head {got} is too far above the accepted head {accepted}")]
    TooFarAhead {
        /// The accepted head's count.
        accepted: Count,
        /// The vote's count.
        got: Count,
    },
    /// The member has signed an open head of the same count and another acc.
    #[error("member {member} has signed acc {signed} for open head {count}")]
    Contradicts {
        /// The member.
        member: Address,
        /// The count of both heads.
        count: Count,
        /// The acc that the member signed before.
        signed: B256,
    },
    /// The member would open a second head beside its open one.
    #[error("member {member} has opened head {open} already")]
    SecondHead {
        /// The member.
        member: Address,
        /// The count of its open head.
        open: Count,
    },
    /// Every accepted head has been delivered.
    #[error("no accepted head waits for its leaves")]
    NothingToDeliver,
    /// The delivery is not as long as the oldest undelivered head is ahead.
    #[error("delivery has {got} leaves, not {want}")]
    LeafCount {
        /// How many leaves the head is ahead.
        want: u64,
        /// How many leaves the delivery has.
        got: u64,
    },
    /// A leaf carries another number than its place in the log.
    #[error("leaf {got} stands where leaf {want} belongs")]
    LeafOrder {
        /// The number that belongs there.
        want: Count,
        /// The number it carries.
        got: Count,
    },
    /// The leaves do not hash to the accepted head.
    #[error("leaves hash to {got}, not to the accepted {want}")]
    WrongAcc {
        /// The accepted head's acc.
        want: B256,
        /// What the leaves hash to.
        got: B256,
    },
    /// The chain keeps no checkpoint of that height: never named, lapsed, or superseded.
    #[error("no checkpoint is named at height {height}")]
    NoCheckpoint {
        /// The vote's height.
        height: Height,
    },
    /// The checkpoint was named in this block; the next one completes it.
    #[error("the checkpoint of height {height} is not complete before the next block")]
    NotComplete {
        /// The vote's height.
        height: Height,
    },
    /// The checkpoint has its quorum and needs no more votes.
    #[error("the checkpoint of height {height} already has quorum")]
    HasQuorum {
        /// The vote's height.
        height: Height,
    },
}

/// A message did not go through: its own fault, or the node's.
#[derive(Debug, thiserror::Error)]
pub enum PegError {
    /// The message is invalid here; it changed nothing.
    #[error("federation message refused")]
    Refused(#[from] Refused),
    /// The node's store or state is damaged; the process stops.
    #[error("federation message could not be judged")]
    Fault(#[from] Fault),
}

impl From<SignatureError> for PegError {
    fn from(error: SignatureError) -> Self {
        Self::Refused(error.into())
    }
}

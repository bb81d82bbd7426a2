//! A federation that holds its keys in the open and signs what it is told.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use mooring_bridge::{
    Checkpoint, Count, DepositHead, Domain, Epoch, FederationMessage, Head, Leaf, Signature,
    SignedStruct,
    deposit::{Deposit, TokenMetadata},
    federation::{CheckpointVote, HeadVote},
};

use super::wallet;

/// The hot key of member `index` of [`super::pegged_genesis`].
pub(super) fn member_key(index: u8) -> B256 {
    keccak256([b'm', index])
}

/// The members of [`super::pegged_genesis`], and the deposit log as they see it on L1.
#[derive(Clone, Debug)]
pub struct Federation {
    domain: Domain,
    members: u8,
    head: Head,
}

impl Federation {
    /// A federation of `members` under `domain`, with an empty deposit log.
    pub fn new(domain: Domain, members: u8) -> Self {
        Self { domain, members, head: Head { count: Count::ZERO, acc: domain.acc_0() } }
    }

    /// Appends leaves to the log: the votes of every member needed, then the delivery.
    ///
    /// # Panics
    /// When a leaf does not carry the log's next count: build it with [`next_count`](Self::next_count).
    pub fn deliver(&mut self, leaves: &[Leaf]) -> Vec<Bytes> {
        self.head = self.head.extend_all(leaves).expect("leaves are in order");
        let quorum = self.members.saturating_mul(2) / 3 + 1;
        let mut messages: Vec<Bytes> = (0..quorum).map(|member| self.vote(member)).collect();
        messages.push(FederationMessage::Delivery(leaves.to_vec()).encode().into());
        messages
    }

    /// The vote of one member for the log's head.
    pub fn vote(&self, member: u8) -> Bytes {
        let head = DepositHead { epoch: Epoch::new(1), count: self.head.count, acc: self.head.acc };
        let signature = self.sign(member, &head);
        FederationMessage::HeadVote(HeadVote { head, signature }).encode().into()
    }

    /// The vote of one member for a checkpoint.
    pub fn checkpoint_vote(&self, member: u8, checkpoint: &Checkpoint) -> Bytes {
        FederationMessage::CheckpointVote(CheckpointVote {
            epoch: checkpoint.epoch,
            height: checkpoint.height,
            signature: self.sign(member, checkpoint),
        })
        .encode()
        .into()
    }

    /// The count of the log's `ahead`-th next leaf, from 0.
    pub const fn next_count(&self, ahead: u64) -> Count {
        Count::new(self.head.count.get().saturating_add(1).saturating_add(ahead))
    }

    /// A deposit that goes back to its recipient's address if it bounces.
    pub fn deposit(
        &self,
        ahead: u64,
        asset: Address,
        recipient: Address,
        amount: u128,
        gas_wei: u128,
    ) -> Leaf {
        Leaf::Deposit(Deposit {
            count: self.next_count(ahead),
            asset,
            sender: Address::repeat_byte(0xde),
            recipient,
            amount: U256::from(amount),
            gas_wei: U256::from(gas_wei),
            refund_to: Address::repeat_byte(0xef),
        })
    }

    /// The metadata of a token called "Test Token", TST, 18 decimals.
    pub fn metadata(&self, ahead: u64, asset: Address) -> Leaf {
        Leaf::TokenMetadata(TokenMetadata {
            count: self.next_count(ahead),
            asset,
            name: left_aligned(b"Test Token"),
            symbol: left_aligned(b"TST"),
            decimals: 18,
        })
    }

    fn sign(&self, member: u8, statement: &impl SignedStruct) -> Signature {
        let signature = wallet::sign_hash(member_key(member), statement.digest(&self.domain));
        signature.try_into().expect("the signer gives a low s")
    }
}

fn left_aligned(text: &[u8]) -> B256 {
    let mut word = B256::ZERO;
    word[..text.len()].copy_from_slice(text);
    word
}

//! What the sidechain's `peg_*` methods answer, for the node that writes it and the client that
//! reads it. Keys are camelCase; counts, heights, epochs, indices and times are JSON numbers;
//! amounts and powers are hex quantities (`"0x1"`); hashes and addresses hex.

use crate::{Checkpoint, Count, Domain, Epoch, Exit, ExitIndex, Head, Height, Member};
use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

/// `peg_status`: the peg at the newest block.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PegStatus {
    /// Chain id of the sidechain.
    pub chain_id: u64,
    /// The newest block.
    pub height: u64,
    /// The current epoch.
    pub epoch: u64,
    /// Its members, ascending by address.
    pub members: Vec<MemberJson>,
    /// Their power together.
    pub total_power: U256,
    /// Newest accepted head of the deposit log.
    pub accepted: HeadJson,
    /// Head after the last leaf delivered.
    pub delivered: HeadJson,
    /// Head after the last leaf credited.
    pub credited: HeadJson,
    /// Accepted heads that wait for their leaves, oldest first.
    pub undelivered: Vec<HeadJson>,
    /// Heads with votes but no quorum.
    pub open_heads: Vec<OpenHeadJson>,
    /// Exits made since genesis.
    pub exit_count: u64,
    /// Root of the exit tree.
    pub exit_root: B256,
    /// The last checkpoint with quorum, then the open ones, oldest first.
    pub checkpoints: Vec<CheckpointJson>,
    /// Whether the peg has halted itself.
    pub halted: bool,
    /// Wei burnt by self-destructs.
    pub destroyed: U256,
}

/// A member of an epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberJson {
    /// Its hot address.
    pub address: Address,
    /// Its power.
    pub power: U256,
}

/// A head of the deposit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadJson {
    /// How many leaves.
    pub count: u64,
    /// The chain's value after them.
    pub acc: B256,
}

/// A head with votes but no quorum.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenHeadJson {
    /// The member that opened it.
    pub opener: Address,
    /// How many leaves.
    pub count: u64,
    /// The chain's value after them.
    pub acc: B256,
    /// The members that signed, ascending.
    pub signers: Vec<Address>,
    /// Their power.
    pub power: U256,
}

/// A checkpoint record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointJson {
    /// Number of the record.
    pub index: u64,
    /// Whose members sign it.
    pub epoch: u64,
    /// The block.
    pub height: u64,
    /// The block's header hash; zero until complete.
    pub block_hash: B256,
    /// The state root after the block; zero until complete.
    pub state_root: B256,
    /// Exits after the block.
    pub exit_count: u64,
    /// Root of the exit tree after the block.
    pub exit_root: B256,
    /// The last leaf credited.
    pub credited_count: u64,
    /// The deposit log's value after that leaf.
    pub credited_acc: B256,
    /// Time of the block, in seconds.
    pub time: u64,
    /// Whether it can be signed.
    pub complete: bool,
    /// Whether it has quorum.
    pub quorum: bool,
    /// The members that signed, ascending.
    pub signers: Vec<Address>,
    /// Their power.
    pub power: U256,
}

/// `peg_checkpoint`: a record with what the Vault's `checkpoint` call takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointBundle {
    /// The record.
    #[serde(flatten)]
    pub record: CheckpointJson,
    /// The member words of its epoch, ascending.
    pub member_words: Vec<B256>,
    /// The signatures, 65 bytes each, ascending by signer.
    pub signatures: Bytes,
}

/// `peg_domain`: what every signature is bound to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainJson {
    /// Chain id of the L1.
    pub l1_chain_id: u64,
    /// The Vault.
    pub vault: Address,
    /// The L1 block in which the Vault was created.
    pub deploy_block: u64,
    /// Chain id of the sidechain.
    pub sidechain_id: u64,
    /// Hash of the genesis document without its L1 section.
    pub setup_hash: B256,
    /// The EIP-712 domain separator.
    pub separator: B256,
    /// The deposit log's value before its first leaf.
    pub acc0: B256,
}

/// `peg_exit` and the items of `peg_exits`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitJson {
    /// Its place in the tree.
    pub index: u64,
    /// What was burnt.
    pub asset: Address,
    /// Who is paid on L1.
    pub recipient: Address,
    /// How much, fee included.
    pub amount: U256,
    /// What the claimer gets of it.
    pub fee: U256,
}

/// `peg_exitProof`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitProofJson {
    /// The exit.
    pub exit: ExitJson,
    /// Its leaf in the tree.
    pub leaf: B256,
    /// The tree's size that the proof is for.
    pub count: u64,
    /// The tree's root at that size.
    pub root: B256,
    /// Siblings, leaf to top.
    pub siblings: Vec<B256>,
}

/// `peg_credit`: how far a leaf of the deposit log has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditJson {
    /// The leaf.
    pub count: u64,
    /// An accepted head holds it.
    pub accepted: bool,
    /// Its bytes are here.
    pub delivered: bool,
    /// It is credited, or bounced.
    pub credited: bool,
    /// It could not be credited and went back as exits. Known only with `transactionHash`.
    pub bounced: bool,
    /// The block that credited it, if that is in reach of the search.
    pub block_number: Option<u64>,
    /// The derived transaction.
    pub transaction_hash: Option<B256>,
}

impl From<Head> for HeadJson {
    fn from(head: Head) -> Self {
        Self { count: head.count.get(), acc: head.acc }
    }
}

impl From<&Member> for MemberJson {
    fn from(member: &Member) -> Self {
        Self { address: member.address, power: U256::from(member.power) }
    }
}

impl From<&Exit> for ExitJson {
    fn from(exit: &Exit) -> Self {
        Self {
            index: exit.index.get(),
            asset: exit.asset,
            recipient: exit.recipient,
            amount: exit.amount,
            fee: exit.fee,
        }
    }
}

impl DomainJson {
    /// Of the chain whose Vault was created in the L1 block `deploy_block`.
    pub fn new(domain: &Domain, deploy_block: u64) -> Self {
        Self {
            l1_chain_id: domain.l1_chain_id,
            vault: domain.vault,
            deploy_block,
            sidechain_id: domain.sidechain_id,
            setup_hash: domain.setup_hash,
            separator: domain.separator(),
            acc0: domain.acc_0(),
        }
    }
}

impl HeadJson {
    /// As the bridge crate names it.
    pub const fn head(&self) -> Head {
        Head { count: Count::new(self.count), acc: self.acc }
    }
}

impl CheckpointJson {
    /// As the bridge crate names it.
    pub const fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            epoch: Epoch::new(self.epoch),
            height: Height::new(self.height),
            block_hash: self.block_hash,
            state_root: self.state_root,
            exit_count: self.exit_count,
            exit_root: self.exit_root,
            credited_count: Count::new(self.credited_count),
            credited_acc: self.credited_acc,
        }
    }
}

impl ExitJson {
    /// As the bridge crate names it.
    pub const fn exit(&self) -> Exit {
        Exit {
            index: ExitIndex::new(self.index),
            asset: self.asset,
            recipient: self.recipient,
            amount: self.amount,
            fee: self.fee,
        }
    }
}

//! Where one transfer is, from public data alone: no relayer is asked.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolEvent;
use mooring_bridge::{
    addresses,
    contracts::{Gateway, Vault},
};
use serde::Serialize;

use crate::{ClientError, Endpoint, actions, peg::ExitJson, wallet::Action};

/// Exit roots that the Vault keeps (spec 2.4).
const RING: u8 = 64;

/// Both chains of a peg.
#[derive(Clone, Debug)]
pub struct Chains {
    /// The L1.
    pub l1: Endpoint,
    /// The sidechain.
    pub sidechain: Endpoint,
    /// The Vault on L1.
    pub vault: Address,
}

/// A deposit on its way in. Stages only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DepositStage {
    /// In an L1 block that may still be dropped.
    InBlock,
    /// In a finalized L1 block; members are proving it.
    Final,
    /// The federation has accepted the log up to it.
    Accepted,
    /// Credited on the sidechain.
    Credited,
    /// Could not be credited: sent back as an exit.
    Bounced,
}

/// A withdrawal on its way out. Stages only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WithdrawalStage {
    /// Burnt on the sidechain; members sign a checkpoint that covers it.
    Burnt,
    /// A checkpoint with quorum covers it; somebody takes it to L1.
    Signed,
    /// The Vault knows the checkpoint: anyone can claim.
    Claimable,
    /// Paid on L1.
    Paid,
}

/// A deposit and where it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DepositStatus {
    /// Its leaf in the deposit log.
    pub count: u64,
    /// What was locked.
    pub asset: Address,
    /// Who gets it on the sidechain.
    pub recipient: Address,
    /// How much, in the asset's smallest unit.
    pub amount: U256,
    /// ETH that went along, in wei.
    pub gas_wei: U256,
    /// The L1 block that holds it.
    pub l1_block: u64,
    /// Where it is.
    pub stage: DepositStage,
    /// Power that has signed a head that covers it, and the power there is.
    pub signed_power: (U256, U256),
    /// The derived transaction that credited it.
    pub credit: Option<B256>,
}

/// A withdrawal and where it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawalStatus {
    /// The exit.
    #[serde(flatten)]
    pub exit: ExitJson,
    /// Where it is.
    pub stage: WithdrawalStage,
    /// Power that has signed a checkpoint that covers it, and the power there is.
    pub signed_power: (U256, U256),
}

/// A transfer, whichever way it goes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "direction")]
pub enum TransferStatus {
    /// From L1 to the sidechain.
    In(DepositStatus),
    /// From the sidechain to L1.
    Out(WithdrawalStatus),
}

impl Chains {
    /// The transfers that a transaction started, looked for on both chains; empty when neither
    /// knows it or it moves nothing across the peg.
    ///
    /// # Errors
    /// A chain's.
    pub async fn transfers(&self, hash: B256) -> Result<Vec<TransferStatus>, ClientError> {
        let mut found = Vec::new();
        for deposit in self.deposits_of(hash).await? {
            found.push(TransferStatus::In(deposit));
        }
        if found.is_empty() {
            for exit in self.exits_of(hash).await? {
                found.push(TransferStatus::Out(self.withdrawal(exit).await?));
            }
        }
        Ok(found)
    }

    /// The deposits that an L1 transaction made.
    ///
    /// # Errors
    /// A chain's.
    pub async fn deposits_of(&self, hash: B256) -> Result<Vec<DepositStatus>, ClientError> {
        let Some(receipt) = self.l1.receipt(hash).await? else { return Ok(Vec::new()) };
        let l1_block = receipt.block_number().unwrap_or_default();
        let mut found = Vec::new();
        for log in receipt.inner.inner.logs() {
            if log.address() != self.vault {
                continue;
            }
            if let Ok(event) = Vault::Deposited::decode_log(&log.inner) {
                found.push(self.deposit(&event.data, l1_block).await?);
            }
        }
        Ok(found)
    }

    async fn deposit(
        &self,
        event: &Vault::Deposited,
        l1_block: u64,
    ) -> Result<DepositStatus, ClientError> {
        let status = self.sidechain.peg_status().await?;
        let credit = self.sidechain.peg_credit(event.count).await?;
        let covering = status.open_heads.iter().filter(|head| head.count >= event.count);
        let signed = covering.map(|head| head.power).max().unwrap_or_default();
        let stage = if credit.bounced {
            DepositStage::Bounced
        } else if credit.credited {
            DepositStage::Credited
        } else if credit.accepted {
            DepositStage::Accepted
        } else if self.finalized(l1_block).await? {
            DepositStage::Final
        } else {
            DepositStage::InBlock
        };
        let signed = if credit.accepted { status.total_power } else { signed };
        Ok(DepositStatus {
            count: event.count,
            asset: event.asset,
            recipient: event.recipient,
            amount: event.amount,
            gas_wei: event.gasWei,
            l1_block,
            stage,
            signed_power: (signed, status.total_power),
            credit: credit.transaction_hash,
        })
    }

    async fn finalized(&self, block: u64) -> Result<bool, ClientError> {
        let finalized = self.l1.block(BlockNumberOrTag::Finalized).await?;
        Ok(finalized.is_some_and(|finalized| finalized.header.number >= block))
    }

    /// The exits that a sidechain transaction made.
    ///
    /// # Errors
    /// The sidechain's.
    pub async fn exits_of(&self, hash: B256) -> Result<Vec<ExitJson>, ClientError> {
        let Some(receipt) = self.sidechain.receipt(hash).await? else { return Ok(Vec::new()) };
        let exits = receipt.inner.inner.logs().iter().filter_map(|log| {
            let ours = log.address() == addresses::GATEWAY;
            let event = Gateway::Exit::decode_log(&log.inner).ok().filter(|_| ours)?;
            Some(ExitJson {
                index: event.index,
                asset: event.asset,
                recipient: event.recipient,
                amount: event.amount,
                fee: event.fee,
            })
        });
        Ok(exits.collect())
    }

    /// Where an exit is.
    ///
    /// # Errors
    /// A chain's.
    pub async fn withdrawal(&self, exit: ExitJson) -> Result<WithdrawalStatus, ClientError> {
        let status = self.sidechain.peg_status().await?;
        let covering: Vec<_> =
            status.checkpoints.iter().filter(|c| c.exit_count > exit.index).collect();
        let claimed = Vault::isClaimedCall { index: exit.index };
        let stage = if self.l1.view(self.vault, &claimed).await? {
            WithdrawalStage::Paid
        } else if self.covered_on_l1(exit.index).await? {
            WithdrawalStage::Claimable
        } else if covering.iter().any(|c| c.quorum) {
            WithdrawalStage::Signed
        } else {
            WithdrawalStage::Burnt
        };
        let signed = covering.iter().map(|c| c.power).max().unwrap_or_default();
        Ok(WithdrawalStatus { exit, stage, signed_power: (signed, status.total_power) })
    }

    async fn covered_on_l1(&self, index: u64) -> Result<bool, ClientError> {
        let last = self.l1.view(self.vault, &Vault::lastCheckpointCall {}).await?;
        Ok(last.exitCount > index)
    }

    /// The L1 transaction that pays one exit: a claim where a checkpoint on L1 covers it, else the
    /// newest signed checkpoint together with the claim. `None` while no quorum has signed a
    /// checkpoint that covers it. The claim may fail without reverting the checkpoint: look at
    /// [`Self::withdrawal`] afterwards.
    ///
    /// # Errors
    /// A chain's.
    pub async fn claim_of(&self, index: u64) -> Result<Option<Action>, ClientError> {
        let last = self.l1.view(self.vault, &Vault::lastCheckpointCall {}).await?;
        if last.exitCount > index {
            let item = self.proved(index, last.exitCount, last.ringIndex).await?;
            return Ok(item.map(|item| actions::claim(self.vault, item)));
        }
        let bundle = self.sidechain.peg_latest_checkpoint().await?;
        let Some(bundle) = bundle.filter(|b| b.record.exit_count > index) else { return Ok(None) };
        // A checkpoint with more exits takes the next place of the ring.
        let ring = last.ringIndex.wrapping_add(1) % RING;
        let item = self.proved(index, bundle.record.exit_count, ring).await?;
        Ok(item.map(|item| actions::checkpoint_and_claim(self.vault, &bundle, vec![item])))
    }

    async fn proved(
        &self,
        index: u64,
        count: u64,
        ring_index: u8,
    ) -> Result<Option<Vault::Claim>, ClientError> {
        let proof = self.sidechain.peg_exit_proof(index, count).await?;
        Ok(proof.map(|proof| Vault::Claim {
            exit: Vault::Exit {
                index,
                asset: proof.exit.asset,
                recipient: proof.exit.recipient,
                amount: proof.exit.amount,
                fee: proof.exit.fee,
            },
            exitCount: count,
            ringIndex: ring_index,
            proof: proof.siblings,
        }))
    }
}

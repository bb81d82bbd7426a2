//! What proofs are made of, as an endpoint gives it: nothing here is checked.

use alloy_consensus::{Header, TrieAccount};
use alloy_eips::BlockNumberOrTag;
use alloy_network::AnyRpcBlock;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use mooring_bridge::{
    deposit::{HEAD_ACC_SLOT, HEAD_COUNT_SLOT},
    proof::{HeadProof, SlotProof},
};

use crate::{ClientError, Endpoint};

/// The RLP of a block's header, `None` when the header has fields that this version does not know.
pub fn header_rlp(block: &AnyRpcBlock) -> Option<Bytes> {
    let header = Header::try_from(block.header.inner.clone()).ok()?;
    Some(alloy_rlp::encode(header).into())
}

impl Endpoint {
    /// What proves the head of the deposit log of `vault` in the block with this hash.
    ///
    /// # Errors
    /// See [`Self::request`]; [`ClientError::Unexpected`] when the endpoint does not know the block
    /// or gives less than was asked for.
    pub async fn head_proof(&self, vault: Address, block: B256) -> Result<HeadProof, ClientError> {
        let found = self.block_by_hash(block).await?;
        let header = found.as_ref().and_then(header_rlp);
        let header = header
            .ok_or_else(|| self.unexpected("eth_getBlockByHash", "no header to be hashed"))?;
        let reply = self.proof(vault, vec![HEAD_COUNT_SLOT, HEAD_ACC_SLOT], block).await?;
        let account =
            TrieAccount::new(reply.nonce, reply.balance, reply.storage_hash, reply.code_hash);
        let slot = |slot| {
            slot_proof(&reply, slot)
                .ok_or_else(|| self.unexpected("eth_getProof", "no proof of a slot"))
        };
        let (count, acc) = (slot(HEAD_COUNT_SLOT)?, slot(HEAD_ACC_SLOT)?);
        Ok(HeadProof { header, account, account_nodes: reply.account_proof, count, acc })
    }

    /// The value of a storage slot after a block.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn storage(
        &self,
        address: Address,
        slot: U256,
        block: BlockNumberOrTag,
    ) -> Result<B256, ClientError> {
        self.request("eth_getStorageAt", (address, B256::from(slot), block)).await
    }
}

fn slot_proof(reply: &EIP1186AccountProofResponse, slot: B256) -> Option<SlotProof> {
    let wanted = |proof: &&EIP1186StorageProof| proof.key.as_b256() == slot;
    let proof = reply.storage_proof.iter().find(wanted)?;
    Some(SlotProof { value: proof.value, nodes: proof.proof.clone() })
}

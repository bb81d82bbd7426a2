//! An application that chains a hash over all it is told, and adds a validator on request.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mooring_abci::proto::abci::response_process_proposal::ProposalStatus;
use mooring_abci::proto::abci::*;
use mooring_abci::proto::crypto::{PublicKey, public_key::Sum};
use mooring_abci::{ConsensusApp, Fault, InfoApp};
use prost::Message;
use sha2::{Digest, Sha256};

/// What the application has committed. It outlives a node, as a disk does.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) height: i64,
    pub(crate) app_hash: Bytes,
    /// Every decided block as the application was told about it.
    pub(crate) blocks: Vec<RequestFinalizeBlock>,
}

#[derive(Clone, Default)]
pub(crate) struct ChainApp {
    pub(crate) committed: Arc<Mutex<Ledger>>,
    pending: Option<Ledger>,
    /// Returned as a validator update by the block of this height.
    pub(crate) update: Option<(i64, [u8; 32], i64)>,
    /// How large the transaction of each block is.
    pub(crate) tx_bytes: usize,
    /// The height whose first proposal every node rejects.
    pub(crate) reject_first_at: Option<i64>,
    rejected: Option<Bytes>,
}

impl ChainApp {
    pub(crate) fn ledger(&self) -> Ledger {
        self.committed.lock().unwrap().clone()
    }
}

impl InfoApp for ChainApp {
    fn info(&self, _: RequestInfo) -> Result<ResponseInfo, Fault> {
        let ledger = self.ledger();
        Ok(ResponseInfo {
            last_block_height: ledger.height,
            last_block_app_hash: ledger.app_hash,
            ..ResponseInfo::default()
        })
    }

    fn query(&self, _: RequestQuery) -> Result<ResponseQuery, Fault> {
        Ok(ResponseQuery::default())
    }
}

impl ConsensusApp for ChainApp {
    fn init_chain(&mut self, request: RequestInitChain) -> Result<ResponseInitChain, Fault> {
        assert_eq!(request.app_state_bytes, b"genesis".as_slice());
        let app_hash = Bytes::copy_from_slice(&Sha256::digest(&request.app_state_bytes));
        self.committed.lock().unwrap().app_hash = app_hash.clone();
        Ok(ResponseInitChain { app_hash, ..ResponseInitChain::default() })
    }

    fn prepare_proposal(
        &mut self,
        request: RequestPrepareProposal,
    ) -> Result<ResponsePrepareProposal, Fault> {
        let mut tx = request.height.to_be_bytes().to_vec();
        tx.resize(self.tx_bytes.max(8), 7);
        Ok(ResponsePrepareProposal { txs: vec![tx.into()] })
    }

    fn process_proposal(
        &mut self,
        request: RequestProcessProposal,
    ) -> Result<ResponseProcessProposal, Fault> {
        assert_eq!(request.height, self.ledger().height + 1);
        let first = self.rejected.get_or_insert_with(|| request.hash.clone());
        let reject = self.reject_first_at == Some(request.height) && *first == request.hash;
        if self.reject_first_at != Some(request.height) {
            self.rejected = None;
        }
        let status = if reject { ProposalStatus::Reject } else { ProposalStatus::Accept };
        Ok(ResponseProcessProposal { status: status.into() })
    }

    fn finalize_block(
        &mut self,
        request: RequestFinalizeBlock,
    ) -> Result<ResponseFinalizeBlock, Fault> {
        let mut ledger = self.ledger();
        assert_eq!(request.height, ledger.height + 1);
        let mut hasher = Sha256::new();
        hasher.update(&ledger.app_hash);
        hasher.update(request.encode_to_vec());
        ledger.height = request.height;
        ledger.app_hash = Bytes::copy_from_slice(&hasher.finalize());
        let tx_results = request.txs.iter().map(|_| ExecTxResult::default()).collect();
        let validator_updates = self.update.filter(|(height, _, _)| *height == request.height).map(
            |(_, key, power)| ValidatorUpdate {
                pub_key: Some(PublicKey { sum: Some(Sum::Ed25519(key.to_vec())) }),
                power,
            },
        );
        ledger.blocks.push(request);
        let app_hash = ledger.app_hash.clone();
        self.pending = Some(ledger);
        Ok(ResponseFinalizeBlock {
            tx_results,
            validator_updates: validator_updates.into_iter().collect(),
            app_hash,
            ..ResponseFinalizeBlock::default()
        })
    }

    fn commit(&mut self) -> Result<ResponseCommit, Fault> {
        *self.committed.lock().unwrap() = self.pending.take().unwrap();
        Ok(ResponseCommit::default())
    }
}

//! An application over a store in a temporary directory, filled by a pool double.

use std::path::Path;
use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use mooring_abci::proto::abci::{
    RequestFinalizeBlock, RequestInitChain, RequestPrepareProposal, RequestProcessProposal,
    ResponseFinalizeBlock, ValidatorUpdate, response_process_proposal::ProposalStatus,
};
use mooring_abci::{ConsensusApp as _, Fault};
use mooring_genesis::Genesis;
use mooring_stf::testing::wallet;
use mooring_stf::{ChainParams, tx::SignedTx};
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::crypto::{PublicKey, public_key::Sum};
use tokio::sync::watch;

use crate::application::{Application, Budget, Candidates, Chain, Touched, TxSource};
use crate::store::{Store, View};

/// A pool that proposes what it is given, in that order.
#[derive(Debug)]
pub(crate) struct PoolDouble {
    state: Mutex<Candidates>,
    arrivals: watch::Sender<u64>,
}

impl PoolDouble {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), arrivals: watch::Sender::new(0) })
    }

    pub(crate) fn add(&self, txs: impl IntoIterator<Item = alloy_primitives::Bytes>) {
        let txs = txs.into_iter().map(Bytes::from);
        let mut state = self.state.lock().unwrap();
        for tx in txs {
            let federation = tx.first() == Some(&mooring_bridge::federation::FEDERATION_TX_TYPE);
            let lane = if federation { &mut state.federation } else { &mut state.ethereum };
            lane.push(tx);
        }
        drop(state);
        self.arrivals.send_modify(|count| *count += 1);
    }

    pub(crate) fn left(&self) -> Candidates {
        self.state.lock().unwrap().clone()
    }
}

impl TxSource for PoolDouble {
    fn propose(&self, _: Budget) -> Candidates {
        self.left()
    }

    fn recovered(&self, hashes: &[B256]) -> Vec<Option<SignedTx>> {
        vec![None; hashes.len()]
    }

    fn committed(&self, _: &View, included: &[Bytes], _: &[Touched]) {
        let mut state = self.state.lock().unwrap();
        state.federation.retain(|tx| !included.contains(tx));
        state.ethereum.retain(|tx| !included.contains(tx));
    }

    fn reorged(&self, _: &View, returned: &[Bytes]) {
        self.add(returned.iter().cloned().map(Into::into));
    }

    fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }
}

/// A transfer of `value` wei from one of [`wallet::KEYS`].
pub(crate) fn transfer(
    key: usize,
    nonce: u64,
    to: Address,
    value: u128,
) -> alloy_primitives::Bytes {
    wallet::sign(wallet::KEYS[key], wallet::call(nonce, to, value, Vec::new()))
}

/// An application with what it stands on.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) app: Application,
    pub(crate) chain: Chain,
    pub(crate) pool: Arc<PoolDouble>,
}

/// Seconds since 1970 of both genesis documents of the state transition's tests.
const START: i64 = 1_700_000_000;

impl Rig {
    pub(crate) fn open(dir: &Path, genesis: &Genesis) -> Self {
        let store =
            Store::open(dir, genesis.hash(), || mooring_stf::genesis_block(genesis)).unwrap();
        let params = Arc::new(ChainParams::from_genesis(genesis));
        let chain = Chain::new(store, params, Arc::new(genesis.clone()));
        let pool = PoolDouble::new();
        Self { app: Application::new(chain.clone(), pool.clone()), chain, pool }
    }

    pub(crate) fn latest(&self) -> View {
        self.chain.store.latest()
    }

    pub(crate) fn init_request(&self) -> RequestInitChain {
        let update = |(key, power): &([u8; 32], u64)| ValidatorUpdate {
            pub_key: Some(PublicKey { sum: Some(Sum::Ed25519(key.to_vec())) }),
            power: i64::try_from(*power).unwrap(),
        };
        RequestInitChain {
            chain_id: self.chain.consensus_id(),
            app_state_bytes: self.chain.app_state().into(),
            validators: self.chain.params.validators.iter().map(update).collect(),
            initial_height: 1,
            ..RequestInitChain::default()
        }
    }

    fn next(&self) -> i64 {
        i64::try_from(self.app.height()).unwrap() + 1
    }

    /// The time of the next block: one second a block.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        Some(Timestamp { seconds: START + self.next(), nanos: 5 })
    }

    /// The first validator of genesis builds every block.
    pub(crate) fn proposer(&self) -> Bytes {
        let first = self.chain.genesis.setup().validators.first();
        first.map_or_else(Bytes::new, |v| Bytes::copy_from_slice(&v.consensus_pubkey.address()))
    }

    pub(crate) fn prepare(&mut self, max_tx_bytes: i64) -> Vec<Bytes> {
        let request = RequestPrepareProposal {
            max_tx_bytes,
            height: self.next(),
            time: self.time(),
            proposer_address: self.proposer(),
            ..RequestPrepareProposal::default()
        };
        self.app.prepare_proposal(request).unwrap().txs
    }

    pub(crate) fn process_request(&self, txs: &[Bytes]) -> RequestProcessProposal {
        RequestProcessProposal {
            txs: txs.to_vec(),
            height: self.next(),
            time: self.time(),
            proposer_address: self.proposer(),
            ..RequestProcessProposal::default()
        }
    }

    pub(crate) fn accepts(&mut self, txs: &[Bytes]) -> bool {
        let request = self.process_request(txs);
        self.app.process_proposal(request).unwrap().status() == ProposalStatus::Accept
    }

    pub(crate) fn finalize_request(&self, txs: &[Bytes]) -> RequestFinalizeBlock {
        RequestFinalizeBlock {
            txs: txs.to_vec(),
            height: self.next(),
            time: self.time(),
            proposer_address: self.proposer(),
            ..RequestFinalizeBlock::default()
        }
    }

    pub(crate) fn decide(
        &mut self,
        request: RequestFinalizeBlock,
    ) -> Result<ResponseFinalizeBlock, Fault> {
        let response = self.app.finalize_block(request)?;
        self.app.commit()?;
        Ok(response)
    }

    /// One height as an engine runs it, from the pool; its FinalizeBlock request and answer.
    pub(crate) fn height(&mut self) -> (RequestFinalizeBlock, ResponseFinalizeBlock) {
        let txs = self.prepare(1 << 20);
        assert!(self.accepts(&txs), "its own proposal");
        let request = self.finalize_request(&txs);
        let response = self.decide(request.clone()).unwrap();
        (request, response)
    }
}

//! Starting and stopping the engine. Here alone it is instantiated.

use std::sync::Arc;
use std::time::Duration;

use arc_malachitebft_app::config::{ConsensusConfig, NodeConfig, ValueSyncConfig};
use arc_malachitebft_app::types::Keypair;
use arc_malachitebft_app_channel::{
    Channels, ConsensusContext, EngineHandle, NetworkContext, NetworkIdentity, NetworkRequest,
    RequestContext, Signer, SyncContext, WalContext, start_engine,
};
use mooring_abci::{ConsensusApp, ConsensusStore, InfoApp};
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::codec::{Codec, Wire};
use crate::config::{Config, GenesisValidator};
use crate::context::{Address, Context};
use crate::error::EngineError;
use crate::guard::{Guard, GuardError};
use crate::host::{AppThread, Host, Links, Memory};
use crate::keys::{NodeKey, PrivValidatorKey, address_of};
use crate::settings::{EngineSettings, host_config};
use crate::signing::{GuardedSigner, ZipVerifier};
use crate::status::EngineStatus;

/// How long the engine's tasks get to end.
const STOP_BUDGET: Duration = Duration::from_secs(3);
/// How often the connected peers are counted.
const PEER_COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Runs a node of the chain: handshake and replay, then consensus, until `cancel`.
///
/// The application is called on a thread of its own and dropped before this returns.
/// `status` is updated as heights and rounds pass.
///
/// # Errors
/// Any error means the node must stop: exit the process with [`EngineError::exit_code`].
/// Nothing is left half done; the next start replays what the application lacks.
pub async fn run(
    config: Config,
    app: Box<dyn ConsensusApp>,
    info: Arc<dyn InfoApp>,
    store: Arc<dyn ConsensusStore>,
    status: watch::Sender<EngineStatus>,
    cancel: CancellationToken,
) -> Result<(), EngineError> {
    let settings = EngineSettings::new(&config)?;
    let keys = Keys::load(&config)?;
    let host_config = host_config(&config, keys.address())?;
    let app = Arc::new(AppThread::spawn(app)?);
    let memory = Memory::new(store);
    let outcome = async {
        let state = crate::handshake::handshake(&host_config, &app, info.as_ref(), &memory).await?;
        status.send_modify(|status| status.decided_height = state.height.get());
        let node = Node { config: &config, settings, keys, status: &status, cancel: &cancel };
        node.run(|links| {
            let (app, status, cancel) = (Arc::clone(&app), status.clone(), cancel.clone());
            Host::new(host_config, app, memory, links, status, cancel, state)
        })
        .await
    };
    let outcome = outcome.await;
    // Only the host shared the thread, and it is gone.
    let ended = match Arc::into_inner(app) {
        Some(app) => app.join().await,
        None => Ok(()),
    };
    outcome.and(ended)
}

/// The keys of a node.
struct Keys {
    node: NodeKey,
    validator: Option<(PrivValidatorKey, Guard)>,
}

impl Keys {
    fn load(config: &Config) -> Result<Self, EngineError> {
        let node = NodeKey::load(&config.node_key)?;
        let validator = match &config.validator_key {
            Some(path) => Some((PrivValidatorKey::load(path)?, Guard::open(&config.guard)?)),
            None => None,
        };
        Ok(Self { node, validator })
    }

    fn address(&self) -> Option<Address> {
        self.validator.as_ref().map(|(key, _)| Address::new(key.address()))
    }
}

/// What the engine itself is started with.
struct Node<'a> {
    config: &'a Config,
    settings: EngineSettings,
    keys: Keys,
    status: &'a watch::Sender<EngineStatus>,
    cancel: &'a CancellationToken,
}

impl NodeConfig for EngineSettings {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

impl Node<'_> {
    async fn run(self, host: impl FnOnce(Links) -> Host) -> Result<(), EngineError> {
        let (status, cancel) = (self.status.clone(), self.cancel.clone());
        let (channels, engine, mut refusals) = self.start().await?;
        let Channels { consensus, network, net_requests, events, requests } = channels;
        let host = host(Links { network, requests: net_requests.clone() });
        let EngineHandle { actor, mut handle } = engine;
        let outcome = tokio::select! {
            biased;
            Some(refusal) = refusals.recv() => Err(EngineError::Guard(refusal)),
            outcome = host.run(consensus) => outcome,
            _ = &mut handle => Err(EngineError::Stopped("its supervisor ended")),
            () = count_peers(net_requests, status) => Err(EngineError::Stopped("its network task ended")),
        };
        // A refusal makes the engine fail too; it is the cause, so it is what is told.
        let outcome = match refusals.try_recv() {
            Ok(refusal) => Err(EngineError::Guard(refusal)),
            Err(_) => outcome,
        };
        drop((events, requests));
        cancel.cancel();
        actor.stop(None);
        if !handle.is_finished() && timeout(STOP_BUDGET, &mut handle).await.is_err() {
            actor.kill();
        }
        outcome
    }

    async fn start(
        self,
    ) -> Result<(Channels<Context>, EngineHandle, mpsc::Receiver<GuardError>), EngineError> {
        let failed = |e: eyre::Report| EngineError::Start(format!("{e:#}"));
        std::fs::create_dir_all(&self.config.home).map_err(|e| {
            EngineError::Start(format!("create {}: {e}", self.config.home.display()))
        })?;
        let chain_id = &self.config.genesis.chain_id;
        let verifier = Box::new(ZipVerifier::new(chain_id));
        let keypair = self.keys.node.keypair();
        let moniker = self.config.moniker.clone();
        let (identity, consensus, refusals) = match self.keys.validator {
            Some((key, guard)) => {
                let address = Address::new(key.address());
                let public = key.public_key();
                let may_abstain = !decides_alone(public, &self.config.genesis.validators);
                let (signer, refusals) = GuardedSigner::new(chain_id, key, guard, may_abstain);
                let proof = validator_proof(&signer, public, &keypair).await?;
                let identity =
                    NetworkIdentity::new_validator(moniker, keypair, address.to_string(), proof);
                let context = ConsensusContext::new_validator(address, verifier, Box::new(signer));
                (identity, context, refusals)
            }
            None => {
                // An address nobody has: it is in no validator set.
                let address = Address::new(address_of(&[0; 32]));
                let identity = NetworkIdentity::new(moniker, keypair, None);
                let (_, refusals) = mpsc::channel(1);
                (identity, ConsensusContext::new_full_node(address, verifier), refusals)
            }
        };
        let wal = WalContext::new(self.config.home.join("consensus.wal"), Codec);
        let (channels, handle) = start_engine(
            Context,
            self.settings,
            wal,
            NetworkContext::new(identity, Codec),
            consensus,
            SyncContext::new(Codec),
            RequestContext::new(100),
        )
        .await
        .map_err(failed)?;
        Ok((channels, handle, refusals))
    }
}

/// Whether this validator is a quorum of these by itself.
fn decides_alone(key: [u8; 32], validators: &[GenesisValidator]) -> bool {
    let power = |validator: &GenesisValidator| u128::from(validator.power);
    let own: u128 = validators.iter().filter(|v| v.pub_key == key).map(power).sum();
    own * 3 > validators.iter().map(power).sum::<u128>() * 2
}

/// Binds the network identity to the consensus key, so that peers know a validator's node.
async fn validator_proof(
    signer: &GuardedSigner,
    public_key: [u8; 32],
    keypair: &Keypair,
) -> Result<bytes::Bytes, EngineError> {
    let peer_id = keypair.public().to_peer_id().to_bytes();
    let proof = signer.sign_validator_proof(public_key.to_vec(), peer_id).await;
    let proof = proof.map_err(|e| EngineError::Start(format!("sign the validator proof: {e}")))?;
    proof.to_bytes().map_err(|e| EngineError::Start(format!("encode the validator proof: {e}")))
}

/// Keeps the peer count of the status; returns when the network task is gone.
async fn count_peers(requests: mpsc::Sender<NetworkRequest>, status: watch::Sender<EngineStatus>) {
    let mut ticks = interval(PEER_COUNT_INTERVAL);
    while !requests.is_closed() {
        ticks.tick().await;
        if let Ok(Some(dump)) = NetworkRequest::dump_state(&requests).await {
            status.send_if_modified(|status| {
                let changed = status.peers != dump.peers.len();
                status.peers = dump.peers.len();
                changed
            });
        }
    }
}

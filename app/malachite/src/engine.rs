//! Starting and stopping the engine. Here alone it is instantiated.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_malachitebft_app::config::{ConsensusConfig, NodeConfig, ValueSyncConfig};
use arc_malachitebft_app::engine::network;
use arc_malachitebft_app::types::Keypair;
use arc_malachitebft_app_channel::{
    Channels, ConsensusContext, ConsensusRequestError, EngineHandle, NetworkContext,
    NetworkIdentity, NetworkRequest, RequestContext, Signer, SyncContext, WalContext, start_engine,
};
use mooring_abci::{ConsensusApp, ConsensusStore, InfoApp};
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::block::ChainState;
use crate::codec::{Codec, Wire};
use crate::config::{Config, GenesisValidator};
use crate::context::{Address, Context, Height};
use crate::error::EngineError;
use crate::guard::{Guard, GuardError};
use crate::handshake::handshake;
use crate::host::{AppThread, Host, HostConfig, Links, Memory};
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
    let node = Node { config, settings, keys, host_config, app, memory, status };
    let outcome = node.run(info.as_ref(), &cancel).await;
    cancel.cancel();
    // Only the hosts shared the thread, and they are gone.
    let ended = match Arc::into_inner(node.app) {
        Some(app) => app.join().await,
        None => Ok(()),
    };
    outcome.and(ended)
}

/// The keys of a node.
struct Keys {
    node: NodeKey,
    validator: Option<Validator>,
}

struct Validator {
    key: PrivValidatorKey,
    guard: Arc<Mutex<Guard>>,
    /// It is a quorum by itself: nobody could decide a height for it.
    alone: bool,
}

impl Keys {
    fn load(config: &Config) -> Result<Self, EngineError> {
        let node = NodeKey::load(&config.node_key)?;
        let validator = match &config.validator_key {
            Some(path) => {
                let key = PrivValidatorKey::load(path)?;
                let guard = Arc::new(Mutex::new(Guard::open(&config.guard)?));
                let alone = decides_alone(key.public_key(), &config.genesis.validators);
                Some(Validator { key, guard, alone })
            }
            None => None,
        };
        Ok(Self { node, validator })
    }

    fn address(&self) -> Option<Address> {
        self.validator.as_ref().map(|validator| Address::new(validator.key.address()))
    }
}

impl Validator {
    fn guard(&self) -> MutexGuard<'_, Guard> {
        // A guard is replaced whole, so a poisoned lock guards nothing half-done.
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an engine ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was asked to.
    Cancelled,
    /// The last height that it had to follow without a vote is decided.
    Followed,
}

/// What engines are started with, one after the other.
struct Node {
    config: Config,
    settings: EngineSettings,
    keys: Keys,
    host_config: HostConfig,
    app: Arc<AppThread>,
    memory: Memory,
    status: watch::Sender<EngineStatus>,
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

impl Node {
    /// One engine, and another one when this validator may vote again.
    async fn run(&self, info: &dyn InfoApp, cancel: &CancellationToken) -> Result<(), EngineError> {
        loop {
            let (host_config, app) = (&self.host_config, &self.app);
            let state = handshake(host_config, app, info, &self.memory).await?;
            self.status.send_modify(|status| status.decided_height = state.height.get());
            let through = self.follows_through(state.height.next())?;
            match self.run_engine(state, through, &cancel.child_token()).await {
                Ok(Ended::Cancelled) => return Ok(()),
                Ok(Ended::Followed) => info!("votes again"),
                Err(EngineError::Guard(refusal)) if refusal.is_refusal() => {
                    return Err(self.refused(refusal));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The last height through which this validator follows without a vote: see
    /// [`Guard::follows_through`].
    fn follows_through(&self, next: Height) -> Result<Option<Height>, EngineError> {
        let Some(validator) = self.keys.validator.as_ref().filter(|v| !v.alone) else {
            return Ok(None);
        };
        let through = validator.guard().follows_through(next.get(), self.log().exists())?;
        if let Some(through) = through {
            warn!(
                from = %next, through,
                "follows without a vote: has signed these heights, and lost the log that says why"
            );
        }
        Ok(through.map(Height::new))
    }

    /// After a refusal the height is left to the others, where there are others.
    fn refused(&self, refusal: GuardError) -> EngineError {
        let Some(validator) = self.keys.validator.as_ref().filter(|v| !v.alone) else {
            return refusal.into();
        };
        match validator.guard().forget() {
            Ok(()) => {
                error!("started again, this validator leaves the height to the others");
                refusal.into()
            }
            Err(error) => error.into(),
        }
    }

    /// The log of the height that a voting engine is at.
    fn log(&self) -> PathBuf {
        self.config.home.join("consensus.wal")
    }

    /// Runs an engine above `state`: one that votes, or that follows `through` a height.
    async fn run_engine(
        &self,
        state: ChainState,
        through: Option<Height>,
        cancel: &CancellationToken,
    ) -> Result<Ended, EngineError> {
        let (channels, mut engine, mut refusals) = self.start(through.is_none()).await?;
        let Channels { consensus, network, net_requests, events, requests } = channels;
        let links = Links { network, requests: net_requests.clone() };
        let (config, app) = (self.host_config.clone(), Arc::clone(&self.app));
        let (memory, status) = (self.memory.clone(), self.status.clone());
        let host = Host::new(config, app, memory, links, status, cancel.clone(), state);
        let outcome = tokio::select! {
            biased;
            Some(refusal) = refusals.recv() => Err(EngineError::Guard(refusal)),
            outcome = host.run(consensus, through) => outcome,
            _ = &mut engine.handle => Err(EngineError::Stopped("its supervisor ended")),
            () = count_peers(net_requests, self.status.clone()) => {
                Err(EngineError::Network { listen: self.config.listen.clone() })
            }
        };
        // A refusal makes the engine fail too; it is the cause, so it is what is told.
        let outcome = match refusals.try_recv() {
            Ok(refusal) => Err(EngineError::Guard(refusal)),
            Err(_) => outcome,
        };
        drop((events, requests));
        cancel.cancel();
        stop(engine).await;
        outcome
    }

    async fn start(
        &self,
        votes: bool,
    ) -> Result<(Channels<Context>, EngineHandle, mpsc::Receiver<GuardError>), EngineError> {
        let failed = |e: eyre::Report| EngineError::Start(format!("{e:#}"));
        std::fs::create_dir_all(&self.config.home).map_err(|e| {
            EngineError::Start(format!("create {}: {e}", self.config.home.display()))
        })?;
        let (identity, consensus, refusals) = self.part(votes).await?;
        // One that follows writes nothing to its log. It must not look as if it had one.
        let log = if votes { self.log() } else { self.config.home.join("follower.wal") };
        let wal = WalContext::new(log, Codec);
        let (channels, handle) = start_engine(
            Context,
            self.settings.clone(),
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

    /// Who this node is to its peers, and what part it takes in consensus.
    async fn part(
        &self,
        votes: bool,
    ) -> Result<(NetworkIdentity, ConsensusContext<Context>, mpsc::Receiver<GuardError>), EngineError>
    {
        let chain_id = &self.config.genesis.chain_id;
        let verifier = Box::new(ZipVerifier::new(chain_id));
        let keypair = self.keys.node.keypair();
        let moniker = self.config.moniker.clone();
        // An address nobody has: it is in no validator set.
        let nobody = Address::new(address_of(&[0; 32]));
        let Some(Validator { key, guard, .. }) = &self.keys.validator else {
            let identity = NetworkIdentity::new(moniker, keypair, None);
            let context = ConsensusContext::new_full_node(nobody, verifier);
            return Ok((identity, context, mpsc::channel(1).1));
        };
        let address = Address::new(key.address());
        let (signer, refusals) = GuardedSigner::new(chain_id, key.clone(), Arc::clone(guard));
        let proof = validator_proof(&signer, key.public_key(), &keypair).await?;
        let identity = NetworkIdentity::new_validator(moniker, keypair, address.to_string(), proof);
        let context = if votes {
            ConsensusContext::new_validator(address, verifier, Box::new(signer))
        } else {
            ConsensusContext::new_full_node(nobody, verifier)
        };
        Ok((identity, context, refusals))
    }
}

/// Ends an engine. Its network goes first and is waited for: killed with the rest, it would keep
/// its port until its next event.
async fn stop(engine: EngineHandle) {
    let EngineHandle { actor, mut handle } = engine;
    let mut parts = actor.get_children().into_iter();
    if let Some(network) =
        parts.find(|part| part.is_message_type_of::<network::Msg<Context>>() == Some(true))
        && let Err(error) = network.stop_and_wait(None, Some(STOP_BUDGET)).await
    {
        warn!(%error, "the engine's network did not end in time");
    }
    actor.stop(None);
    if !handle.is_finished() && timeout(STOP_BUDGET, &mut handle).await.is_err() {
        actor.kill();
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

/// Keeps the peer count of the status; returns when the network is gone. The engine lives on
/// without it, as one that waits: only the answer tells.
async fn count_peers(requests: mpsc::Sender<NetworkRequest>, status: watch::Sender<EngineStatus>) {
    let mut ticks = interval(PEER_COUNT_INTERVAL);
    loop {
        ticks.tick().await;
        let peers = match NetworkRequest::dump_state(&requests).await {
            Ok(Some(dump)) => dump.peers.len(),
            Err(ConsensusRequestError::Full) => continue,
            Ok(None) | Err(ConsensusRequestError::Closed | ConsensusRequestError::Recv) => return,
        };
        status.send_if_modified(|status| std::mem::replace(&mut status.peers, peers) != peers);
    }
}

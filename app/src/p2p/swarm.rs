//! The gossip task.

use std::{
    net::{IpAddr, TcpListener},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use alloy_primitives::keccak256;
use bytes::Bytes;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    connection_limits::{self, ConnectionLimits},
    gossipsub::{
        self, IdentTopic, Message, MessageAcceptance, MessageAuthenticity, MessageId,
        PeerScoreParams, PeerScoreThresholds, PublishError, TopicScoreParams, ValidationMode,
    },
    multiaddr::Protocol,
    noise,
    swarm::{
        NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use mooring_bridge::federation::FEDERATION_TX_TYPE;
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinSet,
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    GossipConfig, GossipError, GossipHandle, GossipPool, Verdict,
    batch::{self, Batch, MAX_BATCH_BYTES},
    peers::Peers,
};

/// A batch and gossipsub's envelope around it.
const MAX_MESSAGE_BYTES: usize = MAX_BATCH_BYTES + 4 * 1024;
/// Batches that wait for the pool's verdict; further ones are dropped, and come again.
const MAX_IN_FLIGHT: usize = 128;
/// Transactions that wait to be published; further ones are dropped, and come again.
const PUBLISH_QUEUE: usize = 4_096;
/// Transactions taken from the pool's channel before anything else is looked at.
const TAKEN_AT_ONCE: usize = 1_024;
/// Messages that may wait for one peer; what comes on top is dropped and reaches it with the next
/// republishing. At five thousand transactions a second, a batch holding some three hundred, it is
/// half a minute's worth.
const QUEUE: usize = 512;
/// How long a message's id is remembered: a message published anew within it is not sent twice.
const DUPLICATE_CACHE: Duration = Duration::from_secs(8);
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
const MAX_CONNECTIONS: u32 = 128;
const MAX_PENDING_INCOMING: u32 = 32;
const MAX_PER_PEER: u32 = 2;

#[derive(NetworkBehaviour)]
struct Behaviour {
    limits: connection_limits::Behaviour,
    gossip: gossipsub::Behaviour,
}

/// A verdict on its way back to gossipsub.
struct Judged {
    id: MessageId,
    source: PeerId,
    verdict: Verdict,
}

/// A swarm that listens; [`Self::run`] lets it gossip.
pub struct Gossip {
    swarm: Swarm<Behaviour>,
    topic: IdentTopic,
    peers: Peers,
    handle: GossipHandle,
    publish: mpsc::Receiver<Bytes>,
    judging: JoinSet<Judged>,
    republish: (Interval, usize),
    round: u64,
    batch: Batch,
    batch_delay: Duration,
    /// When the batch is sent at the latest; `None` while it is empty.
    batch_due: Option<Instant>,
}

impl std::fmt::Debug for Gossip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gossip").field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl Gossip {
    /// Listens. Nothing is dialled and no message is read before [`Self::run`].
    ///
    /// # Errors
    /// A peer without an id, or an address that cannot be listened on.
    pub async fn listen(config: GossipConfig) -> Result<Self, GossipError> {
        let persistent = config.persistent()?;
        let topic = IdentTopic::new(config.topic);
        let mut swarm = swarm(config.identity, &topic)?;
        let listen = bind(&mut swarm, config.listen).await?;
        let (sender, publish) = mpsc::channel(PUBLISH_QUEUE);
        let peer_id = *swarm.local_peer_id();
        let mut ticks = tokio::time::interval(config.republish_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            swarm,
            topic,
            peers: Peers::new(persistent, peer_id, Instant::now()),
            handle: GossipHandle { publish: sender, peers: Arc::default(), peer_id, listen },
            publish,
            judging: JoinSet::new(),
            republish: (ticks, config.republish_limit),
            round: 0,
            batch: Batch::default(),
            batch_delay: config.batch_delay,
            batch_due: None,
        })
    }

    /// Access to the swarm from elsewhere.
    pub fn handle(&self) -> GossipHandle {
        self.handle.clone()
    }

    /// Gossips until `stop`. Messages without a verdict by then are lost; their sender still has
    /// them.
    pub async fn run(mut self, pool: impl GossipPool, stop: CancellationToken) {
        let mut local = pool.local();
        loop {
            let dial = sleep_until(self.peers.next_due());
            let batch = sleep_until(self.batch_due);
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_event(event, &pool),
                Some(judged) = self.judging.join_next() => self.on_judged(judged),
                Some(raw) = self.publish.recv() => self.send(&raw),
                taken = local.recv() => match taken {
                    Ok(raw) => self.send_all(&raw, &mut local),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        debug!(missed, "gossip lags behind the pool");
                    }
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                () = batch => self.flush(),
                () = dial => self.dial_due(),
                _ = self.republish.0.tick() => self.republish(&pool),
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>, pool: &impl GossipPool) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => self.judge(message_id, propagation_source, message, pool),
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                debug!(%peer_id, "gossip peer connected");
                self.peers.connected(&peer_id);
                self.count_peers();
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                debug!(%peer_id, "gossip peer lost");
                self.peers.lost(&peer_id, Instant::now());
                self.count_peers();
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer_id), error, .. } => {
                debug!(%peer_id, %error, "gossip peer not reached");
                if !self.swarm.is_connected(&peer_id) {
                    self.peers.lost(&peer_id, Instant::now());
                }
            }
            SwarmEvent::ListenerClosed { addresses, .. } => {
                warn!(?addresses, "gossip no longer listens");
            }
            _ => {}
        }
    }

    /// Asks the pool, off this task.
    fn judge(&mut self, id: MessageId, source: PeerId, message: Message, pool: &impl GossipPool) {
        if self.judging.len() >= MAX_IN_FLIGHT {
            return self.report(Judged { id, source, verdict: Verdict::Ignore });
        }
        let batch = match batch::decode(message.data.into()) {
            Ok(batch) => batch,
            Err(error) => {
                debug!(%source, %error, "message of a peer is no batch");
                return self.report(Judged { id, source, verdict: Verdict::Reject });
            }
        };
        let verdict = pool.offer(batch);
        self.judging.spawn(async move { Judged { id, source, verdict: verdict.await } });
    }

    fn on_judged(&mut self, judged: Result<Judged, tokio::task::JoinError>) {
        match judged {
            Ok(judged) => self.report(judged),
            Err(error) => warn!(%error, "gossiped message could not be judged"),
        }
    }

    fn report(&mut self, Judged { id, source, verdict }: Judged) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(&id, &source, acceptance);
    }

    /// Sends a transaction and those that wait behind it.
    fn send_all(&mut self, first: &Bytes, rest: &mut broadcast::Receiver<Bytes>) {
        self.send(first);
        // A reader that lags learns of it with its next look.
        let rest = std::iter::from_fn(|| rest.try_recv().ok());
        rest.take(TAKEN_AT_ONCE).for_each(|raw| self.send(&raw));
    }

    /// Puts a transaction into the batch, or sends it at once when it is the federation's.
    fn send(&mut self, raw: &Bytes) {
        if raw.first() == Some(&FEDERATION_TX_TYPE) {
            return self.publish_batch(Batch::single(raw));
        }
        let full = self.batch.push(raw);
        if full.is_some() || self.batch_due.is_none() {
            self.batch_due = Instant::now().checked_add(self.batch_delay);
        }
        if let Some(full) = full {
            self.publish_batch(full);
        }
    }

    /// Sends what waits for company.
    fn flush(&mut self) {
        self.batch_due = None;
        if let Some(batch) = self.batch.take() {
            self.publish_batch(batch);
        }
    }

    fn publish_batch(&mut self, batch: Vec<u8>) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        match gossip.publish(self.topic.clone(), batch) {
            // Without peers the backlog sends it once there are some.
            Ok(_) | Err(PublishError::Duplicate | PublishError::NoPeersSubscribedToTopic) => {}
            Err(error) => debug!(%error, "batch not gossiped"),
        }
    }

    fn republish(&mut self, pool: &impl GossipPool) {
        if self.handle.peer_count() == 0 {
            return;
        }
        for raw in pool.backlog(self.round, self.republish.1) {
            self.send(&raw);
        }
        self.round = self.round.wrapping_add(1);
    }

    fn dial_due(&mut self) {
        for (id, address) in self.peers.take_due(Instant::now()) {
            let options = DialOpts::peer_id(id)
                .addresses(vec![address])
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .build();
            if let Err(error) = self.swarm.dial(options) {
                debug!(peer_id = %id, %error, "gossip peer not dialled");
                if !self.swarm.is_connected(&id) {
                    self.peers.lost(&id, Instant::now());
                }
            }
        }
    }

    fn count_peers(&self) {
        let count = self.swarm.connected_peers().count();
        self.handle.peers.store(count, Ordering::Relaxed);
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn swarm(
    identity: libp2p::identity::Keypair,
    topic: &IdentTopic,
) -> Result<Swarm<Behaviour>, GossipError> {
    let setup = |error: Box<dyn std::error::Error + Send + Sync>| GossipError::Setup(error);
    let mut gossip = gossip(topic).map_err(setup)?;
    gossip.subscribe(topic).map_err(|error| setup(error.into()))?;
    let limits = ConnectionLimits::default()
        .with_max_established(Some(MAX_CONNECTIONS))
        .with_max_established_per_peer(Some(MAX_PER_PEER))
        .with_max_pending_incoming(Some(MAX_PENDING_INCOMING));
    let behaviour = Behaviour { limits: connection_limits::Behaviour::new(limits), gossip };
    let swarm = SwarmBuilder::with_existing_identity(identity)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| setup(error.into()))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| setup(error.into()))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_TIMEOUT))
        .build();
    Ok(swarm)
}

/// Messages carry no author: a transaction is signed by its sender, and who sent it first is
/// nobody's business. Their id is the hash of their bytes.
pub(super) fn gossip(
    topic: &IdentTopic,
) -> Result<gossipsub::Behaviour, Box<dyn std::error::Error + Send + Sync>> {
    let config = gossipsub::ConfigBuilder::default()
        .max_transmit_size(MAX_MESSAGE_BYTES)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .duplicate_cache_time(DUPLICATE_CACHE)
        .connection_handler_queue_len(QUEUE)
        .message_id_fn(|message: &Message| keccak256(&message.data).to_vec().into())
        .build()?;
    let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config)?;
    gossip.with_peer_score(scores(topic), PeerScoreThresholds::default())?;
    Ok(gossip)
}

/// A peer loses standing by messages that could never be valid, and by nothing else: how much it
/// sends says nothing on a chain that may be idle, and a devnet has one address for all.
fn scores(topic: &IdentTopic) -> PeerScoreParams {
    let invalid_only = TopicScoreParams {
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -1.0,
        invalid_message_deliveries_decay: 0.9,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: [(topic.hash(), invalid_only)].into(),
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

/// libp2p listens with SO_REUSEPORT, which shares the port of another swarm in silence. A plain
/// socket tells whether it is free.
fn probe(address: &Multiaddr) -> std::io::Result<()> {
    let (mut ip, mut port) = (None, 0);
    for part in address {
        match part {
            Protocol::Ip4(v4) => ip = Some(IpAddr::V4(v4)),
            Protocol::Ip6(v6) => ip = Some(IpAddr::V6(v6)),
            Protocol::Tcp(number) => port = number,
            _ => {}
        }
    }
    match ip {
        Some(ip) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        Some(_) | None => Ok(()),
    }
}

async fn bind(swarm: &mut Swarm<Behaviour>, address: Multiaddr) -> Result<Multiaddr, GossipError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| GossipError::Listen {
        address: address.clone(),
        source,
    };
    probe(&address).map_err(|error| failed(error.into()))?;
    swarm.listen_on(address.clone()).map_err(|error| failed(error.into()))?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                info!(%address, "listening for gossip");
                return Ok(address);
            }
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                return Err(failed(error.into()));
            }
            SwarmEvent::ListenerError { error, .. } => return Err(failed(error.into())),
            _ => {}
        }
    }
}

//! The host loop: what the engine asks, one handler file per message.

mod app;
mod apply;
mod decided;
mod evidence;
mod finalized;
mod get_value;
mod judge;
mod memory;
mod proposal_part;
mod ready;
mod restream;
mod started_round;
mod streams;
mod sync;

pub(crate) use app::AppThread;
pub(crate) use apply::apply;
pub(crate) use memory::{Memory, STATE, StateRecord, encode_set, set_name};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_malachitebft_app::types::PeerId;
use arc_malachitebft_app::types::core::{
    ExtendedCommitCertificate, HeightParams, LinearTimeouts, Round,
};
use arc_malachitebft_app_channel::{AppMsg, NetworkMsg, NetworkRequest};
use bytes::Bytes;
use mooring_abci::proto::types::Evidence;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::block::{ChainParams, ChainState};
use crate::config::Genesis;
use crate::context::{Address, BlockRef, BlockTime, Context, Height, StreamInit};
use crate::engine::Ended;
use crate::error::EngineError;
use crate::status::EngineStatus;
use memory::Proposed;
use streams::Streams;

/// The size of a streamed part: below the pubsub limit, and small enough to flow in parallel.
pub(crate) const PART_BYTES: usize = 128 * 1024;

/// The blocks of the next height that are held until this height commits.
const MAX_HELD: usize = 8;

/// The new blocks a peer may have judged at one height. Streams are not signed by the
/// proposer, so without a bound any peer could keep the application and the disk busy.
const MAX_JUDGED_PER_PEER: usize = 16;

/// A complete block and where it came from.
#[derive(Clone, Debug)]
struct Arrived {
    publisher: PeerId,
    init: StreamInit,
    bytes: Bytes,
}

/// What the host is told once.
#[derive(Clone, Debug)]
pub(crate) struct HostConfig {
    pub(crate) genesis: Genesis,
    pub(crate) params: ChainParams,
    pub(crate) max_block_gas: i64,
    pub(crate) address: Option<Address>,
    pub(crate) has_peers: bool,
    pub(crate) peer_wait: Duration,
    pub(crate) block_interval: Duration,
    pub(crate) timeouts: LinearTimeouts,
    pub(crate) max_clock_drift: Duration,
    pub(crate) max_sync_response: usize,
}

/// The ends of the engine's channels that the host holds.
pub(crate) struct Links {
    pub(crate) network: mpsc::Sender<NetworkMsg<Context>>,
    pub(crate) requests: mpsc::Sender<NetworkRequest>,
}

/// The host. Between messages its state is that of the last committed height.
pub(crate) struct Host {
    config: HostConfig,
    app: Arc<AppThread>,
    memory: Memory,
    links: Links,
    status: watch::Sender<EngineStatus>,
    cancel: CancellationToken,
    state: ChainState,
    /// The valid blocks of the height being decided, by round and id.
    proposed: BTreeMap<(Round, BlockRef), Proposed>,
    /// Complete blocks of the height after that one.
    held: Vec<Arrived>,
    /// How many new blocks each peer had judged at this height.
    judged: BTreeMap<PeerId, usize>,
    streams: Streams,
    /// The certificate of the state's height, the largest seen.
    certificate: Option<ExtendedCommitCertificate<Context>>,
    evidence: Vec<Evidence>,
    streams_sent: u64,
    /// Tells this process's stream ids from those of its earlier lives.
    nonce: u64,
}

impl Host {
    pub(crate) fn new(
        config: HostConfig,
        app: Arc<AppThread>,
        memory: Memory,
        links: Links,
        status: watch::Sender<EngineStatus>,
        cancel: CancellationToken,
        state: ChainState,
    ) -> Self {
        let streams = Streams::new(config.params.max_block_bytes);
        Self {
            config,
            app,
            memory,
            links,
            status,
            cancel,
            state,
            proposed: BTreeMap::new(),
            held: Vec::new(),
            judged: BTreeMap::new(),
            streams,
            certificate: None,
            evidence: Vec::new(),
            streams_sent: 0,
            nonce: rand::random(),
        }
    }

    /// Answers the engine until cancelled, or until the height `through` is decided where there is
    /// one. A message being handled is finished first.
    ///
    /// # Errors
    /// The node cannot go on.
    pub(crate) async fn run(
        mut self,
        mut messages: mpsc::Receiver<AppMsg<Context>>,
        through: Option<Height>,
    ) -> Result<Ended, EngineError> {
        let cancel = self.cancel.clone();
        while through.is_none_or(|through| self.state.height < through) {
            let message = tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(Ended::Cancelled),
                message = messages.recv() => message,
            };
            let message = message.ok_or(EngineError::Stopped("its host channel closed"))?;
            self.handle(message).await?;
        }
        Ok(Ended::Followed)
    }

    /// Dispatches. A reply whose receiver is gone is dropped: the engine moved on.
    async fn handle(&mut self, message: AppMsg<Context>) -> Result<(), EngineError> {
        match message {
            AppMsg::ConsensusReady { reply } => {
                let _ = reply.send(self.ready().await?);
            }
            AppMsg::StartedRound { height, round, reply_value, .. } => {
                let _ = reply_value.send(self.started_round(height, round).await?);
            }
            AppMsg::GetValue { height, round, reply, .. } => {
                self.get_value(height, round, reply).await?;
            }
            AppMsg::ReceivedProposalPart { from, published_by, part, reply } => {
                let publisher = published_by.unwrap_or(from);
                let _ = reply.send(self.proposal_part(publisher, part).await?);
            }
            AppMsg::RestreamProposal { height, round, valid_round, address, value_id } => {
                self.restream(height, round, valid_round, address, value_id).await?;
            }
            AppMsg::Decided { certificate, extensions, reply } => {
                let certificate = ExtendedCommitCertificate::from_commit_certificate_and_extensions(
                    certificate,
                    extensions,
                );
                self.decided(certificate).await?;
                let _ = reply.send(());
            }
            AppMsg::Finalized { certificate, extensions, evidence, reply } => {
                let certificate = ExtendedCommitCertificate::from_commit_certificate_and_extensions(
                    certificate,
                    extensions,
                );
                let _ = reply.send(self.finalized(certificate, &evidence)?);
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let _ = reply.send(Height::new(self.memory.base()?));
            }
            AppMsg::GetDecidedValues { range, reply } => {
                let _ = reply.send(self.decided_values(range)?);
            }
            AppMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply } => {
                let synced = self.synced_value(height, round, proposer, value_bytes).await?;
                let _ = reply.send(synced);
            }
            // Extensions are disabled: the engine never asks for them.
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(None);
            }
            AppMsg::VerifyVoteExtensions { reply, .. } => {
                let _ = reply.send(Vec::new());
            }
        }
        Ok(())
    }

    /// The height being decided.
    fn height(&self) -> Height {
        self.state.height.next()
    }

    fn height_params(&self) -> HeightParams<Context> {
        HeightParams::new(
            self.state.validators.clone(),
            self.config.timeouts,
            Some(self.config.block_interval),
        )
    }
}

/// The local clock.
fn now() -> BlockTime {
    // A clock before 1970 counts as 1970: block times then advance from the parent's.
    BlockTime::since_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

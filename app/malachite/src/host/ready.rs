//! `ConsensusReady`: the first height, once enough peers are there.

use std::collections::BTreeSet;
use std::time::Duration;

use arc_malachitebft_app::types::core::HeightParams;
use arc_malachitebft_app_channel::NetworkRequest;
use tokio::time::{Instant, sleep};
use tracing::info;

use super::Host;
use crate::context::{Context, Height};
use crate::error::EngineError;

/// How often the peers are counted while waiting.
const POLL: Duration = Duration::from_millis(50);

impl Host {
    /// The handshake is done before the engine starts; here the host waits, within
    /// `peer_wait`, for a quorum, since a round without peers is lost.
    pub(super) async fn ready(&mut self) -> Result<(Height, HeightParams<Context>), EngineError> {
        self.certificate = self.memory.decided(self.state.height.get())?.map(|(_, c)| c);
        self.evidence = self.memory.evidence_pool()?;
        self.recall(self.height())?;
        self.wait_for_quorum().await;
        info!(height = %self.height(), "consensus starts");
        Ok((self.height(), self.height_params()))
    }

    async fn wait_for_quorum(&self) {
        let deadline = Instant::now() + self.config.peer_wait;
        while self.config.has_peers && Instant::now() < deadline && !self.cancel.is_cancelled() {
            if self.state.validators.is_quorum(self.connected_power().await) {
                return;
            }
            sleep(POLL).await;
        }
    }

    /// The power of the validators whose nodes are connected, and of this one.
    async fn connected_power(&self) -> u64 {
        let dump = NetworkRequest::dump_state(&self.links.requests).await;
        let peers = dump.ok().flatten().map(|dump| dump.peers).unwrap_or_default();
        let keys: BTreeSet<Vec<u8>> =
            peers.into_values().filter_map(|peer| peer.consensus_public_key).collect();
        let validators = self.state.validators.as_slice().iter();
        validators
            .filter(|v| {
                Some(v.address()) == self.config.address
                    || keys.contains(v.key().to_bytes().as_slice())
            })
            .map(|v| v.power())
            .sum()
    }
}

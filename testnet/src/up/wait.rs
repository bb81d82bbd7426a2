//! Waiting until what was started is ready.

use std::time::{Duration, Instant};

use alloy_primitives::B256;
use mooring_client::Endpoint;

use super::{Starting, endpoint};
use crate::{
    TestnetError, homes,
    network::{Node, Relayer},
    ports::Ports,
    status,
};

/// How long one part may take until it is ready.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a part is asked whether it is ready.
const POLL: Duration = Duration::from_millis(50);

impl Starting<'_> {
    pub(super) async fn wait_ready(
        &self,
        nodes: &[Node],
        relayers: &[Relayer],
        ports: &Ports,
    ) -> Result<(), TestnetError> {
        for (node, health) in nodes.iter().zip(&ports.health) {
            let url = format!("http://127.0.0.1:{health}");
            self.wait(&node.name, async || status::ready(&url).await.then_some(())).await?;
        }
        for relayer in relayers {
            let url = &relayer.status;
            self.wait(&relayer.name, async || status::ready(url).await.then_some(())).await?;
        }
        Ok(())
    }

    pub(super) async fn wait_funded(
        &mut self,
        l1: &Endpoint,
        nodes: &[Node],
        funding: &[B256],
    ) -> Result<(), TestnetError> {
        (self.talk)("peg: waiting for the first deposits to be credited");
        for hash in funding {
            self.wait("funding", async || l1.receipt(*hash).await.ok().flatten()).await?;
        }
        let users = homes::users()?;
        for node in nodes {
            let endpoint = endpoint(&node.rpc)?;
            for user in &users {
                self.wait("the first deposits", async || {
                    let balance = endpoint.balance(user.address()).await.ok()?;
                    (!balance.is_zero()).then_some(())
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Asks until there is an answer. A process of ours that ends meanwhile ends the wait.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        mut ask: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T, TestnetError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(answer) = ask().await {
                return Ok(answer);
            }
            if let Some(dead) = self.table.processes.iter().find(|p| !p.alive()) {
                let log = self.log(&dead.name);
                let tail = status::tail(&log, 12);
                return Err(TestnetError::Died { name: dead.name.clone(), log, tail });
            }
            if Instant::now() >= deadline {
                return Err(TestnetError::NotReady {
                    what: what.to_owned(),
                    seconds: LIMIT.as_secs(),
                    dir: self.options.dir.clone(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

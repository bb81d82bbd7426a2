//! What all tasks share.

use std::sync::Arc;

use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use mooring_bridge::{Domain, FederationMessage, Head};
use mooring_client::{ClientError, Verdict, peg::PegStatus};
use tokio::sync::watch;
use tracing::info;

use crate::{
    RelayerConfig, RelayerError, board::Board, endpoints::Endpoints, journal::Journal, l1::L1,
    signer::MemberSigner,
};

/// What all tasks share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: RelayerConfig,
    pub(crate) domain: Domain,
    pub(crate) board: Arc<Board>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) l1: L1,
    pub(crate) sidechain: Endpoints,
    pub(crate) signer: MemberSigner,
    pub(crate) payer: PrivateKeySigner,
    /// How many sidechain nodes must agree when the own validator's does not answer.
    pub(crate) agree: usize,
    /// Why nothing may be signed any more.
    pub(crate) stop: watch::Sender<Option<String>>,
}

/// A look at the chains that came to nothing; the next one is a poll away.
pub(crate) type Trouble = Box<dyn std::error::Error + Send + Sync>;

impl Context {
    /// The member.
    pub(crate) const fn me(&self) -> Address {
        self.signer.address()
    }

    /// The peg at the sidechain's newest block.
    pub(crate) async fn peg_status(&self) -> Result<PegStatus, RelayerError> {
        let status = self.sidechain.read(|node| async move { node.peg_status().await }).await?;
        self.board.figure("sidechain_height", status.height);
        Ok(status)
    }

    /// Posts a federation message. Whether the pool took it: it refuses what it has or what came
    /// too late, which is how members that act at once find out.
    pub(crate) async fn post(&self, message: &FederationMessage) -> Result<bool, RelayerError> {
        let bytes = alloy_primitives::Bytes::from(message.encode());
        let posted = self
            .sidechain
            .send(|node| {
                let bytes = bytes.clone();
                async move { node.peg_submit(bytes).await }
            })
            .await;
        match posted {
            Ok(_) => Ok(true),
            Err(RelayerError::Client(error)) if error.verdict() == Verdict::Drop => {
                info!("the pool does not take it: {}", reason(&error));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The deposit log before its first leaf.
    pub(crate) fn genesis_head(&self) -> Head {
        Head { count: mooring_bridge::Count::ZERO, acc: self.domain.acc_0() }
    }
}

/// The other side's own words.
fn reason(error: &ClientError) -> String {
    match error {
        ClientError::Refused { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

//! The sidechain's `peg_*` methods.

use alloy_primitives::{B256, Bytes};
pub use mooring_bridge::rpc::*;

use crate::{ClientError, Endpoint};

/// Every method fails as [`Endpoint::request`] does.
impl Endpoint {
    /// The peg at the newest block.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn peg_status(&self) -> Result<PegStatus, ClientError> {
        self.request("peg_status", ()).await
    }

    /// What every signature is bound to.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn peg_domain(&self) -> Result<DomainJson, ClientError> {
        self.request("peg_domain", ()).await
    }

    /// Hands a federation message to the node's pool; returns its hash.
    ///
    /// # Errors
    /// See [`Self::request`]; a refusal carries its reason.
    pub async fn peg_submit(&self, message: Bytes) -> Result<B256, ClientError> {
        self.request("peg_submit", (message,)).await
    }

    /// The newest checkpoint with quorum, ready for the Vault.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn peg_latest_checkpoint(&self) -> Result<Option<CheckpointBundle>, ClientError> {
        self.request("peg_checkpoint", ("latestQuorum",)).await
    }

    /// Exits `first..end`.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn peg_exits(&self, first: u64, end: u64) -> Result<Vec<ExitJson>, ClientError> {
        self.request("peg_exits", (first, end)).await
    }

    /// The proof of an exit in the tree of `count` exits; `None` when there are fewer.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn peg_exit_proof(
        &self,
        index: u64,
        count: u64,
    ) -> Result<Option<ExitProofJson>, ClientError> {
        self.request("peg_exitProof", (index, count)).await
    }

    /// How far a leaf of the deposit log has come.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn peg_credit(&self, count: u64) -> Result<CreditJson, ClientError> {
        self.request("peg_credit", (count,)).await
    }
}

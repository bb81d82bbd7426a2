//! The devnet that is measured: up in a directory of its own, stopped however the bench ends.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, keccak256};
use alloy_signer_local::PrivateKeySigner;
use mooring_client::{Endpoint, Wallet, transfer::Chains};
use mooring_testnet::{
    L1Choice, Network,
    process::Table,
    up::{self, UpOptions},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::Result;

/// The error of a figure is at most this and the time of one call.
pub(crate) const POLL: Duration = Duration::from_millis(10);
/// How long anything may take before the bench gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A running devnet of four validators and four relayers on anvil.
/// Its fields drop in order: the processes before their directory.
#[derive(Debug)]
pub(crate) struct Devnet {
    stop: Stop,
    _dir: TempDir,
    /// Where everything is.
    pub(crate) network: Network,
}

impl Devnet {
    /// Starts one; also how long it took until it was ready.
    pub(crate) async fn up(block_interval_ms: u64) -> Result<(Self, Duration)> {
        let dir = tempfile::Builder::new().prefix("mooring-bench").tempdir()?;
        let options = UpOptions {
            dir: dir.path().join("net"),
            l1: L1Choice::Anvil,
            validators: 4,
            block_interval_ms,
            mooring: mooring()?,
            path: std::env::var_os("PATH").unwrap_or_default(),
        };
        let start = Instant::now();
        // From here on dropping stops what was started, also when `up` is cut off half way.
        let stop = Stop(options.dir.clone());
        let network = up::up(&options, &mut |_: &str| {}, &CancellationToken::new()).await?;
        Ok((Self { stop, _dir: dir, network }, start.elapsed()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.stop.0
    }

    pub(crate) fn l1(&self) -> Result<Endpoint> {
        Ok(Endpoint::new(&self.network.l1.rpc)?)
    }

    pub(crate) fn node(&self, index: usize) -> Result<Endpoint> {
        Ok(Endpoint::new(&self.network.nodes[index].rpc)?)
    }

    pub(crate) fn chains(&self) -> Result<Chains> {
        Ok(Chains { l1: self.l1()?, sidechain: self.node(0)?, vault: self.network.l1.vault })
    }

    /// One of the ten funded accounts, on the chain of `endpoint`.
    pub(crate) async fn user(&self, endpoint: Endpoint, index: usize) -> Result<Wallet> {
        let key = PrivateKeySigner::from_bytes(&self.network.accounts[index].private_key)?;
        Ok(Wallet::new(endpoint, key).await?)
    }
}

/// Stops the testnet in a directory when dropped.
#[derive(Debug)]
struct Stop(PathBuf);

impl Drop for Stop {
    fn drop(&mut self) {
        let killed = Table::load(&self.0).and_then(Table::stop);
        match killed {
            Ok(killed) if killed.is_empty() => {}
            Ok(killed) => eprintln!("had to be killed: {}", killed.join(", ")),
            Err(error) => eprintln!("the devnet in {} is not stopped: {error}", self.0.display()),
        }
    }
}

/// The binary that cargo built beside this one.
fn mooring() -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let binary = me.parent().and_then(Path::parent).map(|dir| dir.join("mooring"));
    binary.filter(|path| path.is_file()).ok_or_else(|| "no `mooring` binary: use make bench".into())
}

/// Asks every [`POLL`] until there is an answer.
pub(crate) async fn until<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(format!("gave up waiting for {what}").into());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A key that holds nothing, the same in every run.
pub(crate) fn fresh_key(purpose: &str, index: usize) -> Result<PrivateKeySigner> {
    Ok(PrivateKeySigner::from_bytes(&keccak256(format!("mooring bench {purpose} {index}")))?)
}

/// An address that holds nothing.
pub(crate) fn fresh(purpose: &str, index: usize) -> Result<Address> {
    Ok(fresh_key(purpose, index)?.address())
}

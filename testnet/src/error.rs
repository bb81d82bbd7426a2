//! What can go wrong with a testnet, each with what to do about it.

use std::path::PathBuf;

/// A testnet could not be started, used or stopped.
#[derive(Debug, thiserror::Error)]
pub enum TestnetError {
    /// A file could not be read or written.
    #[error("cannot use the file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no testnet in this directory.
    #[error("no testnet in {dir}: start one with `mooring testnet up --dir {dir}`")]
    NoNetwork {
        /// The directory looked at.
        dir: PathBuf,
    },
    /// A testnet already runs in this directory.
    #[error(
        "a testnet already runs in {dir}: stop it with `mooring testnet down --dir {dir}`, \
         or choose another directory with --dir"
    )]
    Running {
        /// Its directory.
        dir: PathBuf,
    },
    /// A program could not be started.
    #[error("cannot start `{program}`")]
    Spawn {
        /// The command line.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// Every range of ports has a taken one.
    #[error(
        "no free range of ports on 127.0.0.1: stop other testnets with `mooring testnet down`, \
         then try again"
    )]
    NoPorts,
    /// anvil was asked for and is not there.
    #[error(
        "anvil is not on PATH: run `make setup` and use the Makefile's PATH, install Foundry, \
         or use `--l1 builtin`"
    )]
    NoAnvil,
    /// The L1 serves a chain on which these keys must not be used.
    #[error(
        "the L1 at {url} has chain id {chain_id}: a testnet uses keys that everybody knows and \
         only accepts chain id {expected}; use a development L1"
    )]
    PublicL1 {
        /// Its URL.
        url: String,
        /// Its chain id.
        chain_id: u64,
        /// The only one accepted.
        expected: u64,
    },
    /// The L1 does not answer.
    #[error("the L1 at {url} does not answer: {reason}; check the URL and that it is running")]
    L1Unreachable {
        /// Its URL.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// A part ended while the others waited for it.
    #[error("{name} ended while starting; the last lines of {log} say why:\n{tail}")]
    Died {
        /// The process.
        name: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A part was not ready in time.
    #[error("{what} was not ready after {seconds} s; see `mooring testnet logs --dir {dir}`")]
    NotReady {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// The testnet's directory.
        dir: PathBuf,
    },
    /// A transaction of the set-up failed.
    #[error("{attempt} failed: {reason}")]
    Transaction {
        /// What was tried.
        attempt: String,
        /// What the chain or the transport said.
        reason: String,
    },
    /// The genesis document could not be built: a defect of the testnet.
    #[error("cannot build the genesis document: {0}")]
    Genesis(String),
    /// A node's or relayer's home could not be written.
    #[error("cannot write the home {home}: {reason}")]
    Home {
        /// The home.
        home: PathBuf,
        /// Why.
        reason: String,
    },
    /// No process of this name.
    #[error("no process named {name} in this testnet: `mooring testnet status` lists them")]
    NoProcess {
        /// The name asked for.
        name: String,
    },
    /// The configuration asks for something impossible.
    #[error("{0}")]
    Invalid(String),
}

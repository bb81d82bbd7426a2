//! A devnet of real processes for one test, in a directory of its own, gone when the test ends.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, U256};
use alloy_signer_local::PrivateKeySigner;
use mooring_app::config::Home;
use mooring_client::{Endpoint, transfer::Chains};
use mooring_testnet::{
    L1Choice, Network, keys,
    process::Table,
    status,
    up::{self, UpOptions},
};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// Two cores carry one devnet well; tests of this binary take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// How long anything across the peg may take on a busy machine before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A running devnet. Its fields drop in order: the directory before the turn.
pub(crate) struct Devnet {
    pub(crate) dir: TempDir,
    pub(crate) network: Network,
    turn: Option<MutexGuard<'static, ()>>,
}

/// The binary that cargo built beside this test.
pub(crate) fn mooring() -> PathBuf {
    let test = std::env::current_exe().expect("a test runs from a file");
    let binary = test.parent().and_then(Path::parent).expect("target/debug").join("mooring");
    assert!(binary.is_file(), "{} is not built: run `make test`", binary.display());
    binary
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// A Foundry tool, as `make setup` installs it.
pub(crate) fn foundry(name: &str) -> PathBuf {
    let package = format!("@foundry-rs/{name}-linux-amd64/bin/{name}");
    let path = repository().join("bridge/contracts/node_modules").join(package);
    assert!(path.is_file(), "{} is missing: run `make setup`", path.display());
    path
}

/// Runs a command to its end; its stdout, trimmed. Fails the test when the command fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?} failed\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Asks until there is an answer, or fails the test.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "gave up waiting for {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl Devnet {
    /// Starts one and waits until it is ready. Tests take turns.
    pub(crate) async fn up(l1: L1Choice) -> Self {
        let turn = TURN.lock().await;
        let mut devnet = Self::beside(l1).await;
        devnet.turn = Some(turn);
        devnet
    }

    /// Starts one more, beside those that run.
    pub(crate) async fn beside(l1: L1Choice) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let anvil = foundry("anvil");
        let dirs = [anvil.parent().expect("bin").to_owned()];
        let path = std::env::join_paths(dirs.into_iter().chain(std::env::split_paths(&path)));
        let dir = tempfile::Builder::new().prefix("mooring-test").tempdir().expect("a directory");
        let options = UpOptions {
            dir: dir.path().join("net"),
            l1,
            validators: 4,
            block_interval_ms: 500,
            mooring: mooring(),
            path: path.expect("PATH joins"),
        };
        let mut talk = |step: &str| println!("up: {step}");
        let network = up::up(&options, &mut talk, &CancellationToken::new()).await;
        let network = network.unwrap_or_else(|e| panic!("devnet: {e}"));
        Self { dir, network, turn: None }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("net")
    }

    pub(crate) fn l1(&self) -> Endpoint {
        Endpoint::new(&self.network.l1.rpc).expect("the L1's URL")
    }

    pub(crate) fn node(&self, index: usize) -> Endpoint {
        Endpoint::new(&self.network.nodes[index].rpc).expect("a node's URL")
    }

    pub(crate) fn nodes(&self) -> Vec<Endpoint> {
        (0..self.network.nodes.len()).map(|index| self.node(index)).collect()
    }

    pub(crate) fn chains(&self) -> Chains {
        Chains { l1: self.l1(), sidechain: self.node(0), vault: self.network.l1.vault }
    }

    pub(crate) fn user(&self, index: usize) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&self.network.accounts[index].private_key).expect("a key")
    }

    /// An account with ETH on L1 and nothing on the sidechain.
    pub(crate) fn stranger(&self, index: u32) -> PrivateKeySigner {
        keys::signer_at(45 + index).expect("a key")
    }

    /// `cast ARGS --rpc-url URL`.
    pub(crate) fn cast(&self, url: &str, args: &[&str]) -> String {
        run(Command::new(foundry("cast")).args(args).args(["--rpc-url", url]))
    }

    /// `cast send` on L1.
    pub(crate) fn send_l1(&self, key: &PrivateKeySigner, args: &[&str]) -> B256 {
        self.send(&self.network.l1.rpc, key, args)
    }

    /// `cast send` at a node of the sidechain.
    pub(crate) fn send_side(&self, key: &PrivateKeySigner, args: &[&str]) -> B256 {
        self.send(&self.network.nodes[0].rpc, key, args)
    }

    fn send(&self, url: &str, key: &PrivateKeySigner, args: &[&str]) -> B256 {
        let secret = key.to_bytes().to_string();
        let all = [&["send", "--json", "--private-key", &secret], args].concat();
        let receipt: serde_json::Value =
            serde_json::from_str(&self.cast(url, &all)).expect("cast prints a receipt");
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        serde_json::from_value(receipt["transactionHash"].clone()).expect("a hash")
    }

    /// A number that a view function at a URL answers.
    pub(crate) fn call(&self, url: &str, to: Address, signature: &str, args: &[&str]) -> U256 {
        let to = to.to_string();
        let text = self.cast(url, &[&["call", &to, signature], args].concat());
        let number = text.split_whitespace().next().expect("an answer");
        number.parse().unwrap_or_else(|e| panic!("{signature} answers {text}: {e}"))
    }

    /// Sends a signal to a process of this devnet, and with SIGKILL waits until it is gone.
    pub(crate) async fn signal(&self, name: &str, signal: Signal) {
        let table = Table::load(&self.path()).expect("the process table");
        let process = table.get(name).unwrap_or_else(|| panic!("no {name}")).clone();
        process.signal(signal);
        until(&format!("{name} to end"), async || (!process.alive()).then_some(())).await;
        self.port_back(name).await;
    }

    /// Waits until the kernel has given a dead validator's consensus port back.
    pub(crate) async fn port_back(&self, name: &str) {
        if !name.starts_with("node") {
            return;
        }
        let config = Home::new(self.path().join(name)).load_config().expect("node.toml");
        let port = config.engine.listen.rsplit('/').next().expect("a port").to_owned();
        let address = format!("127.0.0.1:{port}");
        until(&format!("port {port}"), async || std::net::TcpListener::bind(&address).ok()).await;
    }

    /// Starts a process again, with `environment` on top.
    pub(crate) fn restart(&self, name: &str, environment: &[&str]) {
        let mut table = Table::load(&self.path()).expect("the process table");
        let old = table.get(name).unwrap_or_else(|| panic!("no {name}")).command.clone();
        let plain: Vec<String> = if old[0] == "env" {
            let from = old.iter().position(|word| word.ends_with("mooring")).expect("the binary");
            old[from..].to_vec()
        } else {
            old
        };
        let command = if environment.is_empty() {
            plain
        } else {
            let prefix = ["env"].iter().chain(environment).map(|&word| word.to_owned());
            prefix.chain(plain).collect()
        };
        let log = status::log_path(&self.path(), name);
        table.start(name, command, &log).expect("it starts");
    }

    /// The end of every log, first of the processes that have ended, which are those to look at.
    fn print_logs(&self) {
        let mut all = Table::load(&self.path()).map(|table| table.processes).unwrap_or_default();
        all.sort_by_key(mooring_testnet::process::Process::alive);
        for process in all {
            let (name, log) = (&process.name, status::log_path(&self.path(), &process.name));
            let (state, lines) = if process.alive() { ("runs", 12) } else { ("has ended", 40) };
            println!("--- {name} {state}\n{}", status::tail(&log, lines));
        }
    }

    pub(crate) fn alive(&self, name: &str) -> bool {
        let table = Table::load(&self.path()).expect("the process table");
        table.get(name).is_some_and(mooring_testnet::process::Process::alive)
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        if let Ok(table) = Table::load(&self.path()) {
            let killed = table.stop().unwrap_or_default();
            if !std::thread::panicking() {
                assert!(killed.is_empty(), "had to be killed: {killed:?}");
            }
        }
    }
}

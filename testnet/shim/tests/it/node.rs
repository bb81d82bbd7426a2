//! A node: `mooring node start` in a home of its own, asked over JSON-RPC.

use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use mooring_app::config::{Home, HomeKeys, NodeConfig};
use mooring_genesis::{Genesis, PublicKey, Validator};
use mooring_malachite::{NodeKey, PrivValidatorKey};
use mooring_stf::testing::{ethereum_genesis, wallet};
use serde_json::{Value, json};

use crate::{child::Shim, rpc::ask, seeds::spawn};

/// Nothing here is about speed: this only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const WEI: u128 = 1_000_000_000_000_000_000_000;
/// Where every transfer goes.
pub(crate) const TO: Address = Address::repeat_byte(0x77);

/// Block number and hash of the receipts seen, by the transfer's number.
pub(crate) type Told = BTreeMap<u64, (u64, B256)>;

/// Transfer `n` moves `n + 1` wei.
pub(crate) fn transfer(n: u64) -> Bytes {
    wallet::sign(wallet::KEYS[0], wallet::call(n, TO, u128::from(n) + 1, Vec::new()))
}

/// What drives the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The development engine, which seals as soon as a transaction arrives.
    Dev,
    /// Consensus, with this node as the only validator.
    Consensus,
}

impl Engine {
    pub(crate) fn genesis(self) -> Genesis {
        let genesis = ethereum_genesis(WEI);
        if self == Self::Dev {
            return genesis;
        }
        let mut setup = genesis.setup().clone();
        setup.engine = mooring_genesis::Engine::Malachite;
        setup.block_interval_ms = 20;
        setup.validators = vec![Validator {
            name: "v0".to_owned(),
            consensus_pubkey: PublicKey(validator_key().public_key().into()),
            power: 1,
            payout: Address::repeat_byte(0x99),
            member: Address::repeat_byte(0x30),
            recovery: Address::repeat_byte(0x40),
        }];
        Genesis::unpegged(setup).unwrap()
    }

    /// Transfers that a run sends, one after the other.
    pub(crate) const fn transfers(self) -> u64 {
        match self {
            Self::Dev => 40,
            Self::Consensus => 10,
        }
    }

    pub(crate) fn make_home(self, path: &Path) {
        let mut config = NodeConfig::default();
        config.rpc.listen = "127.0.0.1:0".parse().unwrap();
        config.health.listen = "127.0.0.1:0".parse().unwrap();
        config.p2p.listen = "/ip4/127.0.0.1/tcp/0".to_owned();
        config.engine.listen = "/ip4/127.0.0.1/tcp/0".to_owned();
        config.dev.seal_on_arrival = true;
        let validator = (self == Self::Consensus).then(validator_key);
        let keys = HomeKeys { node: NodeKey::generate([1; 32]), validator };
        Home::new(path).init(&self.genesis(), &config, &keys).unwrap();
    }
}

fn validator_key() -> PrivValidatorKey {
    PrivValidatorKey::generate([2; 32])
}

/// A running node, killed when it is dropped.
pub(crate) struct Node {
    process: Child,
    pub(crate) rpc: SocketAddr,
    talk: Option<JoinHandle<Vec<String>>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Node {
    /// Starts a node; when it ends before it listens, its status and what it said.
    pub(crate) fn start(home: &Path, shim: Option<&Shim>) -> Result<Self, (ExitStatus, String)> {
        let test = env::current_exe().unwrap();
        let binary = test.parent().and_then(Path::parent).unwrap().join("mooring");
        assert!(binary.exists(), "build {} first: cargo build --bins", binary.display());
        let mut command = Command::new(binary);
        command.args(["node", "start", "--home"]).arg(home);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(shim) = shim {
            shim.apply(&mut command);
        }
        let mut process = spawn(&mut command);
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let (found, address) = mpsc::channel();
        let talk = std::thread::spawn(move || {
            let mut said = Vec::new();
            for line in stderr.lines().map_while(Result::ok) {
                let listening =
                    line.contains("serving JSON-RPC").then(|| line.rsplit_once("address="));
                if let Some((_, address)) = listening.flatten() {
                    found.send(address.trim().parse().unwrap()).unwrap();
                }
                said.push(line);
            }
            said
        });
        match address.recv_timeout(PATIENCE) {
            Ok(rpc) => Ok(Self { process, rpc, talk: Some(talk) }),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err((process.wait().unwrap(), talk.join().unwrap().join("\n")))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                process.kill().unwrap();
                panic!("the node does not listen");
            }
        }
    }

    /// Sends transfer after transfer and waits for each one's receipt, until all are done or the
    /// node is gone. Returns the receipts' block numbers and hashes by the transfer's number.
    pub(crate) fn drive(&self, from: u64, to: u64) -> Told {
        let mut receipts = BTreeMap::new();
        for n in from..to {
            match self.transfer(n) {
                Ok(receipt) => drop(receipts.insert(n, receipt)),
                Err(_) => break,
            }
        }
        receipts
    }

    fn transfer(&self, n: u64) -> io::Result<(u64, B256)> {
        let raw = transfer(n);
        let answer = crate::rpc::call(self.rpc, "eth_sendRawTransaction", json!([raw]))?;
        // The pool may have it again from before the crash.
        let known = answer["error"]["message"]
            .as_str()
            .is_some_and(|why| why.contains("already known") || why.contains("nonce too low"));
        assert!(known || answer.get("error").is_none(), "{answer}");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let receipt = ask(self.rpc, "eth_getTransactionReceipt", json!([keccak256(&raw)]))?;
            if !receipt.is_null() {
                return Ok((number(&receipt["blockNumber"]), hash(&receipt["blockHash"])));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("no receipt"));
            }
            std::thread::yield_now();
        }
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the node neither answers nor ends");
            std::thread::yield_now();
        }
        let talk = self.talk.take().unwrap();
        (self.process.wait().unwrap(), talk.join().unwrap().join("\n"))
    }

    /// Whether it still answers.
    pub(crate) fn answers(&self) -> bool {
        ask(self.rpc, "eth_blockNumber", json!([])).is_ok()
    }
}

pub(crate) fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

pub(crate) fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

/// The error with which a node ends.
pub(crate) fn last_words(said: &str) -> String {
    let error = said.lines().skip_while(|line| !line.starts_with("error: "));
    error.map(str::trim).collect::<Vec<_>>().join(" ")
}

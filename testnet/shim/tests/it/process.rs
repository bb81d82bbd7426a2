//! The whole program: `mooring node start` with the development engine, asked over JSON-RPC.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, U256, hex::FromHex as _, keccak256};
use mooring_app::config::{Home, HomeKeys, NodeConfig};
use mooring_malachite::NodeKey;
use mooring_stf::{
    BlockInput, ChainParams, Mode, StateReader as _, execute_block, genesis_block,
    testing::{MemoryState, ethereum_genesis, wallet},
};
use rand::{Rng, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    child::{self, Shim},
    disk::{Disk, Keep},
    rpc::ask,
    seeds::{in_parallel, named, scratch, seeds, spawn},
};

/// Nothing here is about speed: this only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Transfers that a run sends, one after the other.
const TRANSFERS: u64 = 40;
const WEI: u128 = 1_000_000_000_000_000_000_000;
/// Where every transfer goes.
const TO: Address = Address::repeat_byte(0x77);

/// Transfer `n` moves `n + 1` wei.
fn transfer(n: u64) -> Bytes {
    wallet::sign(wallet::KEYS[0], wallet::call(n, TO, u128::from(n) + 1, Vec::new()))
}

/// Makes the home of a development chain that seals as soon as a transaction arrives.
fn make_home(path: &Path) {
    let mut config = NodeConfig::default();
    config.rpc.listen = "127.0.0.1:0".parse().unwrap();
    config.health.listen = "127.0.0.1:0".parse().unwrap();
    config.dev.seal_on_arrival = true;
    let keys = HomeKeys { node: NodeKey::generate([1; 32]), validator: None };
    Home::new(path).init(&ethereum_genesis(WEI), &config, &keys).unwrap();
}

/// A running node, killed when it is dropped.
struct Node {
    process: Child,
    rpc: SocketAddr,
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
    fn start(home: &Path, shim: Option<&Shim>) -> Result<Self, (ExitStatus, String)> {
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
    fn drive(&self, from: u64, to: u64) -> BTreeMap<u64, (u64, B256)> {
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
    fn ended(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the node neither answers nor ends");
            std::thread::yield_now();
        }
        let talk = self.talk.take().unwrap();
        (self.process.wait().unwrap(), talk.join().unwrap().join("\n"))
    }

    /// Whether it still answers.
    fn answers(&self) -> bool {
        ask(self.rpc, "eth_blockNumber", json!([])).is_ok()
    }
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

/// Executes the chain that a node has from genesis on, in memory, by what its blocks say: every
/// header must come out as it is there. Returns its height and how much the transfers moved.
fn replay(rpc: SocketAddr) -> io::Result<(u64, U256)> {
    let genesis = ethereum_genesis(WEI);
    let params = ChainParams::from_genesis(&genesis);
    let mut head = genesis_block(&genesis).unwrap();
    let mut state = MemoryState::default();
    state.write(&head);
    let height = number(&ask(rpc, "eth_blockNumber", json!([]))?);
    for at in 0..=height {
        let block = ask(rpc, "eth_getBlockByNumber", json!([format!("{at:#x}"), false]))?;
        if at > 0 {
            assert_eq!(hash(&block["parentHash"]), head.hash, "block {at} follows {}", at - 1);
            let input = BlockInput {
                parent: &head.header,
                parent_hash: head.hash,
                timestamp: number(&block["timestamp"]),
                beneficiary: block["miner"].as_str().unwrap().parse().unwrap(),
            };
            let txs = raw_transactions(rpc, &block)?;
            let executed = execute_block(&params, &state, &input, &txs, Mode::Strict).unwrap();
            state.write(&executed);
            head = executed;
        }
        assert_eq!(hash(&block["hash"]), head.hash, "block {at} is what its transactions make it");
    }
    let at = format!("{height:#x}");
    let balance = ask(rpc, "eth_getBalance", json!([TO, at]))?;
    let expected = state.account(TO).unwrap().map(|account| account.balance).unwrap_or_default();
    assert_eq!(balance, json!(format!("{expected:#x}")));
    Ok((height, expected))
}

fn raw_transactions(rpc: SocketAddr, block: &Value) -> io::Result<Vec<Bytes>> {
    let hashes = block["transactions"].as_array().unwrap().iter();
    hashes
        .map(|hash| {
            let raw = ask(rpc, "eth_getRawTransactionByHash", json!([hash]))?;
            Ok(Bytes::from_hex(raw.as_str().unwrap()).unwrap())
        })
        .collect()
}

/// Starts the node again where nothing is wrong: all it has told of is there, and it goes on.
fn recovers(home: &Path, told: &BTreeMap<u64, (u64, B256)>) {
    let node = Node::start(home, None)
        .unwrap_or_else(|(status, said)| panic!("it does not start again: {status}: {said}"));
    for (n, (number, block)) in told {
        let receipt =
            ask(node.rpc, "eth_getTransactionReceipt", json!([keccak256(transfer(*n))])).unwrap();
        assert!(!receipt.is_null(), "the receipt of transfer {n} was seen and is gone");
        assert_eq!(
            (self::number(&receipt["blockNumber"]), hash(&receipt["blockHash"])),
            (*number, *block)
        );
    }
    replay(node.rpc).unwrap();
    let next = told.len() as u64;
    assert_eq!(node.drive(next, next + 2).len(), 2, "it goes on");
    let (_, moved) = replay(node.rpc).unwrap();
    let all: u64 = (1..=next + 2).sum();
    assert!(moved >= U256::from(all), "{moved} wei moved, {all} expected");
}

/// Runs a node in a new home under the shim until all transfers are done or it has ended.
struct Run {
    home: tempfile::TempDir,
    shim: Shim,
    before: Disk,
    told: BTreeMap<u64, (u64, B256)>,
    /// Status and talk of a node that ended by itself.
    ended: Option<(ExitStatus, String)>,
}

impl Run {
    fn of(plan: String, watched: &str) -> Self {
        let home = scratch();
        make_home(home.path());
        let root = home.path().join(watched);
        fs::create_dir_all(&root).unwrap();
        let before = Disk::of(&root);
        let shim = Shim { root, trace: home.path().join("trace"), plan };
        let (told, ended) = match Node::start(home.path(), Some(&shim)) {
            Err(ended) => (BTreeMap::new(), Some(ended)),
            Ok(node) => {
                let told = node.drive(0, TRANSFERS);
                if told.len() as u64 == TRANSFERS && node.answers() {
                    (told, None)
                } else {
                    (told, Some(node.ended()))
                }
            }
        };
        Self { home, shim, before, told, ended }
    }
}

/// How many steps a run without faults takes.
fn steps(watched: &str) -> u64 {
    let run = Run::of(String::new(), watched);
    assert!(run.ended.is_none() && run.told.len() as u64 == TRANSFERS, "a run without faults");
    recovers(run.home.path(), &run.told);
    child::steps(&run.shim.events())
}

#[test]
fn a_node_that_loses_power_has_every_block_whose_receipt_was_seen() {
    let steps = steps("data");
    let crashed = Mutex::new(0_u64);
    in_parallel(&seeds(50), |seed| {
        named(*seed, || {
            let mut rng = StdRng::seed_from_u64(*seed);
            let run = Run::of(format!("exit:{}", rng.random_range(1..=steps)), "data");
            *crashed.lock().unwrap() += u64::from(run.ended.is_some());
            let mut disk = run.before.clone();
            run.shim.events().iter().for_each(|event| disk.step(event));
            let left = scratch();
            copy(&run.home.path().join("config"), &left.path().join("config"));
            disk.cut(&mut rng, Keep::Some, &left.path().join("data"));
            recovers(left.path(), &run.told);
            // The same with the machine still up: only the process was killed.
            recovers(run.home.path(), &run.told);
        });
    });
    println!("{} runs ended by the cut", crashed.into_inner().unwrap());
}

#[test]
fn a_node_whose_disk_fails_or_is_full_says_so_and_stops() {
    let steps = steps("data/chain");
    let stopped = Mutex::new(BTreeMap::new());
    let seeds = seeds(50);
    in_parallel(&seeds, |seed| {
        named(*seed, || {
            let mut rng = StdRng::seed_from_u64(*seed);
            let (kind, cause) = [
                ("eio", "Input/output error"),
                ("eio-on", "Input/output error"),
                ("enospc", "No space left on device"),
                ("enospc-on", "No space left on device"),
            ][rng.random_range(0..4)];
            let plan = format!("{kind}:{}", rng.random_range(1..=steps));
            let run = Run::of(plan.clone(), "data/chain");
            if let Some((status, said)) = &run.ended {
                stopped.lock().unwrap().insert(*seed, last_words(said));
                assert_eq!(status.code(), Some(1), "{plan}: {said}");
                assert!(said.contains("error: ") && said.contains(cause), "{plan}: {said}");
            }
            recovers(run.home.path(), &run.told);
        });
    });
    let stopped = stopped.into_inner().unwrap();
    println!("{} of {} faults stopped the node", stopped.len(), seeds.len());
    for (seed, said) in stopped.iter().take(5) {
        println!("{seed}: {said}");
    }
}

/// The error with which a node ends.
fn last_words(said: &str) -> String {
    let error = said.lines().skip_while(|line| !line.starts_with("error: "));
    error.map(str::trim).collect::<Vec<_>>().join(" ")
}

fn copy(from: &Path, to: &PathBuf) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

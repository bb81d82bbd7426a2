//! The whole program under power cuts and broken disks.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Mutex,
};

use alloy_primitives::{Bytes, U256, hex::FromHex as _, keccak256};
use mooring_app::{config::Home, store::Store};
use mooring_stf::{
    BlockInput, ChainParams, Mode, StateReader as _, execute_block, genesis_block,
    testing::MemoryState,
};
use rand::{Rng, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    child::{self, Shim},
    disk::{Disk, Keep},
    node::{Engine, Node, TO, Told, hash, last_words, number, transfer},
    rpc::ask,
    seeds::{in_parallel, named, scratch, seeds, with_store},
};

/// Executes the chain that a node has from genesis on, in memory, by what its blocks say: every
/// header must come out as it is there. Returns its height and how much the transfers moved.
fn replay(engine: Engine, rpc: SocketAddr) -> io::Result<(u64, U256)> {
    let genesis = engine.genesis();
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
fn recovers(home: &Path, told: &Told) {
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
    replay(Engine::Dev, node.rpc).unwrap();
    let next = told.len() as u64;
    assert_eq!(node.drive(next, next + 2).len(), 2, "it goes on");
    let (_, moved) = replay(Engine::Dev, node.rpc).unwrap();
    let all: u64 = (1..=next + 2).sum();
    assert!(moved >= U256::from(all), "{moved} wei moved, {all} expected");
}

/// Runs a node in a new home under the shim until all transfers are done or it has ended.
struct Run {
    home: tempfile::TempDir,
    shim: Shim,
    before: Disk,
    told: Told,
    /// Status and talk of a node that ended by itself.
    ended: Option<(ExitStatus, String)>,
}

impl Run {
    fn of(engine: Engine, plan: String, watched: &str) -> Self {
        let home = scratch();
        engine.make_home(home.path());
        let root = home.path().join(watched);
        fs::create_dir_all(&root).unwrap();
        let before = Disk::of(&root);
        let shim = Shim { root, trace: home.path().join("trace"), plan };
        let (told, ended) = match Node::start(home.path(), Some(&shim)) {
            Err(ended) => (BTreeMap::new(), Some(ended)),
            Ok(node) => {
                let told = node.drive(0, engine.transfers());
                if told.len() as u64 == engine.transfers() && node.answers() {
                    (told, None)
                } else {
                    (told, Some(node.ended()))
                }
            }
        };
        Self { home, shim, before, told, ended }
    }
}

impl Run {
    /// The home after the power went with the process.
    fn left(&self, rng: &mut StdRng) -> tempfile::TempDir {
        let mut disk = self.before.clone();
        self.shim.events().iter().for_each(|event| disk.step(event));
        let left = scratch();
        copy(&self.home.path().join("config"), &left.path().join("config"));
        disk.cut(rng, Keep::Some, &left.path().join("data"));
        left
    }
}

/// How many steps a run without faults takes.
fn steps(engine: Engine, watched: &str) -> u64 {
    let run = Run::of(engine, String::new(), watched);
    assert!(run.ended.is_none(), "a run without faults: {:?}", run.ended);
    child::steps(&run.shim.events())
}

#[test]
fn a_node_that_loses_power_has_every_block_whose_receipt_was_seen() {
    let steps = steps(Engine::Dev, "data");
    let crashed = Mutex::new(0_u64);
    in_parallel(&seeds(25), |seed| {
        named(*seed, || {
            let mut rng = StdRng::seed_from_u64(*seed);
            let run = Run::of(Engine::Dev, format!("exit:{}", rng.random_range(1..=steps)), "data");
            *crashed.lock().unwrap() += u64::from(run.ended.is_some());
            let left = run.left(&mut rng);
            recovers(left.path(), &run.told);
            // The same with the machine still up: only the process was killed.
            recovers(run.home.path(), &run.told);
        });
    });
    println!("{} runs ended by the cut", crashed.into_inner().unwrap());
}

/// Reads the receipts that were seen straight from the database.
fn are_on_disk(home: &Path, told: &Told) {
    let _open = with_store();
    let genesis = Engine::Consensus.genesis();
    let dir = Home::new(home).database();
    let store = Store::open(&dir, genesis.hash(), || genesis_block(&genesis)).unwrap();
    let view = store.latest();
    for (n, (number, block)) in told {
        let position = view.transaction(keccak256(transfer(*n))).unwrap();
        let position = position.unwrap_or_else(|| panic!("transfer {n} was seen and is gone"));
        assert_eq!((position.height, view.hash_of(*number).unwrap()), (*number, Some(*block)));
    }
}

#[test]
fn a_validator_that_loses_power_keeps_what_was_seen_and_goes_on_or_refuses_to_sign() {
    let steps = steps(Engine::Consensus, "data");
    let refused = Mutex::new(BTreeMap::new());
    let told = Mutex::new(0_u64);
    let seeds = seeds(50);
    in_parallel(&seeds, |seed| {
        named(*seed, || {
            let mut rng = StdRng::seed_from_u64(*seed);
            let plan = format!("exit:{}", rng.random_range(1..=steps));
            let run = Run::of(Engine::Consensus, plan, "data");
            let left = run.left(&mut rng);
            are_on_disk(left.path(), &run.told);
            *told.lock().unwrap() += u64::from(!run.told.is_empty());
            let next = run.told.len() as u64;
            match Node::start(left.path(), None) {
                Ok(node) if node.drive(next, next + 2).len() == 2 => {
                    let (_, moved) = replay(Engine::Consensus, node.rpc).unwrap();
                    assert!(moved >= U256::from((1..=next + 2).sum::<u64>()));
                }
                // The guard's hazard: alone, nobody can tell the node how the height went on.
                Ok(node) => {
                    let (status, said) = node.ended();
                    let code = i32::from(mooring_malachite::EXIT_DOUBLE_SIGN);
                    assert_eq!(status.code(), Some(code), "{said}");
                    refused.lock().unwrap().insert(*seed, last_words(&said));
                }
                Err((status, said)) => panic!("it does not start again: {status}: {said}"),
            }
        });
    });
    let refused = refused.into_inner().unwrap();
    let told = told.into_inner().unwrap();
    println!("{told} of {} validators had told of a block before the cut", seeds.len());
    println!("{} refused to sign again", refused.len());
    for (seed, said) in refused.iter().take(5) {
        println!("{seed}: {said}");
    }
}

#[test]
fn a_node_whose_disk_fails_or_is_full_says_so_and_stops() {
    let steps = steps(Engine::Dev, "data/chain");
    let stopped = Mutex::new(BTreeMap::new());
    let seeds = seeds(25);
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
            let run = Run::of(Engine::Dev, plan.clone(), "data/chain");
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

fn copy(from: &Path, to: &PathBuf) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

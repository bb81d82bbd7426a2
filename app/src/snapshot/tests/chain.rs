//! Chains with everything that a snapshot holds: transfers, contracts, words, exits.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall as _;
use mooring_abci::Fault;
use mooring_abci::proto::abci::RequestFinalizeBlock;
use mooring_bridge::NATIVE;
use mooring_bridge::addresses::GATEWAY;
use mooring_bridge::contracts::Gateway;
use mooring_genesis::Genesis;
use mooring_stf::ChainParams;
use mooring_stf::testing::{Federation, pegged_genesis, wallet};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;

use crate::application::tests::rig::{PoolDouble, Rig};
use crate::application::{Application, Chain};
use crate::snapshot::{Rules, Saved, Snapshots};
use crate::store::{Store, StoreOptions, View};

const ETHER: u128 = 1_000_000_000_000_000_000;
/// Runtime code that stores the second word of its input in the slot named by the first.
const STORES: [u8; 8] = [0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00];

/// What consensus decided, height after height.
pub(super) struct Script {
    pub(super) genesis: Genesis,
    pub(super) contracts: Vec<Address>,
    requests: Vec<RequestFinalizeBlock>,
}

impl Script {
    pub(super) fn of(seed: u64, blocks: u64) -> Self {
        let genesis = pegged_genesis(1);
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Rig::open(dir.path(), &genesis);
        let mut federation = Federation::new(genesis.domain().unwrap(), 1);
        let owner = wallet::address(wallet::KEYS[0]);
        let deposit = federation.deposit(0, NATIVE, owner, 100 * ETHER, 0);
        rig.pool.add(federation.deliver(&[deposit]));
        let mut author = Author::new(seed);
        let mut requests = Vec::new();
        for height in 1..=blocks {
            if height > 1 {
                rig.pool.add(author.block());
            }
            requests.push(rig.height().0);
        }
        Self { genesis, contracts: author.contracts, requests }
    }

    pub(super) fn rules(&self) -> Rules {
        Rules::of(&self.genesis).without_engine()
    }

    pub(super) fn params(&self) -> ChainParams {
        ChainParams::from_genesis(&self.genesis)
    }
}

/// Writes the transactions of one sender.
struct Author {
    rng: StdRng,
    nonce: u64,
    contracts: Vec<Address>,
}

impl Author {
    fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), nonce: 0, contracts: Vec::new() }
    }

    fn block(&mut self) -> Vec<Bytes> {
        (0..self.rng.random_range(0..6)).map(|_| self.transaction()).collect()
    }

    fn transaction(&mut self) -> Bytes {
        let nonce = self.nonce;
        self.nonce += 1;
        let kind = if nonce < 3 { nonce } else { self.rng.random_range(0..10) };
        let tx = match kind {
            0 => {
                self.contracts.push(wallet::address(wallet::KEYS[0]).create(nonce));
                // Some share their code, some have their own.
                let own = [STORES.as_slice(), &[self.rng.random_range(0..3)]].concat();
                let init = [&[0x68][..], &own, &[0x60, 0, 0x52, 0x60, 9, 0x60, 23, 0xf3]];
                wallet::create(nonce, 0, init.concat())
            }
            1 | 3..=5 => {
                let to = self.contracts[self.rng.random_range(0..self.contracts.len())];
                let slot = U256::from(self.rng.random_range(0..6_u64));
                let value = U256::from(self.rng.random_range(0..3_u64));
                wallet::call(nonce, to, 0, [slot.to_be_bytes::<32>(), value.to_be_bytes()].concat())
            }
            2 | 6 => {
                let amount = self.rng.random_range(1_000..9_000);
                let recipient = Address::repeat_byte(0x55);
                let (asset, fee) = (NATIVE, U256::from(1));
                let call =
                    Gateway::withdrawCall { asset, amount: U256::from(amount), recipient, fee };
                wallet::call(nonce, GATEWAY, amount, call.abi_encode())
            }
            _ => {
                let to = Address::repeat_byte(self.rng.random_range(0x20..0x60));
                wallet::call(nonce, to, self.rng.random_range(1..1_000), Vec::new())
            }
        };
        wallet::sign(wallet::KEYS[0], tx)
    }
}

/// A node's directory with its chain.
pub(super) struct Home {
    pub(super) rig: Rig,
    options: StoreOptions,
    dir: TempDir,
}

/// Tables that follow closely, next to no history, next to nothing in memory.
pub(super) fn busy() -> StoreOptions {
    let caches = StoreOptions { trie_cache: 0, state_cache: 1 << 12, ..StoreOptions::default() };
    StoreOptions { flush_blocks: 1, history: 2, ..caches }
}

impl Home {
    pub(super) fn open(script: &Script, options: StoreOptions) -> Self {
        Self::at(tempfile::tempdir().unwrap(), script, options)
    }

    fn at(dir: TempDir, script: &Script, options: StoreOptions) -> Self {
        let genesis = &script.genesis;
        let first = || mooring_stf::genesis_block(genesis);
        let store = Store::open_with(&dir.path().join("chain"), genesis.hash(), options, first);
        let params = Arc::new(script.params());
        let chain = Chain::new(store.unwrap(), params, Arc::new(genesis.clone()));
        let pool = PoolDouble::new();
        let app = Application::new(chain.clone(), Arc::<PoolDouble>::clone(&pool));
        Self { rig: Rig { app, chain, pool }, options, dir }
    }

    pub(super) fn reopened(self, script: &Script) -> Self {
        let Self { rig, options, dir } = self;
        drop(rig);
        Self::at(dir, script, options)
    }

    pub(super) fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(super) fn snapshots(&self) -> Snapshots {
        Snapshots::beside(&self.dir.path().join("chain"))
    }

    /// Decides one height of the script.
    pub(super) fn decide(&mut self, script: &Script, height: u64) -> Result<(), Fault> {
        let request = script.requests[usize::try_from(height - 1).unwrap()].clone();
        self.rig.decide(request).map(drop)
    }

    /// Decides all heights up to this one.
    pub(super) fn play(&mut self, script: &Script, height: u64) {
        for next in self.rig.latest().number() + 1..=height {
            self.decide(script, next).unwrap();
        }
    }
}

/// All that two nodes at one height must agree on.
pub(super) fn same_chain(mine: &View, theirs: &View) {
    assert_eq!(mine.tip(), theirs.tip());
    for key in wallet::KEYS {
        let address = wallet::address(key);
        let proof = |view: &View| view.proof(address, &[U256::ZERO]).unwrap().unwrap();
        assert_eq!(proof(mine), proof(theirs), "{address}");
    }
    let count = mine.tip().exit_count;
    for index in 0..count {
        let proof = |view: &View| view.exit_proof(index, count).unwrap().unwrap();
        assert_eq!(proof(mine), proof(theirs), "exit {index}");
    }
}

/// The files of a snapshot, by name.
pub(super) fn files(saved: &Saved) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(saved.dir())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Waits for another thread.
pub(super) fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "gave up waiting");
        std::thread::yield_now();
    }
}

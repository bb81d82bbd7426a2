//! A chain whose every block and state is known without a disk.

use std::{collections::BTreeMap, path::Path};

use alloy_primitives::{Address, B256, Bytes, U256};
use mooring_app::store::{Block, Layer, Store, StoreError, StoreOptions, View};
use mooring_genesis::Genesis;
use mooring_stf::{
    AccountRecord, BlockInput, ChainParams, ExecutedBlock, Mode, StateReader as _, execute_block,
    genesis_block,
    testing::{BUILDER, TestChain, ethereum_genesis, wallet},
};
use rand::{Rng, SeedableRng as _, rngs::StdRng};

/// Blocks of a chain.
pub(crate) const BLOCKS: u64 = 60;
/// Of the blocks, this many of the newest are read whenever a chain is checked, and of the others
/// one in [`SPARSE`].
const NEWEST: u64 = 12;
const SPARSE: u64 = 8;
/// Runtime code that stores the second word of its input in the slot named by the first.
const STORES: [u8; 8] = [0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00];
/// Slots that calls write.
const SLOTS: u64 = 6;

/// Accounts, slots and codes after a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    accounts: BTreeMap<Address, Option<AccountRecord>>,
    slots: BTreeMap<(Address, U256), U256>,
    codes: BTreeMap<B256, Bytes>,
}

/// A chain made by a script: what its transactions are depends on the number alone.
#[derive(Debug)]
pub(crate) struct Chain {
    script: u64,
    genesis: Genesis,
    params: ChainParams,
    /// By height.
    blocks: Vec<ExecutedBlock>,
    states: Vec<State>,
    /// The transactions of each height.
    txs: Vec<Vec<Bytes>>,
}

impl Chain {
    pub(crate) fn of(script: u64) -> Self {
        let genesis = ethereum_genesis(1_000_000_000_000_000_000_000);
        let mut memory = TestChain::new(&genesis);
        let mut chain = Self {
            script,
            params: ChainParams::from_genesis(&genesis),
            genesis,
            blocks: Vec::new(),
            states: Vec::new(),
            txs: vec![Vec::new()],
        };
        chain.append(memory.head.clone());
        let mut script = Script::new(script);
        for _ in 1..=BLOCKS {
            let txs = script.block();
            chain.append(memory.block(&txs).unwrap().clone());
            chain.txs.push(txs);
        }
        chain
    }

    fn append(&mut self, block: ExecutedBlock) {
        let mut state = self.states.last().cloned().unwrap_or_default();
        for (address, change) in &block.changes.accounts {
            state.accounts.insert(*address, change.account.clone());
            for (slot, word) in &change.storage {
                state.slots.insert((*address, *slot), word.after);
            }
        }
        state.codes.extend(block.changes.code.clone());
        self.states.push(state);
        self.blocks.push(block);
    }

    pub(crate) fn open(&self, dir: &Path) -> Result<Store, StoreError> {
        self.open_with(dir, StoreOptions::default())
    }

    /// Opens the store so that its tables take in blocks often, or seldom, as the script says.
    pub(crate) fn open_busily(&self, dir: &Path) -> Result<Store, StoreError> {
        self.open_with(dir, self.busy())
    }

    /// As [`Self::open_busily`], and a snapshot is written at each multiple of `interval`.
    pub(crate) fn open_exporting(&self, dir: &Path, interval: u64) -> Result<Store, StoreError> {
        self.open_with(dir, StoreOptions { snapshot_interval: interval, ..self.busy() })
    }

    fn busy(&self) -> StoreOptions {
        let flush_blocks = [2, 5, 16, 64][usize::try_from(self.script % 4).unwrap()];
        // Little is kept in memory: what is read comes from the tables.
        StoreOptions {
            trie_cache: 1 << 12,
            state_cache: 1 << 12,
            flush_blocks,
            ..Default::default()
        }
    }

    fn open_with(&self, dir: &Path, options: StoreOptions) -> Result<Store, StoreError> {
        Store::open_with(dir, self.genesis.hash(), options, || genesis_block(&self.genesis))
    }

    /// Executes and commits the next block on the state that the store has; returns its height, or
    /// the store's complaint.
    pub(crate) fn commit_next(&self, store: &Store) -> Result<u64, String> {
        let view = store.head();
        let height = view.number() + 1;
        let input = BlockInput {
            parent: view.header(),
            parent_hash: view.hash(),
            timestamp: view.header().timestamp + 1,
            beneficiary: BUILDER,
        };
        let txs = &self.txs[usize::try_from(height).unwrap()];
        let executed = execute_block(&self.params, &view, &input, txs, Mode::Strict)
            .map_err(|error| chained(&error))?;
        let included = txs.iter().cloned().map(Into::into).collect();
        let layer = Layer::new(&view, executed, included).map_err(|error| chained(&error))?;
        store.commit(layer, 0).map_err(|error| chained(&error))?;
        Ok(height)
    }

    /// The app hash of a height.
    pub(crate) fn app_hash(&self, height: u64) -> B256 {
        self.blocks[usize::try_from(height).unwrap()].app_hash
    }

    /// The genesis document.
    pub(crate) const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Compares the state of `view`, and what its block is known by, with what its height must be:
    /// for a chain that does not have the blocks below.
    ///
    /// # Errors
    /// The store's own complaint.
    ///
    /// # Panics
    /// Something is there and is wrong, or is missing.
    pub(crate) fn check_state(&self, view: &View) -> Result<(), String> {
        let height = usize::try_from(view.number()).unwrap();
        assert_eq!(view.tip().app_hash, self.blocks[height].app_hash, "app hash of {height}");
        check_state(view, &self.states[height])
    }

    /// Reads all of `view` and compares it with what its height must be.
    ///
    /// # Errors
    /// The store's own complaint.
    ///
    /// # Panics
    /// Something is there and is wrong, or is missing.
    pub(crate) fn check(&self, view: &View) -> Result<(), String> {
        let height = usize::try_from(view.number()).unwrap();
        let newest = &self.blocks[height];
        assert_eq!(view.tip().app_hash, newest.app_hash, "app hash of {height}");
        assert_eq!(view.hash(), newest.hash, "hash of {height}");
        for (number, expected) in self.blocks.iter().enumerate().take(height + 1) {
            let number = number as u64;
            if number + NEWEST > view.number() || number.is_multiple_of(SPARSE) {
                check_block(view, number, expected)?;
            }
        }
        let above = view.block(view.number() + 1).map_err(|error| chained(&error))?;
        assert!(above.is_none(), "a block above the newest");
        check_state(view, &self.states[height])
    }
}

fn check_block(view: &View, number: u64, expected: &ExecutedBlock) -> Result<(), String> {
    let complaint = |error: mooring_stf::Fault| chained(&error);
    let block = view.block(number).map_err(complaint)?.expect("a block below the newest");
    let known = Block {
        header: expected.header.clone(),
        hash: expected.hash,
        transactions: expected.transactions.clone(),
        receipts: expected.receipts.clone(),
    };
    assert_eq!(*block, known, "block {number}");
    assert_eq!(view.number_of(known.hash).map_err(complaint)?, Some(number));
    assert_eq!(view.hash_of(number).map_err(complaint)?, Some(known.hash));
    for (index, tx) in known.transactions.iter().enumerate() {
        let position = view.transaction(tx.hash()).map_err(complaint)?.expect("its place");
        assert_eq!((position.height, position.index), (number, index));
    }
    Ok(())
}

fn check_state(view: &View, expected: &State) -> Result<(), String> {
    let complaint = |error: mooring_stf::Fault| chained(&error);
    for (address, record) in &expected.accounts {
        assert_eq!(view.account(*address).map_err(complaint)?, *record, "account {address}");
        let of = (*address, U256::ZERO)..=(*address, U256::MAX);
        let slots: Vec<U256> = expected.slots.range(of).map(|((_, slot), _)| *slot).collect();
        // The proof reads every node of the trie on its way.
        let proof =
            view.proof(*address, &slots).map_err(complaint)?.expect("the newest is provable");
        for (slot, proven) in slots.iter().zip(&proof.storage) {
            let value = view.storage(*address, *slot).map_err(complaint)?;
            assert_eq!(value, expected.slots[&(*address, *slot)], "slot {slot} of {address}");
            assert_eq!(proven.value, value, "proven slot {slot} of {address}");
        }
    }
    for (hash, code) in &expected.codes {
        assert_eq!(view.code(*hash).map_err(complaint)?, *code, "code {hash}");
    }
    Ok(())
}

/// An error with its causes.
pub(crate) fn chained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Writes the transactions of block after block.
struct Script {
    rng: StdRng,
    nonces: [u64; 3],
    contracts: Vec<Address>,
}

impl Script {
    fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), nonces: [0; 3], contracts: Vec::new() }
    }

    fn block(&mut self) -> Vec<Bytes> {
        (0..self.rng.random_range(0..5)).map(|_| self.transaction()).collect()
    }

    fn transaction(&mut self) -> Bytes {
        let key = self.rng.random_range(0..3);
        let nonce = self.nonces[key];
        self.nonces[key] += 1;
        let signed = |tx: alloy_consensus::TxEip1559| wallet::sign(wallet::KEYS[key], tx);
        match self.rng.random_range(0..10) {
            0 => {
                self.contracts.push(wallet::address(wallet::KEYS[key]).create(nonce));
                let init = [&[0x67][..], &STORES, &[0x60, 0, 0x52, 0x60, 8, 0x60, 24, 0xf3]];
                signed(wallet::create(nonce, 0, init.concat()))
            }
            1..=5 if !self.contracts.is_empty() => {
                let to = self.contracts[self.rng.random_range(0..self.contracts.len())];
                let slot = U256::from(self.rng.random_range(0..SLOTS));
                let value = U256::from(self.rng.random_range(0..3_u64));
                let input = [slot.to_be_bytes::<32>(), value.to_be_bytes()].concat();
                signed(wallet::call(nonce, to, 0, input))
            }
            6 => {
                let noise: Vec<u8> = (0..20_000).map(|_| self.rng.random()).collect();
                signed(wallet::call(nonce, Address::repeat_byte(0x99), 1, noise))
            }
            _ => {
                let to = Address::repeat_byte(self.rng.random_range(0x20..0x40));
                signed(wallet::call(nonce, to, self.rng.random_range(0..1_000), Vec::new()))
            }
        }
    }
}

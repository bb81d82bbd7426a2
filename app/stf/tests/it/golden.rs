//! The same blocks come to the same hashes: on any machine, on any number of threads, and however
//! the program was compiled (`make determinism`).

use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use mooring_bridge::{
    NATIVE,
    addresses::{GATEWAY, wrapped_token},
};
use mooring_stf::{
    ExecutedBlock, Mode, TxOutcome, execute_in_parts,
    testing::{L1_CHAIN_ID, wallet},
    tx::{self, EthTx},
};

use crate::world::{
    ETHER, L1_TOKEN, STORE, VANISH, World, alice, bob, deploying, transfer, withdraw,
};

/// Blocks of the chain below.
const BLOCKS: u64 = 64;
/// What their app hashes come to. It changes with the rules of execution or with the chain below,
/// and with nothing else.
const GOLDEN: B256 = b256!("0xfb2745638955163576b072cb63556ba7064f10b5c7b122948111f7d5a6204a71");

/// Bytes that nobody chose, the same each time.
struct Draw(B256);

impl Draw {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = keccak256(self.0);
        self.0.as_slice().iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
            % end
    }

    fn index(&mut self, end: usize) -> usize {
        self.below(u32::try_from(end).unwrap()) as usize
    }

    fn word(&mut self, end: u32) -> B256 {
        U256::from(self.below(end)).into()
    }
}

/// What the blocks held, so that the test is known to be about something.
#[derive(Debug, Default)]
struct Seen {
    credits: usize,
    exits: usize,
    failures: usize,
    skipped: usize,
}

impl Seen {
    fn add(&mut self, block: &ExecutedBlock) {
        let is_credit = |tx: &&EthTx| matches!(tx, EthTx::System(_));
        self.credits += block.transactions.iter().filter(is_credit).count();
        self.exits += block.exits.len();
        self.failures += block.receipts.iter().filter(|receipt| !receipt.success).count();
        let is_skipped = |outcome: &&TxOutcome| matches!(outcome, TxOutcome::Skipped(_));
        self.skipped += block.outcomes.iter().filter(is_skipped).count();
    }
}

/// A chain whose users do a bit of everything.
struct Chain {
    world: World,
    draw: Draw,
    nonces: [u64; 2],
    contracts: Vec<Address>,
    seen: Seen,
}

impl Chain {
    fn new() -> Self {
        let mut world = World::empty();
        let leaves = [
            world.federation.deposit(0, NATIVE, alice(), 100 * ETHER, 0),
            world.federation.deposit(1, NATIVE, bob(), 100 * ETHER, 0),
            world.federation.metadata(2, L1_TOKEN),
            world.federation.deposit(3, L1_TOKEN, alice(), 1_000_000, 0),
        ];
        let messages = world.federation.deliver(&leaves);
        world.block(&messages);
        let draw = Draw(keccak256("a chain of everything"));
        Self { world, draw, nonces: [0; 2], contracts: Vec::new(), seen: Seen::default() }
    }

    fn deposits(&mut self) -> Vec<Bytes> {
        let to = [alice(), bob(), Address::with_last_byte(1), GATEWAY][self.draw.index(4)];
        let asset = [NATIVE, L1_TOKEN][self.draw.index(2)];
        let amount = self.draw.below(1_000_000).into();
        let gas = self.draw.below(1_000).into();
        let leaf = match asset {
            NATIVE => self.world.federation.deposit(0, asset, to, amount, 0),
            token => self.world.federation.deposit(0, token, to, amount, gas),
        };
        self.world.federation.deliver(&[leaf])
    }

    fn transaction(&mut self) -> Bytes {
        let user = self.draw.index(2);
        let nonce = self.nonces[user];
        self.nonces[user] += 1;
        let draw = &mut self.draw;
        let somebody = Address::left_padding_from(&u64::from(draw.below(300)).to_be_bytes());
        let recipient = Address::repeat_byte(0x1e);
        let amount = u128::from(draw.below(1_000));
        let wrapped = wrapped_token(L1_CHAIN_ID, L1_TOKEN);
        let tx = match draw.below(9) {
            0 => wallet::call(nonce, somebody, amount, []),
            1 => wallet::create(nonce, 0, deploying(&STORE)),
            2 => wallet::create(nonce, amount, VANISH.to_vec()),
            3 => wallet::call(nonce, GATEWAY, amount, withdraw(NATIVE, amount, recipient, 0)),
            4 => wallet::call(nonce, GATEWAY, 0, withdraw(L1_TOKEN, amount, recipient, amount / 2)),
            5 => wallet::call(nonce, wrapped, 0, transfer(bob(), amount)),
            _ => {
                let which = draw.index(self.contracts.len().max(1));
                let contract = self.contracts.get(which).copied().unwrap_or(somebody);
                let words = [draw.word(40), draw.word(3)].concat();
                wallet::call(nonce, contract, 0, words)
            }
        };
        if tx.to.is_create() {
            self.contracts.push([alice(), bob()][user].create(nonce));
        }
        wallet::sign(wallet::KEYS[user], tx)
    }

    /// Executes the next block in so many parts of its transactions.
    fn block(&mut self) {
        let mut txs = Vec::new();
        if self.draw.below(3) == 0 {
            txs.extend(self.deposits());
        }
        let count = self.draw.below(24);
        txs.extend((0..count).map(|_| self.transaction()));
        // Somebody sends the same again: it is skipped.
        if let Some(last) = txs.last().filter(|_| count > 20).cloned() {
            txs.push(last);
        }
        let part = self.draw.index(8);
        let chain = &mut self.world.chain;
        let decoded = txs.iter().map(|tx| tx::decode(tx));
        let (params, state, next) = (&chain.params, &chain.state, chain.next());
        let block = execute_in_parts(params, state, &next, decoded, Mode::Lenient, part).unwrap();
        self.seen.add(chain.commit(block));
    }

    /// The app hashes of all blocks, as one.
    fn run() -> (B256, Seen) {
        let mut chain = Self::new();
        let mut all = Vec::new();
        for _ in 0..BLOCKS {
            chain.block();
            all.extend_from_slice(chain.world.chain.head.app_hash.as_slice());
        }
        (keccak256(all), chain.seen)
    }
}

#[test]
fn any_number_of_threads_comes_to_the_golden_hash() {
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (hash, seen) = pool.install(Chain::run);
        let Seen { credits, exits, failures, skipped } = &seen;
        let least = [credits, exits, failures, skipped].into_iter().min();
        assert!(least > Some(&4), "{seen:?}");
        assert_eq!(hash, GOLDEN, "with {threads} threads");
    }
}

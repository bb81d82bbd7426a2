//! A pegged chain with money on it, and shorthands.

use alloy_primitives::{Address, Bytes, U256, address};
use alloy_sol_types::{SolCall, SolConstructor};
use mooring_bridge::{
    NATIVE,
    addresses::GATEWAY,
    contracts::{gateway::Gateway, test_token::TestToken, wrapped_token::WrappedToken},
};
use mooring_stf::{
    ExecutedBlock, TxOutcome,
    call::{CallInput, CallSite, CallStatus, Limits, Overrides, call},
    testing::{Federation, TestChain, pegged_genesis, wallet},
};

pub const ETHER: u128 = 1_000_000_000_000_000_000;
pub const MEMBERS: u8 = 4;
/// No limit beside gas that a test reaches.
pub const FREE: Limits<'_> = Limits { is_over: &|| false, answer_bytes: 1 << 20 };
/// A token on L1.
pub const L1_TOKEN: Address = address!("0x70ce00000000000000000000000000000000007a");
/// Runtime code that stores the second word of its input at the first.
pub const STORE: [u8; 7] = [0x60, 0x20, 0x35, 0x5f, 0x35, 0x55, 0x00];
/// Init code that stores 1 at 1, and leaves what it owns to its creator.
pub const VANISH: [u8; 7] = [0x60, 0x01, 0x60, 0x01, 0x55, 0x33, 0xff];

pub struct World {
    pub chain: TestChain,
    pub federation: Federation,
}

pub fn alice() -> Address {
    wallet::address(wallet::KEYS[0])
}

pub fn bob() -> Address {
    wallet::address(wallet::KEYS[1])
}

impl World {
    /// Nobody owns anything.
    pub fn empty() -> Self {
        let genesis = pegged_genesis(MEMBERS);
        let federation = Federation::new(genesis.domain().unwrap(), MEMBERS);
        Self { chain: TestChain::new(&genesis), federation }
    }

    /// Alice has 100 ether, all through the peg.
    pub fn funded() -> Self {
        let mut world = Self::empty();
        let leaf = world.federation.deposit(0, NATIVE, alice(), 100 * ETHER, 0);
        let messages = world.federation.deliver(&[leaf]);
        world.chain.block(&messages).unwrap();
        world
    }

    /// Executes strictly and keeps the next block.
    pub fn block(&mut self, txs: &[Bytes]) -> &ExecutedBlock {
        self.chain.block(txs).unwrap()
    }

    pub fn balance(&self, address: Address) -> U256 {
        self.chain.balance(address).unwrap()
    }

    /// Calls a contract's view and decodes what it returns.
    pub fn view<C: SolCall>(&self, to: Address, input: C) -> C::Return {
        let block = mooring_stf::BlockContext::of(&self.chain.head.header);
        let overrides = Overrides::new();
        let site = CallSite {
            params: &self.chain.params,
            state: &self.chain.state,
            block: &block,
            overrides: &overrides,
            gas_cap: 50_000_000,
            limits: FREE,
        };
        let input =
            CallInput { to: Some(to), data: input.abi_encode().into(), ..CallInput::default() };
        let result = call(&site, &input).unwrap();
        assert_eq!(result.status, CallStatus::Success, "{to} answers {}", result.output);
        C::abi_decode_returns(&result.output).unwrap()
    }

    /// The token that stands for [`L1_TOKEN`].
    pub fn wrapped(&self) -> Address {
        self.view(GATEWAY, Gateway::tokenOfCall { asset: L1_TOKEN })
    }

    pub fn wrapped_balance(&self, owner: Address) -> U256 {
        self.view(self.wrapped(), WrappedToken::balanceOfCall { account: owner })
    }
}

/// Every transaction of the block succeeded.
pub fn all_succeeded(block: &ExecutedBlock) -> bool {
    block.outcomes.iter().all(|outcome| match outcome {
        TxOutcome::Executed { success, .. } => *success,
        TxOutcome::Federation => true,
        TxOutcome::Skipped(_) => false,
    }) && block.receipts.iter().all(|receipt| receipt.success)
}

pub fn withdraw(asset: Address, amount: u128, recipient: Address, fee: u128) -> Vec<u8> {
    Gateway::withdrawCall { asset, amount: U256::from(amount), recipient, fee: U256::from(fee) }
        .abi_encode()
}

/// Init code of a test token.
pub fn token_init_code() -> Vec<u8> {
    let arguments =
        TestToken::constructorCall { name: "Golden".to_owned(), symbol: "GLD".to_owned() };
    [TestToken::BYTECODE.as_ref(), &arguments.abi_encode()].concat()
}

pub fn transfer(to: Address, value: u128) -> Vec<u8> {
    WrappedToken::transferCall { to, value: U256::from(value) }.abi_encode()
}

/// Init code that deploys this runtime code of at most 255 bytes.
pub fn deploying(runtime: &[u8]) -> Vec<u8> {
    // PUSH1 length, DUP1, PUSH1 9, PUSH0, CODECOPY, PUSH0, RETURN
    let length = u8::try_from(runtime.len()).unwrap();
    let mut code = vec![0x60, length, 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3];
    code.extend_from_slice(runtime);
    code
}

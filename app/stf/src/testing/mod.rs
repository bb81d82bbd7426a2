//! A chain in memory, for tests of this crate and of those above it. Nothing here runs in a node.

mod federation;
mod memory;
pub mod wallet;

use alloy_primitives::{Address, Bytes};
use mooring_genesis::{Engine, FeeRule, Genesis, L1Section, PublicKey, Setup, Validator};

pub use federation::Federation;
pub use memory::MemoryState;

use crate::{
    BlockError, BlockInput, ChainParams, ExecutedBlock, Fault, Mode, StateReader as _,
    execute_block, genesis::genesis_block,
};

/// Where fees go in a [`TestChain`].
pub const BUILDER: Address = Address::repeat_byte(0xb1);
/// The Vault of [`pegged_genesis`].
pub const VAULT: Address = Address::repeat_byte(0xa1);
/// The L1 of [`pegged_genesis`].
pub const L1_CHAIN_ID: u64 = 31_337;
/// The chain id of both genesis documents here.
pub const CHAIN_ID: u64 = 42_155;
/// When both chains here begin, in milliseconds since 1970.
const GENESIS_TIME_MS: u64 = 1_700_000_000_000;

/// A pegged chain with `members` validators of power 1 whose keys [`Federation`] knows.
///
/// # Panics
/// When `members` is zero: a federation has a member.
pub fn pegged_genesis(members: u8) -> Genesis {
    let mut setup = Setup::new(CHAIN_ID, Engine::Malachite, GENESIS_TIME_MS);
    setup.dev = true;
    setup.validators = (0..members).map(validator).collect();
    let l1 = L1Section {
        chain_id: L1_CHAIN_ID,
        vault: VAULT,
        deploy_block: 1,
        block_hash: alloy_primitives::keccak256("vault block"),
    };
    Genesis::pegged(setup, l1).expect("the document keeps every rule")
}

/// A chain with Ethereum's fee rule, no peg, and this much wei for each of [`wallet::KEYS`].
///
/// # Panics
/// Never: the document keeps every rule.
pub fn ethereum_genesis(wei: u128) -> Genesis {
    let mut setup = Setup::new(CHAIN_ID, Engine::Dev, GENESIS_TIME_MS);
    setup.dev = true;
    setup.fee_rule = FeeRule::Ethereum;
    setup.alloc = wallet::KEYS
        .iter()
        .map(|key| (wallet::address(*key), alloy_primitives::U256::from(wei)))
        .collect();
    Genesis::unpegged(setup).expect("the document keeps every rule")
}

fn validator(index: u8) -> Validator {
    Validator {
        name: format!("validator{index}"),
        consensus_pubkey: PublicKey(alloy_primitives::keccak256([b'c', index])),
        power: 1,
        payout: Address::repeat_byte(0xb1_u8.wrapping_add(index)),
        member: wallet::address(federation::member_key(index)),
        recovery: wallet::address(alloy_primitives::keccak256([b'r', index])),
    }
}

/// A chain whose state is in memory; a block takes one second.
#[derive(Debug)]
pub struct TestChain {
    /// The rules.
    pub params: ChainParams,
    /// The state after [`head`](Self::head).
    pub state: MemoryState,
    /// The last block.
    pub head: ExecutedBlock,
}

impl TestChain {
    /// The chain at height 0.
    ///
    /// # Panics
    /// When block 0 cannot be executed.
    pub fn new(genesis: &Genesis) -> Self {
        let head = genesis_block(genesis).expect("genesis executes");
        let mut state = MemoryState::default();
        state.write(&head);
        Self { params: ChainParams::from_genesis(genesis), state, head }
    }

    /// The input of the next block.
    pub const fn next(&self) -> BlockInput<'_> {
        BlockInput {
            parent: &self.head.header,
            parent_hash: self.head.hash,
            timestamp: self.head.header.timestamp.saturating_add(1),
            beneficiary: BUILDER,
        }
    }

    /// Executes the next block without keeping it.
    ///
    /// # Errors
    /// As [`execute_block`].
    pub fn try_block(&self, txs: &[Bytes], mode: Mode) -> Result<ExecutedBlock, BlockError> {
        execute_block(&self.params, &self.state, &self.next(), txs, mode)
    }

    /// Keeps a block that was executed on this head.
    pub fn commit(&mut self, block: ExecutedBlock) -> &ExecutedBlock {
        self.state.write(&block);
        self.head = block;
        &self.head
    }

    /// Executes the next block strictly and keeps it.
    ///
    /// # Errors
    /// As [`execute_block`].
    pub fn block(&mut self, txs: &[Bytes]) -> Result<&ExecutedBlock, BlockError> {
        let block = self.try_block(txs, Mode::Strict)?;
        Ok(self.commit(block))
    }

    /// An account's wei.
    ///
    /// # Errors
    /// Never: the state is in memory.
    pub fn balance(&self, address: Address) -> Result<alloy_primitives::U256, Fault> {
        Ok(self.state.account(address)?.map(|account| account.balance).unwrap_or_default())
    }
}

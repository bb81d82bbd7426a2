//! Block 0.

use alloy_eips::eip2935::HISTORY_STORAGE_CODE;
use alloy_primitives::{Address, B256, Bytes, U256};
use mooring_bridge::{
    addresses::{GATEWAY, HISTORY, PEG},
    apphash::mix_hash,
    contracts::Gateway,
};
use mooring_genesis::{FeeRule, Genesis, Peg};
use mooring_trie::{EMPTY_ROOT_HASH, Nibbles, NodeReader, StateTrie};

use crate::{
    AccountRecord, BlockContext, BlockState, ChainParams, ExecutedBlock, Fault, StateReader,
    executor::{Lists, seal},
    overlay::{Account, Overlay},
    slots::with_peg,
};

/// Storage slot of the Gateway that holds the L1's chain id.
const GATEWAY_L1_CHAIN_ID: U256 = U256::ZERO;
/// Storage slot of the Gateway that holds the Vault's address.
const GATEWAY_VAULT: U256 = U256::ONE;
/// Base fee at which a chain with Ethereum's fee rule starts (EIP-1559).
const ETHEREUM_BASE_FEE: u64 = 1_000_000_000;

/// Executes height 0: the block that the genesis document founds, with its state. It has no
/// parent, no transactions and no outcomes.
///
/// # Errors
/// A [`Fault`] when the document's member lists do not fit each other, which its own checks
/// refuse.
pub fn genesis_block(genesis: &Genesis) -> Result<ExecutedBlock, Fault> {
    let params = ChainParams::from_genesis(genesis);
    let mut overlay = Overlay::new(&Void);
    contract(&mut overlay, HISTORY, HISTORY_STORAGE_CODE.clone())?;
    for (address, balance) in &genesis.setup().alloc {
        overlay.mint(*address, *balance)?;
    }
    let mut exits = seal::no_exits();
    if let (Some(peg), Some(rules)) = (genesis.peg(), &params.peg) {
        gateway(&mut overlay, peg)?;
        overlay.set_account(PEG, Account { nonce: 1, ..Account::default() })?;
        exits = with_peg(rules, &mut overlay, |state| {
            state.genesis(&peg.members, &peg.recovery)?;
            state.exit_head()
        })?;
    }
    let state = seal::commit_state(&Void, &overlay, EMPTY_ROOT_HASH, 0)?;
    let (block, lists) = (context(genesis), Lists::default());
    let body = seal::BodyRoots::of(&lists.transactions, &lists.receipts);
    let header = seal::header(B256::ZERO, &block, &block.rules(&params), state.trie.root(), body);
    Ok(seal::sealed(&params, header, state, &exits, lists))
}

fn context(genesis: &Genesis) -> BlockContext {
    let setup = genesis.setup();
    let start = match setup.fee_rule {
        FeeRule::Pegged => 0,
        FeeRule::Ethereum => ETHEREUM_BASE_FEE,
    };
    BlockContext {
        number: 0,
        timestamp: setup.genesis_time_ms / 1000,
        beneficiary: Address::ZERO,
        gas_limit: setup.gas_limit,
        base_fee: setup.base_fee_floor_wei.max(start),
        prev_randao: mix_hash(B256::ZERO, 0),
        difficulty: U256::ZERO,
        excess_blob_gas: 0,
    }
}

fn gateway(overlay: &mut Overlay<'_>, peg: &Peg) -> Result<(), Fault> {
    contract(overlay, GATEWAY, Gateway::DEPLOYED_BYTECODE.clone())?;
    overlay.set_slot(GATEWAY, GATEWAY_L1_CHAIN_ID, U256::from(peg.l1.chain_id))?;
    overlay.set_slot(GATEWAY, GATEWAY_VAULT, peg.l1.vault.into_word().into())
}

fn contract(overlay: &mut Overlay<'_>, at: Address, code: Bytes) -> Result<(), Fault> {
    let code_hash = overlay.add_code(code)?;
    overlay.set_account(at, Account { nonce: 1, balance: U256::ZERO, code_hash })
}

/// The state before genesis.
#[derive(Debug)]
pub(crate) struct Void;

impl StateReader for Void {
    fn account(&self, _: Address) -> Result<Option<AccountRecord>, Fault> {
        Ok(None)
    }

    fn storage(&self, _: Address, _: U256) -> Result<U256, Fault> {
        Ok(U256::ZERO)
    }

    fn code(&self, code_hash: B256) -> Result<Bytes, Fault> {
        Err(Fault::new(format!("read code {code_hash} before genesis")))
    }

    fn block_hash(&self, _: u64) -> Result<B256, Fault> {
        Ok(B256::ZERO)
    }
}

impl NodeReader for Void {
    type Error = Fault;

    fn node(&self, _: Option<B256>, _: &Nibbles) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }
}

impl BlockState for Void {
    fn trie(&self) -> Result<StateTrie, Fault> {
        Ok(StateTrie::default())
    }
}

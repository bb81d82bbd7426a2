//! `eth_simulateV1`: blocks that nobody made, on a state that stays as it is.
//!
//! As geth has it: without validation nonces and base fees are not checked, but nobody spends what
//! he does not have; each block's state overrides come before its calls; the blocks are real in
//! all that commits to them, but for their transactions, which nobody signed.

mod block;
mod chain;
mod logs;
mod tx;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, Log};

use super::{BlockOverrides, CallInput, CallStatus, Limits, OverrideError, Overrides, Stopped};
use crate::{
    ChainParams, Fault, InvalidTx,
    overlay::Overlay,
    state::BlockState,
    tx::{EthReceipt, EthTx},
};

/// Most blocks of a simulation, the gaps between them included.
pub const MOST_BLOCKS: u64 = 256;

/// What to simulate.
#[derive(Clone, Debug, Default)]
pub struct SimulateInput {
    /// The blocks, in order. Gaps between their numbers are filled with empty ones.
    pub blocks: Vec<SimulateBlock>,
    /// Whether transfers of native coin are listed as logs.
    pub trace_transfers: bool,
    /// Whether nonces and base fees are checked as in a real block.
    pub validation: bool,
}

/// One block to simulate.
#[derive(Clone, Debug, Default)]
pub struct SimulateBlock {
    /// What differs from the block that would follow.
    pub overrides: BlockOverrides,
    /// Accounts to replace before the block.
    pub accounts: Overrides,
    /// Its calls, in order.
    pub calls: Vec<CallInput>,
}

/// Where a simulation begins.
#[derive(Clone, Copy, Debug)]
pub struct Simulation<'a> {
    /// The chain's rules.
    pub params: &'a ChainParams,
    /// The state after the base block.
    pub state: &'a dyn BlockState,
    /// The base block's header.
    pub header: &'a Header,
    /// Its hash.
    pub hash: B256,
    /// The most gas that all calls together get.
    pub gas_cap: u64,
}

/// A block that was simulated.
#[derive(Clone, Debug)]
pub struct SimulatedBlock {
    /// The header.
    pub header: Header,
    /// keccak256 of the header.
    pub hash: B256,
    /// The calls as transactions, with zeros for a signature.
    pub transactions: Vec<EthTx>,
    /// Their receipts.
    pub receipts: Vec<EthReceipt>,
    /// What the calls did.
    pub calls: Vec<SimulatedCall>,
}

/// What a call of a simulated block did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedCall {
    /// How it ended.
    pub status: CallStatus,
    /// Return or revert data; the code of a created contract.
    pub output: Bytes,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// Most gas that it used at any time, before refunds.
    pub max_gas_used: u64,
    /// What it logged, and its transfers where they are traced.
    pub logs: Vec<SimulatedLog>,
}

/// A log of a simulated call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedLog {
    /// Its number in the block. Logs that were undone have numbers too.
    pub index: u64,
    /// The log.
    pub log: Log,
}

/// Why a simulation gives no blocks. geth's words.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A block's number is not above the one before.
    #[error("block numbers must be in order: {number} <= {before}")]
    NumberOrder {
        /// The block's.
        number: u64,
        /// The one before.
        before: u64,
    },
    /// A block's timestamp is not above the one before.
    #[error("block timestamps must be in order: {time} <= {before}")]
    TimeOrder {
        /// The block's.
        time: u64,
        /// The one before.
        before: u64,
    },
    /// More than [`MOST_BLOCKS`].
    #[error("too many blocks")]
    TooManyBlocks,
    /// A call wants more gas than its block has left.
    #[error("block gas limit reached: {used} >= {limit}")]
    BlockGasLimit {
        /// Gas used in the block so far.
        used: u64,
        /// Gas of the block.
        limit: u64,
    },
    /// A call is refused.
    #[error("err: {reason} (supplied gas {gas})")]
    Refused {
        /// Why.
        reason: InvalidTx,
        /// The gas that it had.
        gas: u64,
    },
    /// The overrides contradict the chain or each other.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// It reached a limit.
    #[error(transparent)]
    Stopped(Stopped),
    /// The node's own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Simulates blocks after the base block.
///
/// # Errors
/// Why there is no such chain of blocks. A call that reverts or halts is a result.
pub fn simulate(
    base: &Simulation<'_>,
    input: &SimulateInput,
    limits: Limits<'_>,
) -> Result<Vec<SimulatedBlock>, SimulateError> {
    let planned = chain::plan(base.header, &input.blocks)?;
    let mut overlay = Overlay::new(base.state);
    let mut blocks: Vec<SimulatedBlock> = Vec::new();
    let mut budget = block::Budget { gas: base.gas_cap, limits };
    for plan in planned {
        let (parent, parent_hash) =
            blocks.last().map_or((base.header, base.hash), |block| (&block.header, block.hash));
        let context = block::context(base.params, parent, plan.overrides(), input.validation);
        let step = block::Step { base, input, parent_hash, context, plan: &plan };
        let block;
        (block, overlay) = step.run(overlay, &mut budget)?;
        overlay.add_hash(block.header.number, block.hash);
        blocks.push(block);
    }
    Ok(blocks)
}

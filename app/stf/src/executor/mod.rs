//! One block, transaction by transaction.
//!
//! The same executor serves a proposer (drops what is invalid), a voter (rejects the block) and
//! everybody once the block is decided (skips what is invalid): the caller chooses by what it does
//! with [`ExecError::Invalid`].
//!
//! Order in a block: EIP-2935, completion of the parent's checkpoint record, federation messages,
//! credits, Ethereum transactions, base fees, supply check, naming of a checkpoint.

mod beside;
mod credits;
mod exits;
pub mod import;
pub(crate) mod seal;
mod user;

use beside::Beside;
pub(crate) use exits::burn_native_exits;

use alloy_primitives::{B256, Bytes, U256};
use mooring_bridge::{Exit, FederationMessage, Height, addresses::HISTORY, apphash::mix_hash};

use crate::{
    BlockInput, ChainParams, ExecError, ExecutedBlock, Fault, InvalidTx, Rules, SpecId, TxOutcome,
    evm::{self, BlockContext, Evm},
    fees,
    overlay::Overlay,
    params::PegParams,
    peg::{Peg, PegError},
    slots::{self, BlockSlots},
    state::BlockState,
    tx::{self, ConsensusTx, EthReceipt, EthTx},
};

/// Gas of the EIP-2935 system call; it uses far less.
const HISTORY_GAS: u64 = 30_000_000;

/// How far the block has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Federation messages may come.
    Federation,
    /// Credits are done; only Ethereum transactions may come.
    Ethereum,
}

/// Native coin that came into being or ceased in the block, in wei.
#[derive(Clone, Copy, Debug, Default)]
struct Ledger {
    credited: U256,
    exited: U256,
    destroyed: U256,
}

/// Executes one block on the state after its parent. Nothing is written anywhere: the result of
/// [`finish`](Self::finish) is, by the caller.
pub struct BlockExecutor<'a> {
    params: &'a ChainParams,
    state: &'a dyn BlockState,
    parent: Parent,
    block: BlockContext,
    rules: Rules,
    evm: Evm<'a>,
    stage: Stage,
    lists: Lists,
    /// Gas of the whole Ethereum list so far.
    gas_used: u64,
    /// The part of it that somebody pays for.
    paid_gas: u64,
    ledger: Ledger,
}

/// What a block comes to, beside its state.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) transactions: Vec<EthTx>,
    pub(crate) receipts: Vec<EthReceipt>,
    pub(crate) outcomes: Vec<TxOutcome>,
    pub(crate) exits: Vec<Exit>,
}

impl Lists {
    /// Makes room for so many transactions.
    fn reserve(&mut self, transactions: usize) {
        self.transactions.reserve(transactions);
        self.receipts.reserve(transactions);
        self.outcomes.reserve(transactions);
    }
}

/// What a block builds on.
#[derive(Clone, Copy, Debug)]
pub struct Parent {
    /// Height.
    pub number: u64,
    /// keccak256 of the header.
    pub hash: B256,
    /// Root of the state.
    pub state_root: B256,
}

impl std::fmt::Debug for BlockExecutor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockExecutor")
            .field("block", &self.block)
            .field("stage", &self.stage)
            .field("transactions", &self.lists.transactions.len())
            .field("gas_used", &self.gas_used)
            .finish_non_exhaustive()
    }
}

/// What contracts see of the block after `input.parent`.
pub fn block_context(params: &ChainParams, input: &BlockInput<'_>) -> BlockContext {
    let number = input.parent.number.saturating_add(1);
    BlockContext {
        number,
        timestamp: input.timestamp,
        beneficiary: input.beneficiary,
        gas_limit: params.gas_limit,
        base_fee: fees::next_base_fee(params, input.parent),
        prev_randao: mix_hash(input.parent_hash, number),
        difficulty: U256::ZERO,
        excess_blob_gas: 0,
    }
}

impl<'a> BlockExecutor<'a> {
    /// Opens the block after `input.parent`, whose state is in `state`.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn begin(
        params: &'a ChainParams,
        state: &'a dyn BlockState,
        input: &BlockInput<'_>,
    ) -> Result<Self, Fault> {
        let parent = Parent {
            number: input.parent.number,
            hash: input.parent_hash,
            state_root: input.parent.state_root,
        };
        let mut executor = Self::open(params, state, parent, block_context(params, input));
        executor.record_parent()?;
        Ok(executor)
    }

    /// Opens a block whose context was decided elsewhere: an official test's, or an imported one.
    /// It does nothing at the start of the block that Ethereum's rules do; see
    /// [`record_parent`](Self::record_parent).
    pub fn open(
        params: &'a ChainParams,
        state: &'a dyn BlockState,
        parent: Parent,
        block: BlockContext,
    ) -> Self {
        let rules = block.rules(params);
        let evm = evm::build(evm::cfg(params, &rules), block.env(&rules), Overlay::new(state));
        Self {
            params,
            state,
            parent,
            block,
            rules,
            evm,
            stage: Stage::Federation,
            lists: Lists::default(),
            gas_used: 0,
            paid_gas: 0,
            ledger: Ledger::default(),
        }
    }

    /// EIP-2935 from Prague on, and the completion of the parent's checkpoint record.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read.
    pub fn record_parent(&mut self) -> Result<(), Fault> {
        if self.rules.has(SpecId::PRAGUE) {
            let hash = Bytes::copy_from_slice(self.parent.hash.as_slice());
            let done = evm::system_call(&mut self.evm, HISTORY, hash, HISTORY_GAS)?;
            self.overlay().commit(done.state)?;
        }
        let Parent { number, hash, state_root } = self.parent;
        match &self.params.peg {
            Some(peg) => {
                self.peg(peg, |peg| peg.complete_record(Height::new(number), hash, state_root))
            }
            None => Ok(()),
        }
    }

    /// What contracts see of this block.
    pub const fn block(&self) -> &BlockContext {
        &self.block
    }

    /// Gas that Ethereum transactions may still use in this block.
    pub const fn remaining_gas(&self) -> u64 {
        self.block.gas_limit.saturating_sub(self.gas_used)
    }

    /// Executes one decoded transaction. Credits come before the first Ethereum one.
    ///
    /// # Errors
    /// [`ExecError::Invalid`] when it is invalid here: nothing changed and no outcome is listed.
    /// [`ExecError::Fault`] when the node cannot go on: drop the executor.
    pub fn apply(&mut self, tx: ConsensusTx) -> Result<TxOutcome, ExecError> {
        let outcome = match tx {
            ConsensusTx::Federation(message) => self.federation(&message)?,
            ConsensusTx::Ethereum(tx) => {
                self.enter_ethereum()?;
                self.execute(tx)?
            }
        };
        self.lists.outcomes.push(outcome.clone());
        Ok(outcome)
    }

    /// Decodes and executes one transaction.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_bytes(&mut self, bytes: &[u8]) -> Result<TxOutcome, ExecError> {
        self.apply(tx::decode(bytes)?)
    }

    /// Lists a transaction of a decided block as skipped.
    pub fn skip(&mut self, reason: InvalidTx) {
        self.lists.outcomes.push(TxOutcome::Skipped(reason));
    }

    fn federation(&mut self, message: &FederationMessage) -> Result<TxOutcome, ExecError> {
        if self.stage != Stage::Federation {
            return Err(InvalidTx::FederationAfterEthereum.into());
        }
        let peg = self.params.peg.as_ref().ok_or(InvalidTx::NoPeg)?;
        match self.peg(peg, |peg| peg.apply(message)) {
            Ok(()) => Ok(TxOutcome::Federation),
            Err(PegError::Refused(reason)) => Err(InvalidTx::Federation(reason).into()),
            Err(PegError::Fault(fault)) => Err(fault.into()),
        }
    }

    /// Ends the federation's part of the block: what was delivered is credited.
    fn enter_ethereum(&mut self) -> Result<(), Fault> {
        if self.stage == Stage::Ethereum {
            return Ok(());
        }
        self.stage = Stage::Ethereum;
        self.credit_leaves()
    }

    fn overlay(&mut self) -> &mut Overlay<'a> {
        self.evm.overlay()
    }

    /// Runs one step of the peg.
    fn peg<T, E: From<Fault>>(
        &mut self,
        params: &PegParams,
        step: impl FnOnce(&mut Peg<'_, BlockSlots<'_, 'a>>) -> Result<T, E>,
    ) -> Result<T, E> {
        slots::with_peg(params, self.overlay(), step)
    }

    /// Appends a transaction of the Ethereum list with its receipt.
    fn list(&mut self, tx: EthTx, done: Done) -> usize {
        let index = self.lists.transactions.len();
        self.gas_used = self.gas_used.saturating_add(done.gas_used);
        self.lists.receipts.push(EthReceipt {
            tx_type: tx.tx_type(),
            success: done.success,
            post_state: None,
            cumulative_gas_used: self.gas_used,
            logs: done.logs,
            gas_used: done.gas_used,
            effective_gas_price: tx.effective_gas_price(self.block.base_fee),
            contract_address: done.contract_address,
        });
        self.lists.transactions.push(tx);
        index
    }
}

/// How a transaction of the Ethereum list went.
#[derive(Debug)]
struct Done {
    success: bool,
    gas_used: u64,
    logs: Vec<alloy_primitives::Log>,
    contract_address: Option<alloy_primitives::Address>,
}

/// What to do with an invalid transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A voter's: the first one makes the block invalid.
    Strict,
    /// A decided block's: it is listed as skipped and changes nothing.
    Lenient,
}

/// Why a block is not executed.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// In [`Mode::Strict`]: a transaction is invalid, so the block is.
    #[error("transaction {index} is invalid")]
    Invalid {
        /// Place in the consensus block.
        index: usize,
        /// Why.
        #[source]
        reason: InvalidTx,
    },
    /// The node cannot go on.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Executes a whole block from bytes.
///
/// # Errors
/// In [`Mode::Strict`] the first invalid transaction; in either mode a [`Fault`].
pub fn execute_block(
    params: &ChainParams,
    state: &dyn BlockState,
    input: &BlockInput<'_>,
    txs: &[Bytes],
    mode: Mode,
) -> Result<ExecutedBlock, BlockError> {
    execute_decoded(params, state, input, txs.iter().map(|bytes| tx::decode(bytes)), mode)
}

/// Executes a whole block of transactions that are decoded already, perhaps in parallel.
///
/// # Errors
/// As [`execute_block`].
pub fn execute_decoded(
    params: &ChainParams,
    state: &dyn BlockState,
    input: &BlockInput<'_>,
    txs: impl IntoIterator<Item = Result<ConsensusTx, InvalidTx>>,
    mode: Mode,
) -> Result<ExecutedBlock, BlockError> {
    execute_in_parts(params, state, input, txs, mode, beside::PART)
}

/// Executes a whole block, and hashes what each `part` transactions have written while the next ones
/// run; with 0 all of it at the end. The block is the same.
///
/// # Errors
/// As [`execute_block`].
pub fn execute_in_parts(
    params: &ChainParams,
    state: &dyn BlockState,
    input: &BlockInput<'_>,
    txs: impl IntoIterator<Item = Result<ConsensusTx, InvalidTx>>,
    mode: Mode,
    part: usize,
) -> Result<ExecutedBlock, BlockError> {
    std::thread::scope(|scope| {
        let mut executor = BlockExecutor::begin(params, state, input)?;
        let mut beside = Beside::new(scope, state, executor.block.number, part);
        let txs = txs.into_iter();
        executor.lists.reserve(txs.size_hint().0);
        for (index, tx) in txs.enumerate() {
            match tx.map_err(ExecError::from).and_then(|tx| executor.apply(tx)) {
                Ok(_) => beside.executed(executor.overlay()),
                Err(ExecError::Fault(fault)) => return Err(fault.into()),
                Err(ExecError::Invalid(reason)) => match mode {
                    Mode::Strict => return Err(BlockError::Invalid { index, reason }),
                    Mode::Lenient => executor.skip(reason),
                },
            }
        }
        Ok(executor.finish_with(Some(beside))?)
    })
}

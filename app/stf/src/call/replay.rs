//! A block executed again from its Ethereum list, to trace what is in it.
//!
//! The peg's own steps between transactions are not in that list. What of them a contract can see
//! is done here as the executor did it: the credits' native coin appears, the exits' ceases.

use alloy_consensus::Header;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_evm::FromRecoveredTx as _;
use alloy_primitives::{Address, Bytes};
use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};
use alloy_sol_types::SolCall as _;
use mooring_bridge::{
    SystemTx,
    addresses::{GATEWAY, HISTORY},
    contracts::gateway::Gateway,
};
use revm::{
    context::{CfgEnv, TxEnv},
    context_interface::result::ResultAndState,
};
use revm_inspectors::tracing::TransactionContext;

use super::{
    CallError,
    trace::{Run, TraceError, Traced, Tracer},
    watch::{Limits, Stopped},
};
use crate::{
    BlockContext, ChainParams, Fault, Rules, SpecId, StateReader,
    evm::{self, Moves},
    executor, fees,
    overlay::Overlay,
    tx::{EthReceipt, EthTx},
};

/// Gas of a system call at the start of a block.
const SYSTEM_GAS: u64 = 30_000_000;

/// A committed block and the state before it.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    /// The chain's rules.
    pub params: &'a ChainParams,
    /// The state after the block's parent.
    pub state: &'a dyn StateReader,
    /// The block's header.
    pub header: &'a Header,
    /// Its Ethereum list.
    pub transactions: &'a [EthTx],
    /// Its receipts.
    pub receipts: &'a [EthReceipt],
}

impl Replay<'_> {
    /// The traces of all transactions, in order.
    ///
    /// # Errors
    /// [`CallError::Tracer`] when there is no such tracer, [`CallError::Stopped`] at a limit, and
    /// [`CallError::Fault`] when the store cannot be read or a transaction is refused that the
    /// block holds.
    pub fn trace_all(
        &self,
        options: GethDebugTracingOptions,
        limits: Limits<'_>,
    ) -> Result<Vec<GethTrace>, CallError> {
        let mut tracer = Tracer::new(options, limits)?;
        let mut overlay = self.start()?;
        let mut traces = Vec::new();
        for index in 0..self.transactions.len() {
            let trace;
            (trace, overlay) = self.traced(overlay, index, &mut tracer)?;
            traces.push(trace);
        }
        Ok(traces)
    }

    /// The trace of one transaction, `None` when the block has none at this index.
    ///
    /// # Errors
    /// As [`trace_all`](Self::trace_all).
    pub fn trace_one(
        &self,
        index: usize,
        options: GethDebugTracingOptions,
        limits: Limits<'_>,
    ) -> Result<Option<GethTrace>, CallError> {
        if index >= self.transactions.len() {
            return Ok(None);
        }
        let mut tracer = Tracer::new(options, limits)?;
        let mut overlay = self.start()?;
        for before in 0..index {
            overlay = self.untraced(overlay, before, tracer.limits())?;
        }
        let (trace, _) = self.traced(overlay, index, &mut tracer)?;
        Ok(Some(trace))
    }

    fn rules(&self) -> Rules {
        self.params.spec.at(self.header.number, self.header.timestamp)
    }

    fn settings(&self) -> (CfgEnv, revm::context::BlockEnv) {
        let rules = self.rules();
        (evm::cfg(self.params, &rules), BlockContext::of(self.header).env(&rules))
    }

    /// What happens before the first transaction: EIP-2935, and EIP-4788 where its contract is.
    fn start(&self) -> Result<Overlay<'_>, Fault> {
        let (cfg, block) = self.settings();
        let mut evm = evm::build(cfg, block, Overlay::new(self.state));
        if let Some(root) = self.header.parent_beacon_block_root {
            let root = Bytes::copy_from_slice(root.as_slice());
            let done = evm::system_call(&mut evm, BEACON_ROOTS_ADDRESS, root, SYSTEM_GAS)?;
            evm.overlay().commit(done.state)?;
        }
        if self.rules().has(SpecId::PRAGUE) {
            let hash = Bytes::copy_from_slice(self.header.parent_hash.as_slice());
            let done = evm::system_call(&mut evm, HISTORY, hash, SYSTEM_GAS)?;
            evm.overlay().commit(done.state)?;
        }
        Ok(evm.into_overlay())
    }

    fn transaction(&self, index: usize) -> Result<(&EthTx, &EthReceipt), Fault> {
        let missing = || Fault::new(format!("find transaction {index} of a block and its receipt"));
        let tx = self.transactions.get(index).ok_or_else(missing)?;
        Ok((tx, self.receipts.get(index).ok_or_else(missing)?))
    }

    fn traced<'o>(
        &'o self,
        mut overlay: Overlay<'o>,
        index: usize,
        tracer: &mut Tracer<'_>,
    ) -> Result<(GethTrace, Overlay<'o>), CallError> {
        let (tx, receipt) = self.transaction(index)?;
        before(&mut overlay, tx)?;
        let (cfg, block) = self.settings();
        let context = TransactionContext {
            block_hash: Some(self.header.hash_slow()),
            tx_index: Some(index),
            tx_hash: Some(tx.hash()),
        };
        let run = Run { cfg, block, moves: Moves::new(), tx: traced(tx), context: Some(context) };
        let (trace, done, mut overlay) =
            run.trace(overlay, tracer).map_err(|error| match error {
                TraceError::Call(error) => error,
                TraceError::Invalid(reason) => not_replayed(tx, &reason).into(),
            })?;
        self.after(&mut overlay, tx, receipt, done)?;
        Ok((trace, overlay))
    }

    fn untraced<'o>(
        &'o self,
        mut overlay: Overlay<'o>,
        index: usize,
        limits: &Limits<'_>,
    ) -> Result<Overlay<'o>, CallError> {
        if (limits.is_over)() {
            return Err(CallError::Stopped(Stopped::Time));
        }
        let (tx, receipt) = self.transaction(index)?;
        before(&mut overlay, tx)?;
        let (cfg, block) = self.settings();
        let mut evm = evm::build(cfg, block, overlay);
        let done = match traced(tx) {
            Traced::System(env) => evm::system_call(&mut evm, GATEWAY, env.data, env.gas_limit)?,
            Traced::Signed(env) => evm::transact(&mut evm, env).map_err(|error| match error {
                evm::Failure::Fault(fault) => fault,
                evm::Failure::Invalid(reason) => not_replayed(tx, &reason),
            })?,
        };
        let mut overlay = evm.into_overlay();
        self.after(&mut overlay, tx, receipt, done)?;
        Ok(overlay)
    }

    /// Commits what a transaction did.
    fn after(
        &self,
        overlay: &mut Overlay<'_>,
        tx: &EthTx,
        receipt: &EthReceipt,
        done: ResultAndState,
    ) -> Result<(), Fault> {
        let succeeded = done.result.is_success();
        match tx {
            EthTx::System(_) if !succeeded => return Ok(()),
            // A withdrawal while the peg was halted: the state transition undid it.
            EthTx::Signed(tx) if succeeded && !receipt.success => {
                let base_fee = self.header.base_fee_per_gas.unwrap_or_default();
                let to = self.header.beneficiary;
                return fees::charge_only(overlay, tx, receipt.gas_used, base_fee, to);
            }
            EthTx::System(_) | EthTx::Signed(_) => {}
        }
        let logs = done.result.logs().to_vec();
        overlay.commit(done.state)?;
        if self.params.peg.is_some() && succeeded {
            executor::burn_native_exits(overlay, &logs)?;
        }
        match tx {
            EthTx::System(tx) => credit(overlay, tx),
            EthTx::Signed(_) => Ok(()),
        }
    }
}

fn traced(tx: &EthTx) -> Traced {
    match tx {
        EthTx::Signed(tx) => Traced::Signed(TxEnv::from_recovered_tx(tx.inner(), tx.signer())),
        EthTx::System(tx) => Traced::System(evm::system_env(tx.to, tx.data.clone(), tx.gas)),
    }
}

/// A bounce's native coin is the Gateway's before the call, which turns it into exits.
fn before(overlay: &mut Overlay<'_>, tx: &EthTx) -> Result<(), Fault> {
    match tx {
        EthTx::System(tx) if recipient(tx).is_none() => mint(overlay, GATEWAY, tx),
        EthTx::System(_) | EthTx::Signed(_) => Ok(()),
    }
}

/// A credit's native coin is the recipient's after the call.
fn credit(overlay: &mut Overlay<'_>, tx: &SystemTx) -> Result<(), Fault> {
    recipient(tx).map_or(Ok(()), |to| mint(overlay, to, tx))
}

fn recipient(tx: &SystemTx) -> Option<Address> {
    Gateway::creditCall::abi_decode(&tx.data).ok().map(|call| call.recipient)
}

fn mint(overlay: &mut Overlay<'_>, to: Address, tx: &SystemTx) -> Result<(), Fault> {
    if overlay.mint(to, tx.mint)? {
        return Ok(());
    }
    Err(Fault::new(format!("replay a credit of {} wei: the balance overflows", tx.mint)))
}

fn not_replayed(tx: &EthTx, reason: &impl std::fmt::Display) -> Fault {
    Fault::new(format!("replay transaction {}: {reason}", tx.hash()))
}

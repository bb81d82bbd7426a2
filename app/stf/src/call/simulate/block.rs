//! One block of a simulation.

use alloy_consensus::Header;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_primitives::{Address, B256, Bytes, U256};
use mooring_bridge::addresses::HISTORY;
use revm::{
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::result::ResultAndState,
};

use super::{
    SimulateError, SimulateInput, SimulatedBlock, SimulatedCall, Simulation, chain::Plan,
    logs::LogTracer, tx,
};
use crate::{
    BlobRule, BlockContext, ChainParams, Fault, FeeRule, InvalidTx, Rules, SpecId,
    call::{
        BlockOverrides, CallInput, CallResult, CallSite, Limits, Overrides, Stopped, overrides,
        refused, watch::Watched,
    },
    evm::{self, Failure, Moves},
    executor::{self, seal},
    fees,
    overlay::Overlay,
    tx::{EthReceipt, EthTx},
};

/// Gas of a system call at the start of a block.
const SYSTEM_GAS: u64 = 30_000_000;
/// Bytes of JSON of a block without its calls.
const BLOCK_BYTES: u64 = 2_500;

/// What is left for the simulation.
pub(super) struct Budget<'a> {
    /// Gas of all calls.
    pub(super) gas: u64,
    /// Time, and bytes of the answer.
    pub(super) limits: Limits<'a>,
}

impl Budget<'_> {
    fn spend_bytes(&mut self, bytes: u64) -> Result<(), SimulateError> {
        if (self.limits.is_over)() {
            return Err(SimulateError::Stopped(Stopped::Time));
        }
        let left = self.limits.answer_bytes.checked_sub(bytes);
        self.limits.answer_bytes = left.ok_or(SimulateError::Stopped(Stopped::Size))?;
        Ok(())
    }
}

/// What contracts see of the block after `parent`.
pub(super) fn context(
    params: &ChainParams,
    parent: &Header,
    overrides: &BlockOverrides,
    validation: bool,
) -> BlockContext {
    let next = BlockContext {
        number: parent.number.saturating_add(1),
        timestamp: parent.timestamp,
        beneficiary: parent.beneficiary,
        gas_limit: parent.gas_limit,
        // Without validation nobody need pay.
        base_fee: if validation { fees::next_base_fee(params, parent) } else { 0 },
        prev_randao: B256::ZERO,
        difficulty: U256::ZERO,
        excess_blob_gas: 0,
    };
    let next = overrides.apply(next);
    let rules = next.rules(params);
    // Work that is not done is as hard as the parent's.
    let difficulty = if rules.has(SpecId::MERGE) { U256::ZERO } else { parent.difficulty };
    BlockContext { difficulty, excess_blob_gas: excess_blob_gas(params, &rules, parent), ..next }
}

fn excess_blob_gas(params: &ChainParams, rules: &Rules, parent: &Header) -> u64 {
    let excess = parent.excess_blob_gas.unwrap_or_default();
    let used = parent.blob_gas_used.unwrap_or_default();
    let base_fee = parent.base_fee_per_gas.unwrap_or_default();
    match params.blobs {
        BlobRule::Refused => 0,
        BlobRule::Accepted => rules.blobs.next_block_excess_blob_gas_osaka(excess, used, base_fee),
    }
}

/// What proof of work earned, in wei: nothing since the Merge (EIP-649, EIP-1234).
fn block_reward(rules: &Rules) -> U256 {
    let ether = match rules.spec {
        spec if spec.is_enabled_in(SpecId::MERGE) => 0,
        spec if spec.is_enabled_in(SpecId::PETERSBURG) => 2,
        spec if spec.is_enabled_in(SpecId::BYZANTIUM) => 3,
        _ => 5_u64,
    };
    U256::from(ether).saturating_mul(U256::from(1_000_000_000_000_000_000_u64))
}

/// A block to execute.
pub(super) struct Step<'a> {
    pub(super) base: &'a Simulation<'a>,
    pub(super) input: &'a SimulateInput,
    pub(super) parent_hash: B256,
    pub(super) context: BlockContext,
    pub(super) plan: &'a Plan<'a>,
}

/// What of a block is done.
#[derive(Default)]
struct Progress {
    gas_used: u64,
    next_log: u64,
    transactions: Vec<EthTx>,
    receipts: Vec<EthReceipt>,
    calls: Vec<SimulatedCall>,
}

impl Step<'_> {
    /// Executes the block and computes what commits to it.
    pub(super) fn run<'o>(
        &self,
        overlay: Overlay<'o>,
        budget: &mut Budget<'_>,
    ) -> Result<(SimulatedBlock, Overlay<'o>), SimulateError> {
        budget.spend_bytes(BLOCK_BYTES)?;
        let mut overlay = self.start(overlay)?;
        let rules = self.rules();
        let mut done = Progress::default();
        if let Some(given) = self.plan.given {
            let moves = overrides::moves(&given.accounts, rules.spec)?;
            for call in &given.calls {
                overlay = self.call(overlay, call, &moves, &mut done, budget)?;
            }
        }
        if self.base.params.fee_rule == FeeRule::Pegged {
            let paid = U256::from(self.context.base_fee).saturating_mul(U256::from(done.gas_used));
            fees::pay(&mut overlay, self.context.beneficiary, paid)?;
        }
        fees::pay(&mut overlay, self.context.beneficiary, block_reward(&rules))?;
        // Each block of a simulation is applied with those before it, to the state that it began on.
        let base = self.base.state;
        let applied =
            base.trie()?.apply(&base, self.context.number, &overlay.changes().hashed()).map_err(
                |error| Fault::from_cause("apply a simulated block to the tries", error),
            )?;
        let Progress { transactions, receipts, calls, .. } = done;
        let header = seal::header(
            self.parent_hash,
            &self.context,
            &rules,
            applied.trie.root(),
            seal::BodyRoots::of(&transactions, &receipts),
        );
        let hash = header.hash_slow();
        Ok((SimulatedBlock { header, hash, transactions, receipts, calls }, overlay))
    }

    fn rules(&self) -> Rules {
        self.context.rules(self.base.params)
    }

    /// The overrides, and what Ethereum's rules do before the first transaction.
    fn start<'o>(&self, mut overlay: Overlay<'o>) -> Result<Overlay<'o>, Fault> {
        if let Some(given) = self.plan.given {
            overrides::apply(&given.accounts, &mut overlay)?;
        }
        let (cfg, block) = self.settings();
        let mut evm = evm::build(cfg, block, overlay);
        let parts = [
            (SpecId::PRAGUE, HISTORY, self.parent_hash),
            (SpecId::CANCUN, BEACON_ROOTS_ADDRESS, B256::ZERO),
        ];
        for (since, contract, word) in parts {
            if self.rules().has(since) {
                let word = Bytes::copy_from_slice(word.as_slice());
                let done = evm::system_call(&mut evm, contract, word, SYSTEM_GAS)?;
                evm.overlay().commit(done.state)?;
            }
        }
        Ok(evm.into_overlay())
    }

    fn settings(&self) -> (CfgEnv, BlockEnv) {
        let rules = self.rules();
        let mut cfg = evm::cfg(self.base.params, &rules);
        cfg.disable_nonce_check = !self.input.validation;
        cfg.disable_eip3607 = true;
        cfg.disable_block_gas_limit = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let mut block = self.context.env(&rules);
        let price = self.plan.overrides().blob_base_fee;
        if let (Some(blobs), Some(price)) = (&mut block.blob_excess_gas_and_price, price) {
            blobs.blob_gasprice = price;
        }
        (cfg, block)
    }

    /// The gas that a call gets.
    fn gas(&self, call: &CallInput, used: u64, budget: &Budget<'_>) -> Result<u64, SimulateError> {
        let limit = self.context.gas_limit;
        let gas = call.gas.unwrap_or(limit.saturating_sub(used));
        if used.saturating_add(gas) > limit {
            return Err(SimulateError::BlockGasLimit { used, limit });
        }
        Ok(gas.min(budget.gas))
    }

    fn call<'o>(
        &self,
        mut overlay: Overlay<'o>,
        call: &CallInput,
        moves: &Moves,
        done: &mut Progress,
        budget: &mut Budget<'_>,
    ) -> Result<Overlay<'o>, SimulateError> {
        let gas = self.gas(call, done.gas_used, budget)?;
        let refuse = |reason| SimulateError::Refused { reason, gas };
        if self.base.params.blobs == BlobRule::Refused && !call.blob_hashes.is_empty() {
            return Err(refuse(InvalidTx::BlobType));
        }
        let account = overlay.account(call.sender())?.unwrap_or_default();
        let nonce = call.nonce.unwrap_or(account.nonce);
        if self.input.validation {
            check_nonce(call.sender(), nonce, account.nonce).map_err(refuse)?;
        }
        let chain_id = self.base.params.chain_id;
        let env = call.env(chain_id, gas, nonce).map_err(refuse)?;
        let tracer = LogTracer::new(self.input.trace_transfers, done.next_log);
        let watched = Watched::new(tracer, budget.limits, None);
        let (ran, mut overlay, watched) = self.execute(overlay, call, env, moves, watched);
        let ResultAndState { result, state } = match (watched.stopped(), ran) {
            (Some(reason), _) => return Err(SimulateError::Stopped(reason)),
            (None, Ok(ran)) => ran,
            (None, Err(Failure::Fault(fault))) => return Err(fault.into()),
            (None, Err(Failure::Invalid(reason))) => {
                return Err(refuse(refused(call, gas, &self.site(budget.limits), reason)));
            }
        };
        budget.spend_bytes(watched.bytes())?;
        overlay.commit(state)?;
        if self.base.params.peg.is_some() && result.is_success() {
            executor::burn_native_exits(&mut overlay, result.logs())?;
        }
        let logs;
        (done.next_log, logs) = watched.inner.finish();
        let max_gas_used = result.gas().total_gas_spent().max(result.tx_gas_used());
        let result = CallResult::of(result);
        budget.gas = budget.gas.saturating_sub(result.gas_used);
        done.add(tx::of(call, chain_id, nonce, gas), &self.context, &result);
        let CallResult { status, output, gas_used, .. } = result;
        done.calls.push(SimulatedCall { status, output, gas_used, max_gas_used, logs });
        Ok(overlay)
    }

    /// Runs a call while the tracer watches.
    fn execute<'o, 'l>(
        &self,
        overlay: Overlay<'o>,
        call: &CallInput,
        env: TxEnv,
        moves: &Moves,
        tracer: Watched<'l, LogTracer>,
    ) -> (Result<ResultAndState, Failure>, Overlay<'o>, Watched<'l, LogTracer>) {
        let (mut cfg, block) = self.settings();
        // As geth: who names a price pays it.
        cfg.disable_base_fee = !self.input.validation && call.names_no_price();
        let mut evm = evm::watched(cfg, block, overlay, moves.clone(), tracer);
        let ran = evm::inspect(&mut evm, env);
        let (overlay, tracer) = evm.into_parts();
        (ran, overlay, tracer)
    }

    fn site<'a>(&'a self, limits: Limits<'a>) -> CallSite<'a> {
        const NONE: &Overrides = &Overrides::new();
        CallSite {
            params: self.base.params,
            state: self.base.state,
            block: &self.context,
            overrides: NONE,
            gas_cap: self.base.gas_cap,
            limits,
        }
    }
}

/// Before all else, as geth has it.
const fn check_nonce(sender: Address, tx: u64, state: u64) -> Result<(), InvalidTx> {
    if tx < state {
        return Err(InvalidTx::NonceTooLow { sender, tx, state });
    }
    if tx > state {
        return Err(InvalidTx::NonceTooHigh { sender, tx, state });
    }
    if tx == u64::MAX { Err(InvalidTx::NonceMax { sender }) } else { Ok(()) }
}

impl Progress {
    fn add(&mut self, tx: EthTx, block: &BlockContext, result: &CallResult) {
        self.gas_used = self.gas_used.saturating_add(result.gas_used);
        self.receipts.push(EthReceipt {
            tx_type: tx.tx_type(),
            success: result.status == crate::call::CallStatus::Success,
            post_state: None,
            cumulative_gas_used: self.gas_used,
            logs: result.logs.clone(),
            gas_used: result.gas_used,
            effective_gas_price: tx.effective_gas_price(block.base_fee),
            contract_address: None,
        });
        self.transactions.push(tx);
    }
}

//! revm, set up for this chain.

mod machine;
mod precompiles;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use mooring_bridge::addresses::SYSTEM_CALLER;
use revm::{
    Context, Inspector, MainContext,
    context::{BlockEnv, CfgEnv, ContextSetters, JournalTr, TxEnv},
    context_interface::{
        ContextTr,
        block::BlobExcessGasAndPrice,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, ResultAndState},
    },
    handler::{EvmTr, Handler, MainnetHandler},
    inspector::InspectorHandler,
    primitives::hardfork::SpecId,
};

use crate::{ChainParams, Fault, Rules, overlay::Overlay};

pub(crate) use machine::{Ctx, Evm};
pub(crate) use precompiles::{Moves, Precompiles};

/// What a contract sees of its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// Height.
    pub number: u64,
    /// Whole seconds since 1970.
    pub timestamp: u64,
    /// Who receives the fees.
    pub beneficiary: Address,
    /// Gas of the whole block.
    pub gas_limit: u64,
    /// Wei per gas.
    pub base_fee: u64,
    /// `block.prevrandao`: not random (spec 2.7). Nothing before the Merge.
    pub prev_randao: B256,
    /// `block.difficulty`: zero since the Merge.
    pub difficulty: U256,
    /// EIP-4844's excess blob gas: zero on a chain that refuses blobs.
    pub excess_blob_gas: u64,
}

impl BlockContext {
    /// The context of a block that was executed, for calls on the state after it.
    pub fn of(header: &alloy_consensus::Header) -> Self {
        Self {
            number: header.number,
            timestamp: header.timestamp,
            beneficiary: header.beneficiary,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            prev_randao: header.mix_hash,
            difficulty: header.difficulty,
            excess_blob_gas: header.excess_blob_gas.unwrap_or_default(),
        }
    }

    /// The rules of this block.
    pub fn rules(&self, params: &ChainParams) -> Rules {
        params.spec.at(self.number, self.timestamp)
    }

    /// The same for revm.
    pub fn env(&self, rules: &Rules) -> BlockEnv {
        BlockEnv {
            number: U256::from(self.number),
            timestamp: U256::from(self.timestamp),
            beneficiary: self.beneficiary,
            gas_limit: self.gas_limit,
            basefee: self.base_fee,
            difficulty: self.difficulty,
            prevrandao: rules.has(SpecId::MERGE).then_some(self.prev_randao),
            blob_excess_gas_and_price: rules
                .has(SpecId::CANCUN)
                .then(|| BlobExcessGasAndPrice::new(self.excess_blob_gas, update_fraction(rules))),
            slot_num: 0,
        }
    }
}

/// revm's settings for a block of this chain with these rules.
pub fn cfg(params: &ChainParams, rules: &Rules) -> CfgEnv {
    let mut cfg = CfgEnv::new_with_spec(rules.spec).with_chain_id(params.chain_id);
    if rules.has(SpecId::CANCUN) {
        cfg.max_blobs_per_tx = Some(rules.blobs.max_blobs_per_tx);
        cfg.blob_base_fee_update_fraction = Some(update_fraction(rules));
    }
    cfg
}

fn update_fraction(rules: &Rules) -> u64 {
    u64::try_from(rules.blobs.update_fraction).unwrap_or(u64::MAX)
}

/// revm with these settings over `overlay`.
pub(crate) fn build<'a>(cfg: CfgEnv, block: BlockEnv, overlay: Overlay<'a>) -> Evm<'a> {
    watched(cfg, block, overlay, Moves::new(), ())
}

/// The same, watched by `inspector`, with some precompiles moved.
pub(crate) fn watched<'a, I>(
    cfg: CfgEnv,
    block: BlockEnv,
    overlay: Overlay<'a>,
    moves: Moves,
    inspector: I,
) -> Evm<'a, I> {
    let precompiles = Precompiles::new(cfg.spec, moves);
    let context = Context::mainnet().with_db(overlay).with_cfg(cfg).with_block(block);
    Evm::new(context, precompiles, inspector)
}

/// Why revm did not execute a transaction.
#[derive(Debug)]
pub(crate) enum Failure {
    Invalid(InvalidTransaction),
    Fault(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Runs one transaction. Its writes are returned, not committed.
pub(crate) fn transact(evm: &mut Evm<'_>, tx: TxEnv) -> Result<ResultAndState, Failure> {
    evm.ctx_mut().set_tx(tx);
    let result = MainnetHandler::<_, EVMError<Fault>, _>::default().run(evm);
    // Taken in any case: what is left in the journal would be the next transaction's.
    let state = evm.ctx_mut().journal_mut().finalize();
    Ok(ResultAndState::new(result.map_err(failure)?, state))
}

/// Runs one transaction while the machine's inspector watches. Its writes are returned, not
/// committed.
pub(crate) fn inspect<'a, I: Inspector<Ctx<'a>>>(
    evm: &mut Evm<'a, I>,
    tx: TxEnv,
) -> Result<ResultAndState, Failure> {
    evm.ctx_mut().set_tx(tx);
    let result = MainnetHandler::<_, EVMError<Fault>, _>::default().inspect_run(evm);
    let state = evm.ctx_mut().journal_mut().finalize();
    Ok(ResultAndState::new(result.map_err(failure)?, state))
}

/// As [`system_call`], while the machine's inspector watches.
pub(crate) fn inspect_system<'a, I: Inspector<Ctx<'a>>>(
    evm: &mut Evm<'a, I>,
    tx: TxEnv,
) -> Result<ResultAndState, Failure> {
    evm.ctx_mut().set_tx(tx);
    let result = MainnetHandler::<_, EVMError<Fault>, _>::default().inspect_run_system_call(evm);
    let state = evm.ctx_mut().journal_mut().finalize();
    Ok(ResultAndState::new(result.map_err(failure)?, state))
}

/// The environment of a call from the system caller.
pub(crate) fn system_env(to: Address, data: Bytes, gas_limit: u64) -> TxEnv {
    TxEnv {
        caller: SYSTEM_CALLER,
        kind: TxKind::Call(to),
        data,
        gas_limit,
        gas_price: 0,
        ..TxEnv::default()
    }
}

/// Runs a call from the system caller: no fee, no nonce, no intrinsic gas. Its writes are
/// returned, not committed.
pub(crate) fn system_call(
    evm: &mut Evm<'_>,
    to: Address,
    data: Bytes,
    gas_limit: u64,
) -> Result<ResultAndState, Fault> {
    evm.ctx_mut().set_tx(system_env(to, data, gas_limit));
    let result = run_system_call(evm);
    let state = evm.ctx_mut().journal_mut().finalize();
    let result = result.map_err(|error| match failure(error) {
        Failure::Fault(fault) => fault,
        Failure::Invalid(reason) => Fault::new(format!("run a system call: {reason}")),
    })?;
    Ok(ResultAndState::new(result, state))
}

fn run_system_call(evm: &mut Evm<'_>) -> Result<ExecutionResult<HaltReason>, EVMError<Fault>> {
    MainnetHandler::<_, EVMError<Fault>, _>::default().run_system_call(evm)
}

fn failure(error: EVMError<Fault>) -> Failure {
    Failure::Fault(match error {
        EVMError::Transaction(reason) => return Failure::Invalid(reason),
        EVMError::Database(fault) => fault,
        EVMError::Header(error) => Fault::from_cause("execute with this block environment", error),
        EVMError::Custom(error) => Fault::new(format!("execute a transaction: {error}")),
        EVMError::CustomAny(error) => Fault::from_cause("execute a transaction", error),
    })
}

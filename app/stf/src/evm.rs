//! revm, set up for this chain.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use mooring_bridge::addresses::SYSTEM_CALLER;
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext, MainnetEvm,
    context::{BlockEnv, CfgEnv, ContextSetters, JournalTr, TxEnv},
    context_interface::{
        ContextTr,
        block::BlobExcessGasAndPrice,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, ResultAndState},
    },
    handler::{Handler, MainnetContext, MainnetHandler},
    primitives::{eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE, hardfork::SpecId},
};

use crate::{ChainParams, Fault, StateReader, overlay::Overlay};

/// The rules of every block: the chain starts with all forks up to Osaka.
pub(crate) const SPEC: SpecId = SpecId::OSAKA;

/// revm over an overlay.
pub(crate) type Evm<'a, S> = MainnetEvm<MainnetContext<Overlay<'a, S>>>;

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
    /// `block.prevrandao`: not random (spec 2.7).
    pub prev_randao: B256,
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
        }
    }

    /// The same for revm.
    pub fn env(&self) -> BlockEnv {
        BlockEnv {
            number: U256::from(self.number),
            timestamp: U256::from(self.timestamp),
            beneficiary: self.beneficiary,
            gas_limit: self.gas_limit,
            basefee: self.base_fee,
            difficulty: U256::ZERO,
            prevrandao: Some(self.prev_randao),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(
                0,
                BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE,
            )),
            slot_num: 0,
        }
    }
}

/// revm's settings for this chain's blocks.
pub fn cfg(params: &ChainParams) -> CfgEnv {
    CfgEnv::new_with_spec(SPEC).with_chain_id(params.chain_id)
}

/// revm with these settings over `overlay`.
pub(crate) fn build<'a, S: StateReader>(
    cfg: CfgEnv,
    block: BlockEnv,
    overlay: Overlay<'a, S>,
) -> Evm<'a, S> {
    Context::mainnet().with_db(overlay).with_cfg(cfg).with_block(block).build_mainnet()
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
pub(crate) fn transact<S: StateReader>(
    evm: &mut Evm<'_, S>,
    tx: TxEnv,
) -> Result<ResultAndState, Failure> {
    evm.transact(tx).map_err(failure)
}

/// Runs a call from the system caller: no fee, no nonce, no intrinsic gas. Its writes are
/// returned, not committed.
pub(crate) fn system_call<S: StateReader>(
    evm: &mut Evm<'_, S>,
    to: Address,
    data: Bytes,
    gas_limit: u64,
) -> Result<ResultAndState, Fault> {
    let tx = TxEnv {
        caller: SYSTEM_CALLER,
        kind: TxKind::Call(to),
        data,
        gas_limit,
        gas_price: 0,
        ..TxEnv::default()
    };
    evm.ctx.set_tx(tx);
    let result = run_system_call(evm);
    let state = evm.ctx.journal_mut().finalize();
    let result = result.map_err(|error| match failure(error) {
        Failure::Fault(fault) => fault,
        Failure::Invalid(reason) => Fault::new(format!("run a system call: {reason}")),
    })?;
    Ok(ResultAndState::new(result, state))
}

fn run_system_call<S: StateReader>(
    evm: &mut Evm<'_, S>,
) -> Result<ExecutionResult<HaltReason>, EVMError<Fault>> {
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

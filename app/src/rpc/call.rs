//! Calls that are not sent: `eth_call` and `eth_estimateGas`.

use alloy_evm::{
    EvmEnv,
    call::caller_gas_allowance,
    overrides::{apply_block_overrides, apply_state_overrides},
    rpc::TryIntoTxEnv,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use mooring_stf::{BlockContext, Fault, StateReader, evm};
use revm::{
    Context, DatabaseRef, ExecuteEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::TxEnv,
    context_interface::result::{
        EVMError, ExecutionResult, HaltReason, InvalidTransaction, Output,
    },
    database::CacheDB,
    primitives::eip7825::TX_GAS_LIMIT_CAP,
    state::AccountInfo,
};
use serde_json::Value;

use super::{
    Args, Method, RpcContext, RpcError,
    json::{quantity, to_value},
};
use crate::store::View;

pub(super) const METHODS: &[Method] = &[("eth_call", call), ("eth_estimateGas", estimate_gas)];

/// Gas of a transfer to an account without code.
const TRANSFER_GAS: u64 = 21_000;
/// An estimate may be above the true need by one part in this many: each bit less is another run.
const ESTIMATE_PRECISION: u64 = 64;

/// A view as revm reads it.
#[derive(Debug)]
struct State(View);

impl DatabaseRef for State {
    type Error = Fault;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Fault> {
        let account = self.0.account(address)?;
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            ..AccountInfo::default()
        }
        .without_code()))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Fault> {
        Ok(Bytecode::new_raw(self.0.code(code_hash)?))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Fault> {
        self.0.storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Fault> {
        self.0.block_hash(number)
    }
}

/// A call that can be run with any gas limit.
struct Simulation {
    db: CacheDB<State>,
    env: EvmEnv,
    tx: TxEnv,
    /// The caller named a gas limit.
    gas_given: bool,
}

impl Simulation {
    /// Reads request, block, state overrides and block overrides.
    fn read(context: &RpcContext, args: &mut Args<'_>) -> Result<Self, RpcError> {
        let request: TransactionRequest = args.required("transaction")?;
        let view = context.state_at(args.block()?)?;
        let state: Option<StateOverride> = args.optional("state overrides")?;
        let block: Option<BlockOverrides> = args.optional("block overrides")?;
        let mut block_env = BlockContext::of(view.header()).env();
        let mut db = CacheDB::new(State(view));
        if let Some(block) = block {
            apply_block_overrides(block, &mut db, &mut block_env);
        }
        if let Some(state) = state {
            apply_state_overrides(state, &mut db)
                .map_err(|error| RpcError::params(error.to_string()))?;
        }
        let mut cfg_env = evm::cfg(&context.chain.params);
        cfg_env.disable_balance_check = true;
        cfg_env.disable_base_fee = true;
        cfg_env.disable_block_gas_limit = true;
        cfg_env.disable_eip3607 = true;
        cfg_env.disable_nonce_check = true;
        cfg_env.tx_gas_limit_cap = Some(u64::MAX);
        let env = EvmEnv { cfg_env, block_env };
        let gas_given = request.gas.is_some();
        let mut tx = request
            .try_into_tx_env(&env)
            .map_err(|error| RpcError::params(error.to_string()))?;
        let cap = context.limits.call_gas;
        tx.gas_limit = if gas_given { tx.gas_limit.min(cap) } else { cap };
        let this = Self { db, env, tx, gas_given };
        this.check_value()?;
        Ok(this)
    }

    /// revm gives the caller what the value needs where balances are not checked.
    fn check_value(&self) -> Result<(), RpcError> {
        let address = self.tx.caller;
        let (have, want) = (self.balance(address)?, self.tx.value);
        if want > have {
            return Err(RpcError::server(format!(
                "insufficient funds for gas * price + value: address {address} have {have} want {want}"
            )));
        }
        Ok(())
    }

    fn balance(&self, address: Address) -> Result<U256, RpcError> {
        Ok(self.db.basic_ref(address)?.map_or(U256::ZERO, |account| account.balance))
    }

    fn run(&mut self, gas_limit: u64) -> Result<ExecutionResult, EVMError<Fault>> {
        let tx = TxEnv { gas_limit, ..self.tx.clone() };
        Context::mainnet()
            .with_db(&mut self.db)
            .with_cfg(self.env.cfg_env.clone())
            .with_block(self.env.block_env.clone())
            .build_mainnet()
            .transact(tx)
            .map(|executed| executed.result)
    }

    /// The most gas that a transaction like this could have: by block, by cap and by its purse.
    fn most_gas(&mut self, context: &RpcContext) -> Result<u64, RpcError> {
        let block = context.chain.params.gas_limit.min(TX_GAS_LIMIT_CAP);
        let mut most = block.min(context.limits.call_gas);
        if self.gas_given && self.tx.gas_limit >= TRANSFER_GAS {
            most = most.min(self.tx.gas_limit);
        }
        if self.tx.gas_price > 0 {
            let affordable = caller_gas_allowance(&mut self.db, &self.tx)
                .map_err(|error| RpcError::server(error.to_string()))?;
            most = most.min(affordable);
        }
        Ok(most)
    }

    fn is_transfer(&self) -> Result<bool, RpcError> {
        let TxKind::Call(to) = self.tx.kind else { return Ok(false) };
        let plain = self.tx.data.is_empty()
            && self.tx.access_list.is_empty()
            && self.tx.authorization_list.is_empty();
        // Precompiles have no code and cost more than a transfer.
        let precompile = to.0.iter().take(18).all(|byte| *byte == 0);
        Ok(plain && !precompile && self.db.basic_ref(to)?.is_none_or(|account| account.is_empty_code_hash()))
    }
}

fn call(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let mut simulation = Simulation::read(context, args)?;
    let result = simulation.run(simulation.tx.gas_limit).map_err(refused)?;
    to_value(output_of(result)?)
}

fn estimate_gas(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let mut simulation = Simulation::read(context, args)?;
    let most = simulation.most_gas(context)?;
    if simulation.is_transfer()? && most >= TRANSFER_GAS {
        return Ok(quantity(TRANSFER_GAS));
    }
    let allowance = || RpcError::server(format!("gas required exceeds allowance ({most})"));
    let result = match simulation.run(most) {
        Ok(ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. }) => return Err(allowance()),
        Err(EVMError::Transaction(
            InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
            | InvalidTransaction::GasFloorMoreThanGasLimit { .. },
        )) => return Err(allowance()),
        Ok(result) => result,
        Err(error) => return Err(refused(error)),
    };
    let used = result.tx_gas_used();
    let spent = result.gas().total_gas_spent();
    output_of(result)?;
    least_gas(&mut simulation, used, spent, most).map(quantity)
}

/// Searches the lowest gas limit that suffices, between what was used and what sufficed.
fn least_gas(
    simulation: &mut Simulation,
    used: u64,
    spent: u64,
    most: u64,
) -> Result<u64, RpcError> {
    let (mut low, mut high) = (used.saturating_sub(1), most);
    // Calls keep back a 64th of their gas: what was spent and that much more often suffices.
    let mut guess = spent.saturating_add(spent / 63).saturating_add(2_300);
    while low.saturating_add(1) < high && high.saturating_sub(low) > high / ESTIMATE_PRECISION {
        let middle = low.midpoint(high);
        let tried = if guess > low && guess < high { guess } else { middle };
        guess = 0;
        match simulation.run(tried) {
            Ok(ExecutionResult::Success { .. }) => high = tried,
            Ok(ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. })
            | Err(EVMError::Transaction(_)) => low = tried,
            Err(error) => return Err(refused(error)),
        }
    }
    Ok(high)
}

fn output_of(result: ExecutionResult) -> Result<Bytes, RpcError> {
    match result {
        ExecutionResult::Success { output: Output::Call(output), .. } => Ok(output),
        ExecutionResult::Success { output: Output::Create(output, _), .. } => Ok(output),
        ExecutionResult::Revert { output, .. } => Err(RpcError::Reverted(output)),
        ExecutionResult::Halt { reason, .. } => Err(RpcError::server(halt_text(&reason))),
    }
}

/// geth's text where it has one.
fn halt_text(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode => "invalid opcode".to_owned(),
        HaltReason::InvalidJump => "invalid jump destination".to_owned(),
        HaltReason::StackOverflow => "stack limit reached 1024 (1024)".to_owned(),
        HaltReason::StackUnderflow => "stack underflow".to_owned(),
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".to_owned(),
        HaltReason::OutOfFunds => "insufficient balance for transfer".to_owned(),
        other => format!("execution halted: {other:?}"),
    }
}

/// A call that the EVM does not even begin.
fn refused(error: EVMError<Fault>) -> RpcError {
    match error {
        EVMError::Database(fault) => RpcError::Internal(fault),
        EVMError::Transaction(InvalidTransaction::CallGasCostMoreThanGasLimit {
            initial_gas,
            gas_limit,
        }) => RpcError::server(format!(
            "intrinsic gas too low: have {gas_limit}, want {initial_gas}"
        )),
        EVMError::Transaction(reason) => RpcError::server(reason.to_string()),
        other => RpcError::server(other.to_string()),
    }
}

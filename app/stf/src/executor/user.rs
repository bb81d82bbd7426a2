//! Transactions that someone signed.

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_evm::FromRecoveredTx as _;
use alloy_primitives::U256;
use revm::{
    context::TxEnv,
    context_interface::result::{ExecutionResult, ResultAndState},
    state::EvmState,
};

use super::{BlockExecutor, Done};
use crate::{
    BlockContext, ExecError, Fault, InvalidTx, TxOutcome,
    evm::{self, Failure},
    fees,
    invalid::Refusal,
    overlay::Supply,
    tx::{self, EthTx, SignedTx},
};

impl BlockExecutor<'_> {
    /// Executes one signed transaction and commits it to the overlay.
    pub(super) fn execute(&mut self, tx: SignedTx) -> Result<TxOutcome, ExecError> {
        tx::takes(self.params, &tx)?;
        self.check_gas_left(tx.gas_limit())?;
        let env = TxEnv::from_recovered_tx(tx.inner(), tx.signer());
        let ResultAndState { result, state } =
            evm::transact(&mut self.evm, env).map_err(|failure| match failure {
                Failure::Fault(fault) => ExecError::Fault(fault),
                Failure::Invalid(reason) => {
                    Refusal::new(self.params, self.block.base_fee, &tx).reason(reason).into()
                }
            })?;
        let done = self.settle(&tx, result, state)?;
        let (gas_used, success) = (done.gas_used, done.success);
        self.paid_gas = self.paid_gas.saturating_add(gas_used);
        let index = self.list(EthTx::Signed(tx), done);
        Ok(TxOutcome::Executed { index, gas_used, success })
    }

    /// A transaction that no block could take is refused as such by the EVM instead.
    const fn check_gas_left(&self, have: u64) -> Result<(), InvalidTx> {
        let left = self.remaining_gas();
        if have > left && have <= self.block.gas_limit {
            return Err(InvalidTx::BlockFull { have, left });
        }
        Ok(())
    }

    /// Commits what the transaction did, with the exits in its logs.
    fn settle(
        &mut self,
        tx: &Recovered<TxEnvelope>,
        result: ExecutionResult,
        state: EvmState,
    ) -> Result<Done, Fault> {
        let gas_used = result.tx_gas_used();
        let contract_address = tx.kind().is_create().then(|| tx.signer().create(tx.nonce()));
        let success = result.is_success();
        let logs = if success { result.into_logs() } else { Vec::new() };
        let exits = self.exits_in(&logs)?;
        if !exits.is_empty() && self.is_halted()? {
            let BlockContext { base_fee, beneficiary, .. } = self.block;
            fees::charge_only(self.overlay(), tx, gas_used, base_fee, beneficiary)?;
            return Ok(Done { success: false, gas_used, logs: Vec::new(), contract_address });
        }
        let destroyed = self.destroyed_by(&state, gas_used)?;
        self.ledger.destroyed = self.ledger.destroyed.saturating_add(destroyed);
        self.overlay().commit(state)?;
        self.burn_exits(exits)?;
        Ok(Done { success, gas_used, logs, contract_address })
    }

    /// Native coin that self-destructs of this transaction burnt (EIP-6780): what its accounts
    /// lack and fees do not explain.
    fn destroyed_by(&mut self, state: &EvmState, gas_used: u64) -> Result<U256, Fault> {
        if !state.values().any(revm::state::Account::is_selfdestructed) {
            return Ok(U256::ZERO);
        }
        let Supply { before, after } = self.overlay().supply_of(state)?;
        // The base fee has left the sender and is paid out at the end of the block.
        let base_fees = U256::from(self.block.base_fee).saturating_mul(U256::from(gas_used));
        Ok(before.saturating_sub(after).saturating_sub(base_fees))
    }

    /// Adds fees to an account.
    pub(super) fn pay(&mut self, to: alloy_primitives::Address, amount: U256) -> Result<(), Fault> {
        fees::pay(self.overlay(), to, amount)
    }
}

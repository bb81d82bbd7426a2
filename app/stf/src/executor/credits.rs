//! Credits: the sidechain's answer to the deposit log, leaf by leaf (spec 3.4).

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall as _;
use mooring_bridge::{
    Leaf, NATIVE, SystemTx,
    addresses::{GATEWAY, is_uncreditable},
    contracts::gateway::Gateway,
    deposit::{Deposit, TokenMetadata},
    system_tx::{Cause, SYSTEM_TX_GAS},
};
use revm::context_interface::result::ResultAndState;

use super::{BlockExecutor, Done};
use crate::{Fault, evm, tx::EthTx};

impl BlockExecutor<'_> {
    /// Credits delivered leaves in order until the queue is empty or the budget is spent.
    pub(super) fn credit_leaves(&mut self) -> Result<(), Fault> {
        let Some(peg) = &self.params.peg else { return Ok(()) };
        let mut spent = 0_u64;
        // The last credit started may pass the budget, never the block's gas limit.
        while spent < self.params.credit_gas_per_block && self.remaining_gas() >= SYSTEM_TX_GAS {
            let Some((leaf, acc)) = self.peg(peg, |peg| peg.next_leaf())? else { break };
            let gas = match &leaf {
                Leaf::Deposit(deposit) => self.deposit(deposit, acc)?,
                Leaf::TokenMetadata(metadata) => Some(self.register(metadata, acc)?),
                Leaf::EpochRecord(_) => Some(0),
            };
            let Some(gas) = gas else {
                // More ether than can exist: the federation signed a lie.
                return self.peg(peg, |peg| {
                    peg.halt();
                    Ok(())
                });
            };
            spent = spent.saturating_add(gas);
            self.peg(peg, |peg| peg.credited(&leaf))?;
        }
        Ok(())
    }

    /// Credits a deposit, or sends it back. Gas spent; `None` when its native coin cannot exist.
    fn deposit(&mut self, deposit: &Deposit, acc: B256) -> Result<Option<u64>, Fault> {
        let Some(native) = native_value(deposit) else { return Ok(None) };
        if is_uncreditable(deposit.recipient) || !self.can_hold(deposit.recipient, native)? {
            return self.bounce(deposit, acc, native);
        }
        let data = credit_call(deposit);
        let run = self.call_gateway(&data)?;
        if !run.result.is_success() {
            let tried = run.result.gas().total_gas_spent();
            let bounced = self.bounce(deposit, acc, native)?;
            return Ok(bounced.map(|gas| gas.saturating_add(tried)));
        }
        let gas = self.commit_system(SystemTx::new(Cause::Credit, acc, native, data), run)?;
        self.mint(deposit.recipient, native)?;
        Ok(Some(gas))
    }

    /// Answers a leaf that cannot be credited with exits to its `refundTo`.
    fn bounce(&mut self, deposit: &Deposit, acc: B256, native: U256) -> Result<Option<u64>, Fault> {
        if !self.can_hold(GATEWAY, native)? {
            return Ok(None);
        }
        // The exits take it from there again.
        self.mint(GATEWAY, native)?;
        let data = bounce_call(deposit);
        let run = self.call_gateway(&data)?;
        if !run.result.is_success() {
            let count = deposit.count;
            return Err(Fault::new(format!("bounce leaf {count}: the Gateway refuses it")));
        }
        self.commit_system(SystemTx::new(Cause::Bounce, acc, native, data), run).map(Some)
    }

    /// Registers a token for display. A refusal is only listed: the token's deposits are judged
    /// by themselves.
    fn register(&mut self, metadata: &TokenMetadata, acc: B256) -> Result<u64, Fault> {
        let data = register_call(metadata);
        let run = self.call_gateway(&data)?;
        self.commit_system(SystemTx::new(Cause::Credit, acc, U256::ZERO, data), run)
    }

    fn call_gateway(&mut self, data: &Bytes) -> Result<ResultAndState, Fault> {
        evm::system_call(&mut self.evm, GATEWAY, data.clone(), SYSTEM_TX_GAS)
    }

    /// Commits a system transaction, if it succeeded, and lists it. Gas used: without refunds,
    /// since nobody pays.
    fn commit_system(&mut self, tx: SystemTx, run: ResultAndState) -> Result<u64, Fault> {
        let gas_used = run.result.gas().total_gas_spent();
        let success = run.result.is_success();
        let logs = if success { run.result.into_logs() } else { Vec::new() };
        if success {
            let exits = self.exits_in(&logs)?;
            self.overlay().commit(run.state)?;
            self.burn_exits(exits)?;
        }
        self.list(EthTx::System(tx), Done { success, gas_used, logs, contract_address: None });
        Ok(gas_used)
    }

    fn can_hold(&mut self, address: Address, amount: U256) -> Result<bool, Fault> {
        let balance = self.overlay().account(address)?.unwrap_or_default().balance;
        Ok(balance.checked_add(amount).is_some())
    }

    fn mint(&mut self, address: Address, amount: U256) -> Result<(), Fault> {
        self.pay(address, amount)?;
        self.ledger.credited = self.ledger.credited.saturating_add(amount);
        Ok(())
    }
}

/// Native coin that a deposit brings, `None` beyond 256 bits.
fn native_value(deposit: &Deposit) -> Option<U256> {
    if deposit.asset == NATIVE {
        deposit.amount.checked_add(deposit.gas_wei)
    } else {
        Some(deposit.gas_wei)
    }
}

fn credit_call(deposit: &Deposit) -> Bytes {
    Gateway::creditCall {
        count: deposit.count.get(),
        asset: deposit.asset,
        recipient: deposit.recipient,
        amount: deposit.amount,
        gasWei: deposit.gas_wei,
    }
    .abi_encode()
    .into()
}

fn bounce_call(deposit: &Deposit) -> Bytes {
    Gateway::bounceCall {
        count: deposit.count.get(),
        asset: deposit.asset,
        amount: deposit.amount,
        gasWei: deposit.gas_wei,
        refundTo: deposit.refund_to,
    }
    .abi_encode()
    .into()
}

fn register_call(metadata: &TokenMetadata) -> Bytes {
    Gateway::registerCall {
        _0: metadata.count.get(),
        asset: metadata.asset,
        name: metadata.name,
        symbol: metadata.symbol,
        decimals: metadata.decimals,
    }
    .abi_encode()
    .into()
}

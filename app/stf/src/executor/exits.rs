//! Exits: the Gateway's logs become leaves of the exit tree, and native coin leaves the chain.

use alloy_primitives::{Log, U256};
use alloy_sol_types::SolEvent as _;
use mooring_bridge::{Exit, ExitIndex, NATIVE, addresses::GATEWAY, contracts::gateway::Gateway};

use super::BlockExecutor;
use crate::{Fault, overlay::Overlay};

impl BlockExecutor<'_> {
    /// The exits in one transaction's logs. Only the Gateway's own logs count.
    pub(super) fn exits_in(&self, logs: &[Log]) -> Result<Vec<Exit>, Fault> {
        if self.params.peg.is_none() {
            return Ok(Vec::new());
        }
        logs.iter().filter(|log| is_exit(log)).map(exit_of).collect()
    }

    /// Takes the exits of one transaction, whose writes are committed: their native coin leaves
    /// the Gateway's balance, and each is appended to the tree.
    pub(super) fn burn_exits(&mut self, exits: Vec<Exit>) -> Result<(), Fault> {
        let Some(peg) = &self.params.peg else { return Ok(()) };
        for exit in exits {
            if exit.asset == NATIVE {
                self.burn_native(exit.amount)?;
            }
            self.peg(peg, |peg| peg.append_exit(&exit))?;
            self.lists.exits.push(exit);
        }
        Ok(())
    }

    fn burn_native(&mut self, amount: U256) -> Result<(), Fault> {
        burn(self.overlay(), amount)?;
        self.ledger.exited = self.ledger.exited.saturating_add(amount);
        Ok(())
    }

    pub(super) fn is_halted(&mut self) -> Result<bool, Fault> {
        match &self.params.peg {
            Some(peg) => self.peg(peg, |peg| peg.is_halted()),
            None => Ok(false),
        }
    }
}

/// Takes the native coin of the exits in one transaction's logs from the Gateway, without keeping
/// the exits.
pub(crate) fn burn_native_exits(overlay: &mut Overlay<'_>, logs: &[Log]) -> Result<(), Fault> {
    for log in logs.iter().filter(|log| is_exit(log)) {
        let exit = exit_of(log)?;
        if exit.asset == NATIVE {
            burn(overlay, exit.amount)?;
        }
    }
    Ok(())
}

fn burn(overlay: &mut Overlay<'_>, amount: U256) -> Result<(), Fault> {
    if overlay.burn(GATEWAY, amount)? {
        return Ok(());
    }
    Err(Fault::new(format!("burn an exit: the Gateway holds less than {amount}")))
}

fn is_exit(log: &Log) -> bool {
    log.address == GATEWAY && log.topics().first() == Some(&Gateway::Exit::SIGNATURE_HASH)
}

fn exit_of(log: &Log) -> Result<Exit, Fault> {
    let event = Gateway::Exit::decode_log_data(&log.data)
        .map_err(|error| Fault::from_cause("read an exit of the Gateway", error))?;
    Ok(Exit {
        index: ExitIndex::new(event.index),
        asset: event.asset,
        recipient: event.recipient,
        amount: event.amount,
        fee: event.fee,
    })
}

//! `eth_createAccessList`: what a transaction reads, found by running it until nothing is new.

use alloy_eips::eip2930::AccessList;
use revm_inspectors::access_list::AccessListInspector;

use super::{CallError, CallInput, CallResult, CallSite, overrides, relaxed, watch::Watched};
use crate::{
    evm::{self, Failure},
    overlay::Overlay,
};

/// Runs after which a list that still grows is given as it is: a contract can make each run read
/// something else.
const MOST_RUNS: usize = 8;

/// The slots and accounts that a transaction reads beside its own, and what it does with them
/// listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The list.
    pub list: AccessList,
    /// How the transaction ends with the list.
    pub result: CallResult,
}

/// Finds the access list of a call.
///
/// # Errors
/// As [`call`](super::call).
pub fn access_list(site: &CallSite<'_>, input: &CallInput) -> Result<Access, CallError> {
    let mut list = input.access_list.clone().unwrap_or_default();
    let mut runs = 0;
    loop {
        let (found, result) = run(site, input, list.clone())?;
        runs += 1;
        if found == list || runs == MOST_RUNS {
            return Ok(Access { list, result });
        }
        list = found;
    }
}

fn run(
    site: &CallSite<'_>,
    input: &CallInput,
    list: AccessList,
) -> Result<(AccessList, CallResult), CallError> {
    let mut overlay = Overlay::new(site.state);
    overrides::apply(site.overrides, &mut overlay)?;
    let moves = overrides::moves(site.overrides, site.block.rules(site.params).spec)?;
    let nonce = overlay.account(input.sender())?.unwrap_or_default().nonce;
    let gas = input.gas.unwrap_or(site.gas_cap).min(site.gas_cap);
    let input = CallInput { access_list: Some(list.clone()), ..input.clone() };
    let env = input.env(site.params.chain_id, gas, input.nonce.unwrap_or(nonce))?;
    let (cfg, block) = relaxed(site.params, site.block);
    let watched = Watched::new(AccessListInspector::new(list), site.limits, None);
    let mut evm = evm::watched(cfg, block, overlay, moves, watched);
    let result = evm::inspect(&mut evm, env);
    let watched = evm.inspector();
    match (watched.stopped(), result) {
        (Some(reason), _) => Err(CallError::Stopped(reason)),
        (None, Ok(done)) => Ok((watched.inner.access_list(), CallResult::of(done.result))),
        (None, Err(Failure::Fault(fault))) => Err(fault.into()),
        (None, Err(Failure::Invalid(reason))) => {
            Err(super::refused(&input, gas, site, reason).into())
        }
    }
}

//! Calls that are not sent: `eth_call`, `eth_estimateGas` and `eth_createAccessList`.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::{TransactionRequest, state};
use mooring_stf::{
    BlockContext,
    call::{
        self, Access, AccountOverride, BlockOverrides, CallError, CallInput, CallResult, CallSite,
        CallStatus, EstimateError, Overrides, Stopped,
    },
};
use serde_json::{Value, json, value::RawValue};

use super::{
    Args, LongMethod, RpcContext, RpcError, Time,
    json::{quantity, to_raw},
};
use crate::store::View;

pub(super) const LONG_METHODS: &[LongMethod] = &[
    ("eth_call", call),
    ("eth_estimateGas", estimate_gas),
    ("eth_createAccessList", create_access_list),
];

/// What to replace before a call.
#[derive(Default)]
pub(super) struct CallOverrides {
    accounts: Overrides,
    block: BlockOverrides,
}

impl CallOverrides {
    fn read(args: &mut Args<'_>) -> Result<Self, RpcError> {
        Self::of(args.optional("state overrides")?, args.optional("block overrides")?)
    }

    /// Takes them out of geth's options of a trace.
    pub(super) fn take(options: &mut Value) -> Result<Self, RpcError> {
        let mut take = |name| options.as_object_mut().and_then(|fields| fields.remove(name));
        let malformed = |error| RpcError::params(format!("invalid argument options: {error}"));
        let accounts = take("stateOverrides").map(serde_json::from_value).transpose();
        let block = take("blockOverrides").map(serde_json::from_value).transpose();
        Self::of(accounts.map_err(malformed)?, block.map_err(malformed)?)
    }

    fn of(
        accounts: Option<state::StateOverride>,
        block: Option<alloy_rpc_types_eth::BlockOverrides>,
    ) -> Result<Self, RpcError> {
        Ok(Self {
            accounts: account_overrides(accounts.unwrap_or_default())?,
            block: block_overrides(block.unwrap_or_default())?,
        })
    }
}

/// A call with the place where it runs.
pub(super) struct Call {
    pub(super) input: CallInput,
    view: View,
    block: BlockContext,
    overrides: Overrides,
}

impl Call {
    fn read(context: &RpcContext, args: &mut Args<'_>) -> Result<Self, RpcError> {
        let request = args.required("transaction")?;
        let view = context.state_at(args.block()?)?;
        Self::new(request, view, CallOverrides::read(args)?)
    }

    /// A call on the state of `view`.
    pub(super) fn new(
        request: TransactionRequest,
        view: View,
        overrides: CallOverrides,
    ) -> Result<Self, RpcError> {
        let CallOverrides { accounts: overrides, block } = overrides;
        let block = block.apply(BlockContext::of(view.header()));
        let call = Self { input: input(request)?, view, block, overrides };
        call.check_value()?;
        Ok(call)
    }

    /// Balances are not checked in a call, but nobody sends value that is not there.
    fn check_value(&self) -> Result<(), RpcError> {
        let (address, want) = (self.input.sender(), self.input.value);
        let overridden = self.overrides.get(&address).and_then(|account| account.balance);
        let have = match overridden {
            Some(balance) => balance,
            None => self.view.account_or_empty(address)?.balance,
        };
        if want > have {
            return Err(RpcError::server(format!(
                "insufficient funds for gas * price + value: address {address} \
                 have {have} want {want}"
            )));
        }
        Ok(())
    }

    pub(super) fn site<'a>(
        &'a self,
        context: &'a RpcContext,
        limits: call::Limits<'a>,
    ) -> CallSite<'a> {
        CallSite {
            params: &context.chain.params,
            state: &self.view,
            block: &self.block,
            overrides: &self.overrides,
            gas_cap: context.limits.call_gas,
            limits,
        }
    }
}

fn call(context: &RpcContext, args: &mut Args<'_>, time: &Time) -> Result<Box<RawValue>, RpcError> {
    let call = Call::read(context, args)?;
    let CallResult { status, output, .. } = time.within(&context.limits, None, |limits| {
        call::call(&call.site(context, limits), &call.input)
    })?;
    time.check_answer(output.len().saturating_mul(2))?;
    match status {
        CallStatus::Success => to_raw(output),
        CallStatus::Revert => Err(RpcError::Reverted(output)),
        CallStatus::OutOfGas => Err(RpcError::server("out of gas")),
        CallStatus::Halt(reason) => Err(RpcError::server(reason)),
    }
}

fn estimate_gas(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let call = Call::read(context, args)?;
    let gas = time.within(&context.limits, None, |limits| {
        call::estimate_gas(&call.site(context, limits), &call.input)
    })?;
    to_raw(quantity(gas))
}

fn create_access_list(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let call = Call::read(context, args)?;
    let Access { list, result } = time.within(&context.limits, None, |limits| {
        call::access_list(&call.site(context, limits), &call.input)
    })?;
    let mut answer = json!({ "accessList": list, "gasUsed": quantity(result.gas_used) });
    let error = match result.status {
        CallStatus::Success => None,
        CallStatus::Revert => Some("execution reverted".to_owned()),
        CallStatus::OutOfGas => Some("out of gas".to_owned()),
        CallStatus::Halt(reason) => Some(reason),
    };
    if let (Some(error), Some(fields)) = (error, answer.as_object_mut()) {
        fields.insert("error".to_owned(), error.into());
    }
    to_raw(answer)
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Invalid(reason) => Self::server(reason.to_string()),
            CallError::Fault(fault) => Self::Internal(fault),
            CallError::Stopped(limit) => limit.into(),
            other @ (CallError::Override(_) | CallError::Tracer(_)) => {
                Self::server(other.to_string())
            }
        }
    }
}

impl From<Stopped> for RpcError {
    fn from(limit: Stopped) -> Self {
        match limit {
            Stopped::Size => Self::TooLarge,
            Stopped::Time => Self::server(limit.to_string()),
        }
    }
}

impl From<EstimateError> for RpcError {
    fn from(error: EstimateError) -> Self {
        match error {
            EstimateError::Revert { output } => Self::Reverted(output),
            EstimateError::Fault(fault) => Self::Internal(fault),
            EstimateError::Halt { reason } => Self::server(reason),
            EstimateError::Stopped(limit) => limit.into(),
            invalid @ (EstimateError::Invalid(_)
            | EstimateError::Override(_)
            | EstimateError::Allowance { .. }) => Self::server(invalid.to_string()),
        }
    }
}

pub(super) fn input(request: TransactionRequest) -> Result<CallInput, RpcError> {
    if request.gas_price.is_some()
        && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        return Err(RpcError::server(
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
        ));
    }
    let data = request
        .input
        .try_into_unique_input()
        .map_err(|error| RpcError::params(error.to_string()))?;
    Ok(CallInput {
        from: request.from,
        to: request.to.and_then(|to| to.into_to()),
        gas: request.gas,
        gas_price: request.gas_price,
        max_fee_per_gas: request.max_fee_per_gas,
        max_priority_fee_per_gas: request.max_priority_fee_per_gas,
        value: request.value.unwrap_or_default(),
        data: data.unwrap_or_default(),
        access_list: request.access_list,
        blob_hashes: request.blob_versioned_hashes.unwrap_or_default(),
        max_fee_per_blob_gas: request.max_fee_per_blob_gas,
        authorization_list: request.authorization_list.unwrap_or_default(),
        nonce: request.nonce,
    })
}

pub(super) fn account_overrides(accounts: state::StateOverride) -> Result<Overrides, RpcError> {
    accounts.into_iter().map(account_override).collect()
}

fn account_override(
    (address, account): (Address, state::AccountOverride),
) -> Result<(Address, AccountOverride), RpcError> {
    let state::AccountOverride {
        balance, nonce, code, state, state_diff, move_precompile_to, ..
    } = account;
    if state.is_some() && state_diff.is_some() {
        return Err(RpcError::params(format!(
            "account {address} has both 'state' and 'stateDiff'"
        )));
    }
    let slots = |slots: alloy_primitives::map::B256HashMap<B256>| {
        slots.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect()
    };
    let code: Option<Bytes> = code;
    Ok((
        address,
        AccountOverride {
            balance,
            nonce,
            code,
            state: state.map(slots),
            state_diff: state_diff.map(slots).unwrap_or_else(BTreeMap::new),
            move_precompile_to,
        },
    ))
}

pub(super) fn block_overrides(
    overrides: alloy_rpc_types_eth::BlockOverrides,
) -> Result<BlockOverrides, RpcError> {
    let number = |value: Option<U256>| {
        value
            .map(|value| u64::try_from(value).map_err(|e| RpcError::params(e.to_string())))
            .transpose()
    };
    Ok(BlockOverrides {
        number: number(overrides.number)?,
        time: overrides.time,
        gas_limit: overrides.gas_limit,
        fee_recipient: overrides.coinbase,
        prev_randao: overrides.random,
        base_fee: number(overrides.base_fee)?,
        blob_base_fee: overrides.blob_base_fee.map(|fee| fee.saturating_to()),
    })
}

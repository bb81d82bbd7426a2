//! `eth_simulateV1`.

use alloy_primitives::hex;
use alloy_rpc_types_eth::simulate::{SimBlock, SimulatePayload};
use mooring_stf::{
    InvalidTx,
    call::{
        CallStatus, MOST_BLOCKS, SimulateBlock, SimulateError, SimulateInput, SimulatedBlock,
        SimulatedCall, SimulatedLog, Simulation, Stopped, simulate,
    },
};
use serde_json::{Value, json, value::RawValue};

use super::{
    Args, LongMethod, RpcContext, RpcError, Time,
    call::{account_overrides, block_overrides, input},
    error::revert_text,
    foreign::Rest,
    json::{self, quantity, to_raw},
};
use crate::store::Block;

pub(super) const LONG_METHODS: &[LongMethod] = &[("eth_simulateV1", simulate_v1)];

/// geth's codes.
const NONCE_TOO_LOW: i32 = -38010;
const NONCE_TOO_HIGH: i32 = -38011;
const FEE_CAP_TOO_LOW: i32 = -38012;
const INTRINSIC_GAS: i32 = -38013;
const INSUFFICIENT_FUNDS: i32 = -38014;
const BLOCK_GAS_LIMIT: i32 = -38015;
const NUMBER_ORDER: i32 = -38020;
const TIME_ORDER: i32 = -38021;
const SENDER_IS_CONTRACT: i32 = -38024;
const INIT_CODE_TOO_LARGE: i32 = -38025;
const CLIENT_LIMIT: i32 = -38026;
const REVERTED: i32 = 3;
const HALTED: i32 = -32015;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL: i32 = -32603;

fn simulate_v1(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let payload: SimulatePayload = args.required("options")?;
    let view = context.state_at(args.block()?)?;
    if !view.has_trie() {
        // Simulated blocks have state roots, which need the trie that they change.
        let number = view.number();
        return Err(RpcError::server(format!(
            "block {number} is too old to simulate on: its trie is no longer at hand, only its state"
        )));
    }
    if payload.block_state_calls.is_empty() {
        return Err(RpcError::params("empty input"));
    }
    if payload.block_state_calls.len() as u64 > MOST_BLOCKS {
        return Err(SimulateError::TooManyBlocks.into());
    }
    let full = payload.return_full_transactions;
    let blocks = payload.block_state_calls.into_iter().map(block).collect::<Result<_, _>>()?;
    let wanted = SimulateInput {
        blocks,
        trace_transfers: payload.trace_transfers,
        validation: payload.validation,
    };
    let base = Simulation {
        params: &context.chain.params,
        state: &view,
        header: view.header(),
        hash: view.hash(),
        gas_cap: context.limits.call_gas,
    };
    let blocks = time.within(&context.limits, None, |limits| simulate(&base, &wanted, limits))?;
    let answer = blocks.into_iter().map(|block| write(block, full));
    to_raw(answer.collect::<Result<Vec<_>, _>>()?)
}

fn block(block: SimBlock) -> Result<SimulateBlock, RpcError> {
    Ok(SimulateBlock {
        overrides: block_overrides(block.block_overrides.unwrap_or_default())?,
        accounts: account_overrides(block.state_overrides.unwrap_or_default())?,
        calls: block.calls.into_iter().map(input).collect::<Result<_, _>>()?,
    })
}

fn write(simulated: SimulatedBlock, full: bool) -> Result<Value, RpcError> {
    let SimulatedBlock { header, hash, transactions, receipts, calls } = simulated;
    let block = Block { header, hash, transactions, receipts };
    let mut answer = json::block(&block, Rest::of_ours(&block), full)?;
    let calls = calls.iter().enumerate().map(|(index, call)| write_call(&block, index, call));
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("calls".to_owned(), Value::Array(calls.collect()));
    }
    Ok(answer)
}

fn write_call(block: &Block, index: usize, call: &SimulatedCall) -> Value {
    let success = call.status == CallStatus::Success;
    let output = if success { hex::encode_prefixed(&call.output) } else { "0x".to_owned() };
    let logs: Vec<_> = call.logs.iter().map(|log| write_log(block, index, log)).collect();
    let mut answer = json!({
        "returnData": output,
        "logs": logs,
        "gasUsed": quantity(call.gas_used),
        "maxUsedGas": quantity(call.max_gas_used),
        "status": quantity(success.into()),
    });
    let error = match &call.status {
        CallStatus::Success => return answer,
        CallStatus::Revert => json!({
            "code": REVERTED,
            "message": revert_text(&call.output),
            "data": hex::encode_prefixed(&call.output),
        }),
        CallStatus::OutOfGas => json!({ "code": HALTED, "message": "out of gas" }),
        CallStatus::Halt(reason) => json!({ "code": HALTED, "message": reason }),
    };
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("error".to_owned(), error);
    }
    answer
}

fn write_log(block: &Block, tx: usize, SimulatedLog { index, log }: &SimulatedLog) -> Value {
    json!({
        "address": log.address,
        "topics": log.topics(),
        "data": hex::encode_prefixed(&log.data.data),
        "blockHash": block.hash,
        "blockNumber": quantity(block.number()),
        "blockTimestamp": quantity(block.header.timestamp),
        "transactionHash": block.transactions.get(tx).map(mooring_stf::tx::EthTx::hash),
        "transactionIndex": quantity(tx as u64),
        "logIndex": quantity(*index),
        "removed": false,
    })
}

impl From<SimulateError> for RpcError {
    fn from(error: SimulateError) -> Self {
        let text = error.to_string();
        let code = match error {
            SimulateError::NumberOrder { .. } => NUMBER_ORDER,
            SimulateError::TimeOrder { .. } => TIME_ORDER,
            SimulateError::TooManyBlocks => CLIENT_LIMIT,
            SimulateError::BlockGasLimit { .. } => BLOCK_GAS_LIMIT,
            SimulateError::Refused { reason, .. } => refusal_code(&reason),
            SimulateError::Override(error) => return Self::server(error.to_string()),
            SimulateError::Stopped(Stopped::Time) => return Self::server(text),
            SimulateError::Stopped(Stopped::Size) => CLIENT_LIMIT,
            SimulateError::Fault(fault) => return Self::Internal(fault),
        };
        Self::Coded(code, text)
    }
}

const fn refusal_code(reason: &InvalidTx) -> i32 {
    match reason {
        InvalidTx::NonceTooLow { .. } => NONCE_TOO_LOW,
        InvalidTx::NonceTooHigh { .. } => NONCE_TOO_HIGH,
        InvalidTx::FeeCapTooLow { .. } => FEE_CAP_TOO_LOW,
        InvalidTx::IntrinsicGas { .. } | InvalidTx::FloorGas { .. } => INTRINSIC_GAS,
        InvalidTx::InsufficientFunds { .. } | InvalidTx::CostOverflow { .. } => INSUFFICIENT_FUNDS,
        InvalidTx::GasLimit { .. } | InvalidTx::BlockFull { .. } => BLOCK_GAS_LIMIT,
        InvalidTx::SenderIsContract { .. } => SENDER_IS_CONTRACT,
        InvalidTx::InitCodeTooLarge { .. } => INIT_CODE_TOO_LARGE,
        InvalidTx::TipAboveFeeCap { .. }
        | InvalidTx::BlobType
        | InvalidTx::Blobs(_)
        | InvalidTx::EmptyAuthorizationList => INVALID_PARAMS,
        InvalidTx::NonceMax { .. }
        | InvalidTx::Undecodable(_)
        | InvalidTx::TooLarge { .. }
        | InvalidTx::SystemType
        | InvalidTx::UnknownType(_)
        | InvalidTx::BadSignature
        | InvalidTx::WrongChainId { .. }
        | InvalidTx::GasCap { .. }
        | InvalidTx::Other(_)
        | InvalidTx::Federation(_)
        | InvalidTx::NoPeg
        | InvalidTx::FederationAfterEthereum => INTERNAL,
    }
}

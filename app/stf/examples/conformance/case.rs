//! One case: a transaction on a state, and the verdict on what we make of it.

use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use mooring_stf::{
    AccountRecord, BlobRule, BlockContext, BlockExecutor, ChainParams, ExecError, ExecutedBlock,
    Fault, FeeRule, InvalidTx, Parent, Rules, SpecSchedule, check::check, testing::MemoryState,
};
use mooring_trie::EMPTY_ROOT_HASH;

use crate::{
    exception,
    fixture::{Post, Test},
    sign,
};

/// What came of a case that is not a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// As the test says in every respect.
    Exact,
    /// Refused, as it must be, for a reason that the test does not name.
    OtherReason,
}

/// Runs one case. The error says how we differ from the test.
pub(crate) fn run(test: &Test, rules: Rules, post: &Post) -> Result<Pass, String> {
    let bytes = match &post.txbytes {
        Some(bytes) => bytes.clone(),
        None => sign::transaction(test, rules, post.indexes)?,
    };
    let params = params(test, rules)?;
    let (state, root) = state(test)?;
    let done = execute(&params, test, rules, (&state, root), &bytes)?;
    compare(post, &done)
}

/// What we made of the transaction.
struct Done {
    block: ExecutedBlock,
    /// Why the executor refused it.
    refused: Option<InvalidTx>,
    /// Why the mempool would have.
    at_the_door: Option<InvalidTx>,
}

fn execute(
    params: &ChainParams,
    test: &Test,
    rules: Rules,
    (state, state_root): (&MemoryState, B256),
    bytes: &Bytes,
) -> Result<Done, String> {
    let block = context(test)?;
    let parent = Parent { number: block.number.saturating_sub(1), hash: B256::ZERO, state_root };
    let mut executor = BlockExecutor::open(params, state, parent, block);
    let refused = refusal(executor.apply_bytes(bytes).map(drop))?;
    let block = executor.finish().map_err(fault)?;
    let at_the_door = refusal(check(params, &rules, state, bytes).map(drop))?;
    Ok(Done { block, refused, at_the_door })
}

fn refusal(result: Result<(), ExecError>) -> Result<Option<InvalidTx>, String> {
    match result {
        Ok(()) => Ok(None),
        Err(ExecError::Invalid(reason)) => Ok(Some(reason)),
        Err(ExecError::Fault(error)) => Err(fault(error)),
    }
}

fn fault(error: Fault) -> String {
    let mut text = format!("fault: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn compare(post: &Post, done: &Done) -> Result<Pass, String> {
    let mut pass = Pass::Exact;
    match (&post.expect_exception, &done.refused) {
        (None, Some(reason)) => return Err(format!("refused: {reason}")),
        (Some(expected), None) => return Err(format!("accepted, to be refused: {expected}")),
        (Some(expected), Some(reason)) if !exception::is_meant(expected, reason) => {
            pass = Pass::OtherReason;
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    door(done)?;
    if done.block.header.state_root != post.hash {
        let root = done.block.header.state_root;
        return Err(format!("state root {root}, to be {}", post.hash));
    }
    let logs: Vec<_> = done.block.receipts.iter().flat_map(|receipt| &receipt.logs).collect();
    let logs = keccak256(alloy_rlp::encode(&logs));
    if logs != post.logs {
        return Err(format!("hash of the logs {logs}, to be {}", post.logs));
    }
    Ok(pass)
}

/// The mempool must let in what a block takes, unless it is larger than the mempool takes, or
/// unless the block's base fee is the reason.
fn door(done: &Done) -> Result<(), String> {
    match (&done.refused, &done.at_the_door) {
        (None, Some(reason)) if !matches!(reason, InvalidTx::TooLarge { .. }) => {
            Err(format!("a block takes it, the mempool does not: {reason}"))
        }
        _ => Ok(()),
    }
}

fn params(test: &Test, rules: Rules) -> Result<ChainParams, String> {
    Ok(ChainParams {
        chain_id: test.config.chainid.map_or(1, |id| id.to()),
        gas_limit: gas_limit(test),
        base_fee_floor: 0,
        credit_gas_per_block: 0,
        spec: SpecSchedule::starting_with(rules),
        fee_rule: FeeRule::Ethereum,
        blobs: BlobRule::Accepted,
        payouts: [].into(),
        validators: Vec::new(),
        peg: None,
    })
}

fn context(test: &Test) -> Result<BlockContext, String> {
    let env = &test.env;
    Ok(BlockContext {
        number: number(env.current_number, "number")?,
        timestamp: number(env.current_timestamp, "timestamp")?,
        beneficiary: env.current_coinbase,
        gas_limit: gas_limit(test),
        base_fee: number(env.current_base_fee.unwrap_or_default(), "base fee")?,
        prev_randao: env.current_random.unwrap_or_default(),
        difficulty: env.current_difficulty,
        excess_blob_gas: number(
            env.current_excess_blob_gas.unwrap_or_default(),
            "excess blob gas",
        )?,
    })
}

/// No transaction has more than 64 bits of gas.
fn gas_limit(test: &Test) -> u64 {
    test.env.current_gas_limit.saturating_to()
}

fn number(value: U256, name: &str) -> Result<u64, String> {
    u64::try_from(value).map_err(|_| format!("the block's {name} is above 64 bits"))
}

/// The state before the transaction, with its root.
fn state(test: &Test) -> Result<(MemoryState, B256), String> {
    let mut state = MemoryState::default();
    for (address, given) in &test.pre {
        let code_hash =
            if given.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&given.code) };
        state.code.insert(code_hash, given.code.clone());
        let account = AccountRecord {
            nonce: given.nonce.to(),
            balance: given.balance,
            code_hash,
            storage_root: EMPTY_ROOT_HASH,
        };
        state.accounts.insert(*address, account);
        let words = given.storage.iter().filter(|(_, value)| !value.is_zero());
        state.storage.extend(words.map(|(slot, value)| ((*address, *slot), *value)));
    }
    let root = state.build_tries().map_err(fault)?;
    Ok((state, root))
}

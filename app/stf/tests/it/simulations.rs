//! Simulated blocks (`eth_simulateV1`).

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, address, keccak256};
use alloy_trie::{TrieAccount, root::state_root_unhashed};
use mooring_stf::{
    AccountRecord, ChainParams, FeeRule, InvalidTx, SpecId, SpecSchedule,
    call::{
        AccountOverride, BlockOverrides, CallInput, CallStatus, Limits, MOST_BLOCKS, Overrides,
        SimulateBlock, SimulateError, SimulateInput, SimulatedBlock, Simulation, Stopped, simulate,
    },
    testing::{MemoryState, TestChain, ethereum_genesis},
};

use crate::world::{FREE, alice};

const SENDER: Address = Address::repeat_byte(0xc0);
const CALLEE: Address = Address::repeat_byte(0xc1);
const TRANSFERS: Address = address!("0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");

fn chain() -> TestChain {
    TestChain::new(&ethereum_genesis(1_000_000_000_000_000_000))
}

fn run(
    chain: &TestChain,
    input: &SimulateInput,
    limits: Limits<'_>,
) -> Result<Vec<SimulatedBlock>, SimulateError> {
    let base = Simulation {
        params: &chain.params,
        state: &chain.state,
        header: &chain.head.header,
        hash: chain.head.hash,
        gas_cap: 50_000_000,
    };
    simulate(&base, input, limits)
}

fn simulated(blocks: Vec<SimulateBlock>) -> Vec<SimulatedBlock> {
    run(&chain(), &SimulateInput { blocks, ..SimulateInput::default() }, FREE).unwrap()
}

fn refused(blocks: Vec<SimulateBlock>) -> SimulateError {
    run(&chain(), &SimulateInput { blocks, ..SimulateInput::default() }, FREE).unwrap_err()
}

fn numbered(number: u64) -> SimulateBlock {
    let overrides = BlockOverrides { number: Some(number), ..BlockOverrides::default() };
    SimulateBlock { overrides, ..SimulateBlock::default() }
}

fn calling(calls: impl IntoIterator<Item = CallInput>) -> SimulateBlock {
    SimulateBlock { calls: calls.into_iter().collect(), ..SimulateBlock::default() }
}

fn call(to: Address, value: u64) -> CallInput {
    let value = U256::from(value);
    CallInput { from: Some(SENDER), to: Some(to), value, ..CallInput::default() }
}

fn with(address: Address, change: AccountOverride) -> Overrides {
    [(address, change)].into()
}

fn rich() -> Overrides {
    with(SENDER, AccountOverride { balance: Some(U256::from(1_000)), ..AccountOverride::default() })
}

fn runs(code: &[u8]) -> AccountOverride {
    AccountOverride { code: Some(Bytes::copy_from_slice(code)), ..AccountOverride::default() }
}

#[test]
fn blocks_follow_each_other_and_gaps_are_filled() {
    let blocks = simulated(vec![numbered(2), SimulateBlock::default()]);
    let chain = chain();
    let mut parent = (chain.head.header.clone(), chain.head.hash);
    for (block, number) in blocks.iter().zip(1..) {
        assert_eq!(block.header.number, number);
        assert_eq!(block.header.parent_hash, parent.1);
        assert_eq!(block.header.timestamp, parent.0.timestamp + 12);
        assert_eq!(block.header.base_fee_per_gas, Some(0), "nobody need pay");
        assert_eq!(block.hash, block.header.hash_slow());
        parent = (block.header.clone(), block.hash);
    }
    assert_eq!(blocks.len(), 3);
}

#[test]
fn blocks_out_of_order_or_too_many_are_refused() {
    let error = refused(vec![numbered(3), numbered(3)]);
    assert_eq!(error.to_string(), "block numbers must be in order: 3 <= 3");
    let time = chain().head.header.timestamp;
    let overrides = BlockOverrides { time: Some(time), ..BlockOverrides::default() };
    let error = refused(vec![SimulateBlock { overrides, ..SimulateBlock::default() }]);
    assert_eq!(error.to_string(), format!("block timestamps must be in order: {time} <= {time}"));
    assert!(matches!(refused(vec![numbered(MOST_BLOCKS + 1)]), SimulateError::TooManyBlocks));
    assert_eq!(simulated(vec![numbered(MOST_BLOCKS)]).len() as u64, MOST_BLOCKS);
}

#[test]
fn what_one_block_writes_the_next_one_reads() {
    // SSTORE(0, CALLDATALOAD(0)); then the override puts a contract there that returns slot 0.
    let code = [0x5f, 0x35, 0x5f, 0x55, 0x00];
    let reader = [0x5f, 0x54, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3];
    let word = B256::with_last_byte(42);
    let store = CallInput { data: word.to_vec().into(), ..call(CALLEE, 0) };
    let blocks = simulated(vec![
        SimulateBlock { accounts: with(CALLEE, runs(&code)), ..calling([store]) },
        SimulateBlock { accounts: with(CALLEE, runs(&reader)), ..calling([call(CALLEE, 0)]) },
    ]);
    assert_eq!(blocks[1].calls[0].output, word.to_vec());
    assert_ne!(blocks[0].header.state_root, blocks[1].header.state_root);
}

#[test]
fn the_state_root_is_that_of_the_state_after_the_block() {
    // London has no system calls at the start of a block: the transfer changes the state, and
    // the reward of work that London still had.
    let mut chain = chain();
    chain.params =
        ChainParams { spec: SpecSchedule::starting(SpecId::LONDON), ..chain.params.clone() };
    let mut state = MemoryState::default();
    let record = |balance| AccountRecord {
        nonce: 0,
        balance: U256::from(balance),
        code_hash: KECCAK256_EMPTY,
        storage_root: mooring_trie::EMPTY_ROOT_HASH,
    };
    state.accounts.insert(SENDER, record(1_000));
    chain.head.header.state_root = state.build_tries().unwrap();
    chain.state = state;
    let blocks = [calling([call(CALLEE, 400)])].into();
    let blocks = run(&chain, &SimulateInput { blocks, ..SimulateInput::default() }, FREE).unwrap();
    let account = |nonce, balance| TrieAccount {
        nonce,
        balance: U256::from(balance),
        ..TrieAccount::default()
    };
    let miner = TrieAccount {
        balance: U256::from(2_000_000_000_000_000_000_u64),
        ..TrieAccount::default()
    };
    let wanted = state_root_unhashed([
        (SENDER, account(1, 600)),
        (CALLEE, account(0, 400)),
        (chain.head.header.beneficiary, miner),
    ]);
    assert_eq!(blocks[0].header.state_root, wanted);
}

#[test]
fn transfers_are_listed_among_the_logs_unless_they_are_undone() {
    let accounts = rich();
    let input = SimulateInput {
        blocks: vec![SimulateBlock { accounts, ..calling([call(CALLEE, 7), call(CALLEE, 8)]) }],
        trace_transfers: true,
        ..SimulateInput::default()
    };
    let blocks = run(&chain(), &input, FREE).unwrap();
    let [first, second] = blocks[0].calls.as_slice() else { panic!("two calls") };
    let log = &first.logs[0];
    assert_eq!((log.index, log.log.address), (0, TRANSFERS));
    assert_eq!(
        log.log.topics(),
        [keccak256("Transfer(address,address,uint256)"), SENDER.into_word(), CALLEE.into_word()]
    );
    assert_eq!(log.log.data.data, B256::with_last_byte(7).to_vec());
    assert_eq!(second.logs[0].index, 1, "numbers go through the block");
    assert!(blocks[0].receipts.iter().all(|receipt| receipt.logs.is_empty()), "no real logs");

    // REVERT
    let accounts =
        rich().into_iter().chain(with(CALLEE, runs(&[0x5f, 0x5f, 0xfd]))).collect::<Overrides>();
    let input = SimulateInput {
        blocks: vec![SimulateBlock { accounts, ..calling([call(CALLEE, 7)]) }],
        ..input
    };
    let blocks = run(&chain(), &input, FREE).unwrap();
    assert_eq!(blocks[0].calls[0].status, CallStatus::Revert);
    assert!(blocks[0].calls[0].logs.is_empty());
}

#[test]
fn nobody_spends_what_he_does_not_have() {
    match refused(vec![calling([call(CALLEE, 1)])]) {
        SimulateError::Refused { reason: InvalidTx::InsufficientFunds { have, want, .. }, gas } => {
            assert_eq!((have, want, gas), (U256::ZERO, U256::ONE, 50_000_000));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn with_validation_nonces_and_fees_are_checked() {
    let strict = |call| {
        let blocks = vec![calling([call])];
        let input = SimulateInput { blocks, validation: true, ..SimulateInput::default() };
        run(&chain(), &input, FREE)
    };
    let plain = CallInput { from: Some(alice()), to: Some(CALLEE), ..CallInput::default() };
    let refusal = |result: Result<_, SimulateError>| match result {
        Err(SimulateError::Refused { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    };
    assert!(matches!(refusal(strict(plain.clone())), InvalidTx::FeeCapTooLow { max_fee: 0, .. }));
    let paying = CallInput { max_fee_per_gas: Some(2_000_000_000), gas: Some(21_000), ..plain };
    let block = &strict(paying.clone()).unwrap()[0];
    assert_eq!(block.header.base_fee_per_gas, Some(875_000_000), "an eighth below the parent's");
    assert!(matches!(
        refusal(strict(CallInput { nonce: Some(5), ..paying })),
        InvalidTx::NonceTooHigh { tx: 5, state: 0, .. }
    ));
}

#[test]
fn a_precompile_moves_and_leaves_nothing_behind() {
    // SHA-256 at its address, and at another one.
    let sha256 = Address::with_last_byte(2);
    let moved = AccountOverride { move_precompile_to: Some(CALLEE), ..AccountOverride::default() };
    let ask = |to| CallInput { data: b"mooring".as_slice().into(), ..call(to, 0) };
    let block = SimulateBlock {
        accounts: with(sha256, moved.clone()),
        ..calling([ask(CALLEE), ask(sha256)])
    };
    let calls = &simulated(vec![block, calling([ask(sha256)])]);
    let digest = &calls[1].calls[0].output;
    assert_eq!(digest.len(), 32, "in the next block it is back");
    assert_eq!(calls[0].calls[0].output, *digest);
    assert!(calls[0].calls[1].output.is_empty());
    let error =
        refused(vec![SimulateBlock { accounts: with(SENDER, moved), ..SimulateBlock::default() }]);
    assert_eq!(error.to_string(), format!("account {SENDER} is not a precompile"));
}

#[test]
fn a_block_hash_of_the_simulation_is_seen() {
    // BLOCKHASH(NUMBER - 1), returned.
    let code = [0x60, 1, 0x43, 0x03, 0x40, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3];
    let blocks = simulated(vec![
        SimulateBlock { accounts: with(CALLEE, runs(&code)), ..calling([call(CALLEE, 0)]) },
        calling([call(CALLEE, 0)]),
    ]);
    assert_eq!(blocks[0].calls[0].output, chain().head.hash.to_vec());
    assert_eq!(blocks[1].calls[0].output, blocks[0].hash.to_vec());
}

#[test]
fn gas_time_and_size_are_bounded_over_the_whole_simulation() {
    // JUMPDEST, PUSH0, JUMP
    let endless = with(CALLEE, runs(&[0x5b, 0x5f, 0x56]));
    let block = SimulateBlock { accounts: endless, ..calling([call(CALLEE, 0)]) };
    let input = SimulateInput { blocks: vec![block.clone()], ..SimulateInput::default() };
    let blocks = run(&chain(), &input, FREE).unwrap();
    assert_eq!(blocks[0].calls[0].status, CallStatus::OutOfGas);
    assert_eq!(blocks[0].calls[0].gas_used, 50_000_000);
    let over = Limits { is_over: &|| true, ..FREE };
    assert!(matches!(run(&chain(), &input, over), Err(SimulateError::Stopped(Stopped::Time))));
    let small = Limits { answer_bytes: 1_000, ..FREE };
    assert!(matches!(run(&chain(), &input, small), Err(SimulateError::Stopped(Stopped::Size))));
    // The first call took all gas that there is.
    let error = refused(vec![block, calling([call(SENDER, 0)])]);
    assert!(matches!(error, SimulateError::Refused { gas: 0, .. }), "{error}");
}

#[test]
fn fees_of_a_pegged_chain_are_not_burnt() {
    let mut chain = chain();
    chain.params.fee_rule = FeeRule::Pegged;
    let paying = CallInput {
        from: Some(alice()),
        to: Some(CALLEE),
        max_fee_per_gas: Some(2_000_000_000),
        gas: Some(21_000),
        ..CallInput::default()
    };
    // BALANCE of the beneficiary, returned.
    let builder = Address::repeat_byte(0xbb);
    let mut code = vec![0x73];
    code.extend_from_slice(builder.as_slice());
    code.extend_from_slice(&[0x31, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3]);
    let overrides = BlockOverrides {
        fee_recipient: Some(builder),
        base_fee: Some(3),
        ..BlockOverrides::default()
    };
    let blocks = vec![
        SimulateBlock { overrides, ..calling([paying]) },
        SimulateBlock { accounts: with(CALLEE, runs(&code)), ..calling([call(CALLEE, 0)]) },
    ];
    let input = SimulateInput { blocks, ..SimulateInput::default() };
    let blocks = run(&chain, &input, FREE).unwrap();
    assert_eq!(U256::from_be_slice(&blocks[1].calls[0].output), U256::from(3 * 21_000));
}

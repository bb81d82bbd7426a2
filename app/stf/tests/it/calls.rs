//! Calls that change nothing, and estimates.

use std::cell::Cell;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall as _, SolError as _};
use mooring_bridge::{NATIVE, addresses::GATEWAY, contracts::gateway::Gateway};
use mooring_stf::{
    BlockContext, InvalidTx,
    call::{
        AccountOverride, BlockOverrides, CallError, CallInput, CallResult, CallSite, CallStatus,
        EstimateError, Limits, Overrides, Stopped, call, estimate_gas,
    },
    testing::wallet,
};

use crate::world::{ETHER, FREE, World, alice, bob, deploying, token_init_code, withdraw};

const STRANGER: Address = Address::repeat_byte(0x57);

fn with_site<T>(world: &World, overrides: &Overrides, run: impl FnOnce(&CallSite<'_>) -> T) -> T {
    let block = BlockContext::of(&world.chain.head.header);
    run(&CallSite {
        params: &world.chain.params,
        state: &world.chain.state,
        block: &block,
        overrides,
        gas_cap: 50_000_000,
        limits: FREE,
    })
}

fn called(world: &World, overrides: &Overrides, input: &CallInput) -> CallResult {
    with_site(world, overrides, |site| call(site, input).unwrap())
}

fn estimated(world: &World, input: &CallInput) -> Result<u64, EstimateError> {
    with_site(world, &Overrides::new(), |site| estimate_gas(site, input))
}

fn input(to: Address, data: impl Into<Bytes>) -> CallInput {
    CallInput { from: Some(alice()), to: Some(to), data: data.into(), ..CallInput::default() }
}

#[test]
fn a_call_needs_no_means_and_has_the_whole_cap() {
    let world = World::empty();
    // GAS, PUSH0, MSTORE, return the word.
    let overrides = code(STRANGER, &[0x5a, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    let result = called(&world, &overrides, &input(STRANGER, []));
    assert_eq!(result.status, CallStatus::Success);
    let gas = U256::from_be_slice(&result.output);
    assert!(gas > U256::from(49_000_000), "above a transaction's cap: {gas}");
}

#[test]
fn a_revert_returns_its_reason_and_logs_nothing() {
    let world = World::funded();
    let result = called(&world, &Overrides::new(), &input(GATEWAY, withdraw(NATIVE, 5, bob(), 9)));
    assert_eq!(result.status, CallStatus::Revert);
    assert_eq!(result.output, Gateway::FeeAboveAmount {}.abi_encode());
    assert!(result.logs.is_empty());
}

fn code(address: Address, code: &[u8]) -> Overrides {
    let code = Some(Bytes::copy_from_slice(code));
    Overrides::from([(address, AccountOverride { code, ..AccountOverride::default() })])
}

#[test]
fn overrides_replace_balance_nonce_code_and_storage() {
    let world = World::funded();
    // SLOAD(0), SELFBALANCE, ADD: returns the sum.
    let sum = [0x5f, 0x54, 0x47, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];
    let mut overrides = code(STRANGER, &sum);
    let account = overrides.get_mut(&STRANGER).unwrap();
    account.balance = Some(U256::from(40));
    account.state_diff.insert(U256::ZERO, U256::from(2));
    let result = called(&world, &overrides, &input(STRANGER, []));
    assert_eq!(U256::from_be_slice(&result.output), U256::from(42));

    // With `state` all that is not named is zero: the Gateway forgets its Vault.
    let state = AccountOverride { state: Some([].into()), ..AccountOverride::default() };
    let overrides = Overrides::from([(GATEWAY, state)]);
    let result = called(&world, &overrides, &input(GATEWAY, Gateway::vaultCall {}.abi_encode()));
    assert_eq!(U256::from_be_slice(&result.output), U256::ZERO);

    let nonce = AccountOverride { nonce: Some(7), ..AccountOverride::default() };
    let create =
        CallInput { to: None, ..input(GATEWAY, [0x30, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]) };
    let result = called(&world, &Overrides::from([(alice(), nonce)]), &create);
    assert_eq!(Address::from_slice(&result.output[12..]), alice().create(7));
}

#[test]
fn block_overrides_are_what_the_call_sees() {
    let world = World::funded();
    let block = BlockOverrides { number: Some(77), ..BlockOverrides::default() }
        .apply(BlockContext::of(&world.chain.head.header));
    // NUMBER, returned.
    let overrides = code(STRANGER, &[0x43, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    let site = CallSite {
        params: &world.chain.params,
        state: &world.chain.state,
        block: &block,
        overrides: &overrides,
        gas_cap: 1_000_000,
        limits: FREE,
    };
    let result = call(&site, &input(STRANGER, [])).unwrap();
    assert_eq!(U256::from_be_slice(&result.output), U256::from(77));
}

#[test]
fn a_call_stops_when_its_time_is_up() {
    let world = World::funded();
    // JUMPDEST, PUSH0, JUMP; and JUMPDEST, GAS, SLOAD, POP, PUSH0, JUMP.
    let (jumps, reads) = ([0x5b, 0x5f, 0x56], [0x5b, 0x5a, 0x54, 0x50, 0x5f, 0x56]);
    let block = BlockContext::of(&world.chain.head.header);
    for (endless, gas_a_look) in [(&jumps[..], 14_000..30_000), (&reads, 16_800..17_500)] {
        let looks = Cell::new(0);
        let count = || {
            looks.set(looks.get() + 1);
            false
        };
        let mut site = CallSite {
            params: &world.chain.params,
            state: &world.chain.state,
            block: &block,
            overrides: &code(STRANGER, endless),
            gas_cap: 10_000_000,
            limits: Limits { is_over: &count, ..FREE },
        };
        let result = call(&site, &input(STRANGER, [])).unwrap();
        assert_eq!(result.status, CallStatus::OutOfGas);
        assert!(gas_a_look.contains(&(10_000_000 / looks.get())), "{looks:?} looks");

        site.limits.is_over = &|| true;
        let stopped = call(&site, &input(STRANGER, [])).unwrap_err();
        assert!(matches!(stopped, CallError::Stopped(Stopped::Time)), "{stopped}");
        let stopped = estimate_gas(&site, &input(STRANGER, [])).unwrap_err();
        assert!(matches!(stopped, EstimateError::Stopped(Stopped::Time)), "{stopped}");
    }
}

#[test]
fn a_call_stops_before_it_answers_too_much() {
    let world = World::funded();
    let block = BlockContext::of(&world.chain.head.header);
    // PUSH2 512, PUSH0, RETURN; and all that this returns to a caller of its own.
    let mut overrides = code(STRANGER, &[0x61, 0x02, 0x00, 0x5f, 0xf3]);
    let caller = Address::repeat_byte(0x58);
    let mut calls = vec![0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x73];
    calls.extend_from_slice(STRANGER.as_slice());
    // GAS, CALL, RETURNDATASIZE, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN.
    calls.extend_from_slice(&[0x5a, 0xf1, 0x3d, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
    overrides.extend(code(caller, &calls));
    let site = |answer_bytes| CallSite {
        params: &world.chain.params,
        state: &world.chain.state,
        block: &block,
        overrides: &overrides,
        gas_cap: 1_000_000,
        limits: Limits { answer_bytes, ..FREE },
    };
    let answer = call(&site(1_024), &input(STRANGER, [])).unwrap();
    assert_eq!(answer.output.len(), 512);
    let stopped = call(&site(1_023), &input(STRANGER, [])).unwrap_err();
    assert!(matches!(stopped, CallError::Stopped(Stopped::Size)), "{stopped}");
    let inside = call(&site(1_023), &input(caller, [])).unwrap();
    assert_eq!(U256::from_be_slice(&inside.output), U256::from(512));
    estimate_gas(&site(1_023), &input(STRANGER, [])).unwrap();
}

#[test]
fn an_endless_call_stops_at_the_cap() {
    let world = World::funded();
    // JUMPDEST, PUSH0, JUMP
    let result = called(&world, &code(STRANGER, &[0x5b, 0x5f, 0x56]), &input(STRANGER, []));
    assert_eq!(result.status, CallStatus::OutOfGas);
    assert_eq!(result.gas_used, 50_000_000);
}

#[test]
fn a_plain_transfer_is_estimated_at_21000() {
    let world = World::funded();
    let transfer = CallInput { value: U256::from(ETHER), ..input(bob(), []) };
    assert_eq!(estimated(&world, &transfer).unwrap(), 21_000);
}

#[test]
fn a_transaction_sent_with_its_estimate_succeeds() {
    let mut world = World::funded();
    let data = withdraw(NATIVE, 5, bob(), 0);
    let wanted = CallInput { value: U256::from(5), ..input(GATEWAY, data.clone()) };
    let gas_limit = estimated(&world, &wanted).unwrap();
    let tx = alloy_consensus::TxEip1559 { gas_limit, ..wallet::call(0, GATEWAY, 5, data) };
    let create = CallInput { to: None, ..input(GATEWAY, token_init_code()) };
    let create_gas = estimated(&world, &create).unwrap();
    let deploy = alloy_consensus::TxEip1559 {
        gas_limit: create_gas,
        ..wallet::create(1, 0, token_init_code())
    };
    let txs = [tx, deploy].map(|tx| wallet::sign(wallet::KEYS[0], tx));
    let block = world.block(&txs);
    for (receipt, estimate) in block.receipts.iter().zip([gas_limit, create_gas]) {
        assert!(receipt.success);
        assert!(estimate < receipt.gas_used + receipt.gas_used / 10, "within a tenth");
    }
}

#[test]
fn gas_that_must_be_there_but_is_not_used_is_estimated() {
    let mut world = World::funded();
    // Reverts unless more than 40,000 gas is left, and uses next to nothing of it:
    // PUSH2 40000, GAS, LT, PUSH1 9, JUMPI, STOP, JUMPDEST, PUSH0, PUSH0, REVERT.
    let callee =
        deploying(&[0x61, 0x9c, 0x40, 0x5a, 0x10, 0x60, 0x09, 0x57, 0x00, 0x5b, 0x5f, 0x5f, 0xfd]);
    world.block(&[wallet::sign(wallet::KEYS[0], wallet::create(0, 0, callee))]);
    let needy = alice().create(0);
    let gas = estimated(&world, &input(needy, [])).unwrap();
    assert!((61_000..63_000).contains(&gas), "{gas}");
}

#[test]
fn an_estimate_of_what_cannot_succeed_says_why() {
    let world = World::funded();
    match estimated(&world, &input(GATEWAY, withdraw(NATIVE, 5, bob(), 9))) {
        Err(EstimateError::Revert { output }) => {
            assert_eq!(output, Gateway::FeeAboveAmount {}.abi_encode());
        }
        other => panic!("not a revert: {other:?}"),
    }
    let poor = CallInput { from: Some(bob()), value: U256::ONE, ..input(alice(), []) };
    match estimated(&world, &poor) {
        Err(EstimateError::Invalid(InvalidTx::InsufficientFunds { sender, have, want })) => {
            assert_eq!((sender, have, want), (bob(), U256::ZERO, U256::ONE));
        }
        other => panic!("not refused: {other:?}"),
    }
    let create = CallInput { to: None, gas: Some(60_000), ..input(bob(), token_init_code()) };
    assert!(matches!(
        estimated(&world, &create),
        Err(EstimateError::Allowance { allowance: 60_000 })
    ));
}

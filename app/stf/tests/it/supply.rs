//! Out, and invariant I1: native coin is where it should be after every block.

use alloy_primitives::{Address, U256};
use mooring_bridge::{NATIVE, addresses::GATEWAY, slots};
use mooring_stf::{
    CommittedSlots, Mode,
    peg::{ReadSlots as _, view},
    testing::{BUILDER, wallet},
};

use crate::world::{L1_TOKEN, World, alice, all_succeeded, withdraw};

const L1_RECIPIENT: Address = Address::repeat_byte(0x1e);

fn sum(world: &World) -> U256 {
    world.chain.state.accounts.values().fold(U256::ZERO, |sum, account| sum + account.balance)
}

#[test]
fn ether_withdrawn_leaves_the_chain() {
    let mut world = World::funded();
    let before = sum(&world);
    let call = wallet::call(0, GATEWAY, 5, withdraw(NATIVE, 5, L1_RECIPIENT, 2));
    let block = world.block(&[wallet::sign(wallet::KEYS[0], call)]).clone();
    assert!(all_succeeded(&block));
    assert_eq!(block.exit_count, 1);
    let exit = &block.exits[0];
    assert_eq!(
        (exit.recipient, exit.amount, exit.fee),
        (L1_RECIPIENT, U256::from(5), U256::from(2))
    );
    assert_eq!(world.balance(GATEWAY), U256::ZERO);
    assert_eq!(sum(&world), before - U256::from(5));
    let peg = CommittedSlots(&world.chain.state);
    assert_eq!(peg.get(slots::asset_exited(NATIVE)).unwrap(), U256::from(5));
    assert_eq!(view::exit_head(&peg).unwrap().root, block.exit_root);
    assert!(!view::is_halted(&peg).unwrap());
}

#[test]
fn a_token_withdrawn_is_burnt() {
    let mut world = World::funded();
    let leaf = world.federation.deposit(0, L1_TOKEN, alice(), 100, 0);
    let messages = world.federation.deliver(&[leaf]);
    world.block(&messages);
    let call = wallet::call(0, GATEWAY, 0, withdraw(L1_TOKEN, 40, L1_RECIPIENT, 0));
    let block = world.block(&[wallet::sign(wallet::KEYS[0], call)]);
    assert!(all_succeeded(block));
    assert_eq!(block.exits[0].asset, L1_TOKEN);
    assert_eq!(world.wrapped_balance(alice()), U256::from(60));
}

#[test]
fn a_refused_withdrawal_leaves_no_exit() {
    let mut world = World::funded();
    let call = wallet::call(0, GATEWAY, 4, withdraw(NATIVE, 5, L1_RECIPIENT, 0));
    let block = world.block(&[wallet::sign(wallet::KEYS[0], call)]);
    assert!(!block.receipts[0].success);
    assert_eq!(block.exit_count, 0);
    assert_eq!(world.balance(GATEWAY), U256::ZERO);
}

#[test]
fn the_same_exit_log_of_another_contract_counts_for_nothing() {
    let mut world = World::funded();
    // PUSH32 topic, PUSH1 0 size, PUSH1 0 offset: LOG1(0, 0, Exit).
    let topic = alloy_primitives::keccak256("Exit(uint64,address,address,uint256,uint256,address)");
    let code = [[0x7f].as_slice(), topic.as_slice(), &[0x5f, 0x5f, 0xa1, 0x00]].concat();
    let tx = wallet::sign(wallet::KEYS[0], wallet::create(0, 0, code));
    let block = world.block(&[tx]);
    assert_eq!(block.receipts[0].logs[0].topics()[0], topic);
    assert_eq!(block.exit_count, 0);
}

#[test]
fn ether_that_a_self_destruct_burns_is_counted() {
    let mut world = World::funded();
    let before = sum(&world);
    // A constructor that destroys itself to itself: ADDRESS, SELFDESTRUCT.
    let tx = wallet::sign(wallet::KEYS[0], wallet::create(0, 9, [0x30, 0xff]));
    assert!(all_succeeded(world.block(&[tx])));
    let peg = CommittedSlots(&world.chain.state);
    assert_eq!(view::destroyed(&peg).unwrap(), U256::from(9));
    assert!(!view::is_halted(&peg).unwrap());
    assert_eq!(sum(&world), before - U256::from(9));
}

#[test]
fn a_self_destruct_that_pays_someone_burns_nothing() {
    let mut world = World::funded();
    let before = sum(&world);
    // CALLER, SELFDESTRUCT.
    let tx = wallet::sign(wallet::KEYS[0], wallet::create(0, 9, [0x33, 0xff]));
    assert!(all_succeeded(world.block(&[tx])));
    assert_eq!(view::destroyed(&CommittedSlots(&world.chain.state)).unwrap(), U256::ZERO);
    assert_eq!(sum(&world), before);
}

/// Halts the peg as a block would, by writing its slot.
fn halt(world: &mut World) {
    let slot = (mooring_bridge::addresses::PEG, slots::halted());
    world.chain.state.storage.insert(slot, U256::ONE);
}

#[test]
fn a_halted_peg_fails_withdrawals_and_takes_only_their_fees() {
    let mut world = World::funded();
    halt(&mut world);
    let (before, supply) = (world.balance(alice()), sum(&world));
    let call = wallet::call(0, GATEWAY, 5, withdraw(NATIVE, 5, L1_RECIPIENT, 0));
    let next = wallet::call(1, Address::repeat_byte(0x77), 1, []);
    let txs = [wallet::sign(wallet::KEYS[0], call), wallet::sign(wallet::KEYS[0], next)];
    let block = world.block(&txs).clone();
    let [failed, after] = &block.receipts[..] else { panic!("two receipts") };
    assert!(!failed.success && failed.logs.is_empty() && failed.gas_used > 21_000);
    assert!(after.success, "its nonce was used");
    assert_eq!((block.exit_count, world.balance(GATEWAY)), (0, U256::ZERO));
    let gas = U256::from(block.header.gas_used);
    let price = U256::from(failed.effective_gas_price);
    assert_eq!(world.balance(alice()), before - gas * price - U256::ONE);
    assert_eq!(world.balance(BUILDER), gas * price);
    assert_eq!(sum(&world), supply);
}

#[test]
fn a_halted_peg_credits_nothing_and_refuses_the_federation() {
    let mut world = World::funded();
    halt(&mut world);
    let leaf = world.federation.deposit(0, NATIVE, alice(), 1, 0);
    let messages = world.federation.deliver(&[leaf]);
    let error = world.chain.try_block(&messages, Mode::Strict).unwrap_err();
    assert!(format!("{error:?}").contains("Halted"), "{error:?}");
}

//! In: delivered leaves are credited, once and in order, or go back.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolEvent as _;
use mooring_bridge::{
    Leaf, NATIVE, SystemTx,
    addresses::{GATEWAY, wrapped_token as wrapped_address},
    contracts::{gateway::Gateway, wrapped_token::WrappedToken},
    slots,
    system_tx::Cause,
};
use mooring_stf::{
    CommittedSlots,
    peg::view,
    testing::{BUILDER, L1_CHAIN_ID, wallet},
    tx::EthTx,
};

use crate::world::{ETHER, L1_TOKEN, World, alice, all_succeeded, bob, transfer};

#[test]
fn ether_is_credited_in_the_block_that_delivers_it() {
    let mut world = World::empty();
    let leaf = world.federation.deposit(0, NATIVE, alice(), 3 * ETHER, 0);
    let Leaf::Deposit(deposit) = leaf.clone() else { unreachable!() };
    let messages = world.federation.deliver(&[leaf]);
    let block = world.block(&messages).clone();

    assert!(all_succeeded(&block));
    assert_eq!(world.balance(alice()), U256::from(3 * ETHER));
    assert_eq!(block.transactions.len(), 1);
    let EthTx::System(SystemTx { source_hash, mint, .. }) = &block.transactions[0] else {
        panic!("the credit is a system transaction")
    };
    let credited = view::deposit_heads(&CommittedSlots(&world.chain.state)).unwrap().credited;
    assert_eq!(credited.count, deposit.count);
    assert_eq!(*source_hash, Cause::Credit.source_hash(credited.acc));
    assert_eq!(*mint, U256::from(3 * ETHER));
    let receipt = &block.receipts[0];
    assert_eq!((receipt.tx_type, receipt.effective_gas_price), (0x7e, 0));
    assert_eq!(block.header.gas_used, receipt.gas_used);
    let event = Gateway::Credited::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!((event.recipient, event.amount), (alice(), U256::from(3 * ETHER)));
    assert_eq!(world.balance(BUILDER), U256::ZERO, "nobody pays for a credit");
}

#[test]
fn a_credit_can_be_spent_in_the_same_block() {
    let mut world = World::empty();
    let leaf = world.federation.deposit(0, NATIVE, alice(), ETHER, 0);
    let mut txs = world.federation.deliver(&[leaf]);
    txs.push(wallet::sign(wallet::KEYS[0], wallet::call(0, bob(), 5, [])));
    assert!(all_succeeded(world.block(&txs)));
    assert_eq!(world.balance(bob()), U256::from(5));
}

#[test]
fn a_token_is_deployed_minted_and_comes_with_gas() {
    let mut world = World::empty();
    let leaves = [
        world.federation.metadata(0, L1_TOKEN),
        world.federation.deposit(1, L1_TOKEN, alice(), 1_000, ETHER),
    ];
    let messages = world.federation.deliver(&leaves);
    let block = world.block(&messages);
    assert_eq!(block.receipts.iter().map(|r| r.success).collect::<Vec<_>>(), [true, true]);

    let token = world.wrapped();
    assert_eq!(token, wrapped_address(L1_CHAIN_ID, L1_TOKEN));
    assert_eq!(world.view(token, WrappedToken::nameCall {}), "Test Token");
    assert_eq!(world.view(token, WrappedToken::decimalsCall {}), 18);
    assert_eq!(world.wrapped_balance(alice()), U256::from(1_000));
    assert_eq!(world.balance(alice()), U256::from(ETHER));

    let send = wallet::call(0, token, 0, transfer(bob(), 400));
    assert!(all_succeeded(world.block(&[wallet::sign(wallet::KEYS[0], send)])));
    assert_eq!(world.wrapped_balance(bob()), U256::from(400));
}

#[test]
fn a_token_without_metadata_is_deployed_by_its_first_credit() {
    let mut world = World::empty();
    let leaf = world.federation.deposit(0, L1_TOKEN, alice(), 77, 0);
    let messages = world.federation.deliver(&[leaf]);
    assert!(all_succeeded(world.block(&messages)));
    assert_eq!(world.wrapped_balance(alice()), U256::from(77));
}

#[test]
fn an_uncreditable_deposit_bounces_with_its_gas() {
    let mut world = World::empty();
    let first = world.federation.deposit(0, L1_TOKEN, alice(), 10, 0);
    let messages = world.federation.deliver(&[first]);
    world.block(&messages);
    // The wrapped token cannot hold itself.
    let token = world.wrapped();
    let leaf = world.federation.deposit(0, L1_TOKEN, token, 20, 30);
    let messages = world.federation.deliver(&[leaf]);
    let block = world.block(&messages).clone();

    assert_eq!(block.transactions.len(), 1, "only the bounce is listed");
    let refund_to = Address::repeat_byte(0xef);
    let exits: Vec<_> = block.exits.iter().map(|e| (e.asset, e.amount, e.recipient)).collect();
    assert_eq!(exits, [(L1_TOKEN, U256::from(20), refund_to), (NATIVE, U256::from(30), refund_to)]);
    assert_eq!(world.balance(GATEWAY), U256::ZERO);
    assert_eq!(world.balance(token), U256::ZERO);
    let peg = CommittedSlots(&world.chain.state);
    assert!(!view::is_halted(&peg).unwrap());
    assert_eq!(view::deposit_heads(&peg).unwrap().credited.count.get(), 2);
    assert_eq!(view::exit_head(&peg).unwrap().count, 2);
}

#[test]
fn an_ether_deposit_to_a_precompile_bounces() {
    let mut world = World::empty();
    let leaf = world.federation.deposit(0, NATIVE, Address::with_last_byte(1), ETHER, 0);
    let messages = world.federation.deliver(&[leaf]);
    let block = world.block(&messages);
    assert_eq!(block.exits.len(), 1);
    assert_eq!(block.exits[0].amount, U256::from(ETHER));
    assert_eq!(world.balance(GATEWAY), U256::ZERO);
}

#[test]
fn credits_beyond_the_budget_wait_for_later_blocks() {
    let mut world = World::empty();
    world.chain.params.credit_gas_per_block = 1;
    let leaves: Vec<_> = (0..3)
        .map(|ahead| world.federation.deposit(ahead, NATIVE, alice(), 1 + u128::from(ahead), 0))
        .collect();
    let messages = world.federation.deliver(&leaves);
    world.block(&messages);
    assert_eq!(world.balance(alice()), U256::from(1));
    world.block(&[]);
    assert_eq!(world.balance(alice()), U256::from(3));
    world.block(&[]);
    world.block(&[]);
    assert_eq!(world.balance(alice()), U256::from(6));
    let peg = CommittedSlots(&world.chain.state);
    assert_eq!(view::next_leaf(&peg).unwrap(), None);
    let credited = mooring_stf::peg::ReadSlots::get(&peg, slots::asset_credited(NATIVE)).unwrap();
    assert_eq!(credited, U256::from(6));
}

#[test]
fn more_ether_than_can_exist_halts_the_peg() {
    let mut world = World::funded();
    let leaf = world.federation.deposit(0, NATIVE, alice(), 1, 0);
    let Leaf::Deposit(mut deposit) = leaf else { unreachable!() };
    deposit.amount = U256::MAX;
    let messages = world.federation.deliver(&[Leaf::Deposit(deposit)]);
    world.block(&messages);
    assert!(view::is_halted(&CommittedSlots(&world.chain.state)).unwrap());
    assert_eq!(world.balance(alice()), U256::from(100 * ETHER));
}

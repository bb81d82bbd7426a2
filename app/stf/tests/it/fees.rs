//! Who pays what to whom.

use alloy_primitives::{Address, U256};
use mooring_stf::{
    fees::next_base_fee,
    testing::{BUILDER, TestChain, ethereum_genesis, wallet},
};

use crate::world::{ETHER, World, alice, bob};

const SOMEONE: Address = Address::repeat_byte(0x55);

#[test]
fn on_a_pegged_chain_the_builder_gets_base_fee_and_tip() {
    let mut world = World::funded();
    let before = world.balance(alice());
    let tx = wallet::sign(wallet::KEYS[0], wallet::call(0, SOMEONE, 1_000, []));
    let block = world.block(&[tx]).clone();
    let receipt = &block.receipts[0];
    let base_fee = block.header.base_fee_per_gas.unwrap();
    assert_eq!(receipt.gas_used, 21_000);
    assert_eq!(receipt.effective_gas_price, u128::from(base_fee) + wallet::TIP);
    let fee = U256::from(21_000 * receipt.effective_gas_price);
    assert_eq!(world.balance(BUILDER), fee);
    assert_eq!(world.balance(alice()), before - fee - U256::from(1_000));
    assert_eq!(world.balance(SOMEONE), U256::from(1_000));
}

#[test]
fn on_ethereum_the_base_fee_is_burnt() {
    let mut chain = TestChain::new(&ethereum_genesis(ETHER));
    let tx = wallet::sign(wallet::KEYS[0], wallet::call(0, SOMEONE, 1_000, []));
    let block = chain.block(&[tx]).unwrap().clone();
    let base_fee = block.header.base_fee_per_gas.unwrap();
    assert!(base_fee > 0);
    assert_eq!(chain.balance(BUILDER).unwrap(), U256::from(21_000 * wallet::TIP));
    let paid = U256::from(21_000 * (u128::from(base_fee) + wallet::TIP) + 1_000);
    assert_eq!(chain.balance(alice()).unwrap(), U256::from(ETHER) - paid);
    assert_eq!(chain.balance(bob()).unwrap(), U256::from(ETHER));
}

#[test]
fn the_base_fee_follows_use_and_stops_at_the_floor() {
    let world = World::funded();
    let mut params = world.chain.params.clone();
    let mut header = world.chain.head.header;
    params.base_fee_floor = 900;
    header.base_fee_per_gas = Some(1_000);
    header.gas_limit = 100;
    for (gas_used, base_fee) in [(100, 1_125), (50, 1_000), (0, 900), (25, 938)] {
        header.gas_used = gas_used;
        assert_eq!(next_base_fee(&params, &header), base_fee, "after {gas_used} of 100 gas");
    }
}

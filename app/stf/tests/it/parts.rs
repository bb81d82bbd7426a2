//! A block is the same in however many parts its state is hashed.

use alloy_primitives::{Address, B256, Bytes};
use mooring_stf::{ExecutedBlock, Mode, execute_in_parts, testing::wallet, tx};
use mooring_trie::{Applied, MemoryNodes};
use proptest::prelude::*;
use std::collections::BTreeMap;

use crate::world::{STORE, VANISH, World, alice, deploying};

/// What a transaction does.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// Sends wei, or only touches an account that may not be there.
    Send { to: u8, wei: u8 },
    /// Writes a word of the contract, perhaps back to what it was.
    Store { slot: u8, value: u8 },
    /// Makes a contract that writes a word and is gone at once.
    Vanish,
    /// Makes a contract like the first.
    Create,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (any::<u8>(), 0_u8..3).prop_map(|(to, wei)| Op::Send { to: to % 24, wei }),
        6 => (0_u8..6, 0_u8..3).prop_map(|(slot, value)| Op::Store { slot, value }),
        1 => Just(Op::Create),
    ]
}

fn signed(ops: &[Op], first_nonce: u64) -> Vec<Bytes> {
    let contract = alice().create(0);
    let sign = |(nonce, op): (u64, &Op)| {
        let tx = match *op {
            Op::Send { to, wei } => {
                wallet::call(nonce, Address::with_last_byte(0x40 + to), wei.into(), [])
            }
            Op::Store { slot, value } => {
                let word = |byte: u8| B256::with_last_byte(byte);
                wallet::call(nonce, contract, 0, [word(slot), word(value)].concat())
            }
            Op::Vanish => wallet::create(nonce, 5, VANISH.to_vec()),
            Op::Create => wallet::create(nonce, 0, deploying(&STORE)),
        };
        wallet::sign(wallet::KEYS[0], tx)
    };
    (first_nonce..).zip(ops).map(sign).collect()
}

/// All nodes of a state, brought there by a block from those of its parent.
fn stored(parent: &ExecutedBlock, block: &ExecutedBlock) -> MemoryNodes {
    let applied = |block: &ExecutedBlock| Applied {
        trie: block.trie.clone(),
        storage_roots: BTreeMap::new(),
        gone: block.gone.clone(),
    };
    let mut nodes = MemoryNodes::default();
    nodes.write(None, &applied(parent));
    nodes.write(Some(parent.header.number), &applied(block));
    nodes
}

fn check(blocks: &[Vec<Op>]) {
    let mut world = World::funded();
    world.block(&signed(&[Op::Create], 0));
    let mut nonce = 1;
    for ops in blocks {
        let txs = signed(ops, nonce);
        nonce += ops.len() as u64;
        let chain = &world.chain;
        let execute = |part| {
            let decoded = txs.iter().map(|tx| tx::decode(tx));
            let (params, state, next) = (&chain.params, &chain.state, chain.next());
            execute_in_parts(params, state, &next, decoded, Mode::Strict, part).unwrap()
        };
        let whole = execute(0);
        for part in [1, 2, 5] {
            let parts = execute(part);
            assert_eq!(parts.header, whole.header);
            assert_eq!(parts.app_hash, whole.app_hash);
            assert_eq!(parts.changes, whole.changes);
            assert_eq!(parts.receipts, whole.receipts);
            assert_eq!(stored(&chain.head, &parts), stored(&chain.head, &whole));
        }
        world.chain.commit(execute(3));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: proptest::test_runner::RngSeed::Fixed(11),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_parts_give_the_same_blocks(
        blocks in prop::collection::vec(prop::collection::vec(op(), 1..24), 1..4),
    ) {
        check(&blocks);
    }

    #[test]
    fn what_is_removed_is_hashed_at_the_end(
        mut block in prop::collection::vec(op(), 1..16),
        at in any::<prop::sample::Index>(),
    ) {
        block.insert(at.index(block.len()), Op::Vanish);
        check(&[block.clone(), block]);
    }
}

#[test]
fn a_word_that_changes_back_in_a_later_part_leaves_the_root_as_it_was() {
    let store = |value| Op::Store { slot: 1, value };
    check(&[vec![store(2)], vec![store(1), store(2)], vec![store(0), store(2), store(2)]]);
}

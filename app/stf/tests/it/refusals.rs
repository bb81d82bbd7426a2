//! Every invalid transaction is refused with its reason, alike at the mempool's door and in a
//! block, and changes nothing.

use alloy_consensus::{TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use mooring_bridge::SystemTx;
use mooring_stf::{
    BlockError, BlockExecutor, ExecError, InvalidTx, Mode, TxOutcome,
    check::{MAX_TX_BYTES, check},
    peg::Refused,
    testing::{CHAIN_ID, TestChain, ethereum_genesis, wallet},
};

use crate::world::{ETHER, World, alice, bob, deploying};

/// The same reason from the mempool's check and from execution.
fn reason(world: &World, bytes: &Bytes) -> InvalidTx {
    let checked = in_mempool(world, bytes);
    let executed = in_block(world, bytes);
    assert_eq!(checked, executed);
    checked
}

fn in_mempool(world: &World, bytes: &Bytes) -> InvalidTx {
    let rules = world.chain.params.spec.after(&world.chain.head.header);
    match check(&world.chain.params, &rules, &world.chain.state, bytes) {
        Err(ExecError::Invalid(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn in_block(world: &World, bytes: &Bytes) -> InvalidTx {
    match world.chain.try_block(std::slice::from_ref(bytes), Mode::Strict) {
        Err(BlockError::Invalid { index: 0, reason }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn signed(tx: TxEip1559) -> Bytes {
    wallet::sign(wallet::KEYS[0], tx)
}

fn plain() -> TxEip1559 {
    wallet::call(0, bob(), 1, [])
}

#[test]
fn what_wallets_get_wrong() {
    let mut world = World::funded();
    // Below a transaction's own cap, so that both limits can be met.
    world.chain.params.gas_limit = 10_000_000;
    let sender = alice();
    let limit = world.chain.params.gas_limit;
    let cases = [
        (TxEip1559 { chain_id: 1, ..plain() }, InvalidTx::WrongChainId { have: 1, want: CHAIN_ID }),
        (TxEip1559 { nonce: u64::MAX, ..plain() }, InvalidTx::NonceMax { sender }),
        (
            TxEip1559 { gas_limit: limit + 1, ..plain() },
            InvalidTx::GasLimit { have: limit + 1, limit },
        ),
        (
            TxEip1559 { gas_limit: 16_777_217, ..plain() },
            InvalidTx::GasCap { have: 16_777_217, cap: 16_777_216 },
        ),
        (
            TxEip1559 { gas_limit: 20_999, ..plain() },
            InvalidTx::IntrinsicGas { have: 20_999, want: 21_000 },
        ),
        (
            TxEip1559 { gas_limit: 38_000, input: vec![1; 500].into(), ..plain() },
            InvalidTx::FloorGas { have: 38_000, want: 21_000 + 40 * 500 },
        ),
        (
            TxEip1559 { max_fee_per_gas: 5, max_priority_fee_per_gas: 6, ..plain() },
            InvalidTx::TipAboveFeeCap { tip: 6, max_fee: 5 },
        ),
        (
            TxEip1559 { max_fee_per_gas: 9, max_priority_fee_per_gas: 0, ..plain() },
            InvalidTx::FeeCapTooLow {
                sender,
                max_fee: 9,
                base_fee: world.chain.params.base_fee_floor,
            },
        ),
        (
            TxEip1559 { value: U256::from(100 * ETHER), ..plain() },
            InvalidTx::InsufficientFunds {
                sender,
                have: U256::from(100 * ETHER),
                want: U256::from(100 * ETHER + 1_000_000 * wallet::MAX_FEE),
            },
        ),
        (TxEip1559 { value: U256::MAX, ..plain() }, InvalidTx::CostOverflow { sender }),
    ];
    for (tx, expected) in cases {
        assert_eq!(reason(&world, &signed(tx)), expected);
    }
}

#[test]
fn init_code_above_the_limit() {
    let world = World::funded();
    let tx = TxEip1559 { gas_limit: 10_000_000, ..wallet::create(0, 0, vec![0; 49_153]) };
    let expected = InvalidTx::InitCodeTooLarge { size: 49_153, limit: 49_152 };
    assert_eq!(reason(&world, &signed(tx)), expected);
}

#[test]
fn nonces_already_used_and_not_yet_due() {
    let mut world = World::funded();
    world.block(&[signed(plain())]);
    let sender = alice();
    assert_eq!(
        reason(&world, &signed(plain())),
        InvalidTx::NonceTooLow { sender, tx: 0, state: 1 }
    );
    // The pool keeps it until its turn comes; a block does not take it.
    let early = signed(wallet::call(3, bob(), 1, []));
    let rules = world.chain.params.spec.after(&world.chain.head.header);
    assert!(check(&world.chain.params, &rules, &world.chain.state, &early).is_ok());
    assert_eq!(in_block(&world, &early), InvalidTx::NonceTooHigh { sender, tx: 3, state: 1 });
}

#[test]
fn types_that_nobody_may_send() {
    let world = World::funded();
    let blob = TxEip4844 { chain_id: CHAIN_ID, gas_limit: 21_000, ..TxEip4844::default() };
    assert_eq!(reason(&world, &wallet::sign(wallet::KEYS[0], blob)), InvalidTx::BlobType);
    let system = SystemTx::new(
        mooring_bridge::system_tx::Cause::Credit,
        alloy_primitives::B256::ZERO,
        U256::from(ETHER),
        Bytes::new(),
    );
    assert_eq!(reason(&world, &system.encode().into()), InvalidTx::SystemType);
    assert_eq!(reason(&world, &Bytes::from_static(&[5, 0xc0])), InvalidTx::UnknownType(5));
    assert!(matches!(reason(&world, &Bytes::new()), InvalidTx::Undecodable(_)));
    assert!(matches!(reason(&world, &vec![0xc0; 3].into()), InvalidTx::Undecodable(_)));
    let trailing = [signed(plain()).as_ref(), &[0]].concat();
    assert!(matches!(reason(&world, &trailing.into()), InvalidTx::Undecodable(_)));
    let no_authorizations = TxEip7702 {
        chain_id: CHAIN_ID,
        gas_limit: 100_000,
        max_fee_per_gas: wallet::MAX_FEE,
        ..TxEip7702::default()
    };
    assert_eq!(
        reason(&world, &wallet::sign(wallet::KEYS[0], no_authorizations)),
        InvalidTx::EmptyAuthorizationList
    );
}

#[test]
fn signatures_that_are_none_and_high_ones() {
    let world = World::funded();
    let TxEnvelope::Eip1559(tx) = wallet::envelope(wallet::KEYS[0], plain()) else {
        unreachable!()
    };
    let (tx, signature, _) = tx.into_parts();
    let order = U256::from_be_slice(&alloy_primitives::hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let high = Signature::new(signature.r(), order - signature.s(), !signature.v());
    let none = Signature::new(U256::ZERO, U256::ZERO, false);
    for bad in [high, none] {
        let bytes: Bytes = TxEnvelope::new_unhashed(tx.clone().into(), bad).encoded_2718().into();
        assert_eq!(reason(&world, &bytes), InvalidTx::BadSignature);
    }
}

#[test]
fn legacy_and_access_list_transactions_are_taken() {
    let mut world = World::funded();
    let legacy = TxLegacy {
        chain_id: Some(CHAIN_ID),
        gas_price: wallet::MAX_FEE,
        gas_limit: 21_000,
        to: TxKind::Call(bob()),
        ..TxLegacy::default()
    };
    let listed = TxEip2930 {
        chain_id: CHAIN_ID,
        nonce: 1,
        gas_price: wallet::MAX_FEE,
        gas_limit: 21_000,
        to: TxKind::Call(bob()),
        ..TxEip2930::default()
    };
    let txs = [wallet::sign(wallet::KEYS[0], legacy), wallet::sign(wallet::KEYS[0], listed)];
    let block = world.block(&txs);
    assert_eq!(block.receipts.iter().map(|r| r.tx_type).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_contract_cannot_send() {
    let mut world = World::funded();
    let account = world.chain.state.accounts.get_mut(&alice()).unwrap();
    account.code_hash = alloy_primitives::keccak256([0]);
    world.chain.state.code.insert(account.code_hash, Bytes::from_static(&[0]));
    let expected = InvalidTx::SenderIsContract { sender: alice() };
    assert_eq!(reason(&world, &signed(plain())), expected);
}

#[test]
fn a_transaction_longer_than_the_pool_takes() {
    let world = World::funded();
    let bytes = Bytes::from(vec![2; MAX_TX_BYTES + 1]);
    let expected = InvalidTx::TooLarge { size: MAX_TX_BYTES + 1, limit: MAX_TX_BYTES };
    assert_eq!(in_mempool(&world, &bytes), expected);
}

#[test]
fn what_does_not_fit_the_block_may_come_later() {
    let mut world = World::funded();
    world.chain.params.gas_limit = 1_500_000;
    let state = &world.chain;
    let mut executor = BlockExecutor::begin(&state.params, &state.state, &state.next()).unwrap();
    // INVALID consumes the whole limit.
    let greedy = TxEip1559 { gas_limit: 1_000_000, ..wallet::create(0, 0, [0xfe]) };
    executor.apply_bytes(&signed(greedy)).unwrap();
    assert_eq!(executor.remaining_gas(), 500_000);
    let error = executor.apply_bytes(&signed(wallet::call(1, bob(), 1, []))).unwrap_err();
    let ExecError::Invalid(reason) = error else { panic!("{error:?}") };
    assert_eq!(reason, InvalidTx::BlockFull { have: 1_000_000, left: 500_000 });
    assert!(reason.may_become_valid());
    let small = TxEip1559 { gas_limit: 21_000, ..wallet::call(1, bob(), 1, []) };
    executor.apply_bytes(&signed(small)).unwrap();
    assert_eq!(executor.finish().unwrap().receipts.len(), 2);
}

#[test]
fn federation_messages_out_of_place() {
    let mut world = World::funded();
    let leaf = world.federation.deposit(0, mooring_bridge::NATIVE, bob(), 1, 0);
    let messages = world.federation.deliver(&[leaf]);
    let late = [signed(plain()), messages[0].clone()];
    match world.chain.try_block(&late, Mode::Strict) {
        Err(BlockError::Invalid { index: 1, reason: InvalidTx::FederationAfterEthereum }) => {}
        other => panic!("not refused: {other:?}"),
    }
    let twice = [messages[0].clone(), messages[0].clone()];
    match world.chain.try_block(&twice, Mode::Strict) {
        Err(BlockError::Invalid {
            index: 1,
            reason: InvalidTx::Federation(Refused::AlreadyVoted { .. }),
        }) => {}
        other => panic!("not refused: {other:?}"),
    }
    assert!(matches!(
        reason(&world, &messages[3]),
        InvalidTx::Federation(Refused::NothingToDeliver)
    ));
}

#[test]
fn a_chain_without_a_peg_takes_no_federation_messages() {
    let mut world = World::funded();
    let leaf = world.federation.deposit(0, mooring_bridge::NATIVE, bob(), 1, 0);
    let messages = world.federation.deliver(&[leaf]);
    let chain = TestChain::new(&ethereum_genesis(1));
    match chain.try_block(&messages[..1], Mode::Strict) {
        Err(BlockError::Invalid { index: 0, reason: InvalidTx::NoPeg }) => {}
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_decided_block_skips_what_is_invalid_and_is_as_if_it_had_not_been_there() {
    let world = World::funded();
    let good = signed(plain());
    let bad = signed(TxEip1559 { chain_id: 1, ..plain() });
    let txs = [Bytes::from_static(&[9]), good.clone(), bad, good.clone()];
    let lenient = world.chain.try_block(&txs, Mode::Lenient).unwrap();
    let strict = world.chain.try_block(&[good], Mode::Strict).unwrap();
    assert_eq!(lenient.app_hash, strict.app_hash);
    assert_eq!(lenient.header, strict.header);
    let skipped: Vec<_> = lenient
        .outcomes
        .iter()
        .map(|outcome| match outcome {
            TxOutcome::Skipped(reason) => reason.code(),
            TxOutcome::Executed { .. } | TxOutcome::Federation => 0,
        })
        .collect();
    assert_eq!(skipped, [5, 0, 7, 8]);
}

#[test]
fn a_failed_transaction_pays_and_changes_nothing_else() {
    let mut world = World::funded();
    // PUSH0 PUSH0 REVERT
    let deploy = signed(wallet::create(0, 0, deploying(&[0x5f, 0x5f, 0xfd])));
    let target = alice().create(0);
    let call = signed(wallet::call(1, target, 50, []));
    let block = world.block(&[deploy, call]).clone();
    assert_eq!(block.receipts[0].contract_address, Some(target));
    assert!(block.receipts[0].success && !block.receipts[1].success);
    assert_eq!(world.balance(target), U256::ZERO);
    assert_eq!(world.chain.state.accounts[&alice()].nonce, 2);
    assert_ne!(world.balance(Address::repeat_byte(0xb1)), U256::ZERO);
}

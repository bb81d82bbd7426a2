//! What commits to a block is what Ethereum's own rules say, and the same wherever it is computed.

use alloy_consensus::{Receipt, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope, proofs};
use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use mooring_bridge::{apphash, contracts::test_token::TestToken};
use mooring_stf::{
    ExecutedBlock, Mode, execute_decoded,
    testing::{MemoryState, TestChain, ethereum_genesis, pegged_genesis, wallet},
    tx::{self, EthTx, stored},
};
use std::collections::BTreeMap;

use alloy_sol_types::{SolCall as _, SolEvent as _};

use crate::world::{ETHER, World, alice, bob, token_init_code, transfer};

/// A trie's root, built bottom-up by another implementation.
fn root(leaves: BTreeMap<B256, Vec<u8>>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), &value);
    }
    builder.root()
}

fn state_root(state: &MemoryState) -> B256 {
    let account = |(address, account): (&Address, &mooring_stf::AccountRecord)| {
        let slots = state.storage.iter().filter(|((owner, _), _)| owner == address);
        let storage_root = root(
            slots
                .map(|((_, slot), value)| (keccak256(B256::from(*slot)), alloy_rlp::encode(value)))
                .collect(),
        );
        assert_eq!(storage_root, account.storage_root, "storage root of {address}");
        let value = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root,
            code_hash: account.code_hash,
        };
        (keccak256(address), alloy_rlp::encode(value))
    };
    root(state.accounts.iter().map(account).collect())
}

/// An ERC-20 deployed, minted and transferred, and an ether transfer, after the deposit that pays.
fn golden() -> (World, ExecutedBlock) {
    let mut world = World::funded();
    let token = alice().create(0);
    let mint = TestToken::mintCall { to: alice(), amount: U256::from(1_000) }.abi_encode();
    let txs = [
        wallet::create(0, 0, token_init_code()),
        wallet::call(1, token, 0, mint),
        wallet::call(2, token, 0, transfer(bob(), 250)),
        wallet::call(3, bob(), ETHER, []),
    ]
    .map(|tx| wallet::sign(wallet::KEYS[0], tx));
    let block = world.block(&txs).clone();
    (world, block)
}

#[test]
fn a_block_with_an_erc20_is_what_it_was() {
    let (world, block) = golden();
    assert!(crate::world::all_succeeded(&block));
    let token = alice().create(0);
    let logs = &block.receipts[2].logs;
    let event = TestToken::Transfer::decode_log(&logs[0]).unwrap();
    assert_eq!((event.from, event.to, event.value), (alice(), bob(), U256::from(250)));
    let owned = world.view(token, TestToken::balanceOfCall { account: bob() });
    assert_eq!(owned, U256::from(250));
    assert_eq!(block.header.number, 2);
    // Changes of these break every chain that runs: they are breaking changes.
    assert_eq!(block.header.gas_used, GOLDEN_GAS);
    assert_eq!(block.receipts[3].gas_used, 21_000);
}

/// Gas of [`golden`]'s four transactions.
const GOLDEN_GAS: u64 = 1_241_114;

#[test]
fn the_header_hashes_to_the_blocks_hash_and_names_its_parent() {
    let (world, block) = golden();
    assert_eq!(keccak256(alloy_rlp::encode(&block.header)), block.hash);
    assert_eq!(world.chain.state.hashes[&1], block.header.parent_hash);
    assert_eq!(block.header.mix_hash, apphash::mix_hash(block.header.parent_hash, 2));
    assert_eq!(block.header.withdrawals_root, Some(alloy_trie::EMPTY_ROOT_HASH));
    let empty_requests =
        b256!("0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(block.header.requests_hash, Some(empty_requests));
}

#[test]
fn the_state_root_is_the_one_of_all_accounts() {
    let (world, block) = golden();
    assert_eq!(state_root(&world.chain.state), block.header.state_root);
    let genesis = TestChain::new(&pegged_genesis(4));
    assert_eq!(state_root(&genesis.state), genesis.head.header.state_root);
}

#[test]
fn transaction_and_receipt_roots_are_ethereums() {
    let (_, block) = golden();
    let transactions: Vec<TxEnvelope> = block
        .transactions
        .iter()
        .map(|tx| match tx {
            EthTx::Signed(tx) => tx.inner().clone(),
            EthTx::System(_) => panic!("nothing was delivered"),
        })
        .collect();
    assert_eq!(proofs::calculate_transaction_root(&transactions), block.header.transactions_root);
    let receipts: Vec<ReceiptEnvelope> = block
        .receipts
        .iter()
        .map(|receipt| {
            ReceiptEnvelope::Eip1559(ReceiptWithBloom {
                receipt: Receipt {
                    status: receipt.success.into(),
                    cumulative_gas_used: receipt.cumulative_gas_used,
                    logs: receipt.logs.clone(),
                },
                logs_bloom: receipt.bloom(),
            })
        })
        .collect();
    assert_eq!(proofs::calculate_receipt_root(&receipts), block.header.receipts_root);
    let all_logs: Vec<_> = block.receipts.iter().flat_map(|receipt| receipt.logs.clone()).collect();
    assert_eq!(alloy_primitives::logs_bloom(&all_logs), block.header.logs_bloom);
}

#[test]
fn two_nodes_that_execute_the_same_block_agree() {
    let (_, first) = golden();
    let (_, second) = golden();
    assert_eq!(first.app_hash, second.app_hash);
    assert_eq!(first.changes, second.changes);
    assert_eq!(first.header, second.header);
    assert_eq!(first.gone, second.gone);
}

#[test]
fn the_app_hash_binds_time_and_builder() {
    let world = World::funded();
    let hash = |change: fn(&mut mooring_stf::BlockInput<'_>)| {
        let mut input = world.chain.next();
        change(&mut input);
        let done =
            execute_decoded(&world.chain.params, &world.chain.state, &input, [], Mode::Strict);
        done.unwrap().app_hash
    };
    let plain = hash(|_| {});
    assert_ne!(plain, hash(|input| input.timestamp += 1));
    assert_ne!(plain, hash(|input| input.beneficiary = Address::repeat_byte(1)));
    assert_eq!(plain, hash(|_| {}));
}

#[test]
fn an_empty_block_writes_the_parents_hash_where_eip_2935_says() {
    let mut chain = TestChain::new(&ethereum_genesis(1));
    let parent = chain.head.hash;
    chain.block(&[]).unwrap();
    let slot = (mooring_bridge::addresses::HISTORY, U256::ZERO);
    assert_eq!(chain.state.storage[&slot], U256::from_be_bytes(parent.0));
    assert_eq!(chain.head.changes.accounts.len(), 1, "an empty block changes nothing else");
    assert_eq!(state_root(&chain.state), chain.head.header.state_root);
}

#[test]
fn stored_transactions_and_receipts_come_back_whole() {
    let mut world = World::empty();
    let leaf = world.federation.deposit(0, mooring_bridge::NATIVE, alice(), ETHER, 0);
    let mut txs = world.federation.deliver(&[leaf]);
    txs.push(wallet::sign(wallet::KEYS[0], wallet::create(0, 0, token_init_code())));
    let block = world.block(&txs);
    let bytes = stored::encode_transactions(&block.transactions);
    assert_eq!(stored::decode_transactions(&bytes).unwrap(), block.transactions);
    let receipts = stored::encode_receipts(&block.receipts);
    assert_eq!(stored::decode_receipts(&receipts).unwrap(), block.receipts);
    for tx in &block.transactions {
        assert_eq!(stored::decode_transaction(&stored::encode_transaction(tx)).unwrap(), *tx);
        assert_eq!(keccak256(tx.encoded_2718()), tx.hash());
    }
    assert!(stored::decode_receipts(&receipts[..receipts.len() - 1]).is_err());
    assert_eq!(stored::decode_receipts(&[2, 0xc0]), Err(stored::StoredError::Version(2)));
}

#[test]
fn decoding_apart_gives_the_same_block() {
    let world = World::funded();
    let txs: Vec<Bytes> = (0..3)
        .map(|nonce| wallet::sign(wallet::KEYS[0], wallet::call(nonce, bob(), 1, [])))
        .collect();
    let whole = world.chain.try_block(&txs, Mode::Strict).unwrap();
    let decoded: Vec<_> = txs.iter().rev().map(|bytes| tx::decode(bytes)).collect();
    let apart = execute_decoded(
        &world.chain.params,
        &world.chain.state,
        &world.chain.next(),
        decoded.into_iter().rev(),
        Mode::Strict,
    );
    assert_eq!(apart.unwrap().app_hash, whole.app_hash);
}

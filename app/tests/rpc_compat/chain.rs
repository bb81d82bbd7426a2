//! Replays a chain of Ethereum's through our executor into a store.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use alloy_consensus::{
    Block, TxEnvelope,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_primitives::{B256, U256};
use alloy_rlp::Decodable;
use mooring_app::{
    application::Chain,
    mempool::{Mempool, PoolLimits},
    rpc::{ForeignBody, ForeignChain, RpcContext},
    store::{Layer, Store},
};
use mooring_stf::{
    ChainParams,
    executor::import::{ForeignBlock, import_block, import_genesis},
    testing::ethereum_genesis,
};

use crate::genesis::Genesis;

/// The blocks of `chain.rlp`.
fn read_blocks(path: &Path) -> Vec<Block<TxEnvelope>> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut rest = bytes.as_slice();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let block = Block::decode(&mut rest);
        blocks.push(block.unwrap_or_else(|e| panic!("block {}: {e}", blocks.len() + 1)));
    }
    blocks
}

/// The first height whose parent has reached the total difficulty of the Merge.
fn merge_height(genesis: &Genesis, first: U256, blocks: &[Block<TxEnvelope>]) -> Option<u64> {
    let mut total = first;
    for block in blocks {
        if total >= genesis.merge_difficulty() {
            return Some(block.header.number);
        }
        total += block.header.difficulty;
    }
    None
}

/// What the RPC server answers from: the replayed chain.
pub(crate) fn replay(corpus: &Path, data: &Path) -> RpcContext {
    let genesis = Genesis::read(&corpus.join("genesis.json"));
    let blocks = read_blocks(&corpus.join("chain.rlp"));
    let before = genesis.params(None);
    let merge = merge_height(&genesis, genesis.header(&before).difficulty, &blocks);
    let mut params = genesis.params(merge);
    let header = genesis.header(&params);
    let store = Store::open(data, B256::ZERO, || import_genesis(&params, header, genesis.alloc()));
    let store = store.expect("the store opens");
    let mut bodies = BTreeMap::new();
    for block in blocks {
        let (hash, body) = commit(&store, &params, &genesis, block);
        bodies.insert(hash, body);
    }
    let view = store.latest();
    println!("replayed {} blocks, state root {}", view.number(), view.header().state_root);
    params.gas_limit = view.header().gas_limit;
    let params = Arc::new(params);
    let pool = Mempool::new(PoolLimits::default(), Arc::clone(&params), view);
    // The RPC server wants a document of ours for the peg's methods; this chain has no peg.
    let chain = Chain::new(store, params, Arc::new(ethereum_genesis(0)));
    let foreign = ForeignChain { bodies, deposit_contract: genesis.deposit_contract() };
    RpcContext::new(chain, pool).with_foreign(foreign)
}

/// Executes one block, which must give the hash that it has there, and commits it.
fn commit(
    store: &Store,
    params: &ChainParams,
    genesis: &Genesis,
    block: Block<TxEnvelope>,
) -> (B256, ForeignBody) {
    let Block { header, body } = block;
    let (number, hash) = (header.number, header.hash_slow());
    let recovered = |tx: TxEnvelope| {
        let sender = tx.recover_signer().unwrap_or_else(|e| panic!("block {number}: {e}"));
        Arc::new(Recovered::new_unchecked(tx, sender))
    };
    let withdrawals = body.withdrawals.map(|list| list.into_inner());
    let foreign = ForeignBlock {
        header,
        transactions: body.transactions.into_iter().map(recovered).collect(),
        ommers: body.ommers.clone(),
        withdrawals: withdrawals.clone(),
    };
    let parent = store.latest();
    let contract = genesis.deposit_contract();
    let executed = import_block(params, &parent, parent.header(), foreign, contract)
        .unwrap_or_else(|error| panic!("block {number}: {error}"));
    assert_eq!(executed.hash, hash, "block {number}");
    let layer = Layer::new(&parent, executed, Vec::new()).expect("a child of the tip");
    store.commit(layer, 0).expect("the store takes it");
    (hash, ForeignBody { ommers: body.ommers, withdrawals })
}

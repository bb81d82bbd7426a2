//! The methods over a chain in a temporary directory that the test seals block by block.

use std::{collections::BTreeSet, sync::Arc};

use alloy_primitives::B256;
use jsonrpsee::RpcModule;
use mooring_genesis::Genesis;
use mooring_stf::testing::wallet;
use serde_json::{Value, json};

use super::super::{Limits, RpcContext, serve::module, threads::Threads};
use crate::{
    application::{Application, tests::rig::Rig},
    mempool::{Mempool, PoolLimits},
};

pub(super) const ETHER: u128 = 1_000_000_000_000_000_000;

/// A JSON-RPC error: code, message, data.
#[derive(Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Value,
}

pub(super) struct Bench {
    pub(super) rig: Rig,
    methods: RpcModule<RpcContext>,
    _threads: Threads,
    _dir: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new(genesis: &Genesis) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Rig::open(dir.path(), genesis);
        let limits =
            PoolLimits { min_fee: rig.chain.params.base_fee_floor.into(), ..PoolLimits::default() };
        let pool = Mempool::new(limits, rig.chain.params.clone(), rig.latest());
        rig.app = Application::new(rig.chain.clone(), Arc::new(pool.clone()));
        let limits = Limits { log_blocks: 8, ..Limits::default() };
        let context = RpcContext::new(rig.chain.clone(), pool).with_limits(limits);
        let threads = Threads::start(1).unwrap();
        Self { rig, methods: module(context, &threads).unwrap(), _threads: threads, _dir: dir }
    }

    pub(super) async fn call(&self, method: &str, params: Value) -> Result<Value, Failure> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (answer, _) = self.methods.raw_json_request(&request.to_string(), 16).await.unwrap();
        outcome(serde_json::from_str(answer.get()).unwrap())
    }

    /// The names of all methods.
    pub(super) fn methods(&self) -> BTreeSet<&'static str> {
        self.methods.method_names().collect()
    }

    pub(super) async fn get(&self, method: &str, params: Value) -> Value {
        self.call(method, params).await.unwrap()
    }

    /// Sends a signed transaction; its hash.
    pub(super) async fn send(&self, raw: alloy_primitives::Bytes) -> B256 {
        let hash = self.get("eth_sendRawTransaction", json!([raw])).await;
        serde_json::from_value(hash).unwrap()
    }

    /// One block from the pool; how many transactions it carries.
    pub(super) fn seal(&mut self) -> usize {
        self.rig.height().0.txs.len()
    }
}

pub(super) fn outcome(answer: Value) -> Result<Value, Failure> {
    let error = &answer["error"];
    if error.is_null() {
        return Ok(answer["result"].clone());
    }
    Err(Failure {
        code: error["code"].as_i64().unwrap(),
        message: error["message"].as_str().unwrap().to_owned(),
        data: error["data"].clone(),
    })
}

pub(super) fn transfer(key: usize, nonce: u64, value: u128) -> alloy_primitives::Bytes {
    let to = alloy_primitives::Address::repeat_byte(0x77);
    wallet::sign(wallet::KEYS[key], wallet::call(nonce, to, value, Vec::new()))
}

//! `genesis.json` in geth's form: the rules of a chain, and its block 0.

use std::{collections::BTreeMap, path::Path};

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, Header, constants::EMPTY_WITHDRAWALS,
};
use alloy_eips::{eip1559::INITIAL_BASE_FEE, eip7685::EMPTY_REQUESTS_HASH, eip7840::BlobParams};
use alloy_primitives::{Address, B64, B256, Bytes, U64, U256};
use mooring_stf::{
    Activation, BlobRule, ChainParams, FeeRule, Rules, SpecId, SpecSchedule,
    executor::import::ForeignAccount,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Forks by height, in the order of their names in the specification.
const BY_HEIGHT: [(&str, SpecId); 13] = [
    ("homesteadBlock", SpecId::HOMESTEAD),
    ("eip150Block", SpecId::TANGERINE),
    ("eip155Block", SpecId::SPURIOUS_DRAGON),
    ("eip158Block", SpecId::SPURIOUS_DRAGON),
    ("byzantiumBlock", SpecId::BYZANTIUM),
    // EIP-1283 was never in use where both forks are near each other.
    ("constantinopleBlock", SpecId::PETERSBURG),
    ("petersburgBlock", SpecId::PETERSBURG),
    ("istanbulBlock", SpecId::ISTANBUL),
    ("muirGlacierBlock", SpecId::ISTANBUL),
    ("berlinBlock", SpecId::BERLIN),
    ("londonBlock", SpecId::LONDON),
    ("arrowGlacierBlock", SpecId::LONDON),
    ("grayGlacierBlock", SpecId::LONDON),
];

/// Forks by time, with their names in the blob schedule.
const BY_TIME: [(&str, SpecId); 9] = [
    ("shanghai", SpecId::SHANGHAI),
    ("cancun", SpecId::CANCUN),
    ("prague", SpecId::PRAGUE),
    ("osaka", SpecId::OSAKA),
    ("bpo1", SpecId::OSAKA),
    ("bpo2", SpecId::OSAKA),
    ("bpo3", SpecId::OSAKA),
    ("bpo4", SpecId::OSAKA),
    ("bpo5", SpecId::OSAKA),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Genesis {
    config: Map<String, Value>,
    nonce: U64,
    timestamp: U64,
    extra_data: Bytes,
    gas_limit: U64,
    difficulty: U256,
    mix_hash: B256,
    coinbase: Address,
    base_fee_per_gas: Option<U64>,
    excess_blob_gas: Option<U64>,
    blob_gas_used: Option<U64>,
    alloc: BTreeMap<String, Alloc>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Alloc {
    balance: U256,
    nonce: U64,
    code: Bytes,
    storage: BTreeMap<B256, B256>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blobs {
    target: u64,
    max: u64,
    base_fee_update_fraction: u128,
}

impl Genesis {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.config.get(key).and_then(Value::as_u64)
    }

    pub(crate) fn chain_id(&self) -> u64 {
        self.number("chainId").expect("config.chainId")
    }

    /// Where EIP-6110 deposits are made; the zero address where the chain names none.
    pub(crate) fn deposit_contract(&self) -> Address {
        let address = self.config.get("depositContractAddress").and_then(Value::as_str);
        address.map_or(Address::ZERO, |text| text.parse().expect("depositContractAddress"))
    }

    /// Total difficulty after which the Merge rules.
    pub(crate) fn merge_difficulty(&self) -> U256 {
        let number = self.config.get("terminalTotalDifficulty").map(ToString::to_string);
        number.map_or(U256::MAX, |text| text.parse().expect("terminalTotalDifficulty"))
    }

    /// The chain's rules, where the Merge is at height `merge`.
    pub(crate) fn params(&self, merge: Option<u64>) -> ChainParams {
        let mut forks: Vec<(Activation, Rules)> = BY_HEIGHT
            .iter()
            .filter_map(|(key, spec)| Some((self.number(key)?, *spec)))
            .chain(merge.map(|height| (height, SpecId::MERGE)))
            .map(|(height, spec)| (Activation::Height(height), Rules::of(spec)))
            .collect();
        forks.extend(BY_TIME.iter().filter_map(|(name, spec)| {
            let time = self.number(&format!("{name}Time"))?;
            Some((Activation::Time(time), self.rules(name, *spec)))
        }));
        let spec = forks
            .into_iter()
            .fold(SpecSchedule::starting(SpecId::FRONTIER), |schedule, (from, rules)| {
                schedule.then(from, rules)
            });
        ChainParams {
            chain_id: self.chain_id(),
            gas_limit: self.gas_limit.to(),
            base_fee_floor: 0,
            credit_gas_per_block: 0,
            spec,
            fee_rule: FeeRule::Ethereum,
            blobs: BlobRule::Accepted,
            payouts: BTreeMap::new(),
            validators: Vec::new(),
            peg: None,
        }
    }

    /// The fork's rules with the chain's own blob schedule.
    fn rules(&self, name: &str, spec: SpecId) -> Rules {
        let rules = Rules::of(spec);
        let Some(blobs) = self.config.get("blobSchedule").and_then(|all| all.get(name)) else {
            return rules;
        };
        let Blobs { target, max, base_fee_update_fraction } =
            serde_json::from_value(blobs.clone()).expect("blobSchedule");
        let blobs = BlobParams {
            target_blob_count: target,
            max_blob_count: max,
            update_fraction: base_fee_update_fraction,
            ..rules.blobs
        };
        Rules { blobs, ..rules }
    }

    /// Block 0 without its state root.
    pub(crate) fn header(&self, params: &ChainParams) -> Header {
        let timestamp = self.timestamp.to();
        let rules = params.spec.at(0, timestamp);
        let since = |fork| rules.has(fork);
        let number = |value: Option<U64>, default: u64| value.map_or(default, |value| value.to());
        Header {
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: self.coinbase,
            transactions_root: EMPTY_ROOT_HASH,
            receipts_root: EMPTY_ROOT_HASH,
            difficulty: self.difficulty,
            gas_limit: self.gas_limit.to(),
            timestamp,
            extra_data: self.extra_data.clone(),
            mix_hash: self.mix_hash,
            nonce: B64::from(self.nonce.to::<u64>()),
            base_fee_per_gas: since(SpecId::LONDON)
                .then(|| number(self.base_fee_per_gas, INITIAL_BASE_FEE)),
            withdrawals_root: since(SpecId::SHANGHAI).then_some(EMPTY_WITHDRAWALS),
            blob_gas_used: since(SpecId::CANCUN).then(|| number(self.blob_gas_used, 0)),
            excess_blob_gas: since(SpecId::CANCUN).then(|| number(self.excess_blob_gas, 0)),
            parent_beacon_block_root: since(SpecId::CANCUN).then_some(B256::ZERO),
            requests_hash: since(SpecId::PRAGUE).then_some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }

    pub(crate) fn alloc(&self) -> BTreeMap<Address, ForeignAccount> {
        let accounts = self.alloc.iter().map(|(address, account)| {
            let storage =
                account.storage.iter().map(|(key, value)| ((*key).into(), (*value).into()));
            let account = ForeignAccount {
                balance: account.balance,
                nonce: account.nonce.to(),
                code: account.code.clone(),
                storage: storage.collect(),
            };
            (address.parse().expect("an address in alloc"), account)
        });
        accounts.collect()
    }
}

//! The rules of one chain, taken from its genesis.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use mooring_bridge::{
    Height,
    apphash::{self, AppState, Validator},
};
use mooring_genesis::{FeeRule as GenesisFeeRule, Genesis};
use revm::primitives::hardfork::SpecId;

use crate::{SpecSchedule, peg::view::ExitHead};

/// Who gets the fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeRule {
    /// The base fee is burnt, as on Ethereum: official tests and the dev L1.
    Ethereum,
    /// Base fee and tips go to the builder's payout address; nothing is burnt.
    Pegged,
}

/// What becomes of blob transactions (EIP-4844).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobRule {
    /// They are refused: a sidechain has nowhere to publish blobs.
    Refused,
    /// They are executed as on Ethereum: official tests and imported chains.
    Accepted,
}

/// The rules of one chain.
#[derive(Clone, Debug)]
pub struct ChainParams {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Gas limit of every block.
    pub gas_limit: u64,
    /// Lowest base fee, in wei.
    pub base_fee_floor: u64,
    /// Gas after which no further credit is started in a block.
    pub credit_gas_per_block: u64,
    /// Which fork's rules hold in which block.
    pub spec: SpecSchedule,
    /// Who gets the fees.
    pub fee_rule: FeeRule,
    /// What becomes of blob transactions.
    pub blobs: BlobRule,
    /// Payout address by consensus address (first 20 bytes of sha256 of the ed25519 key).
    pub payouts: BTreeMap<Address, Address>,
    /// The validators that sign, in CometBFT's order, as (ed25519 key, power).
    pub validators: Vec<([u8; 32], u64)>,
    /// The peg, absent on a chain without one (the dev engine).
    pub peg: Option<PegParams>,
}

/// The peg's part of the rules.
#[derive(Clone, Debug)]
pub struct PegParams {
    /// Domain of everything the federation signs.
    pub domain: mooring_bridge::domain::Domain,
    /// Seconds after which a checkpoint is named without exits.
    pub heartbeat_secs: u64,
    /// Blocks after which an unsigned checkpoint is named anew.
    pub renew_blocks: u64,
}

impl ChainParams {
    /// The rules of the chain that this document founds.
    pub fn from_genesis(genesis: &Genesis) -> Self {
        let setup = genesis.setup();
        Self {
            chain_id: setup.chain_id,
            gas_limit: setup.gas_limit,
            base_fee_floor: setup.base_fee_floor_wei,
            credit_gas_per_block: setup.credit_gas_per_block,
            spec: SpecSchedule::starting(SpecId::OSAKA),
            fee_rule: match setup.fee_rule {
                GenesisFeeRule::Pegged => FeeRule::Pegged,
                GenesisFeeRule::Ethereum => FeeRule::Ethereum,
            },
            blobs: BlobRule::Refused,
            payouts: setup
                .validators
                .iter()
                .map(|validator| (validator.consensus_pubkey.address().into(), validator.payout))
                .collect(),
            validators: setup
                .consensus_set()
                .into_iter()
                .map(|validator| (validator.public_key.0, validator.power))
                .collect(),
            peg: genesis.peg().map(|peg| PegParams {
                domain: peg.domain,
                heartbeat_secs: setup.checkpoint.heartbeat_secs,
                renew_blocks: setup.checkpoint.renew_blocks,
            }),
        }
    }

    /// Where the fees of a block go that the validator with this consensus address built; its own
    /// address where it is not in genesis.
    pub fn beneficiary(&self, proposer: Address) -> Address {
        self.payouts.get(&proposer).copied().unwrap_or(proposer)
    }

    /// Hash of the set that signs (spec 2.7). The set of genesis signs every height.
    pub fn validators_hash(&self) -> B256 {
        let set: Vec<Validator> = self
            .validators
            .iter()
            .map(|(key, power)| Validator { public_key: B256::from(*key), power: *power })
            .collect();
        apphash::validators_hash(&set)
    }

    /// The application's hash after a block (spec 2.7).
    pub fn app_hash(&self, height: u64, header_hash: B256, exits: ExitHead) -> B256 {
        AppState {
            chain_id: self.chain_id,
            height: Height::new(height),
            header_hash,
            exit_root: exits.root,
            exit_count: exits.count,
            validators_hash: self.validators_hash(),
        }
        .hash()
    }
}

//! The genesis document without its L1 section.

use crate::{canonical, check, error::GenesisError, fields, strict};
use alloy_primitives::{Address, B256, U256, keccak256};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use mooring_bridge::{Member, MemberList, apphash};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{collections::BTreeMap, fmt};

/// Which consensus engine drives the application; a chain never mixes engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Malachite, embedded.
    Malachite,
    /// CometBFT, over the ABCI socket.
    Cometbft,
    /// One node that seals at once.
    Dev,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malachite => "malachite",
            Self::Cometbft => "cometbft",
            Self::Dev => "dev",
        })
    }
}

/// Where fees go, and with that whether the chain has a peg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeeRule {
    /// Pegged: the base fee and tips go to the builder, nothing is burnt; the genesis document
    /// has an L1 section.
    #[default]
    Pegged,
    /// Ethereum's: the base fee is burnt; no peg, no L1 section. For the dev L1 and Ethereum's
    /// official tests.
    Ethereum,
}

/// When checkpoints are named (spec 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointParams {
    /// A checkpoint is named at least this often, in seconds of block time.
    pub heartbeat_secs: u64,
    /// A new height is named this many blocks after one that has no quorum yet.
    pub renew_blocks: u64,
}

impl Default for CheckpointParams {
    fn default() -> Self {
        Self { heartbeat_secs: 86_400, renew_blocks: 8 }
    }
}

/// An ed25519 public key, written in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub B256);

impl PublicKey {
    /// CometBFT's address of the key: the first 20 bytes of its SHA-256.
    pub fn address(&self) -> [u8; 20] {
        apphash::consensus_address(self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(&text).map_err(de::Error::custom)?;
        let key = B256::try_from(bytes.as_slice()).map_err(|_| {
            de::Error::custom(format!("an ed25519 public key has 32 bytes, {text} has not"))
        })?;
        Ok(Self(key))
    }
}

/// One validator of the first set, and its member of the federation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// For people: lower-case letters, digits, `-`, at most 32.
    pub name: String,
    /// Signs blocks.
    pub consensus_pubkey: PublicKey,
    /// Voting power, in consensus and in the federation.
    #[serde(with = "fields::integer")]
    pub power: u64,
    /// Gets the fees of the blocks it builds.
    pub payout: Address,
    /// Signs heads and checkpoints (hot).
    pub member: Address,
    /// Lifts brakes (offline).
    pub recovery: Address,
}

/// The genesis document without its L1 section: all that is agreed on before the Vault exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Chain id of the sidechain.
    pub chain_id: u64,
    /// The consensus engine.
    pub engine: Engine,
    /// Where fees go, and whether there is a peg.
    #[serde(default)]
    pub fee_rule: FeeRule,
    /// Time of block 0 in Unix milliseconds; an RFC 3339 text is read as well.
    #[serde(with = "fields::time_ms", rename = "genesis_time")]
    pub genesis_time_ms: u64,
    /// From one block to the next, in milliseconds.
    #[serde(default = "defaults::block_interval_ms")]
    pub block_interval_ms: u64,
    /// Gas limit of a block.
    #[serde(default = "defaults::gas_limit")]
    pub gas_limit: u64,
    /// The base fee never falls below this, in wei.
    #[serde(default = "defaults::base_fee_floor_wei", with = "fields::integer")]
    pub base_fee_floor_wei: u64,
    /// Bytes of all transactions of a consensus block.
    #[serde(default = "defaults::max_block_bytes")]
    pub max_block_bytes: u64,
    /// Gas that credits may use in a block; what does not fit waits in the queue.
    #[serde(default = "defaults::credit_gas_per_block")]
    pub credit_gas_per_block: u64,
    /// When checkpoints are named.
    #[serde(default)]
    pub checkpoint: CheckpointParams,
    /// A network for development: well-known keys and a single L1 endpoint are allowed.
    #[serde(default)]
    pub dev: bool,
    /// The first validator set. May be empty only under [`FeeRule::Ethereum`].
    #[serde(default)]
    pub validators: Vec<Validator>,
    /// Native balances at height zero, in wei. On a pegged chain their sum is what the Vault's
    /// constructor is paid.
    #[serde(default, with = "fields::alloc")]
    pub alloc: BTreeMap<Address, U256>,
}

impl Setup {
    /// A setup with every parameter at its default and nobody in it yet.
    pub fn new(chain_id: u64, engine: Engine, genesis_time_ms: u64) -> Self {
        Self {
            chain_id,
            engine,
            fee_rule: FeeRule::Pegged,
            genesis_time_ms,
            block_interval_ms: defaults::block_interval_ms(),
            gas_limit: defaults::gas_limit(),
            base_fee_floor_wei: defaults::base_fee_floor_wei(),
            max_block_bytes: defaults::max_block_bytes(),
            credit_gas_per_block: defaults::credit_gas_per_block(),
            checkpoint: CheckpointParams::default(),
            dev: false,
            validators: Vec::new(),
            alloc: BTreeMap::new(),
        }
    }

    /// Reads and checks a setup.
    ///
    /// # Errors
    ///
    /// When the text is not a setup, or one of its rules is broken.
    pub fn parse(text: &str) -> Result<Self, GenesisError> {
        strict::check(text).map_err(GenesisError::Json)?;
        let setup: Self = serde_json::from_str(text).map_err(GenesisError::Json)?;
        setup.check()?;
        Ok(setup)
    }

    /// Checks every rule of a setup.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), GenesisError> {
        check::setup(self)
    }

    /// `keccak256` of the canonical JSON, with every default written out (spec 2.1).
    pub fn hash(&self) -> B256 {
        keccak256(self.canonical())
    }

    /// The canonical JSON that [`Setup::hash`] is of.
    pub fn canonical(&self) -> String {
        let value = serde_json::to_value(self).expect("a setup has text keys and plain values");
        canonical::to_string(&value)
    }

    /// The text to write to a file, for people.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a setup has text keys and plain values")
    }

    /// The hot keys of epoch 1.
    ///
    /// # Errors
    ///
    /// When there are no validators, or they break a rule of [`MemberList`].
    pub fn members(&self) -> Result<MemberList, GenesisError> {
        self.list(|validator| validator.member)
    }

    /// The recovery keys of epoch 1, with the same powers.
    ///
    /// # Errors
    ///
    /// As [`Setup::members`].
    pub fn recovery(&self) -> Result<MemberList, GenesisError> {
        self.list(|validator| validator.recovery)
    }

    /// The consensus set, in CometBFT's order.
    pub fn consensus_set(&self) -> Vec<apphash::Validator> {
        let plain = |validator: &Validator| apphash::Validator {
            public_key: validator.consensus_pubkey.0,
            power: validator.power,
        };
        let mut set: Vec<_> = self.validators.iter().map(plain).collect();
        apphash::sort_validators(&mut set);
        set
    }

    /// The sum of all native balances at height zero, in wei: what the Vault's constructor is paid
    /// on a pegged chain. `None` beyond 256 bits, which [`Setup::check`] refuses.
    pub fn native_supply(&self) -> Option<U256> {
        self.alloc.values().try_fold(U256::ZERO, |sum, balance| sum.checked_add(*balance))
    }

    fn list(&self, key: impl Fn(&Validator) -> Address) -> Result<MemberList, GenesisError> {
        let member = |validator| Member { address: key(validator), power: validator.power.into() };
        Ok(MemberList::sorted(self.validators.iter().map(member).collect())?)
    }
}

mod defaults {
    pub(super) const fn block_interval_ms() -> u64 {
        500
    }

    pub(super) const fn gas_limit() -> u64 {
        300_000_000
    }

    pub(super) const fn base_fee_floor_wei() -> u64 {
        1_000_000
    }

    pub(super) const fn max_block_bytes() -> u64 {
        4 << 20
    }

    pub(super) const fn credit_gas_per_block() -> u64 {
        30_000_000
    }
}

//! The rules of a genesis document.

use crate::{
    document::L1Section,
    error::GenesisError,
    setup::{Engine, FeeRule, Setup, Validator},
};
use alloy_primitives::{Address, address};
use mooring_bridge::addresses::is_uncreditable;
use mooring_bridge::system_tx::SYSTEM_TX_GAS;
use std::collections::BTreeSet;

/// The ten accounts of anvil and hardhat; their keys are public.
pub const ANVIL_ACCOUNTS: [Address; 10] = [
    address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    address!("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
    address!("0x90F79bf6EB2c4f870365E785982E1f101E93b906"),
    address!("0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
    address!("0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"),
    address!("0x976EA74026E726554dB657fA54763abd0C3a0aa9"),
    address!("0x14dC79964da2C08b23698B3D3cc7Ca32193d9955"),
    address!("0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"),
    address!("0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"),
];

/// MetaMask refuses chain ids above this (EIP-2294's discussion: v must fit 2^53).
const MAX_CHAIN_ID: u64 = 4_503_599_627_370_476;
/// CometBFT's `MaxTotalVotingPower`: i64::MAX / 8.
const MAX_TOTAL_POWER: u64 = i64::MAX.unsigned_abs() / 8;
/// Ethereum and its test networks: the L1s that a Vault lives on.
const L1_CHAIN_IDS: [u64; 4] = [1, 17_000, 560_048, 11_155_111];

/// Every rule of a setup.
pub(crate) fn setup(setup: &Setup) -> Result<(), GenesisError> {
    chain_id(setup)?;
    bounds(setup)?;
    validators(setup)?;
    alloc(setup)
}

/// Whether the L1 section fits the setup.
pub(crate) fn l1(setup: &Setup, l1: Option<&L1Section>) -> Result<(), GenesisError> {
    let l1 = match (setup.fee_rule, l1) {
        (FeeRule::Ethereum, None) => return Ok(()),
        (FeeRule::Ethereum, Some(_)) => {
            return Err(GenesisError::Peg(
                "fee_rule \"ethereum\" has no peg, but there is an \"l1\" section; remove one",
            ));
        }
        (FeeRule::Pegged, None) => {
            return Err(GenesisError::Peg(
                "a pegged chain needs the \"l1\" section that names its Vault; deploy the Vault \
                 from the setup and add the section with `mooring genesis new`",
            ));
        }
        (FeeRule::Pegged, Some(l1)) => l1,
    };
    if l1.chain_id == setup.chain_id {
        let why = "is the L1's as well, so transactions could be replayed on both chains";
        return Err(GenesisError::ChainId { id: setup.chain_id, why });
    }
    if l1.chain_id == 0 {
        return Err(GenesisError::Peg("l1.chain_id is 0; ask the L1 with eth_chainId"));
    }
    if l1.vault.is_zero() {
        return Err(GenesisError::Peg("l1.vault is the zero address; deploy the Vault first"));
    }
    if l1.block_hash.is_zero() {
        return Err(GenesisError::Peg(
            "l1.block_hash is zero; take the hash of the block in which the Vault was created",
        ));
    }
    Ok(())
}

fn chain_id(setup: &Setup) -> Result<(), GenesisError> {
    let id = setup.chain_id;
    let why = match id {
        0 => "is no chain id: signatures without one are valid on every chain",
        _ if id > MAX_CHAIN_ID => "is above 4503599627370476, the most that wallets take",
        _ if setup.fee_rule == FeeRule::Pegged && L1_CHAIN_IDS.contains(&id) => {
            "is Ethereum's own or one of its test networks'"
        }
        _ => return Ok(()),
    };
    Err(GenesisError::ChainId { id, why })
}

fn bounds(setup: &Setup) -> Result<(), GenesisError> {
    const DAY_SECS: u64 = 86_400;
    let rules = [
        // The header's time has whole seconds; beyond this year 9999 begins.
        ("genesis_time", setup.genesis_time_ms, 0, 253_402_300_799_999),
        ("block_interval_ms", setup.block_interval_ms, 1, 60_000),
        ("gas_limit", setup.gas_limit, SYSTEM_TX_GAS, 10_000_000_000),
        ("base_fee_floor_wei", setup.base_fee_floor_wei, 0, 1_000_000_000_000_000),
        ("max_block_bytes", setup.max_block_bytes, 256 << 10, 64 << 20),
        // One system transaction must fit, or the queue never moves.
        ("credit_gas_per_block", setup.credit_gas_per_block, SYSTEM_TX_GAS, setup.gas_limit),
        // Below a seventh of the 14 days after which the Vault opens its hatch.
        ("checkpoint.heartbeat_secs", setup.checkpoint.heartbeat_secs, 1, 2 * DAY_SECS),
        ("checkpoint.renew_blocks", setup.checkpoint.renew_blocks, 1, 10_000),
    ];
    for (field, value, min, max) in rules {
        if value < min || value > max {
            return Err(GenesisError::Bounds { field, value, min, max });
        }
    }
    // CometBFT refuses ABCI messages above 4 MiB.
    if setup.engine == Engine::Cometbft && setup.max_block_bytes > 4 << 20 {
        let (field, value) = ("max_block_bytes", setup.max_block_bytes);
        return Err(GenesisError::Bounds { field, value, min: 256 << 10, max: 4 << 20 });
    }
    Ok(())
}

fn validators(setup: &Setup) -> Result<(), GenesisError> {
    if setup.validators.is_empty() && setup.fee_rule == FeeRule::Ethereum {
        return Ok(());
    }
    let mut seen = Seen::default();
    for validator in &setup.validators {
        name(&validator.name)?;
        seen.add("name", validator.name.clone())?;
        seen.add("consensus_pubkey", validator.consensus_pubkey.to_string())?;
        // One namespace: a hot key that is also a recovery key would brake and release the brake.
        seen.add("member or recovery address", validator.member.to_string())?;
        seen.add("member or recovery address", validator.recovery.to_string())?;
        roles(setup.dev, validator)?;
    }
    setup.members()?;
    setup.recovery()?;
    let total = setup.validators.iter().try_fold(0u64, |sum, one| sum.checked_add(one.power));
    match total {
        Some(total) if total <= MAX_TOTAL_POWER => Ok(()),
        _ => Err(GenesisError::TotalPower { max: MAX_TOTAL_POWER }),
    }
}

fn name(name: &str) -> Result<(), GenesisError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(allowed) {
        return Err(GenesisError::Name(name.to_owned()));
    }
    Ok(())
}

fn roles(dev: bool, validator: &Validator) -> Result<(), GenesisError> {
    let roles = [
        ("payout", validator.payout),
        ("member", validator.member),
        ("recovery", validator.recovery),
    ];
    for (role, address) in roles {
        let name = || validator.name.clone();
        if is_uncreditable(address) {
            return Err(GenesisError::Reserved { role, name: name(), address });
        }
        if !dev && ANVIL_ACCOUNTS.contains(&address) {
            return Err(GenesisError::DevKey { role, name: name(), address });
        }
    }
    Ok(())
}

fn alloc(setup: &Setup) -> Result<(), GenesisError> {
    if setup.native_supply().is_none() {
        return Err(GenesisError::AllocOverflow);
    }
    match setup.alloc.keys().find(|address| is_uncreditable(**address)) {
        Some(address) => Err(GenesisError::AllocReserved(*address)),
        None => Ok(()),
    }
}

/// What was met so far, by field.
#[derive(Default)]
struct Seen(BTreeSet<(&'static str, String)>);

impl Seen {
    fn add(&mut self, what: &'static str, value: String) -> Result<(), GenesisError> {
        if self.0.insert((what, value.clone())) {
            return Ok(());
        }
        Err(GenesisError::Duplicate { what, value })
    }
}

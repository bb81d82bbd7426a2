//! The homes of a testnet's validators and relayers, written before anything starts.

use std::path::{Path, PathBuf};

use alloy_primitives::{Address, U256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use mooring_app::config::{Home, NodeConfig};
use mooring_genesis::{Engine, FeeRule, Genesis, PublicKey, Setup, Validator};
use mooring_malachite::keys::{NodeKey, PrivValidatorKey};
use mooring_relayer::config::RelayerConfig;

use crate::{
    TestnetError, files,
    keys::{self, Role},
    l1,
    ports::Ports,
};

/// Chain id of a testnet's sidechain.
pub const CHAIN_ID: u64 = 42_155;

/// Password of every keystore in a testnet: the keys inside are public anyway.
const PASSWORD: &str = "mooring testnet";

/// The keys and names of one validator.
#[derive(Debug)]
pub struct Identity {
    /// `node0`, …
    pub name: String,
    validator: PrivValidatorKey,
    node: NodeKey,
}

impl Identity {
    /// The `index`-th validator. Its keys follow from the index, so that two runs of a testnet
    /// differ in nothing.
    pub fn new(index: u16) -> Self {
        let seed = |what: &str| keccak256(format!("mooring testnet {what} {index}")).0;
        Self {
            name: format!("node{index}"),
            validator: PrivValidatorKey::generate(seed("consensus")),
            node: NodeKey::generate(seed("node")),
        }
    }
}

fn key(role: Role, index: u16) -> Result<PrivateKeySigner, TestnetError> {
    keys::signer(role, u32::from(index)).map_err(|e| TestnetError::Invalid(e.to_string()))
}

/// The setup document of a testnet: `identities`, each with the same power.
///
/// # Errors
/// [`TestnetError::Genesis`] when a rule is broken: a defect.
pub fn setup(
    identities: &[Identity],
    block_interval_ms: u64,
    genesis_time_ms: u64,
) -> Result<Setup, TestnetError> {
    let mut setup = Setup::new(CHAIN_ID, Engine::Malachite, genesis_time_ms);
    setup.block_interval_ms = block_interval_ms;
    setup.dev = true;
    for (index, identity) in (0..).zip(identities) {
        setup.validators.push(Validator {
            name: identity.name.clone(),
            consensus_pubkey: PublicKey(identity.validator.public_key().into()),
            power: 10,
            payout: key(Role::Payout, index)?.address(),
            member: key(Role::Member, index)?.address(),
            recovery: key(Role::Recovery, index)?.address(),
        });
    }
    setup.check().map_err(|e| TestnetError::Genesis(e.to_string()))?;
    Ok(setup)
}

/// Writes every node's home; returns them in order.
///
/// # Errors
/// [`TestnetError::Home`] names the home.
pub fn write_nodes(
    dir: &Path,
    identities: &[Identity],
    genesis: &Genesis,
    ports: &Ports,
) -> Result<Vec<PathBuf>, TestnetError> {
    let peer = |port: &u16, identity: &Identity| {
        format!("/ip4/127.0.0.1/tcp/{port}/p2p/{}", identity.node.peer_id())
    };
    let row = |ports: &[u16], me: usize| -> Vec<String> {
        let others = ports.iter().zip(identities).enumerate().filter(|(i, _)| *i != me);
        others.map(|(_, (port, identity))| peer(port, identity)).collect()
    };
    let mut homes = Vec::new();
    for (index, identity) in identities.iter().enumerate() {
        let path = dir.join(&identity.name);
        let home = Home::new(&path);
        let mut config = NodeConfig { moniker: identity.name.clone(), ..NodeConfig::default() };
        config.rpc.listen = local(ports.rpc[index]);
        config.health.listen = local(ports.health[index]);
        config.p2p.listen = format!("/ip4/127.0.0.1/tcp/{}", ports.gossip[index]);
        config.p2p.peers = row(&ports.gossip, index);
        config.engine.listen = format!("/ip4/127.0.0.1/tcp/{}", ports.engine[index]);
        config.engine.peers = row(&ports.engine, index);
        config.engine.persistent_peers_only = true;
        write_home(&home, &config, genesis).map_err(|reason| bad_home(&path, reason))?;
        identity.node.save(&home.node_key()).map_err(|e| bad_home(&path, e.to_string()))?;
        identity
            .validator
            .save(&home.validator_key())
            .map_err(|e| bad_home(&path, e.to_string()))?;
        homes.push(path);
    }
    Ok(homes)
}

/// Writes the built-in L1's home: a solo chain under Ethereum's fee rule, its blocks final two
/// blocks later, as anvil's are with epochs of one slot.
///
/// # Errors
/// [`TestnetError::Home`], [`TestnetError::Genesis`].
pub fn write_builtin_l1(
    path: &Path,
    ports: &Ports,
    genesis_time_ms: u64,
) -> Result<(), TestnetError> {
    let mut setup = Setup::new(l1::CHAIN_ID, Engine::Dev, genesis_time_ms);
    setup.fee_rule = FeeRule::Ethereum;
    setup.dev = true;
    setup.block_interval_ms = 1000;
    let ether = U256::from(10).pow(U256::from(18));
    for index in 0..keys::FUNDED {
        let signer = keys::signer_at(index).map_err(|e| TestnetError::Invalid(e.to_string()))?;
        setup.alloc.insert(signer.address(), U256::from(10_000) * ether);
    }
    let genesis = Genesis::unpegged(setup).map_err(|e| TestnetError::Genesis(e.to_string()))?;
    let home = Home::new(path);
    let mut config = NodeConfig { moniker: "l1".into(), ..NodeConfig::default() };
    config.rpc.listen = local(ports.l1);
    config.health.listen = local(ports.l1_health);
    config.dev.finality_lag = 2;
    write_home(&home, &config, &genesis).map_err(|reason| bad_home(path, reason))
}

fn write_home(home: &Home, config: &NodeConfig, genesis: &Genesis) -> Result<(), String> {
    home.save_config(config).map_err(|e| e.to_string())?;
    files::write_whole(&home.genesis(), genesis.to_json().as_bytes(), 0o644)
        .map_err(|e| e.to_string())
}

/// Writes every relayer's home; returns them in order. A relayer reads the sidechain at its own
/// validator first, then at the others.
///
/// # Errors
/// [`TestnetError::Home`] names the home.
pub fn write_relayers(
    dir: &Path,
    count: u16,
    genesis: &Genesis,
    ports: &Ports,
    l1_rpc: &str,
) -> Result<Vec<PathBuf>, TestnetError> {
    let mut homes = Vec::new();
    for index in 0..count {
        let path = dir.join(format!("relayer{index}"));
        let own = usize::from(index);
        let mut nodes = ports.rpc.clone();
        nodes.rotate_left(own);
        let config = RelayerConfig {
            listen: local(ports.relayer[own]),
            l1_endpoints: vec![l1_rpc.to_owned()],
            sidechain_endpoints: nodes.iter().map(|p| format!("http://127.0.0.1:{p}")).collect(),
            ..RelayerConfig::default()
        };
        let member = key(Role::Member, index)?;
        config
            .write_home(&path, &genesis.to_json(), &member, PASSWORD)
            .map_err(|e| bad_home(&path, e.to_string()))?;
        homes.push(path);
    }
    Ok(homes)
}

/// The accounts that a testnet lists and funds.
///
/// # Errors
/// Never for the indices used.
pub fn users() -> Result<Vec<PrivateKeySigner>, TestnetError> {
    (0..10).map(|index| key(Role::User, index)).collect()
}

/// The account that deploys the contracts.
///
/// # Errors
/// Never for the index used.
pub fn deployer() -> Result<PrivateKeySigner, TestnetError> {
    key(Role::Deployer, 0)
}

/// The payout address of the `index`-th validator.
///
/// # Errors
/// Never for the indices used.
pub fn payout(index: u16) -> Result<Address, TestnetError> {
    key(Role::Payout, index).map(|signer| signer.address())
}

const fn local(port: u16) -> std::net::SocketAddr {
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

fn bad_home(home: &Path, reason: impl ToString) -> TestnetError {
    TestnetError::Home { home: home.to_owned(), reason: reason.to_string() }
}

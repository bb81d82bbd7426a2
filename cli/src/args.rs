//! What can be typed.

mod snapshot;

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use clap::{ArgAction, Parser, Subcommand};
use mooring_app::config::{RpcConfig, StoreConfig};
use mooring_testnet::L1Choice;

pub(crate) use snapshot::{Snapshot, SnapshotFlags};

/// A pegged EVM sidechain with its own BFT consensus.
#[derive(Debug, Parser)]
#[command(name = "mooring", version, max_term_width = 100)]
pub(crate) struct Args {
    /// Print the answer as one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on stderr; twice says everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A whole network on this machine: L1, contracts, validators, relayers
    #[command(subcommand)]
    Testnet(Testnet),
    /// A validator or full node
    #[command(subcommand)]
    Node(Node),
    /// A federation member's relayer
    #[command(subcommand)]
    Relayer(Relayer),
    /// Lock an asset on L1 to have it on the sidechain
    Deposit(Deposit),
    /// Burn an asset on the sidechain to have it back on L1
    Withdraw(Withdraw),
    /// Collect a withdrawal on L1 by hand, without any relayer
    Claim(Claim),
    /// Follow one transfer across the peg
    #[command(subcommand)]
    Transfer(Transfer),
}

/// Where a testnet lives.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Dir {
    /// The testnet's directory [default: ~/.mooring/testnet]
    #[arg(long, env = "MOORING_TESTNET_DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Testnet {
    /// Start it; stays in front until Ctrl-C unless --detach
    Up {
        #[command(flatten)]
        dir: Dir,
        /// The L1: auto (anvil when found, else builtin), anvil, builtin, or the URL of a
        /// development L1 with chain id 31337
        #[arg(long, default_value = "auto")]
        l1: L1Choice,
        /// Validators, and as many relayers
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=10))]
        validators: u16,
        /// Return when all is ready, and leave it running
        #[arg(long)]
        detach: bool,
        /// Milliseconds between blocks
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
        block_interval: u64,
    },
    /// Stop it; its data stays
    Down {
        #[command(flatten)]
        dir: Dir,
    },
    /// Show every process, its height and its health
    Status {
        #[command(flatten)]
        dir: Dir,
    },
    /// Print a process's log
    Logs {
        #[command(flatten)]
        dir: Dir,
        /// l1, node0, relayer0, … [default: all]
        name: Option<String>,
        /// Go on as lines come
        #[arg(short, long)]
        follow: bool,
    },
    /// Stop it and delete its data
    Reset {
        #[command(flatten)]
        dir: Dir,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Run a node from its home
    Start {
        /// The home: config/genesis.json, config/node.toml, keys, data
        #[arg(long)]
        home: PathBuf,
        #[command(flatten)]
        rpc: Box<RpcLimits>,
        #[command(flatten)]
        store: StoreLimits,
        #[command(flatten)]
        snapshots: SnapshotFlags,
    },
    /// Execute the chain of a stopped node again from genesis, and compare each block
    Replay {
        /// The home: config/genesis.json, data
        #[arg(long)]
        home: PathBuf,
        /// The last block to execute [default: the newest]
        #[arg(long)]
        to: Option<u64>,
    },
    /// The state at a height, in files, from which another node starts without the blocks before
    #[command(subcommand)]
    Snapshot(Snapshot),
}

/// Bounds of the store, each over the key of `[store]` in node.toml.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Store limits [default: node.toml]")]
pub(crate) struct StoreLimits {
    /// MiB of trie nodes kept in memory
    #[arg(long)]
    pub store_trie_cache_mib: Option<u32>,
    /// MiB of accounts and words kept in memory
    #[arg(long)]
    pub store_state_cache_mib: Option<u32>,
    /// MiB of database blocks kept in memory
    #[arg(long)]
    pub store_block_cache_mib: Option<u32>,
    /// MiB of blocks that the tables may fall behind before they take them in
    #[arg(long)]
    pub store_flush_mib: Option<u32>,
    /// How many of the newest blocks keep their state readable; 0 keeps all
    #[arg(long)]
    pub store_history: Option<u64>,
}

impl StoreLimits {
    /// The settings with what was typed in place.
    pub(crate) fn apply(self, store: &mut StoreConfig) {
        set(&mut store.trie_cache_mib, self.store_trie_cache_mib);
        set(&mut store.state_cache_mib, self.store_state_cache_mib);
        set(&mut store.block_cache_mib, self.store_block_cache_mib);
        set(&mut store.flush_mib, self.store_flush_mib);
        set(&mut store.history, self.store_history);
    }
}

fn set<T>(key: &mut T, typed: Option<T>) {
    if let Some(typed) = typed {
        *key = typed;
    }
}

/// Bounds of JSON-RPC, each over the key of `[rpc]` in node.toml.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "JSON-RPC limits [default: node.toml]")]
pub(crate) struct RpcLimits {
    /// Most calls in a batch
    #[arg(long)]
    pub rpc_max_batch: Option<u32>,
    /// Most bytes of a request
    #[arg(long)]
    pub rpc_max_request_bytes: Option<u32>,
    /// Most bytes of an answer
    #[arg(long)]
    pub rpc_max_response_bytes: Option<u32>,
    /// Most WebSockets at once, and most HTTP connections at once
    #[arg(long)]
    pub rpc_max_connections: Option<u32>,
    /// Most subscriptions of a connection
    #[arg(long)]
    pub rpc_max_subscriptions: Option<u32>,
    /// Longest time that a call may take, in milliseconds
    #[arg(long)]
    pub rpc_call_timeout_ms: Option<u64>,
    /// Executions, searches and proofs that run at once
    #[arg(long)]
    pub rpc_max_heavy_calls: Option<usize>,
    /// Most blocks of a log query
    #[arg(long)]
    pub rpc_max_log_blocks: Option<u64>,
    /// Most logs in an answer
    #[arg(long)]
    pub rpc_max_logs: Option<usize>,
    /// Most gas of a call that is not sent
    #[arg(long)]
    pub rpc_gas_cap: Option<u64>,
}

impl RpcLimits {
    /// The settings with what was typed in place.
    pub(crate) fn apply(self, rpc: &mut RpcConfig) {
        set(&mut rpc.max_batch, self.rpc_max_batch);
        set(&mut rpc.max_request_bytes, self.rpc_max_request_bytes);
        set(&mut rpc.max_response_bytes, self.rpc_max_response_bytes);
        set(&mut rpc.max_connections, self.rpc_max_connections);
        set(&mut rpc.max_subscriptions, self.rpc_max_subscriptions);
        set(&mut rpc.call_timeout_ms, self.rpc_call_timeout_ms);
        set(&mut rpc.max_heavy_calls, self.rpc_max_heavy_calls);
        set(&mut rpc.max_log_blocks, self.rpc_max_log_blocks);
        set(&mut rpc.max_logs, self.rpc_max_logs);
        set(&mut rpc.gas_cap, self.rpc_gas_cap);
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Relayer {
    /// Run a relayer from its home
    Start {
        /// The home: relayer.toml, genesis.json, keys, journal
        #[arg(long)]
        home: PathBuf,
    },
}

/// The chains, and the key that pays. All default to the testnet's.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Chains {
    #[command(flatten)]
    pub dir: Dir,
    /// JSON-RPC URL of the L1 [default: the testnet's]
    #[arg(long, requires = "rpc")]
    pub l1_rpc: Option<String>,
    /// JSON-RPC URL of the sidechain [default: the testnet's first node]
    #[arg(long)]
    pub rpc: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Key {
    /// A keystore file (Web3 Secret Storage v3) [default: the testnet's first account]
    #[arg(long)]
    pub keystore: Option<PathBuf>,
    /// A file that holds the keystore's password
    #[arg(long, requires = "keystore")]
    pub password_file: Option<PathBuf>,
    /// The testnet's account to use, by its place in the list
    #[arg(long, default_value_t = 0, conflicts_with = "keystore")]
    pub account: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Deposit {
    #[command(flatten)]
    pub chains: Chains,
    #[command(flatten)]
    pub key: Key,
    /// `eth`, or the L1 token's address
    #[arg(long, default_value = "eth")]
    pub asset: String,
    /// In whole units: 1.5 is one and a half ETH
    #[arg(long)]
    pub amount: String,
    /// Who gets it on the sidechain [default: the sender]
    #[arg(long)]
    pub to: Option<Address>,
    /// ETH to send along with a token, credited as native coin, so that it can move at once
    #[arg(long, default_value = "0")]
    pub gas: String,
    /// Return when L1 has it, without waiting for the credit
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Withdraw {
    #[command(flatten)]
    pub chains: Chains,
    #[command(flatten)]
    pub key: Key,
    /// `eth`, or the L1 token's address
    #[arg(long, default_value = "eth")]
    pub asset: String,
    /// In whole units: 1.5 is one and a half ETH
    #[arg(long)]
    pub amount: String,
    /// Who is paid on L1 [default: the sender]
    #[arg(long)]
    pub to: Option<Address>,
    /// The part of the amount for whoever claims it, in whole units
    #[arg(long, default_value = "0")]
    pub fee: String,
    /// Return when the sidechain has it, without waiting for the payment
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Claim {
    #[command(flatten)]
    pub chains: Chains,
    #[command(flatten)]
    pub key: Key,
    /// The exit's index, or the hash of the withdrawal's transaction
    pub exit: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Transfer {
    /// Show where a transfer is, and what comes next
    Show {
        #[command(flatten)]
        chains: Chains,
        /// The hash of the deposit's or the withdrawal's transaction
        hash: B256,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_store_limit_is_a_flag_and_goes_over_the_file() {
        let table = serde_json::to_value(StoreConfig::default()).unwrap();
        let keys: Vec<&String> = table.as_object().unwrap().keys().collect();
        let mut typed: Vec<String> =
            ["mooring", "node", "start", "--home", "x"].map(Into::into).into();
        for key in &keys {
            typed.extend([format!("--store-{}", key.replace('_', "-")), "7".to_owned()]);
        }
        let args = Args::try_parse_from(typed).unwrap();
        let Command::Node(Node::Start { store, .. }) = args.command else { panic!("node start") };
        let mut config = StoreConfig::default();
        store.apply(&mut config);
        let applied = serde_json::to_value(config).unwrap();
        for key in keys {
            assert_eq!(applied[key].as_u64(), Some(7), "{key}");
        }
    }

    #[test]
    fn every_rpc_limit_is_a_flag_and_goes_over_the_file() {
        let table = serde_json::to_value(RpcConfig::default()).unwrap();
        let mut typed = vec!["mooring".to_owned(), "node".into(), "start".into()];
        typed.extend(["--home".to_owned(), "x".into()]);
        let keys = table.as_object().unwrap().keys().filter(|key| *key != "listen");
        let keys: Vec<&String> = keys.collect();
        for key in &keys {
            typed.extend([format!("--rpc-{}", key.replace('_', "-")), "7".to_owned()]);
        }
        let args = Args::try_parse_from(typed).unwrap();
        let Command::Node(Node::Start { rpc, .. }) = args.command else { panic!("node start") };
        let mut config = RpcConfig::default();
        rpc.apply(&mut config);
        let applied = serde_json::to_value(config).unwrap();
        for key in keys {
            assert_eq!(applied[key].as_u64(), Some(7), "{key}");
        }
        Args::command().debug_assert();
    }
}

//! `mooring node snapshot …`, and when a running node writes one.

use std::path::PathBuf;

use alloy_primitives::B256;
use clap::Subcommand;
use mooring_app::config::SnapshotConfig;

use super::set;

#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// List a home's snapshots; the node may run
    List {
        /// The home: data/snapshots
        #[arg(long)]
        home: PathBuf,
    },
    /// Write one of a stopped node's newest block
    Create {
        /// The home: config/genesis.json, data
        #[arg(long)]
        home: PathBuf,
    },
    /// Read one through and check all of it
    Verify {
        /// Any home of the chain: config/genesis.json
        #[arg(long)]
        home: PathBuf,
        /// The snapshot's directory: data/snapshots/HEIGHT of some home, or a copy
        #[arg(long)]
        from: PathBuf,
        /// The app hash that it must be of, from somebody you trust
        #[arg(long)]
        app_hash: Option<B256>,
    },
    /// Begin a new home with it instead of with genesis
    Restore {
        /// The home: config/genesis.json, and no chain yet
        #[arg(long)]
        home: PathBuf,
        /// The snapshot's directory: data/snapshots/HEIGHT of some home, or a copy
        #[arg(long)]
        from: PathBuf,
        /// The app hash after its block, from somebody you trust: `mooring node snapshot list` of
        /// another operator's home prints it. All else is checked against it
        #[arg(long)]
        app_hash: B256,
        /// The height that it must be of
        #[arg(long)]
        height: Option<u64>,
    },
}

/// When snapshots are written, each over the key of `[snapshots]` in node.toml.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Snapshots [default: node.toml]")]
pub(crate) struct SnapshotFlags {
    /// Write a snapshot at every height that is a multiple of this; 0 for never
    #[arg(long)]
    pub snapshots_interval: Option<u64>,
    /// How many of the newest snapshots stay
    #[arg(long)]
    pub snapshots_keep: Option<usize>,
}

impl SnapshotFlags {
    /// The settings with what was typed in place.
    pub(crate) fn apply(self, snapshots: &mut SnapshotConfig) {
        set(&mut snapshots.interval, self.snapshots_interval);
        set(&mut snapshots.keep, self.snapshots_keep);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command, Node};

    #[test]
    fn every_snapshot_setting_is_a_flag_and_goes_over_the_file() {
        let table = serde_json::to_value(SnapshotConfig::default()).unwrap();
        let keys: Vec<&String> = table.as_object().unwrap().keys().collect();
        let mut typed: Vec<String> =
            ["mooring", "node", "start", "--home", "x"].map(Into::into).into();
        for key in &keys {
            typed.extend([format!("--snapshots-{}", key.replace('_', "-")), "7".to_owned()]);
        }
        let args = Args::try_parse_from(typed).unwrap();
        let Command::Node(Node::Start { snapshots, .. }) = args.command else {
            panic!("node start")
        };
        let mut config = SnapshotConfig::default();
        snapshots.apply(&mut config);
        let applied = serde_json::to_value(config).unwrap();
        for key in keys {
            assert_eq!(applied[key].as_u64(), Some(7), "{key}");
        }
    }
}

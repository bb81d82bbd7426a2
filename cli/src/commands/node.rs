//! `mooring node …`

use std::{path::Path, process::ExitCode};

use mooring_app::{
    config::Home,
    node::{Node as AppNode, open_chain},
};

use crate::{args::Node, output};

/// A replay tells of every so many blocks.
const REPLAY_TOLD: u64 = 10_000;

pub(super) async fn run(command: Node, json: bool) -> eyre::Result<ExitCode> {
    match command {
        Node::Start { home, rpc, store, snapshots } => {
            let cancel = super::until_signalled()?;
            let home = Home::new(home);
            let mut config = home.load_config()?;
            rpc.apply(&mut config.rpc);
            store.apply(&mut config.store);
            snapshots.apply(&mut config.snapshots);
            let handle = AppNode::start(home, config, cancel).await?;
            match handle.wait().await {
                Ok(()) => Ok(ExitCode::SUCCESS),
                Err(error) => {
                    let code = error.exit_code();
                    output::error(&error.into(), false);
                    Ok(ExitCode::from(code))
                }
            }
        }
        Node::Replay { home, to } => replay(&Home::new(home), to).map(|()| ExitCode::SUCCESS),
        Node::Snapshot(command) => super::snapshot::run(command, json).map(|()| ExitCode::SUCCESS),
    }
}

/// Executes a home's chain again, in a directory beside its data that is removed afterwards.
fn replay(home: &Home, to: Option<u64>) -> eyre::Result<()> {
    let genesis = home.load_genesis()?;
    let options = home.load_config()?.store.options();
    let chain = open_chain(home, genesis.clone(), options)?;
    let newest = chain.store.latest().number();
    let to = to.unwrap_or(newest).min(newest);
    let scratch = home.replay();
    // A replay that was stopped left it.
    remove(&scratch)?;
    let each = |height: u64| {
        if height.is_multiple_of(REPLAY_TOLD) {
            output::talk(format!("{height} of {to} blocks"));
        }
    };
    let replayed = mooring_app::replay::replay(&chain.store, &genesis, to, &scratch, each);
    remove(&scratch)?;
    let app_hash = replayed?;
    output::line(format!("{to} blocks executed again, all equal; app hash {app_hash}"));
    Ok(())
}

fn remove(directory: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

//! One file a command; each calls a library and prints.

mod node;
mod relayer;
mod snapshot;
mod testnet;
mod transfer;
mod units;

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::args::{Args, Command};

/// Runs what was typed.
pub(crate) async fn run(args: Args) -> eyre::Result<ExitCode> {
    let json = args.json;
    match args.command {
        Command::Testnet(command) => testnet::run(command, json).await,
        Command::Node(command) => node::run(command, json).await,
        Command::Relayer(command) => relayer::run(command).await,
        Command::Deposit(command) => transfer::deposit(command, json).await,
        Command::Withdraw(command) => transfer::withdraw(command, json).await,
        Command::Claim(command) => transfer::claim(command, json).await,
        Command::Transfer(command) => transfer::run(command, json).await,
    }
}

/// A token that SIGINT and SIGTERM cancel.
pub(crate) fn until_signalled() -> eyre::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let cancel = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = cancel.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        token.cancel();
    });
    Ok(cancel)
}

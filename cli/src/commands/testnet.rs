//! `mooring testnet …`

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use comfy_table::{Table, presets};
use eyre::{Context, ContextCompat};
use mooring_testnet::{
    Network, TestnetError,
    process::Table as Processes,
    status,
    up::{self, UpOptions},
};

use crate::{
    args::{Dir, Testnet},
    output,
};

pub(super) async fn run(command: Testnet, json: bool) -> eyre::Result<ExitCode> {
    match command {
        Testnet::Up { dir, l1, validators, detach, block_interval } => {
            let options = UpOptions {
                dir: path(&dir)?,
                l1,
                validators,
                block_interval_ms: block_interval,
                mooring: std::env::current_exe().wrap_err("cannot find this binary")?,
                path: std::env::var_os("PATH").unwrap_or_default(),
            };
            start(&options, detach, json).await
        }
        Testnet::Down { dir } => down(&path(&dir)?),
        Testnet::Status { dir } => show_status(&path(&dir)?, json).await,
        Testnet::Logs { dir, name, follow } => logs(&path(&dir)?, name.as_deref(), follow).await,
        Testnet::Reset { dir } => {
            let dir = path(&dir)?;
            report_killed(&up::reset(&dir)?);
            output::talk(format!("deleted {}", dir.display()));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The testnet's directory: as given, else below the home directory.
pub(super) fn path(dir: &Dir) -> eyre::Result<PathBuf> {
    if let Some(dir) = &dir.dir {
        return std::path::absolute(dir).wrap_err("cannot use --dir");
    }
    let home = std::env::var_os("HOME").wrap_err("HOME is not set: give --dir")?;
    Ok(Path::new(&home).join(".mooring/testnet"))
}

async fn start(options: &UpOptions, detach: bool, json: bool) -> eyre::Result<ExitCode> {
    let cancel = super::until_signalled()?;
    let started = std::time::Instant::now();
    let network = up::up(options, &mut |step| output::talk(format!("· {step}")), &cancel).await?;
    output::talk(format!("ready after {:.1} s", started.elapsed().as_secs_f32()));
    if json {
        output::json(&network)?;
    } else {
        print_network(&network, &options.dir, detach);
    }
    if detach {
        return Ok(ExitCode::SUCCESS);
    }
    cancel.cancelled().await;
    output::talk("stopping");
    down(&options.dir)
}

fn down(dir: &Path) -> eyre::Result<ExitCode> {
    let table = Processes::load(dir)?;
    if table.processes.is_empty() {
        return Err(TestnetError::NoNetwork { dir: dir.to_owned() }.into());
    }
    let count = table.processes.iter().filter(|p| p.alive()).count();
    report_killed(&table.stop()?);
    output::talk(format!("stopped {count} processes; their data stays in {}", dir.display()));
    Ok(ExitCode::SUCCESS)
}

fn report_killed(names: &[String]) {
    if !names.is_empty() {
        output::talk(format!("killed, for they did not stop in time: {}", names.join(", ")));
    }
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().map(|h| h.to_uppercase()));
    table
}

fn print_network(network: &Network, dir: &Path, detach: bool) {
    let mut parts = table(&["part", "url", "what"]);
    let l1 = &network.l1;
    let what = if l1.kind == "builtin" { "built-in dev L1, not Ethereum" } else { &l1.kind };
    parts.add_row(["l1", &l1.rpc, &format!("{what}, chain {}", l1.chain_id)]);
    for node in &network.nodes {
        let what = format!("validator, chain {}", network.chain.chain_id);
        parts.add_row([node.name.as_str(), &node.rpc, &what]);
    }
    for relayer in &network.relayers {
        parts.add_row([relayer.name.as_str(), &relayer.status, "relayer"]);
    }
    let mut contracts = table(&["contract", "address", "chain"]);
    contracts.add_row(["Vault", &l1.vault.to_string(), "L1"]);
    contracts.add_row(["TestToken", &l1.test_token.to_string(), "L1"]);
    contracts.add_row(["Gateway", &network.chain.gateway.to_string(), "sidechain"]);
    let mut accounts = table(&["account", "private key"]);
    for account in &network.accounts {
        accounts.add_row([account.address.to_string(), account.private_key.to_string()]);
    }
    output::line(format!("{parts}\n\n{contracts}\n\n{accounts}"));
    output::line("\nThese keys are public: each account holds 100 ETH on the sidechain.\n");
    output::line(next_commands(network, dir, detach));
}

fn next_commands(network: &Network, dir: &Path, detach: bool) -> String {
    let mooring = std::env::current_exe()
        .map_or_else(|_| "mooring".to_owned(), |path| path.display().to_string());
    let dir = format!("--dir {}", dir.display());
    let rpc = network.nodes.first().map_or("", |node| node.rpc.as_str());
    let to = network.accounts.first().map(|a| a.address.to_string()).unwrap_or_default();
    let mut lines = vec![
        "Next:".to_owned(),
        format!("  {mooring} deposit --amount 1 {dir}"),
        format!("  cast balance --ether {to} --rpc-url {rpc}"),
        format!("  {mooring} withdraw --amount 0.5 {dir}"),
        format!("  {mooring} testnet status {dir}"),
    ];
    lines.push(if detach {
        format!("  {mooring} testnet down {dir}")
    } else {
        "  Ctrl-C stops everything".to_owned()
    });
    lines.join("\n")
}

async fn show_status(dir: &Path, json: bool) -> eyre::Result<ExitCode> {
    let parts = status::parts(dir).await?;
    if json {
        output::json(&parts)?;
    } else {
        let mut rows = table(&["part", "pid", "state", "height", "url"]);
        for part in &parts {
            let state = if part.running { "running" } else { "stopped" };
            let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
            rows.add_row([
                part.name.clone(),
                number(part.pid.map(u64::from)),
                state.to_owned(),
                number(part.height),
                part.url.clone(),
            ]);
        }
        output::line(rows.to_string());
    }
    let all = parts.iter().all(|part| part.running);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn logs(dir: &Path, name: Option<&str>, follow: bool) -> eyre::Result<ExitCode> {
    let mut open = Vec::new();
    for name in log_names(dir, name)? {
        open.push((File::open(status::log_path(dir, &name))?, name));
    }
    let cancel = super::until_signalled()?;
    loop {
        for (file, name) in &mut open {
            print_new(file, name)?;
        }
        if !follow || cancel.is_cancelled() {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

fn log_names(dir: &Path, name: Option<&str>) -> eyre::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(dir.join("logs"))
        .map_err(|_| TestnetError::NoNetwork { dir: dir.to_owned() })?
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log").map(str::to_owned))
        .collect();
    names.sort();
    if let Some(name) = name {
        names.retain(|n| n == name);
        if names.is_empty() {
            return Err(TestnetError::NoProcess { name: name.to_owned() }.into());
        }
    }
    Ok(names)
}

/// Prints what was appended since the last look; a line that is not finished yet waits.
fn print_new(file: &mut File, name: &str) -> eyre::Result<()> {
    let from = file.stream_position()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
        output::line(format!("{name:>9} | {line}"));
    }
    file.seek(SeekFrom::Start(from + u64::try_from(whole)?))?;
    Ok(())
}

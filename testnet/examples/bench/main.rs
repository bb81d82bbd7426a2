//! The figures of docs/figures.md, measured on devnets of real processes: `make bench`.
//!
//! Every part is bounded in count and in time, and whatever was started is stopped at the end,
//! also after an error, Ctrl-C or SIGTERM. The table goes to stdout, the talk to stderr.

mod blocks;
mod devnet;
mod load;
mod machine;
mod peg;
mod stats;

use std::{
    io::Write,
    process::ExitCode,
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    devnet::Devnet,
    load::{Kind, Senders},
    stats::Report,
};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// The block interval of a devnet, in milliseconds.
const INTERVAL_MS: u64 = 500;
/// The least interval that a genesis document allows: blocks come as fast as consensus makes them.
const LEAST_INTERVAL_MS: u64 = 1;

/// How much is measured.
struct Plan {
    starts: usize,
    windows: usize,
    window: Duration,
    /// Transfers of every prober.
    receipts: usize,
    crossings: usize,
    gas: usize,
    loads: usize,
    /// Transfers of every sender in one load.
    each: u64,
}

const FULL: Plan = Plan {
    starts: 5,
    windows: 5,
    window: Duration::from_secs(10),
    receipts: 25,
    crossings: 10,
    gas: 5,
    loads: 3,
    each: 120,
};

const QUICK: Plan = Plan {
    starts: 1,
    windows: 2,
    window: Duration::from_secs(5),
    receipts: 5,
    crossings: 2,
    gas: 2,
    loads: 1,
    each: 20,
};

#[tokio::main]
async fn main() -> ExitCode {
    let plan = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => FULL,
        [only] if only == "--quick" => QUICK,
        _ => {
            eprintln!("usage: bench [--quick]");
            return ExitCode::from(2);
        }
    };
    match stoppable(&plan).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn stoppable(plan: &Plan) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut report = Report::default();
    let before = machine::describe();
    let start = Instant::now();
    let outcome = tokio::select! {
        outcome = measure(plan, &mut report) => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{before}")?;
    writeln!(out, "at end   load {} after {} s\n", machine::load(), start.elapsed().as_secs())?;
    // What was measured before something failed is still worth reading.
    write!(out, "{}", report.text())?;
    outcome
}

async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let devnet = starts(plan, report).await?;
    idle(&devnet, plan, "500 ms interval", report).await?;
    eprintln!("peg: in");
    peg::deposits(&devnet, plan.crossings, report).await?;
    peg::token_deposits(&devnet, plan.gas, report).await?;
    eprintln!("peg: out");
    peg::withdrawals(&devnet, plan.crossings, report).await?;
    loads(&devnet, plan, report).await?;
    eprintln!("peg: claim");
    peg::claims(&devnet, plan.gas, report).await?;
    drop(devnet);
    let (devnet, _) = Devnet::up(LEAST_INTERVAL_MS).await?;
    idle(&devnet, plan, "1 ms interval", report).await
}

/// Starts a devnet several times; the last one stays.
async fn starts(plan: &Plan, report: &mut Report) -> Result<Devnet> {
    let mut seconds = Vec::new();
    loop {
        eprintln!("start {} of {}", seconds.len() + 1, plan.starts);
        let (devnet, took) = Devnet::up(INTERVAL_MS).await?;
        seconds.push(took.as_secs_f64());
        if seconds.len() == plan.starts {
            report.add("start to ready devnet", "s", seconds)?;
            return Ok(devnet);
        }
    }
}

async fn idle(devnet: &Devnet, plan: &Plan, name: &str, report: &mut Report) -> Result<()> {
    eprintln!("blocks: {name}");
    let (rates, heights) = blocks::cadence(devnet, plan.windows, plan.window).await?;
    report.add(&format!("blocks, idle, {name}"), "1/s", rates)?;
    let finality = blocks::finality(devnet, &heights)?;
    report.add(&format!("finality, idle, {name}"), "ms", finality)?;
    let receipts = blocks::receipts(devnet, plan.receipts, &CancellationToken::new()).await?;
    report.add(&format!("submit to receipt, idle, {name}"), "ms", receipts)
}

/// As much as the nodes take, then half of that, at which latencies mean something.
async fn loads(devnet: &Devnet, plan: &Plan, report: &mut Report) -> Result<()> {
    eprintln!("load: funding the senders");
    let mut senders = Senders::fund(devnet).await?;
    let mut least = f64::INFINITY;
    for (kind, name) in [(Kind::Native, "native"), (Kind::Token, "ERC-20")] {
        let (mut rates, mut blocks, mut finality) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..plan.loads {
            eprintln!("load: {name}, {} of {}", run + 1, plan.loads);
            let outcome = senders.run(devnet, kind, plan.each, None).await?;
            rates.push(outcome.rate);
            blocks.extend(outcome.blocks);
            finality.extend(blocks::finality(devnet, &outcome.heights)?);
            report.note(format!("saturated: {}", outcome.summary));
        }
        if kind == Kind::Native {
            least = rates.iter().copied().fold(least, f64::min);
        }
        report.add(&format!("transfers, {name}, saturated"), "1/s", rates)?;
        if !blocks.is_empty() {
            report.add(&format!("blocks, {name}, saturated"), "1/s", blocks)?;
        }
        report.add(&format!("finality, {name}, saturated"), "ms", finality)?;
    }
    half_load(devnet, plan, &mut senders, least / 2.0, report).await
}

async fn half_load(
    devnet: &Devnet,
    plan: &Plan,
    senders: &mut Senders,
    pace: f64,
    report: &mut Report,
) -> Result<()> {
    eprintln!("load: native, {pace:.0} a second");
    let stop = CancellationToken::new();
    let load = async {
        let outcome = senders.run(devnet, Kind::Native, plan.each, Some(pace)).await;
        stop.cancel();
        outcome
    };
    let probes = blocks::receipts(devnet, usize::MAX, &stop);
    let (outcome, receipts) = tokio::join!(load, probes);
    let outcome = outcome?;
    report.note(format!("half load: {}", outcome.summary));
    report.add("blocks, native, half load", "1/s", outcome.blocks.into_iter().collect())?;
    let finality = blocks::finality(devnet, &outcome.heights)?;
    report.add("finality, native, half load", "ms", finality)?;
    report.add("submit to receipt, native, half load", "ms", receipts?)
}

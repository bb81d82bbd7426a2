//! How fast one node executes and keeps blocks: the figures of docs/figures.md for the state
//! machine. No consensus, no network, no pool: raw transactions in, durable blocks out.
//!
//! Each step is a process of its own, so that memory is counted for the node alone:
//! `setup` makes the state, `load` signs the transactions of one run, `run` executes them and ends
//! without a goodbye, `open` finds what it left. Without arguments all of it, several times.

mod figures;
mod load;
mod run;
mod world;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use figures::{Figures, Table};
use load::Kind;

/// The allocator of the node.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    accounts: u64,
    senders: u64,
    blocks: u64,
    transactions: u64,
    runs: u64,
}

const FULL: Plan =
    Plan { accounts: 1_000_000, senders: 100_000, blocks: 40, transactions: 5_000, runs: 5 };
const QUICK: Plan =
    Plan { accounts: 100_000, senders: 20_000, blocks: 16, transactions: 5_000, runs: 1 };

/// Blocks after those that are timed: the crash at the end leaves them to be recovered.
const CRASHED: u64 = 4;

/// What a run is about, as words on the command line.
#[derive(Clone, Copy, Debug)]
struct Setting {
    kind: Kind,
    /// With the caches that the speed target needs, rather than the default ones.
    is_large: bool,
    /// Senders are recovered beside the execution of earlier blocks, rather than before.
    is_overlapped: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => all(FULL),
        ["--quick"] => all(QUICK),
        ["--runs", runs] => {
            runs.parse().map_err(Error::from).and_then(|runs| all(Plan { runs, ..FULL }))
        }
        ["setup", dir, accounts, senders] => setup(dir, accounts, senders),
        ["load", dir, kind, first, count, senders] => sign(dir, kind, first, count, senders),
        ["run", dir, memory, senders, size, timed] => run(dir, memory, senders, size, timed),
        ["open", dir] => run::open(Path::new(dir)),
        _ => Err("usage: pipeline [--quick | --runs N]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pipeline: {error}");
            ExitCode::FAILURE
        }
    }
}

fn setup(dir: &str, accounts: &str, senders: &str) -> Result<()> {
    world::create(Path::new(dir), accounts.parse()?, senders.parse()?)
}

fn sign(dir: &str, kind: &str, first: &str, count: &str, senders: &str) -> Result<()> {
    let range = first.parse::<u64>()?..first.parse::<u64>()? + count.parse::<u64>()?;
    load::write(Path::new(dir), kind.parse()?, range, senders.parse()?)
}

fn run(dir: &str, memory: &str, senders: &str, size: &str, timed: &str) -> Result<()> {
    let (is_large, is_cold) = (memory == "large", senders == "cold");
    run::run(Path::new(dir), is_large, is_cold, size.parse()?, timed.parse()?)
}

/// Prints what was asked for.
fn answer(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Runs this program again with other words; its stdout.
fn step(words: &[&str]) -> Result<String> {
    let output = Command::new(std::env::current_exe()?)
        .args(words)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    // A run ends by a signal of its own: whoever comes next finds a crash.
    if !output.status.success() && words[0] != "run" {
        return Err(format!("{words:?} failed").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn all(plan: Plan) -> Result<()> {
    let home = tempdir()?;
    let dir = home.to_str().ok_or("a temporary directory without a name")?;
    let done = measure(plan, dir);
    std::fs::remove_dir_all(&home)?;
    done
}

fn tempdir() -> Result<std::path::PathBuf> {
    let dir = std::env::temp_dir().join(format!("mooring-pipeline-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    Ok(dir)
}

fn measure(plan: Plan, dir: &str) -> Result<()> {
    let (accounts, senders) = (plan.accounts.to_string(), plan.senders.to_string());
    eprintln!("setup: {accounts} accounts, as many holders of one token");
    step(&["setup", dir, &accounts, &senders])?;
    let each = (plan.blocks + CRASHED) * plan.transactions;
    let (size, timed) = (plan.transactions.to_string(), plan.blocks.to_string());
    let mut first = 0;
    let mut table = Table::default();
    for (is_large, is_overlapped) in [(false, true), (true, true), (true, false)] {
        for kind in [Kind::Native, Kind::Erc20] {
            let setting = Setting { kind, is_large, is_overlapped };
            for run in 1..=plan.runs {
                eprintln!("{setting}: run {run} of {}", plan.runs);
                step(&["load", dir, kind.name(), &first.to_string(), &each.to_string(), &senders])?;
                first += each;
                let memory = if is_large { "large" } else { "default" };
                let known = if is_overlapped { "cold" } else { "known" };
                let mut figures: Figures =
                    serde_json::from_str(&step(&["run", dir, memory, known, &size, &timed])?)?;
                figures.recovery = serde_json::from_str(&step(&["open", dir])?)?;
                table.add(&setting.to_string(), figures);
            }
        }
    }
    answer(&table.to_string())
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let senders = if self.is_overlapped { "senders recovered beside" } else { "senders known" };
        let memory = if self.is_large { "large caches" } else { "default budgets" };
        write!(f, "{}, {senders}, {memory}", self.kind.name())
    }
}

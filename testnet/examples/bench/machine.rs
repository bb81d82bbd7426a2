//! What the figures were taken on, and who used its processors meanwhile.

use std::{fs, process::Command};

use mooring_testnet::process::Table;

use crate::{Result, devnet::Devnet};

/// Clock ticks a second in `/proc`: Linux's `USER_HZ`, the same on every architecture we build for.
const TICKS: f64 = 100.0;

fn field(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Machine, load and commit, a line each.
pub(crate) fn describe() -> String {
    let unknown = || "unknown".to_owned();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(unknown);
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_else(unknown);
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_else(unknown);
    let changed = git(&["status", "--porcelain"]).is_some_and(|text| !text.is_empty());
    let dirty = if changed { " with uncommitted changes" } else { "" };
    format!(
        "machine  {cores} cores, {model}, {memory}\nload     {}\ncommit   {commit}{dirty}",
        load()
    )
}

/// The load averages over 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Processor time spent since boot, in seconds: by this process, by a devnet, by everybody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    bench: f64,
    devnet: f64,
    all: f64,
    idle: f64,
}

impl Cpu {
    /// What was spent until now.
    pub(crate) fn now(devnet: &Devnet) -> Result<Self> {
        let table = Table::load(devnet.path())?;
        let devnet = table.processes.iter().map(|p| spent(&p.pid.to_string())).sum();
        let text = fs::read_to_string("/proc/stat")?;
        let ticks: Vec<f64> = text
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|word| word.parse().ok())
            .collect();
        let all = ticks.iter().sum::<f64>() / TICKS;
        let idle = ticks.iter().skip(3).take(2).sum::<f64>() / TICKS;
        Ok(Self { bench: spent("self"), devnet, all, idle })
    }

    /// Shares of the machine since `before`, in per cent of all cores.
    pub(crate) fn since(self, before: Self) -> String {
        let all = (self.all - before.all).max(0.01);
        let share = |now: f64, then: f64| 100.0 * (now - then) / all;
        let (bench, devnet) = (share(self.bench, before.bench), share(self.devnet, before.devnet));
        let idle = share(self.idle, before.idle);
        let others = (100.0 - bench - devnet - idle).max(0.0);
        format!(
            "sender {bench:.0} %, devnet {devnet:.0} %, idle {idle:.0} %, others {others:.0} % \
             of all cores"
        )
    }
}

/// User and system time of a process in seconds; 0 when it is gone.
fn spent(pid: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times = after_name.split_whitespace().skip(11).take(2);
    times.filter_map(|word| word.parse::<f64>().ok()).sum::<f64>() / TICKS
}

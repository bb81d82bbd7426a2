//! Child processes that outlive the command that started them, and are stopped by identity.
//!
//! A process is known by its id and its start time: a recycled id is never signalled.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use crate::TestnetError;

/// How long a process gets to stop by itself before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A process of this testnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// `l1`, `node0`, `relayer0`, …
    pub name: String,
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub started: u64,
    /// The command, to start it again.
    pub command: Vec<String>,
}

impl Process {
    /// Starts `command` in the background, its output appended to `log`.
    ///
    /// # Errors
    /// [`TestnetError::Spawn`] names the program.
    pub fn spawn(name: &str, command: Vec<String>, log: &Path) -> Result<Self, TestnetError> {
        let attempt = || {
            if let Some(parent) = log.parent() {
                fs::create_dir_all(parent)?;
            }
            let output = File::options().create(true).append(true).open(log)?;
            let (program, arguments) =
                command.split_first().ok_or_else(|| std::io::Error::other("empty command"))?;
            let child = Command::new(program)
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .process_group(0)
                .spawn()?;
            Ok(child.id())
        };
        let pid = attempt()
            .map_err(|source| TestnetError::Spawn { program: command.join(" "), source })?;
        let started = start_time(pid).unwrap_or(0);
        Ok(Self { name: name.to_owned(), pid, started, command })
    }

    /// Whether this very process still runs. Collects it when it is an ended child of ours.
    pub fn alive(&self) -> bool {
        reap(self.pid);
        start_time(self.pid) == Some(self.started)
    }

    /// Sends a signal to this very process; nothing when it is gone.
    pub fn signal(&self, signal: Signal) {
        if self.alive()
            && let Ok(pid) = i32::try_from(self.pid)
        {
            // It may end between the look and the signal; that is what was wanted.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// Asks all to stop, waits, and kills what remains. Returns the names of those killed.
pub fn stop_all(processes: &[Process]) -> Vec<String> {
    for process in processes {
        process.signal(Signal::SIGTERM);
    }
    wait_gone(processes, GRACE);
    let stubborn: Vec<&Process> = processes.iter().filter(|p| p.alive()).collect();
    for process in &stubborn {
        process.signal(Signal::SIGKILL);
    }
    wait_gone(processes, GRACE);
    stubborn.iter().map(|p| p.name.clone()).collect()
}

fn wait_gone(processes: &[Process], limit: Duration) {
    let deadline = Instant::now() + limit;
    while processes.iter().any(Process::alive) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn reap(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        use nix::sys::wait::{WaitPidFlag, waitpid};
        // Fails for a process that is not our child, which is then somebody else's to collect.
        let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
    }
}

/// Field 22 of `/proc/PID/stat`; `None` when there is no such process or it is a zombie whose
/// threads are gone too. A killed process whose main thread is a zombie keeps its files and ports
/// until its last thread has ended.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace();
    if fields.next()? == "Z" && threads(pid) <= 1 {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The processes of a testnet, in a file beside `network.json`, so that `down` finds them even
/// when `up` was cut off half way.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    /// In order of start.
    pub processes: Vec<Process>,
}

impl Table {
    /// Reads the table of the testnet in `dir`; empty when there is none.
    ///
    /// # Errors
    /// [`TestnetError::File`] when it is there and cannot be read.
    pub fn load(dir: &Path) -> Result<Self, TestnetError> {
        let path = dir.join("processes.json");
        let processes = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| TestnetError::File {
                path: path.clone(),
                source: std::io::Error::other(error),
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(TestnetError::File { path, source }),
        };
        Ok(Self { path, processes })
    }

    /// Starts a process and records it; replaces an entry of the same name.
    ///
    /// # Errors
    /// The spawn's or the file's.
    pub fn start(
        &mut self,
        name: &str,
        command: Vec<String>,
        log: &Path,
    ) -> Result<Process, TestnetError> {
        let process = Process::spawn(name, command, log)?;
        self.processes.retain(|p| p.name != name);
        self.processes.push(process.clone());
        let text = serde_json::to_vec_pretty(&self.processes).map_err(|error| {
            TestnetError::File { path: self.path.clone(), source: std::io::Error::other(error) }
        })?;
        crate::files::write_whole(&self.path, &text, 0o600)?;
        Ok(process)
    }

    /// The process of this name.
    pub fn get(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|p| p.name == name)
    }

    /// Stops everything, last started first, and forgets it.
    ///
    /// # Errors
    /// [`TestnetError::File`] when the table cannot be removed.
    pub fn stop(self) -> Result<Vec<String>, TestnetError> {
        let reversed: Vec<Process> = self.processes.into_iter().rev().collect();
        let killed = stop_all(&reversed);
        match fs::remove_file(&self.path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(TestnetError::File { path: self.path, source })
            }
            _ => Ok(killed),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_process_is_known_by_id_and_start_and_stops_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = Table::load(dir.path()).unwrap();
        let command = vec!["sleep".to_owned(), "600".to_owned()];
        let process = table.start("sleeper", command, &dir.path().join("log")).unwrap();
        assert!(process.alive());
        let impostor = Process { started: process.started + 1, ..process.clone() };
        assert!(!impostor.alive(), "another start time is another process");

        let found = Table::load(dir.path()).unwrap();
        assert_eq!(found.get("sleeper"), Some(&process));
        assert!(found.stop().unwrap().is_empty(), "sleep ends on SIGTERM");
        assert!(!process.alive());
        assert!(Table::load(dir.path()).unwrap().processes.is_empty());
    }
}

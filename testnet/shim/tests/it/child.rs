//! Programs under the shim: this test program, started again with a job in its environment.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::{
    chain::{BLOCKS, Chain},
    seeds,
    trace::Event,
};

/// The number of the chain's script.
const SCRIPT: &str = "MOORING_JOB_SCRIPT";
/// The store's directory.
const DIR: &str = "MOORING_JOB_DIR";
/// Where committed heights are told, eight bytes each.
const ACK: &str = "MOORING_SHIM_ACK";
/// Blocks between opening the store and closing it: few, and more than are flushed together.
const SESSIONS: [u64; 3] = [4, 20, BLOCKS];
/// How a child exits when the store complains.
const COMPLAINED: i32 = 3;

/// Where a program under the shim leaves its traces.
#[derive(Debug)]
pub(crate) struct Shim {
    /// The directory that is watched.
    pub(crate) root: PathBuf,
    /// The trace.
    pub(crate) trace: PathBuf,
    /// What goes wrong; nothing when it is empty.
    pub(crate) plan: String,
}

impl Shim {
    /// Puts the shim under a program.
    pub(crate) fn apply(&self, command: &mut Command) {
        let library = env::current_exe().unwrap().with_file_name("libmooring_shim.so");
        assert!(library.exists(), "{} is built with this test", library.display());
        command.env("LD_PRELOAD", library);
        command.env("MOORING_SHIM_ROOT", &self.root).env("MOORING_SHIM_TRACE", &self.trace);
        if !self.plan.is_empty() {
            command.env("MOORING_SHIM_PLAN", &self.plan);
        }
    }

    /// What the program did so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        let bytes = fs::read(&self.trace).unwrap();
        let mut rest = &bytes[..];
        std::iter::from_fn(|| Event::decode(&mut rest)).collect()
    }
}

/// How many steps of a trace a plan could have spoiled.
pub(crate) fn steps(events: &[Event]) -> u64 {
    let harmless =
        |event: &Event| matches!(event, Event::Ack { .. } | Event::Open { truncate: false, .. });
    events.iter().filter(|event| !harmless(event)).count() as u64
}

/// What was done to files whose names begin with `name`.
pub(crate) fn only(name: &str, events: &[Event]) -> Vec<Event> {
    let called = |path: &[u8]| {
        path.rsplit(|byte| *byte == b'/').next().is_some_and(|it| it.starts_with(name.as_bytes()))
    };
    let mut handles = BTreeSet::new();
    let wanted = |event: &&Event| match event {
        Event::Open { handle, path, .. } => called(path) && handles.insert(*handle),
        Event::Write { handle, .. }
        | Event::Resize { handle, .. }
        | Event::Extend { handle, .. }
        | Event::Sync { handle } => handles.contains(handle),
        Event::Rename { from: path, .. }
        | Event::Link { from: path, .. }
        | Event::Unlink { path }
        | Event::MakeDir { path } => called(path),
        Event::Ack { .. } => false,
    };
    events.iter().filter(wanted).cloned().collect()
}

/// A store's program, ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) events: Vec<Event>,
    /// The store's complaint; `None` when all blocks were committed.
    pub(crate) complaint: Option<String>,
}

/// Runs a program below `home` that writes what is missing of the chain of `script` into
/// `home/data`, which is made where it is missing.
pub(crate) fn write_chain(home: &Path, script: u64, plan: &str) -> Ended {
    let root = home.join("data");
    let shim = Shim { root: root.clone(), trace: home.join("trace"), plan: plan.to_owned() };
    fs::create_dir_all(&root).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child::does_its_job", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(SCRIPT, script.to_string()).env(DIR, &root).env(ACK, home.join("ack"));
    shim.apply(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = seeds::spawn(&mut command).wait_with_output().unwrap();
    Ended { events: shim.events(), complaint: complaint(&output) }
}

fn complaint(output: &Output) -> Option<String> {
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => None,
        Some(COMPLAINED) => Some(said()),
        other => panic!("the program ended with {other:?} and said {}", said()),
    }
}

#[test]
fn does_its_job() {
    let (Ok(script), Ok(dir), Ok(ack)) = (env::var(SCRIPT), env::var(DIR), env::var(ACK)) else {
        return;
    };
    let chain = Chain::of(script.parse().unwrap());
    let mut ack = File::create(ack).unwrap();
    if let Err(complaint) = sessions(&chain, Path::new(&dir), &mut ack) {
        eprintln!("{complaint}");
        std::process::exit(COMPLAINED);
    }
}

fn sessions(chain: &Chain, dir: &Path, ack: &mut File) -> Result<(), String> {
    for blocks in SESSIONS {
        let store = chain.open_busily(dir).map_err(|error| crate::chain::chained(&error))?;
        let left = BLOCKS - store.latest().number();
        for _ in 0..blocks.min(left) {
            let height = chain.commit_next(&store)?;
            ack.write_all(&height.to_le_bytes()).unwrap();
        }
    }
    Ok(())
}

/// The height that was last told before the end of `events`.
pub(crate) fn acknowledged(events: &[Event]) -> u64 {
    let told = |event: &Event| match event {
        Event::Ack { data } => Some(u64::from_le_bytes(data[..].try_into().unwrap())),
        _ => None,
    };
    events.iter().rev().find_map(told).unwrap_or(0)
}

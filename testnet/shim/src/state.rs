//! What the shim knows: which descriptors are files below the root, and how far the plan is.

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, OsString},
    os::unix::ffi::OsStringExt as _,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use libc::c_int;

use crate::{
    ACK, ROOT, TRACE,
    plan::{self, Need, Outcome, Plan},
    trace::Event,
};

/// A descriptor that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// A file or directory below the root.
    File {
        handle: u64,
        /// Whether the plan counts what is done to it.
        counts: bool,
    },
    /// Where the program says what it has done.
    Ack,
}

/// What is behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Root,
    Ack,
    Elsewhere,
}

/// Which descriptors are watched. Read without the lock: a call on any other descriptor must not
/// wait, since it may come from a signal handler.
static WATCHED: [AtomicBool; 65_536] = [const { AtomicBool::new(false) }; 65_536];

fn mark(fd: c_int, watched: bool) {
    match usize::try_from(fd).ok().and_then(|fd| WATCHED.get(fd)) {
        Some(mark) => mark.store(watched, Ordering::SeqCst),
        None => die(b"shim: too many open files\n"),
    }
}

/// Whether calls on this descriptor matter.
pub(crate) fn is_watched(fd: c_int) -> bool {
    let mark = usize::try_from(fd).ok().and_then(|fd| WATCHED.get(fd));
    mark.is_some_and(|mark| mark.load(Ordering::SeqCst))
}

#[derive(Debug)]
pub(crate) struct State {
    root: Vec<u8>,
    ack: Option<Vec<u8>>,
    plan: Option<Plan>,
    trace: c_int,
    steps: u64,
    handles: u64,
    open: BTreeMap<c_int, Watched>,
    /// The paths of the directories among them.
    directories: BTreeMap<c_int, Vec<u8>>,
}

/// The shim, held while one call is made, so that the trace has the calls in the order in which
/// the system did them; `None` when nothing is to be watched.
pub(crate) fn lock() -> Option<MutexGuard<'static, State>> {
    static STATE: OnceLock<Option<Mutex<State>>> = OnceLock::new();
    let state = STATE.get_or_init(|| State::from_environment().map(Mutex::new)).as_ref()?;
    Some(state.lock().unwrap_or_else(PoisonError::into_inner))
}

impl State {
    fn from_environment() -> Option<Self> {
        let variable = |name| std::env::var_os(name).map(OsString::into_vec);
        let root = variable(ROOT)?;
        let path = CString::new(variable(TRACE)?).ok()?;
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        let trace = raw_open(&path, flags, 0o644);
        let plan = std::env::var(plan::VARIABLE).ok();
        let plan = plan.map(|text| Plan::parse(&text).unwrap_or_else(|| die(b"shim: bad plan\n")));
        if trace < 0 {
            die(b"shim: cannot open the trace\n");
        }
        Some(Self {
            root,
            ack: variable(ACK),
            plan,
            trace,
            steps: 0,
            handles: 0,
            open: BTreeMap::new(),
            directories: BTreeMap::new(),
        })
    }

    pub(crate) fn place(&self, path: &CStr) -> Place {
        let path = path.to_bytes();
        let below = path.strip_prefix(&self.root[..]);
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")) {
            Place::Root
        } else if self.ack.as_deref() == Some(path) {
            Place::Ack
        } else {
            Place::Elsewhere
        }
    }

    /// `path` as the system takes it beside `dir`: below that one, unless it begins at the top.
    pub(crate) fn absolute(&self, dir: c_int, path: &CStr) -> CString {
        match self.directories.get(&dir) {
            Some(above) if !path.to_bytes().starts_with(b"/") => {
                let whole = [above, &b"/"[..], path.to_bytes()].concat();
                // Both parts were C strings.
                CString::new(whole).unwrap_or_default()
            }
            Some(_) | None => path.to_owned(),
        }
    }

    pub(crate) fn watched(&self, fd: c_int) -> Option<Watched> {
        self.open.get(&fd).copied()
    }

    pub(crate) fn watch_ack(&mut self, fd: c_int) {
        self.open.insert(fd, Watched::Ack);
        mark(fd, true);
    }

    pub(crate) fn watch(&mut self, fd: c_int, path: &CStr, truncate: bool) {
        self.handles = self.handles.saturating_add(1);
        let handle = self.handles;
        let counts = self.counts(path);
        self.open.insert(fd, Watched::File { handle, counts });
        mark(fd, true);
        self.record(&Event::Open { handle, path: path.to_bytes().to_vec(), truncate });
    }

    /// The descriptor of a directory, by which names below it are given.
    pub(crate) fn watch_directory(&mut self, fd: c_int, path: &CStr) {
        self.watch(fd, path, false);
        self.directories.insert(fd, path.to_bytes().to_vec());
    }

    pub(crate) fn forget(&mut self, fd: c_int) {
        self.open.remove(&fd);
        self.directories.remove(&fd);
        mark(fd, false);
    }

    /// Whether the plan counts what is done to this file.
    pub(crate) fn counts(&self, path: &CStr) -> bool {
        self.plan.as_ref().is_none_or(|plan| plan.covers(path.to_bytes()))
    }

    /// Counts a step; returns the error number with which it is to fail.
    pub(crate) fn step(&mut self, need: Need) -> Option<c_int> {
        self.steps = self.steps.saturating_add(1);
        match self.plan.as_ref().map_or(Outcome::Pass, |plan| plan.outcome(self.steps, need)) {
            Outcome::Pass => None,
            Outcome::Fail(number) => Some(number),
            Outcome::Exit => exit(plan::EXIT_CODE),
        }
    }

    pub(crate) fn record(&self, event: &Event) {
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        raw_write_all(self.trace, &bytes);
    }
}

fn raw_open(path: &CStr, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: the path is a C string that lives through the call.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, mode) };
    c_int::try_from(fd).unwrap_or(-1)
}

fn raw_write_all(fd: c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: pointer and length are those of a live slice.
        let written = unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(_) => die(b"shim: cannot write the trace\n"),
        }
    }
}

/// A trace with a hole would make a test blame the program.
fn die(why: &[u8]) -> ! {
    // SAFETY: pointer and length are those of a live slice.
    unsafe { libc::syscall(libc::SYS_write, libc::STDERR_FILENO, why.as_ptr(), why.len()) };
    exit(plan::EXIT_CODE.saturating_add(1))
}

/// Ends the process as a power cut would: nothing is flushed, no destructor runs.
fn exit(code: c_int) -> ! {
    // SAFETY: takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}

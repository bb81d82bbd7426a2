//! What a disk holds after a power cut, worked out from a trace.
//!
//! The rules are POSIX's, read harshly. A write is durable once its file is synced, a name once its
//! directory is; a synced file whose name is not may be gone. Of what is not durable a cut keeps
//! any first part: of all names in order, as a journal does, and of each file's writes on their own,
//! the last of them torn at any byte. Directories are durable at once: a node makes them at its
//! first start, before it has anything to lose.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use rand::{Rng, rngs::StdRng};

use crate::trace::Event;

/// A file's number in this model.
type Inode = usize;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    Resize(u64),
    Extend(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum NameChange {
    Put(PathBuf, Inode),
    Remove(PathBuf),
    Move { from: PathBuf, to: PathBuf },
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// The names of files.
type Names = BTreeMap<PathBuf, Inode>;

/// The disk below one directory.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    files: Vec<File>,
    live: Names,
    durable: Names,
    pending: Vec<NameChange>,
    directories: Vec<PathBuf>,
    handles: BTreeMap<u64, Target>,
}

#[derive(Clone, Debug)]
enum Target {
    File(Inode),
    Directory(PathBuf),
}

/// How much of what is not durable a cut keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All: the process is killed, the machine stays up.
    All,
    /// Nothing.
    Nothing,
    /// Any first part.
    Some,
}

impl Disk {
    /// The disk as `root` now is, all of it durable.
    pub(crate) fn of(root: &Path) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            files: Vec::new(),
            live: Names::new(),
            durable: Names::new(),
            pending: Vec::new(),
            directories: Vec::new(),
            handles: BTreeMap::new(),
        };
        disk.load(Path::new(""));
        disk.durable = disk.live.clone();
        disk
    }

    /// The same disk for a program that is given the directory `name` below the root, to be made.
    pub(crate) fn below(mut self, name: &str) -> Self {
        self.root.push(name);
        self
    }

    fn load(&mut self, below: &Path) {
        self.directories.push(below.to_owned());
        for entry in fs::read_dir(self.root.join(below)).unwrap() {
            let entry = entry.unwrap();
            let name = below.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                self.load(&name);
            } else {
                let durable = fs::read(entry.path()).unwrap();
                self.live.insert(name, self.files.len());
                self.files.push(File { durable, pending: Vec::new() });
            }
        }
    }

    fn name(&self, path: &[u8]) -> PathBuf {
        let path = Path::new(std::str::from_utf8(path).unwrap());
        path.strip_prefix(&self.root).unwrap().to_owned()
    }

    /// Does one step of the trace.
    pub(crate) fn step(&mut self, event: &Event) {
        match event {
            Event::Open { handle, path, truncate } => self.open(*handle, path, *truncate),
            Event::Write { handle, offset, data } => {
                self.change(*handle, Change::Write { offset: *offset, data: data.clone() });
            }
            Event::Resize { handle, length } => self.change(*handle, Change::Resize(*length)),
            Event::Extend { handle, length } => self.change(*handle, Change::Extend(*length)),
            Event::Sync { handle } => self.sync(*handle),
            Event::Rename { from, to } => {
                let (from, to) = (self.name(from), self.name(to));
                self.rename(NameChange::Move { from, to });
            }
            Event::Link { from, to } => {
                let inode = self.live[&self.name(from)];
                self.rename(NameChange::Put(self.name(to), inode));
            }
            Event::Unlink { path } => self.rename(NameChange::Remove(self.name(path))),
            Event::MakeDir { path } => self.directories.push(self.name(path)),
            Event::Ack { .. } => {}
        }
    }

    fn open(&mut self, handle: u64, path: &[u8], truncate: bool) {
        let name = self.name(path);
        if self.directories.contains(&name) {
            self.handles.insert(handle, Target::Directory(name));
            return;
        }
        let inode = match self.live.get(&name) {
            Some(inode) => *inode,
            None => {
                self.files.push(File::default());
                let inode = self.files.len() - 1;
                self.rename(NameChange::Put(name, inode));
                inode
            }
        };
        self.handles.insert(handle, Target::File(inode));
        if truncate {
            self.change(handle, Change::Resize(0));
        }
    }

    fn change(&mut self, handle: u64, change: Change) {
        let Target::File(inode) = self.handles[&handle] else { panic!("a directory is written") };
        self.files[inode].pending.push(change);
    }

    fn rename(&mut self, change: NameChange) {
        apply_name(&mut self.live, &change);
        self.pending.push(change);
    }

    fn sync(&mut self, handle: u64) {
        match self.handles[&handle].clone() {
            Target::File(inode) => {
                let file = &mut self.files[inode];
                for change in std::mem::take(&mut file.pending) {
                    apply(&mut file.durable, &change);
                }
            }
            Target::Directory(name) => {
                let of = |path: &PathBuf| path.parent() == Some(&*name);
                let (done, rest) = std::mem::take(&mut self.pending).into_iter().partition(
                    |change| match change {
                        NameChange::Put(path, _) | NameChange::Remove(path) => of(path),
                        NameChange::Move { from, to } => of(from) || of(to),
                    },
                );
                self.pending = rest;
                let done: Vec<NameChange> = done;
                done.iter().for_each(|change| apply_name(&mut self.durable, change));
            }
        }
    }

    /// Makes `to` what is left of the disk when power is cut now.
    pub(crate) fn cut(&self, rng: &mut StdRng, keep: Keep, to: &Path) {
        let mut part = |len: usize| match keep {
            Keep::All => len,
            Keep::Nothing => 0,
            Keep::Some => rng.random_range(0..=len),
        };
        let mut names = self.durable.clone();
        for change in &self.pending[..part(self.pending.len())] {
            apply_name(&mut names, change);
        }
        for directory in &self.directories {
            fs::create_dir_all(to.join(directory)).unwrap();
        }
        for (name, inode) in names {
            let file = &self.files[inode];
            let mut bytes = file.durable.clone();
            let kept = part(file.pending.len());
            for change in &file.pending[..kept] {
                apply(&mut bytes, change);
            }
            if let Some(Change::Write { offset, data }) = file.pending.get(kept) {
                let data = data[..part(data.len())].to_vec();
                apply(&mut bytes, &Change::Write { offset: *offset, data });
            }
            fs::write(to.join(name), bytes).unwrap();
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { data, .. } if data.is_empty() => {}
        Change::Write { offset, data } => {
            let from = usize::try_from(*offset).unwrap();
            let to = from + data.len();
            bytes.resize(bytes.len().max(to), 0);
            bytes[from..to].copy_from_slice(data);
        }
        Change::Resize(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
        Change::Extend(length) => {
            bytes.resize(bytes.len().max(usize::try_from(*length).unwrap()), 0);
        }
    }
}

/// A name that a lost change should have made is missing; so is what it would have become.
fn apply_name(names: &mut Names, change: &NameChange) {
    match change {
        NameChange::Put(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
        NameChange::Move { from, to } => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
    }
}

mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read(path).unwrap())
            })
            .collect()
    }

    fn after(events: &[Event], keep: Keep, seed: u64) -> BTreeMap<String, Vec<u8>> {
        let root = tempfile::tempdir().unwrap();
        let mut disk = Disk::of(root.path());
        disk.root = PathBuf::from("/r");
        events.iter().for_each(|event| disk.step(event));
        let left = tempfile::tempdir().unwrap();
        disk.cut(&mut StdRng::seed_from_u64(seed), keep, left.path());
        files(left.path())
    }

    fn open(handle: u64, path: &str) -> Event {
        Event::Open { handle, path: path.as_bytes().to_vec(), truncate: false }
    }

    fn write(handle: u64, offset: u64, data: &[u8]) -> Event {
        Event::Write { handle, offset, data: data.to_vec() }
    }

    #[test]
    fn only_what_is_synced_with_its_directory_survives_the_worst_cut() {
        let mut events = vec![
            open(1, "/r"),
            open(2, "/r/a"),
            write(2, 0, b"one"),
            Event::Sync { handle: 2 },
            write(2, 3, b"two"),
        ];
        assert_eq!(after(&events, Keep::Nothing, 0), BTreeMap::new(), "its name is not durable");
        assert_eq!(after(&events, Keep::All, 0)["a"], b"onetwo");
        events.push(Event::Sync { handle: 1 });
        assert_eq!(after(&events, Keep::Nothing, 0)["a"], b"one");
        let torn: Vec<_> = (0..200).map(|s| after(&events, Keep::Some, s)["a"].clone()).collect();
        for kept in [&b"one"[..], b"onet", b"onetw", b"onetwo"] {
            assert!(torn.iter().any(|found| found == kept), "{kept:?} never happens");
        }
        assert!(torn.iter().all(|found| b"onetwo".starts_with(found) && found.len() >= 3));
    }

    #[test]
    fn a_rename_is_durable_with_its_directory_and_takes_the_contents_along() {
        let rename = Event::Rename { from: b"/r/new".to_vec(), to: b"/r/a".to_vec() };
        let mut events = vec![
            open(1, "/r"),
            open(2, "/r/a"),
            write(2, 0, b"old"),
            Event::Sync { handle: 2 },
            Event::Sync { handle: 1 },
            open(3, "/r/new"),
            write(3, 0, b"new"),
            Event::Sync { handle: 3 },
            rename,
        ];
        assert_eq!(after(&events, Keep::Nothing, 0)["a"], b"old");
        assert_eq!(after(&events, Keep::All, 0), BTreeMap::from([("a".into(), b"new".to_vec())]));
        events.push(Event::Sync { handle: 1 });
        assert_eq!(after(&events, Keep::Nothing, 0)["a"], b"new");
        events.push(Event::Unlink { path: b"/r/a".to_vec() });
        assert_eq!(after(&events, Keep::Nothing, 0)["a"], b"new");
        assert_eq!(after(&events, Keep::All, 0), BTreeMap::new());
    }

    #[test]
    fn lengths_follow_truncation_and_reservation() {
        let events = [
            open(2, "/r/a"),
            write(2, 2, b"xy"),
            Event::Extend { handle: 2, length: 6 },
            Event::Resize { handle: 2, length: 3 },
        ];
        assert_eq!(after(&events[..3], Keep::All, 0)["a"], b"\0\0xy\0\0");
        assert_eq!(after(&events, Keep::All, 0)["a"], b"\0\0x");
    }
}

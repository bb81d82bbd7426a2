//! What a disk holds after a power cut, worked out from a trace.
//!
//! The rules are POSIX's, read harshly. A write is durable once its file is synced, a name once its
//! directory is; a synced file whose name is not may be gone. Of what is not durable a cut keeps
//! any first part: of all names in order, as a journal does, and of each file's writes on their own,
//! the last of them torn at any byte. A directory that is made is durable at once, as are all names
//! before it: a node makes its own at its first start, before it has anything to lose.

mod tests;

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

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(Inode),
    Directory,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum NameChange {
    Put(PathBuf, Entry),
    Remove(PathBuf),
    Move { from: PathBuf, to: PathBuf },
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// All names, with those above them in their paths.
type Names = BTreeMap<PathBuf, Entry>;

/// The disk below one directory.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    files: Vec<File>,
    live: Names,
    durable: Names,
    pending: Vec<NameChange>,
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
        self.live.insert(below.to_owned(), Entry::Directory);
        for entry in fs::read_dir(self.root.join(below)).unwrap() {
            let entry = entry.unwrap();
            let name = below.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                self.load(&name);
            } else {
                let durable = fs::read(entry.path()).unwrap();
                self.live.insert(name, Entry::File(self.files.len()));
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
                let file = self.live[&self.name(from)];
                self.rename(NameChange::Put(self.name(to), file));
            }
            Event::Unlink { path } => self.rename(NameChange::Remove(self.name(path))),
            Event::MakeDir { path } => self.make_directory(self.name(path)),
            Event::Ack { .. } => {}
        }
    }

    fn open(&mut self, handle: u64, path: &[u8], truncate: bool) {
        let name = self.name(path);
        let inode = match self.live.get(&name) {
            Some(Entry::Directory) => {
                self.handles.insert(handle, Target::Directory(name));
                return;
            }
            Some(Entry::File(inode)) => *inode,
            None => {
                self.files.push(File::default());
                let inode = self.files.len() - 1;
                self.rename(NameChange::Put(name, Entry::File(inode)));
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

    fn make_directory(&mut self, name: PathBuf) {
        self.rename(NameChange::Put(name, Entry::Directory));
        for change in std::mem::take(&mut self.pending) {
            apply_name(&mut self.durable, &change);
        }
    }

    fn sync(&mut self, handle: u64) {
        match &self.handles[&handle] {
            Target::File(inode) => {
                let file = &mut self.files[*inode];
                for change in std::mem::take(&mut file.pending) {
                    apply(&mut file.durable, &change);
                }
            }
            Target::Directory(name) => self.sync_directory(&name.clone()),
        }
    }

    fn sync_directory(&mut self, name: &Path) {
        let is_in = |path: &Path| path.parent() == Some(name);
        for change in std::mem::take(&mut self.pending) {
            let is_of_it = match &change {
                NameChange::Put(path, _) | NameChange::Remove(path) => is_in(path),
                NameChange::Move { from, to } => is_in(from) || is_in(to),
            };
            if is_of_it {
                apply_name(&mut self.durable, &change);
                self.pending.iter_mut().for_each(|earlier| earlier.follow(&change));
            } else {
                self.pending.push(change);
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
        for (name, entry) in names {
            let path = to.join(&name);
            match entry {
                Entry::Directory => fs::create_dir_all(path).unwrap(),
                // Its directory may be gone, and the file with it.
                Entry::File(inode) if path.parent().is_some_and(Path::is_dir) => {
                    fs::write(path, self.files[inode].after_a_cut(&mut part)).unwrap();
                }
                Entry::File(_) => {}
            }
        }
    }
}

impl File {
    /// Its bytes when of some number of things a cut keeps a `part`.
    fn after_a_cut(&self, part: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let kept = part(self.pending.len());
        for change in &self.pending[..kept] {
            apply(&mut bytes, change);
        }
        if let Some(Change::Write { offset, data }) = self.pending.get(kept) {
            let data = data[..part(data.len())].to_vec();
            apply(&mut bytes, &Change::Write { offset: *offset, data });
        }
        bytes
    }
}

impl NameChange {
    /// What this one does once `later`, which came after it, is done already.
    fn follow(&mut self, later: &Self) {
        let Self::Move { from, to } = later else { return };
        let follow = |path: &mut PathBuf| {
            if let Some(there) = moved(path, from, to) {
                *path = there;
            }
        };
        match self {
            Self::Put(path, _) | Self::Remove(path) => follow(path),
            Self::Move { from, to } => {
                follow(from);
                follow(to);
            }
        }
    }
}

/// What `path` is called after `from` has become `to`; `None` where it is neither that nor below.
fn moved(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix(from).ok()?;
    Some(to.iter().chain(below).collect())
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
        NameChange::Put(path, entry) => {
            names.insert(path.clone(), *entry);
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
        NameChange::Move { from, to } => {
            let there = |name: &PathBuf| Some((name.clone(), moved(name, from, to)?));
            let renamed: Vec<_> = names.keys().filter_map(there).collect();
            for (from, to) in renamed {
                if let Some(entry) = names.remove(&from) {
                    names.insert(to, entry);
                }
            }
        }
    }
}

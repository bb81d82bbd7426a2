//! The model's rules, one by one.

use rand::SeedableRng as _;

use super::*;

/// All files below `dir`.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let disk = Disk::of(dir);
    let names = disk.live.iter().filter_map(|(name, entry)| match entry {
        Entry::File(inode) => Some((name, disk.files[*inode].durable.clone())),
        Entry::Directory => None,
    });
    names.map(|(name, bytes)| (name.to_str().unwrap().to_owned(), bytes)).collect()
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
fn files_go_with_their_directory() {
    let rename = |from: &[u8], to: &[u8]| Event::Rename { from: from.into(), to: to.into() };
    let mut events = vec![
        open(1, "/r"),
        Event::MakeDir { path: b"/r/new".to_vec() },
        open(2, "/r/new/a"),
        write(2, 0, b"x"),
        Event::Sync { handle: 2 },
        open(3, "/r/new"),
        Event::Sync { handle: 3 },
        open(4, "/r/new/b"),
        rename(b"/r/new", b"/r/d"),
    ];
    let named = |name: &str| BTreeMap::from([(name.to_owned(), b"x".to_vec())]);
    assert_eq!(after(&events, Keep::Nothing, 0), named("new/a"));
    events.push(Event::Sync { handle: 1 });
    assert_eq!(after(&events, Keep::Nothing, 0), named("d/a"));
    let all = after(&events, Keep::All, 0);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["d/a", "d/b"], "what is not durable as well");
    events.push(Event::Unlink { path: b"/r/d/a".to_vec() });
    events.push(Event::Unlink { path: b"/r/d/b".to_vec() });
    events.push(Event::Unlink { path: b"/r/d".to_vec() });
    assert_eq!(after(&events, Keep::Nothing, 0), named("d/a"));
    events.push(Event::Sync { handle: 1 });
    assert_eq!(after(&events, Keep::Nothing, 0), BTreeMap::new(), "gone with the directory");
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

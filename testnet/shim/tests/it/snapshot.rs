//! A store that is restored from a snapshot, or writes snapshots, while power goes.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mooring_app::snapshot::{Rules, Saved, Snapshots, create, restore, verify};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;

use crate::{
    chain::{BLOCKS, Chain, chained},
    child::{Shim, acknowledged},
    disk::{Disk, Keep},
    seeds::{in_parallel, named, scratch, seeds, spawn, with_store},
    trace::Event,
};

/// The chain that is restored.
const SCRIPT: u64 = 1;
/// The height of the snapshot.
const HEIGHT: u64 = 40;
/// The blocks between two snapshots, where they are written beside a chain that goes on.
const INTERVAL: u64 = 10;
/// How long one may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The store's directory, in the program that restores under the shim.
const DIR: &str = "MOORING_RESTORE_DIR";
/// The snapshot's.
const FROM: &str = "MOORING_RESTORE_FROM";
/// The store's directory, in the program that writes snapshots under the shim.
const EXPORT_DIR: &str = "MOORING_EXPORT_DIR";
/// Where the height is told once it is restored, or its snapshot is there.
const ACK: &str = "MOORING_SHIM_ACK";

fn restored(chain: &Chain, dir: &Path, from: &Saved) {
    let store = chain.open_busily(dir).unwrap();
    let (rules, app_hash) = (Rules::of(chain.genesis()), from.manifest().app_hash);
    restore(from, &rules, &store, app_hash).unwrap();
}

#[test]
fn restores() {
    let (Ok(dir), Ok(from), Ok(ack)) = (env::var(DIR), env::var(FROM), env::var(ACK)) else {
        return;
    };
    restored(&Chain::of(SCRIPT), Path::new(&dir), &Saved::open(Path::new(&from)).unwrap());
    File::create(ack).unwrap().write_all(&HEIGHT.to_le_bytes()).unwrap();
}

/// Runs a test of this module below `home`, as a program under the shim.
fn run_under_the_shim(home: &Path, job: &str, variables: &[(&str, PathBuf)]) -> Vec<Event> {
    let shim = Shim { root: home.join("data"), trace: home.join("trace"), plan: String::new() };
    fs::create_dir_all(&shim.root).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([job, "--exact", "--nocapture", "--test-threads=1"]);
    command.envs(variables.iter().cloned()).env(ACK, home.join("ack"));
    shim.apply(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = spawn(&mut command).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    shim.events()
}

/// What a power cut leaves after the first so many events, and the height told of by then.
fn cut(before: &Disk, events: &[Event], rng: &mut StdRng) -> (TempDir, u64) {
    let events = &events[..rng.random_range(0..=events.len())];
    let keep = [Keep::All, Keep::Nothing, Keep::Some, Keep::Some][rng.random_range(0..4)];
    let mut disk = before.clone();
    events.iter().for_each(|event| disk.step(event));
    let left = scratch();
    disk.cut(rng, keep, left.path());
    (left, acknowledged(events))
}

#[test]
fn after_a_power_cut_a_restored_store_is_whole_or_empty() {
    let chain = Chain::of(SCRIPT);
    let source = scratch();
    let saved = {
        let _open = with_store();
        let store = chain.open_busily(&source.path().join("chain")).unwrap();
        (0..HEIGHT).for_each(|below| assert_eq!(chain.commit_next(&store), Ok(below + 1)));
        create(&store, &Snapshots::new(source.path().join("snapshots"))).unwrap()
    };
    let home = scratch();
    let before = Disk::of(home.path()).below("data");
    let variables = [(DIR, home.path().join("data")), (FROM, saved.dir().to_owned())];
    let events = run_under_the_shim(home.path(), "snapshot::restores", &variables);
    assert_eq!(acknowledged(&events), HEIGHT);
    in_parallel(&seeds(4), |seed| {
        let mut rng = StdRng::seed_from_u64(*seed);
        let (left, told) = cut(&before, &events, &mut rng);
        named(*seed, || {
            let _open = with_store();
            let open = || chain.open(left.path()).unwrap_or_else(|e| panic!("{}", chained(&e)));
            let store = open();
            let height = store.latest().number();
            assert!(height == HEIGHT || (height == 0 && told == 0), "{height} after {told}");
            chain.check_state(&store.latest()).unwrap();
            if height == 0 && rng.random_ratio(1, 2) {
                drop(store);
                restored(&chain, left.path(), &saved);
                chain.check_state(&open().latest()).unwrap();
            } else {
                assert_eq!(chain.commit_next(&store), Ok(height + 1), "it goes on");
            }
        });
    });
}

/// Writes the chain and its snapshots, the last of them twice.
fn export(chain: &Chain, dir: &Path, mut tell: impl FnMut(u64)) {
    let (store, snapshots) = (chain.open_exporting(dir, INTERVAL).unwrap(), Snapshots::beside(dir));
    for height in 1..=BLOCKS {
        assert_eq!(chain.commit_next(&store), Ok(height));
        if height.is_multiple_of(INTERVAL) {
            store.flush().unwrap();
            let deadline = Instant::now() + PATIENCE;
            while snapshots.heights().unwrap().first() != Some(&height) {
                assert!(Instant::now() < deadline, "no snapshot of height {height}");
                thread::sleep(Duration::from_millis(1));
            }
            tell(height);
        }
    }
    create(&store, &snapshots).unwrap();
}

#[test]
fn exports() {
    let (Ok(dir), Ok(ack)) = (env::var(EXPORT_DIR), env::var(ACK)) else { return };
    let mut ack = File::create(ack).unwrap();
    let tell = |height: u64| ack.write_all(&height.to_le_bytes()).unwrap();
    export(&Chain::of(SCRIPT), Path::new(&dir), tell);
}

/// The heights of the snapshots, each of which is read through and is what the chain was.
fn whole(chain: &Chain, snapshots: &Snapshots) -> Vec<u64> {
    let rules = Rules::of(chain.genesis());
    let heights = snapshots.heights().unwrap();
    for height in &heights {
        let checked = snapshots
            .get(*height)
            .and_then(|saved| verify(&saved, &rules, Some(chain.app_hash(*height))));
        let checked = checked.unwrap_or_else(|e| panic!("of {height}: {}", chained(&e)));
        assert_eq!(checked.height, *height);
    }
    heights
}

#[test]
fn after_a_power_cut_every_snapshot_is_whole_and_the_newest_is_there() {
    let chain = Chain::of(SCRIPT);
    let home = scratch();
    let before = Disk::of(home.path()).below("data");
    let store = home.path().join("data/store");
    let events = run_under_the_shim(home.path(), "snapshot::exports", &[(EXPORT_DIR, store)]);
    assert_eq!(acknowledged(&events), BLOCKS);
    in_parallel(&seeds(4), |seed| {
        let mut rng = StdRng::seed_from_u64(*seed);
        let (left, told) = cut(&before, &events, &mut rng);
        named(*seed, || {
            let dir = left.path().join("store");
            let snapshots = Snapshots::beside(&dir);
            let newest = whole(&chain, &snapshots).first().copied().unwrap_or(0);
            // The last is written anew, after its first is put away.
            let least = if told == BLOCKS { BLOCKS - INTERVAL } else { told };
            assert!(newest >= least, "{newest} is the newest, after {told} was told of");
            if rng.random_ratio(1, 4) {
                let _open = with_store();
                fs::create_dir_all(&dir).unwrap();
                let store = chain.open(&dir).unwrap_or_else(|e| panic!("{}", chained(&e)));
                let height = store.latest().number();
                store.flush().unwrap();
                if height > 0 {
                    create(&store, &snapshots).unwrap();
                    assert!(whole(&chain, &snapshots).contains(&height), "it goes on");
                }
            }
        });
    });
}

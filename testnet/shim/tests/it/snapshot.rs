//! A store that is restored from a snapshot while power goes.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use mooring_app::snapshot::{Rules, Saved, Snapshots, create, restore};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::{
    chain::{Chain, chained},
    child::{Shim, acknowledged},
    disk::{Disk, Keep},
    seeds::{in_parallel, named, scratch, seeds, spawn, with_store},
};

/// The chain that is restored.
const SCRIPT: u64 = 1;
/// The height of the snapshot.
const HEIGHT: u64 = 40;
/// The store's directory, in the program under the shim.
const DIR: &str = "MOORING_RESTORE_DIR";
/// The snapshot's.
const FROM: &str = "MOORING_RESTORE_FROM";
/// Where the height is told once it is restored.
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

/// Runs the program that restores below `home`, under the shim.
fn restore_under_the_shim(home: &Path, from: &Path) -> Shim {
    let root = home.join("data");
    fs::create_dir_all(&root).unwrap();
    let shim = Shim { root: root.clone(), trace: home.join("trace"), plan: String::new() };
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["snapshot::restores", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(DIR, &root).env(FROM, from).env(ACK, home.join("ack"));
    shim.apply(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = spawn(&mut command).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    shim
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
    let events = restore_under_the_shim(home.path(), saved.dir()).events();
    assert_eq!(acknowledged(&events), HEIGHT);
    in_parallel(&seeds(4), |seed| {
        let mut rng = StdRng::seed_from_u64(*seed);
        let at = rng.random_range(0..=events.len());
        let keep = [Keep::All, Keep::Nothing, Keep::Some, Keep::Some][rng.random_range(0..4)];
        let mut disk = before.clone();
        events[..at].iter().for_each(|event| disk.step(event));
        let left = scratch();
        disk.cut(&mut rng, keep, left.path());
        let told = acknowledged(&events[..at]);
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

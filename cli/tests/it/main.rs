//! The command line as a person meets it when something is wrong: every error says what, why and
//! what to run next, leaves with a code other than zero, and writes nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by failing")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

fn mooring(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mooring")).args(args).output().unwrap()
}

/// Runs what must fail; what it said on stderr.
fn refused(args: &[&str]) -> String {
    let output = mooring(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{args:?} succeeded: {said}");
    assert!(said.contains("error"), "{args:?} says nothing: {said}");
    said
}

fn empty(dir: &Path) -> bool {
    fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none())
}

fn network_dir() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net").display().to_string();
    (dir, path)
}

#[test]
fn without_a_testnet_every_command_names_the_one_that_starts_it() {
    let (_dir, path) = network_dir();
    for command in [
        &["testnet", "status"][..],
        &["testnet", "down"],
        &["testnet", "logs"],
        &["deposit", "--amount", "1"],
        &["withdraw", "--amount", "1"],
        &["claim", "0"],
    ] {
        let said = refused(&[command, &["--dir", &path]].concat());
        assert!(said.contains("mooring testnet up"), "{command:?}: {said}");
    }
    assert!(!Path::new(&path).exists(), "nothing is written");
}

#[test]
fn with_json_the_error_is_a_document_on_stdout() {
    let (_dir, path) = network_dir();
    let output = mooring(&["testnet", "status", "--json", "--dir", &path]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["error"].as_str().unwrap().contains("no testnet"), "{answer}");
}

#[test]
fn an_unreachable_l1_is_named_and_nothing_is_written() {
    // A port that was free a moment ago and that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_dir, path) = network_dir();
    let url = format!("http://127.0.0.1:{port}");
    let said = refused(&["testnet", "up", "--l1", &url, "--dir", &path]);
    assert!(said.contains(&url) && said.contains("does not answer"), "{said}");
    assert!(empty(Path::new(&path)), "nothing is written");
}

#[test]
fn a_directory_with_somebodys_files_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    let path = dir.path().display().to_string();
    for command in [&["testnet", "up", "--l1", "builtin"][..], &["testnet", "reset"]] {
        let said = refused(&[command, &["--dir", &path]].concat());
        assert!(said.contains("thesis.txt"), "{said}");
    }
    let kept = fs::read_to_string(dir.path().join("thesis.txt")).unwrap();
    assert_eq!(kept, "years of work");
}

#[test]
fn a_node_without_a_genesis_or_with_a_broken_one_does_not_start() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().display().to_string();
    let said = refused(&["node", "start", "--home", &path]);
    assert!(said.contains("genesis.json"), "{said}");
    assert!(empty(home.path()), "nothing is written");

    fs::create_dir(home.path().join("config")).unwrap();
    fs::write(home.path().join("config/genesis.json"), r#"{"chain_id": 42155}"#).unwrap();
    let said = refused(&["node", "start", "--home", &path]);
    assert!(said.contains("genesis"), "{said}");
    assert!(!home.path().join("data").exists(), "nothing is written");
}

#[test]
fn an_unknown_key_in_a_configuration_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("config")).unwrap();
    fs::write(home.path().join("config/node.toml"), "[rpc]\nlissten = \"127.0.0.1:1\"\n").unwrap();
    let said = refused(&["node", "start", "--home", &home.path().display().to_string()]);
    assert!(said.contains("lissten"), "{said}");
}

#[test]
fn a_relayer_without_a_home_does_not_start() {
    let home = tempfile::tempdir().unwrap();
    let said = refused(&["relayer", "start", "--home", &home.path().display().to_string()]);
    assert!(said.contains("relayer.toml"), "{said}");
    assert!(empty(home.path()), "nothing is written");
}

#[test]
fn what_is_typed_wrong_is_explained() {
    for args in [
        &["testnet", "up", "--l1", "ganache"][..],
        &["testnet", "up", "--validators", "0"],
        &["transfer", "show", "0x12"],
        &["deposit"],
    ] {
        let said = refused(args);
        assert!(said.contains("--help") || said.contains("Usage"), "{args:?}: {said}");
    }
}

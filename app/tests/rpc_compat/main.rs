//! JSON-RPC conformance: Ethereum's own request and answer files (execution-apis, `tests/`)
//! against our server over their chain, replayed by our executor. Every answer is also held against
//! the server's own description of it.
//!
//! `make conformance-rpc` runs it. `RPC_COMPAT` names a directory or a `.tar.gz` that holds
//! `chain.rlp`, `genesis.json` and the `.io` files; `RPC_COMPAT_ONLY` keeps the files whose name
//! contains it and prints what differs in full. Where the corpus is not at its usual place and
//! none is named, nothing runs: the corpus is not part of this repository.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test program")]

mod chain;
mod corpus;
mod genesis;
mod http;
mod schema;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use serde_json::Value;

use corpus::Case;
use schema::Document;

/// Where the corpus is looked for, from the repository's root.
const USUAL: &str = "../shared/fixtures/execution-apis-tests.tar.gz";
/// Of the files, how many must pass, in percent.
const REQUIRED: usize = 95;
/// `name: reason` a line, where a name that ends in `/` stands for its whole directory.
const WAIVERS: &str = include_str!("waivers.txt");

fn main() -> ExitCode {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let Some(corpus) = locate(scratch.path()) else { return ExitCode::SUCCESS };
    let only = std::env::var("RPC_COMPAT_ONLY").unwrap_or_default();
    let cases: Vec<Case> =
        corpus::load(&corpus).into_iter().filter(|case| case.name.contains(&only)).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let context = chain::replay(&corpus, &scratch.path().join("data"));
    let failed = runtime.block_on(async {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let (address, server) =
            mooring_app::rpc::serve(listen, context).await.expect("the server starts");
        let failed = tokio::task::spawn_blocking(move || {
            let discover = r#"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#;
            let document = Document::read(&ask(address, discover).expect("rpc.discover"));
            let failures =
                cases.iter().map(|case| (case.name.clone(), run(address, &document, case)));
            failures.collect::<Vec<_>>()
        });
        let failed = failed.await.expect("no panic");
        server.stop();
        failed
    });
    report(&failed, only.is_empty())
}

/// The directory with `chain.rlp`; `None` where no corpus is named and none is at its usual place.
fn locate(scratch: &Path) -> Option<PathBuf> {
    let named = std::env::var_os("RPC_COMPAT").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let path = named.clone().unwrap_or_else(|| root.join(USUAL));
    if !path.exists() {
        let hint = "name the execution-apis tests in RPC_COMPAT: a directory or a .tar.gz";
        assert!(named.is_none(), "{} does not exist; {hint}", path.display());
        println!("skipped: {} does not exist; {hint}", path.display());
        return None;
    }
    if path.is_dir() {
        return Some(chain_dir(&path));
    }
    let into = scratch.join("corpus");
    std::fs::create_dir(&into).expect("a directory");
    let status = Command::new("tar").arg("-xzf").arg(&path).arg("-C").arg(&into).status();
    assert!(status.is_ok_and(|status| status.success()), "tar cannot unpack {}", path.display());
    Some(chain_dir(&into))
}

/// The directory itself, or its `tests`.
fn chain_dir(path: &Path) -> PathBuf {
    let candidates = [path.to_owned(), path.join("tests")];
    let found = candidates.into_iter().find(|dir| dir.join("chain.rlp").is_file());
    found.unwrap_or_else(|| panic!("{} holds no chain.rlp", path.display()))
}

fn ask(address: SocketAddr, request: &str) -> Result<Value, String> {
    let answer = http::post(address, request);
    serde_json::from_str(&answer).map_err(|error| format!("{error} in {answer:?}"))
}

/// The first difference.
fn run(address: SocketAddr, document: &Document, case: &Case) -> Option<String> {
    case.exchanges.iter().find_map(|(request, expected)| {
        let found = match ask(address, request) {
            Ok(found) => found,
            Err(error) => return Some(error),
        };
        let difference = corpus::difference(expected, &found, case.speconly)
            .or_else(|| document.violation(request, &found))?;
        if std::env::var_os("RPC_COMPAT_ONLY").is_some() {
            println!("{request}\n  found    {found}\n  expected {expected}");
        }
        Some(difference)
    })
}

fn waivers() -> BTreeMap<&'static str, &'static str> {
    let lines = WAIVERS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").expect("name: reason")).collect()
}

fn report(results: &[(String, Option<String>)], all: bool) -> ExitCode {
    let waivers = waivers();
    let (mut passed, mut waived, mut failed) = (0, 0, 0);
    for (name, difference) in results {
        let directory = name.split_inclusive('/').next().unwrap_or_default();
        let waiver = waivers.get(name.as_str()).or_else(|| waivers.get(directory));
        match (difference, waiver) {
            (None, None) => passed += 1,
            (None, Some(_)) if all => {
                println!("PASSES   {name}: remove its waiver");
                failed += 1;
            }
            (None, Some(_)) => passed += 1,
            (Some(difference), Some(reason)) => {
                println!("waived   {name}: {difference}\n         because {reason}");
                waived += 1;
            }
            (Some(difference), None) => {
                println!("FAILED   {name}: {difference}");
                failed += 1;
            }
        }
    }
    let total = results.len().max(1);
    let percent = passed * 100 / total;
    println!(
        "{passed} of {} files pass ({percent} %), {waived} waived, {failed} failed",
        results.len()
    );
    let enough = !all || passed * 100 >= REQUIRED * total;
    if !enough {
        println!("at least {REQUIRED} % must pass");
    }
    if enough && failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

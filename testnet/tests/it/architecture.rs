//! The workspace's shape, held by a test: who may depend on whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Each crate with the crates of this workspace that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("mooring-bridge", &[]),
    ("mooring-client", &["mooring-bridge"]),
    ("mooring-genesis", &["mooring-bridge"]),
    ("mooring-keccak", &[]),
    ("mooring-trie", &["mooring-keccak"]),
    ("mooring-rocks", &[]),
    ("mooring-stf", &["mooring-bridge", "mooring-genesis", "mooring-keccak", "mooring-trie"]),
    ("mooring-abci", &["mooring-stf"]),
    ("mooring-malachite", &["mooring-abci"]),
    (
        "mooring-app",
        &[
            "mooring-abci",
            "mooring-bridge",
            "mooring-genesis",
            "mooring-keccak",
            "mooring-malachite",
            "mooring-rocks",
            "mooring-stf",
            "mooring-trie",
        ],
    ),
    ("mooring-relayer", &["mooring-bridge", "mooring-client", "mooring-genesis"]),
    ("mooring-shim", &[]),
    (
        "mooring-testnet",
        &[
            "mooring-app",
            "mooring-bridge",
            "mooring-client",
            "mooring-genesis",
            "mooring-malachite",
            "mooring-relayer",
        ],
    ),
    (
        "mooring",
        &[
            "mooring-app",
            "mooring-bridge",
            "mooring-client",
            "mooring-genesis",
            "mooring-relayer",
            "mooring-testnet",
        ],
    ),
];

/// Crates that must stay free of an async runtime, however indirectly.
const WITHOUT_TOKIO: &[&str] =
    &["mooring-bridge", "mooring-genesis", "mooring-keccak", "mooring-stf", "mooring-trie"];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

/// Normal and build dependencies of every package, by name, as resolved.
fn edges(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|p| (p["id"].as_str().expect("id"), p["name"].as_str().expect("name")))
        .collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().expect("nodes") {
        let from = names[node["id"].as_str().expect("id")];
        let to = edges.entry(from.to_owned()).or_default();
        for dep in node["deps"].as_array().expect("deps") {
            let real =
                dep["dep_kinds"].as_array().expect("kinds").iter().any(|k| k["kind"] != "dev");
            if real {
                to.insert(names[dep["pkg"].as_str().expect("pkg")].to_owned());
            }
        }
    }
    edges
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let edges = edges(&metadata);
    let members: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let actual: BTreeSet<&str> =
        edges.keys().map(String::as_str).filter(|n| n.starts_with("mooring")).collect();
    assert_eq!(actual, members, "a crate was added or removed: say in ALLOWED what it may use");
    for (name, allowed) in ALLOWED {
        for dependency in edges[*name].iter().filter(|d| members.contains(d.as_str())) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not use {dependency}");
        }
    }
}

#[test]
fn pure_crates_have_no_async_runtime() {
    let edges = edges(&metadata());
    for root in WITHOUT_TOKIO {
        let mut seen = BTreeSet::new();
        let mut open = vec![(*root).to_owned()];
        while let Some(name) = open.pop() {
            assert_ne!(name, "tokio", "{root} reaches tokio");
            if seen.insert(name.clone()) {
                open.extend(edges.get(&name).into_iter().flatten().cloned());
            }
        }
    }
}

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn an_empty_file_is_all_defaults_on_loopback() {
    let config: NodeConfig = toml::from_str("").unwrap();
    assert_eq!(config, NodeConfig::default());
    assert!(config.rpc.listen.ip().is_loopback());
    assert!(config.health.listen.ip().is_loopback());
    assert!(config.p2p.listen.starts_with("/ip4/127.0.0.1/"));
    assert!(config.engine.listen.starts_with("/ip4/127.0.0.1/"));
}

#[test]
fn unknown_keys_are_refused() {
    let error = toml::from_str::<NodeConfig>("[rpc]\nlistne = \"127.0.0.1:1\"").unwrap_err();
    assert!(error.to_string().contains("listne"), "{error}");
}

#[test]
fn settings_read_back() {
    let mut config = NodeConfig { moniker: "node0".to_owned(), ..NodeConfig::default() };
    config.engine.peers.push("/ip4/127.0.0.1/tcp/1/p2p/x".to_owned());
    config.dev.finality_lag = 3;
    config.store.history = 7;
    let text = config.to_toml();
    assert_eq!(toml::from_str::<NodeConfig>(&text).unwrap(), config, "{text}");
}

#[test]
fn every_key_is_written_with_its_meaning() {
    let written: toml::Table = NodeConfig::default().to_toml().parse().unwrap();
    assert_eq!(written, toml::Table::try_from(NodeConfig::default()).unwrap());
}

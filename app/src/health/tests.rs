#![allow(clippy::unwrap_used, reason = "tests")]

use mooring_stf::testing::ethereum_genesis;

use super::*;
use crate::application::tests::rig::Rig;
use crate::mempool::PoolLimits;

fn health(rig: &Rig, engine: Option<EngineStatus>) -> Health {
    let params = Arc::clone(&rig.chain.params);
    Health {
        chain: rig.chain.clone(),
        pool: Mempool::new(PoolLimits::default(), params, rig.latest()),
        gossip: None,
        // A receiver keeps the last value when its sender is gone.
        engine: engine.map(|status| watch::channel(status).1),
        block_interval: Some(Duration::from_secs(1)),
        needs_peers: true,
    }
}

#[test]
fn a_node_is_ready_while_its_newest_block_is_young_and_it_has_peers() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path(), &ethereum_genesis(1));
    let start = Duration::from_secs(rig.latest().header().timestamp);
    let alone = EngineStatus::default();
    let joined = EngineStatus { peers: 3, ..alone };
    assert_eq!(health(&rig, Some(joined)).reasons(start), [NotReady::NoBlock]);
    rig.height();
    let now = Duration::from_secs(rig.latest().header().timestamp);
    let health = |status| health(&rig, status);
    assert_eq!(health(Some(joined)).reasons(now), []);
    assert_eq!(health(None).reasons(now + Duration::from_secs(20)), []);
    assert_eq!(health(Some(alone)).reasons(now), [NotReady::NoPeers]);
    let stale = health(Some(joined)).reasons(now + Duration::from_secs(21));
    assert_eq!(stale, [NotReady::Stale { height: 1, age_secs: 21 }]);
}

#[test]
fn metrics_name_each_value_once_with_its_help() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::open(dir.path(), &ethereum_genesis(1));
    rig.height();
    let status = EngineStatus { peers: 3, height: 2, ..EngineStatus::default() };
    let text = health(&rig, Some(status)).metrics();
    assert!(text.contains("\nmooring_height 1\n"), "{text}");
    assert!(text.contains("\nmooring_engine_peers 3\n"), "{text}");
    let values: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let helps = text.lines().filter(|line| line.starts_with("# HELP")).count();
    assert_eq!(values.len(), helps);
}

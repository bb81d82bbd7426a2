#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn keys_survive_a_round_trip_through_cometbfts_files() {
    let dir = tempfile::tempdir().unwrap();
    let (validator, node) = (dir.path().join("v.json"), dir.path().join("n.json"));
    let key = PrivValidatorKey::generate([7; 32]);
    key.save(&validator).unwrap();
    assert_eq!(PrivValidatorKey::load(&validator).unwrap().public_key(), key.public_key());
    let key = NodeKey::generate([8; 32]);
    key.save(&node).unwrap();
    assert_eq!(NodeKey::load(&node).unwrap().peer_id(), key.peer_id());
    let mode = fs::metadata(&node).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn addresses_are_cometbfts() {
    let key = PrivValidatorKey::generate([7; 32]);
    let theirs = tendermint::PublicKey::from_raw_ed25519(&key.public_key()).unwrap();
    assert_eq!(tendermint::account::Id::from(theirs).as_bytes(), key.address());
}

#[test]
fn a_file_of_the_documented_shape_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v.json");
    let key = PrivValidatorKey::generate([7; 32]);
    key.save(&path).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(json["address"], key.address_hex());
    assert_eq!(json["pub_key"]["type"], "tendermint/PubKeyEd25519");
    assert_eq!(json["priv_key"]["type"], "tendermint/PrivKeyEd25519");
    assert_eq!(key.address_hex().len(), 40);
}

#[test]
fn files_open_to_others_are_refused_with_the_command_to_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v.json");
    PrivValidatorKey::generate([7; 32]).save(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = PrivValidatorKey::load(&path).unwrap_err();
    assert!(matches!(error, KeyError::Open { mode: 0o640, .. }));
    assert!(error.to_string().contains("chmod 600"));
}

#[test]
fn an_existing_key_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v.json");
    PrivValidatorKey::generate([7; 32]).save(&path).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(PrivValidatorKey::generate([8; 32]).save(&path).is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn parts_that_disagree_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v.json");
    PrivValidatorKey::generate([7; 32]).save(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let other = PrivValidatorKey::generate([8; 32]).address_hex();
    let address = PrivValidatorKey::generate([7; 32]).address_hex();
    fs::write(&path, text.replace(&address, &other)).unwrap();
    assert!(matches!(PrivValidatorKey::load(&path), Err(KeyError::Format { .. })));
}

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn slot(height: u64, round: u32, step: Step) -> Slot {
    Slot { height, round, step }
}

fn key(message: &[u8]) -> [u8; 64] {
    let mut out = [message.first().copied().unwrap_or(0); 64];
    out[63] = 1;
    out
}

#[test]
fn equal_bytes_get_the_stored_signature_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.json");
    let mut guard = Guard::open(&path).unwrap();
    let first = guard.sign(slot(5, 0, Step::Prevote), b"vote", key).unwrap();

    let mut again = Guard::open(&path).unwrap();
    let second = again.sign(slot(5, 0, Step::Prevote), b"vote", |_| panic!("signs anew")).unwrap();
    assert_eq!(first, second);
}

#[test]
fn other_bytes_at_a_signed_step_are_refused_and_leave_the_file_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.json");
    let mut guard = Guard::open(&path).unwrap();
    guard.sign(slot(5, 0, Step::Precommit), b"a", key).unwrap();
    let before = fs::read(&path).unwrap();

    let refused = guard.sign(slot(5, 0, Step::Precommit), b"b", key);
    assert!(matches!(refused, Err(GuardError::Conflict { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    let error = crate::EngineError::from(refused.unwrap_err());
    assert_eq!(error.exit_code(), crate::EXIT_DOUBLE_SIGN);
}

#[test]
fn steps_behind_the_last_one_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut guard = Guard::open(&dir.path().join("guard.json")).unwrap();
    guard.sign(slot(5, 2, Step::Prevote), b"a", key).unwrap();
    for behind in
        [slot(4, 9, Step::Precommit), slot(5, 1, Step::Precommit), slot(5, 2, Step::Proposal)]
    {
        assert!(matches!(guard.sign(behind, b"x", key), Err(GuardError::Regression { .. })));
    }
    guard.sign(slot(5, 2, Step::Precommit), b"b", key).unwrap();
    guard.sign(slot(6, 0, Step::Proposal), b"c", key).unwrap();
}

#[test]
fn a_crash_while_writing_leaves_the_old_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.json");
    let mut guard = Guard::open(&path).unwrap();
    guard.sign(slot(5, 0, Step::Prevote), b"a", key).unwrap();
    // What a crash before the rename leaves behind: a torn temporary file beside the old record.
    fs::write(dir.path().join("guard.json.tmp"), b"{\"height\":6,\"st").unwrap();

    let mut guard = Guard::open(&path).unwrap();
    assert!(guard.sign(slot(5, 0, Step::Prevote), b"b", key).is_err());
    guard.sign(slot(5, 0, Step::Precommit), b"c", key).unwrap();
}

#[test]
fn a_guard_that_cannot_be_written_gives_no_signature() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gone").join("guard.json");
    let mut guard = Guard::open(&path).unwrap();
    let refused = guard.sign(slot(5, 0, Step::Prevote), b"a", key);
    assert!(matches!(refused, Err(GuardError::Write { .. })));
}

#[test]
fn a_damaged_guard_file_is_never_taken_for_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.json");
    fs::write(&path, b"{}").unwrap();
    assert!(matches!(Guard::open(&path), Err(GuardError::Read { .. })));
}

#[test]
fn a_forgotten_height_is_signed_no_more_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.json");
    let mut guard = Guard::open(&path).unwrap();
    guard.sign(slot(5, 0, Step::Prevote), b"a", key).unwrap();
    guard.forget().unwrap();

    let mut guard = Guard::open(&path).unwrap();
    for again in [slot(5, 0, Step::Prevote), slot(5, 0, Step::Precommit), slot(5, 7, Step::Prevote)]
    {
        assert!(matches!(guard.sign(again, b"a", key), Err(GuardError::Regression { .. })));
    }
    assert_eq!(guard.follows_through(5, true).unwrap(), Some(5));
    assert_eq!(guard.follows_through(6, true).unwrap(), None);
    guard.sign(slot(6, 0, Step::Prevote), b"b", key).unwrap();
    assert_eq!(guard.follows_through(6, true).unwrap(), None, "the next height is not forgotten");
}

#[test]
fn heights_whose_log_is_lost_are_followed() {
    let cases = [
        (4, true, Some(5), "the last signature is above the next height"),
        (5, false, Some(5), "no log of the next height, which is signed"),
        (5, true, None, "the log says why"),
        (6, false, None, "the next height is above all that is signed"),
    ];
    for (next, has_log, through, why) in cases {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard.json");
        let mut guard = Guard::open(&path).unwrap();
        assert_eq!(guard.follows_through(1, false).unwrap(), None, "nothing is signed");
        guard.sign(slot(5, 0, Step::Precommit), b"a", key).unwrap();
        assert_eq!(guard.follows_through(next, has_log).unwrap(), through, "{why}");
        let forgotten = guard.sign(slot(5, 1, Step::Prevote), b"b", key).is_err();
        assert_eq!(forgotten, through.is_some(), "{why}");
    }
}

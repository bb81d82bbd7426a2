//! Random lives of one trie.

use crate::model::{Leaves, built, check_proof, key, oracle_root, seeded, value};
use alloy_primitives::{B256, keccak256};
use mooring_trie::{EMPTY_ROOT_HASH, MemoryNodes, Trie};
use proptest::prelude::*;

/// What one session between opening and committing does: set a key, or remove it.
type Session = Vec<(B256, Option<Vec<u8>>)>;

fn session() -> impl Strategy<Value = Session> {
    prop::collection::vec((key(), prop::option::weighted(0.6, value())), 0..24)
}

/// Opens, changes, commits. Each read on the way sees the changes.
fn live(
    nodes: &mut MemoryNodes,
    owner: Option<B256>,
    root: B256,
    leaves: &mut Leaves,
    session: Session,
) -> B256 {
    let mut trie = Trie::open(&*nodes, owner, root);
    for (key, value) in session {
        assert_eq!(trie.get(key).unwrap(), leaves.get(&key).map(Vec::as_slice));
        match value {
            Some(value) => {
                trie.insert(key, value.clone()).unwrap();
                leaves.insert(key, value);
            }
            None => {
                trie.remove(key).unwrap();
                leaves.remove(&key);
            }
        }
    }
    let commit = trie.commit();
    nodes.write(owner, commit.updates);
    commit.root
}

proptest! {
    #![proptest_config(seeded(600))]

    #[test]
    fn root_and_nodes_follow_from_the_leaves_alone(
        owner in prop::option::of(Just(B256::repeat_byte(9))),
        sessions in prop::collection::vec(session(), 1..8),
    ) {
        let (mut nodes, mut leaves) = (MemoryNodes::default(), Leaves::new());
        let mut root = EMPTY_ROOT_HASH;
        for session in sessions {
            root = live(&mut nodes, owner, root, &mut leaves, session);
            prop_assert_eq!(root, oracle_root(&leaves));
            let (anew, live_nodes) = built(owner, &leaves);
            prop_assert_eq!(root, anew);
            prop_assert_eq!(&nodes, &live_nodes);
        }
    }

    #[test]
    fn proofs_verify_for_present_and_absent_keys(
        sessions in prop::collection::vec(session(), 1..3),
        others in prop::collection::vec(key(), 8),
    ) {
        let (mut nodes, mut leaves) = (MemoryNodes::default(), Leaves::new());
        let mut root = EMPTY_ROOT_HASH;
        for session in sessions {
            root = live(&mut nodes, None, root, &mut leaves, session);
        }
        for key in leaves.keys().chain(&others) {
            check_proof(&nodes, None, root, *key, leaves.get(key));
        }
    }

    #[test]
    fn a_cleared_trie_leaves_no_nodes(
        before in session(),
        during in session(),
        after in session(),
    ) {
        let (mut nodes, mut leaves) = (MemoryNodes::default(), Leaves::new());
        let root = live(&mut nodes, None, EMPTY_ROOT_HASH, &mut leaves, before);
        let mut trie = Trie::open(&nodes, None, root);
        for (key, value) in during {
            match value {
                Some(value) => trie.insert(key, value).unwrap(),
                None => trie.remove(key).unwrap(),
            }
        }
        trie.clear().unwrap();
        let mut leaves = Leaves::new();
        for (key, value) in after.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            trie.insert(key, value.clone()).unwrap();
            leaves.insert(key, value);
        }
        let commit = trie.commit();
        nodes.write(None, commit.updates);
        let (anew, live_nodes) = built(None, &leaves);
        prop_assert_eq!((commit.root, nodes), (anew, live_nodes));
    }
}

#[test]
fn a_large_trie_agrees_over_hundreds_of_sessions() {
    let (mut nodes, mut leaves) = (MemoryNodes::default(), Leaves::new());
    let mut root = EMPTY_ROOT_HASH;
    for round in 0u64..300 {
        let session = (0..60u64)
            .map(|step| {
                let dice = keccak256([round.to_be_bytes(), step.to_be_bytes()].concat());
                let key = keccak256([dice[0] % 16, dice[1]]);
                // The trie grows in the first half and shrinks to nothing in the second.
                let keep = u64::from(dice[2]) < if round < 150 { 200 } else { 300 - round };
                (key, keep.then(|| dice[..1 + usize::from(dice[3] % 32)].to_vec()))
            })
            .collect();
        root = live(&mut nodes, None, root, &mut leaves, session);
        assert_eq!(root, oracle_root(&leaves), "round {round}");
        if round % 50 == 0 {
            assert_eq!(nodes, built(None, &leaves).1, "round {round}");
        }
    }
    assert!(leaves.len() > 100);
    let session = leaves.keys().map(|key| (*key, None)).collect();
    root = live(&mut nodes, None, root, &mut leaves, session);
    assert_eq!((root, nodes), (EMPTY_ROOT_HASH, MemoryNodes::default()));
}

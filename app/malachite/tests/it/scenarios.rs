use std::collections::BTreeSet;

use mooring_abci::ConsensusStore;
use mooring_abci::proto::abci::RequestFinalizeBlock;
use mooring_abci::proto::types::{Block, BlockIdFlag, CommitSig};
use mooring_malachite::{EXIT_DOUBLE_SIGN, EngineError};
use prost::Message;
use tendermint::block::Header;

use crate::network::{Node, all_reach, network, stop_all, validator_key};

fn block(node: &Node, height: u64) -> Block {
    let decided = node.store.decided(height).unwrap().unwrap();
    Block::decode(decided.block).unwrap()
}

/// All nodes were told the same about the first `height` blocks.
fn assert_agreement(nodes: &[Node], height: usize) {
    let told: Vec<Vec<RequestFinalizeBlock>> =
        nodes.iter().map(|node| node.app.ledger().blocks[..height].to_vec()).collect();
    for pair in told.windows(2) {
        assert_eq!(pair[0], pair[1]);
    }
}

/// The blocks link as CometBFT's do, and each commit is verified with CometBFT's own types.
fn assert_light_client_accepts(node: &Node, up_to: u64) {
    let chain = tendermint::chain::Id::try_from("mooring-test").unwrap();
    for height in 1..up_to {
        let header: Header = block(node, height).header.unwrap().try_into().unwrap();
        let next = block(node, height + 1);
        let commit: tendermint::block::Commit = next.last_commit.unwrap().try_into().unwrap();
        let next_header: Header = next.header.unwrap().try_into().unwrap();
        assert_eq!(next_header.last_block_id.unwrap().hash, header.hash());
        assert_eq!(next_header.validators_hash, header.next_validators_hash);
        assert_eq!(commit.block_id.hash, header.hash());
        let mut signed = 0;
        for signature in &commit.signatures {
            let tendermint::block::CommitSig::BlockIdFlagCommit {
                validator_address,
                timestamp,
                signature,
            } = signature
            else {
                continue;
            };
            let vote = tendermint::Vote {
                vote_type: tendermint::vote::Type::Precommit,
                height: commit.height,
                round: commit.round,
                block_id: Some(commit.block_id),
                timestamp: Some(*timestamp),
                validator_address: *validator_address,
                validator_index: 0_usize.try_into().unwrap(),
                signature: None,
                extension: Vec::new(),
                extension_signature: None,
            };
            let bytes = vote.into_signable_vec(chain.clone());
            let key = (0..5)
                .map(|i| validator_key(i).public_key())
                .map(|key| tendermint::PublicKey::from_raw_ed25519(&key).unwrap())
                .find(|key| tendermint::account::Id::from(*key) == *validator_address)
                .unwrap();
            let key = ed25519_consensus::VerificationKey::try_from(key.to_bytes().as_slice());
            let signature: [u8; 64] = signature.as_ref().unwrap().as_bytes().try_into().unwrap();
            key.unwrap().verify(&signature.into(), &bytes).unwrap();
            signed += 1;
        }
        assert!(signed >= 3, "{signed} signatures at {height}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_validators_decide_the_same_blocks() {
    let mut nodes = network(4, 4);
    nodes.iter_mut().for_each(|node| node.app.tx_bytes = 300_000);
    nodes.iter_mut().for_each(Node::start);
    all_reach(&mut nodes, 12).await;
    stop_all(&mut nodes).await;
    assert_agreement(&nodes, 12);
    assert_light_client_accepts(&nodes[0], 12);
    let blocks = nodes[0].app.ledger().blocks;
    let builders: BTreeSet<_> = blocks.iter().map(|b| b.proposer_address.clone()).collect();
    assert!(builders.len() >= 3, "the proposer rotates");
    let votes = blocks[5].decided_last_commit.clone().unwrap().votes;
    assert_eq!(votes.len(), 4);
    let signed = i32::from(BlockIdFlag::Commit);
    assert!(votes.iter().filter(|v| v.block_id_flag == signed).count() >= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_catches_up_from_its_store_and_its_peers() {
    let mut nodes = network(4, 4);
    nodes.iter_mut().for_each(Node::start);
    all_reach(&mut nodes, 3).await;
    nodes[3].stop().await.unwrap();
    let stopped_at = nodes[3].store.tip().unwrap();
    all_reach(&mut nodes[..3], stopped_at + 5).await;
    // The application lost its last commits; the store still has the blocks.
    *nodes[3].app.committed.lock().unwrap() = Default::default();
    nodes[3].start();
    let goal = nodes[0].store.tip().unwrap() + 3;
    all_reach(&mut nodes, goal).await;
    stop_all(&mut nodes).await;
    assert_agreement(&nodes, usize::try_from(goal).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_update_takes_effect_two_heights_later() {
    const UPDATE_AT: i64 = 3;
    let mut nodes = network(5, 4);
    let joining = validator_key(4).public_key();
    for node in &mut nodes {
        node.app.update = Some((UPDATE_AT, joining, 10));
        node.start();
    }
    all_reach(&mut nodes, 20).await;
    stop_all(&mut nodes).await;
    assert_agreement(&nodes, 20);
    // A block's last commit is of the set one height before.
    let blocks = nodes[4].app.ledger().blocks;
    for block in &blocks {
        let expected = match block.height {
            1 => 0,
            height if height - 1 < UPDATE_AT + 2 => 4,
            _ => 5,
        };
        assert_eq!(block.decided_last_commit.as_ref().unwrap().votes.len(), expected);
    }
    let joined = validator_key(4).address();
    assert!(blocks.iter().any(|b| b.proposer_address == joined.as_slice()), "it proposes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_block_costs_a_round_only() {
    let mut nodes = network(4, 4);
    for node in &mut nodes {
        node.app.reject_first_at = Some(2);
        node.start();
    }
    all_reach(&mut nodes, 4).await;
    stop_all(&mut nodes).await;
    assert_agreement(&nodes, 4);
    let round = nodes[0].app.ledger().blocks[2].decided_last_commit.clone().unwrap().round;
    assert!(round > 0, "height 2 was decided in round {round}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_port_was_taken_ends() {
    let mut nodes = network(4, 4);
    let taken = nodes[0].take_port();
    nodes[0].start();
    let error = nodes[0].ended().await.unwrap_err();
    assert!(matches!(error, EngineError::Network { .. }), "{error:?}");
    assert!(error.to_string().contains(&nodes[0].config.listen), "{error}");
    drop(taken);
    nodes.iter_mut().for_each(Node::start);
    all_reach(&mut nodes, 2).await;
    stop_all(&mut nodes).await;
}

/// A guard file that says: round 0 of `height` is signed, each step, with other bytes.
fn signed_otherwise(height: u64) -> String {
    let step = |step: &str| {
        serde_json::json!({
            "round": 0, "step": step,
            "sign_bytes": [1, 2, 3], "signature": vec![0_u8; 64],
        })
    };
    let steps: Vec<_> = ["proposal", "prevote", "precommit"].into_iter().map(step).collect();
    serde_json::json!({ "height": height, "steps": steps }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflicting_guard_file_ends_a_node_that_decides_alone() {
    let mut nodes = network(1, 1);
    let node = &mut nodes[0];
    std::fs::write(&node.config.guard, signed_otherwise(1)).unwrap();
    node.start();
    let error = node.ended().await.unwrap_err();
    assert!(matches!(error, EngineError::Guard(_)), "{error:?}");
    assert_eq!(error.exit_code(), EXIT_DOUBLE_SIGN);
}

/// The heights up to `tip` whose commit holds a signature of validator `i`.
fn signed_by(node: &Node, i: u8, tip: u64) -> BTreeSet<u64> {
    let me = validator_key(i).address();
    (2..=tip)
        .filter(|&height| {
            let commit = block(node, height).last_commit.unwrap();
            let by_me = |s: &CommitSig| s.validator_address == me.as_slice();
            commit.signatures.iter().any(by_me)
        })
        .map(|height| height - 1)
        .collect()
}

/// Waits for a vote of validator `i` above `through`; the heights that it signed.
async fn votes_again(at: &mut Node, i: u8, through: u64) -> BTreeSet<u64> {
    for tip in through + 2..through + 300 {
        at.reaches(tip).await;
        let signed = signed_by(at, i, tip);
        if signed.range(through + 1..).next().is_some() {
            return signed;
        }
    }
    panic!("validator {i} never voted again after {through}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_lost_its_data_follows_through_what_it_signed_then_votes() {
    let mut nodes = network(4, 4);
    nodes.iter_mut().for_each(Node::start);
    all_reach(&mut nodes, 3).await;
    // One of four heights in a row is its own to propose, and the last are not decided yet.
    for ahead in 0..4 {
        nodes[3].stop().await.unwrap();
        let stopped_at = nodes[3].store.tip().unwrap();
        nodes[3].lose_data();
        let through = stopped_at + 2 + ahead;
        std::fs::write(&nodes[3].config.guard, signed_otherwise(through)).unwrap();
        nodes[3].start();
        let voted = votes_again(&mut nodes[0], 3, through).await;
        // When it stopped it may have voted for the block above its own.
        let again = voted.range(stopped_at + 2..=through).next();
        assert_eq!(again, None, "it voted where it had, of {stopped_at} to {through}");
    }
    let tip = nodes[0].store.tip().unwrap();
    all_reach(&mut nodes, tip).await;
    stop_all(&mut nodes).await;
    assert_agreement(&nodes, usize::try_from(tip).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_whose_guard_refuses_leaves_the_height_to_the_others() {
    let mut nodes = network(4, 4);
    // Its log is there and empty: that the guard knows better shows at the first signature.
    std::fs::write(&nodes[3].config.guard, signed_otherwise(1)).unwrap();
    std::fs::create_dir_all(&nodes[3].config.home).unwrap();
    std::fs::write(nodes[3].config.home.join("consensus.wal"), b"").unwrap();
    // Without the third one no height is decided before it has been asked to sign.
    for started in [0, 1, 3] {
        nodes[started].start();
    }
    let error = nodes[3].ended().await.unwrap_err();
    assert_eq!(error.exit_code(), EXIT_DOUBLE_SIGN, "{error:?}");
    for started in [2, 3] {
        nodes[started].start();
    }
    let voted = votes_again(&mut nodes[0], 3, 1).await;
    assert!(!voted.contains(&1), "it voted at 1, where it had");
    let tip = nodes[0].store.tip().unwrap();
    all_reach(&mut nodes, tip).await;
    stop_all(&mut nodes).await;
    assert_agreement(&nodes, usize::try_from(tip).unwrap());
}

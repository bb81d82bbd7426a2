//! A pegged chain: deposits in, fees to the builder, exits out.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall as _;
use mooring_bridge::addresses::GATEWAY;
use mooring_bridge::contracts::Gateway;
use mooring_bridge::{NATIVE, exit};
use mooring_genesis::Genesis;
use mooring_stf::peg::view;
use mooring_stf::testing::{Federation, pegged_genesis, wallet};
use mooring_stf::{CommittedSlots, tx::EthTx};

use super::rig::Rig;

const ETHER: u128 = 1_000_000_000_000_000_000;
const L1_RECIPIENT: Address = Address::repeat_byte(0x55);

/// The first wallet, with one ether from L1.
fn funded(dir: &tempfile::TempDir, genesis: &Genesis) -> Rig {
    let mut rig = Rig::open(dir.path(), genesis);
    rig.app_init();
    let mut federation = Federation::new(genesis.domain().unwrap(), 1);
    let deposit = federation.deposit(0, NATIVE, wallet::address(wallet::KEYS[0]), ETHER, 0);
    rig.pool.add(federation.deliver(&[deposit]));
    let (request, response) = rig.height();
    assert_eq!(request.txs.len(), 2, "a vote and the delivery");
    assert!(response.tx_results.iter().all(|result| result.code == 0));
    rig
}

impl Rig {
    fn app_init(&mut self) {
        use mooring_abci::ConsensusApp as _;
        self.app.init_chain(self.init_request()).unwrap();
    }
}

fn withdraw(nonce: u64, amount: u128) -> alloy_primitives::Bytes {
    let call = Gateway::withdrawCall {
        asset: NATIVE,
        amount: U256::from(amount),
        recipient: L1_RECIPIENT,
        fee: U256::from(1),
    };
    wallet::sign(wallet::KEYS[0], wallet::call(nonce, GATEWAY, amount, call.abi_encode()))
}

#[test]
fn a_deposit_is_credited_before_the_blocks_own_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let rig = funded(&dir, &pegged_genesis(1));
    let view = rig.latest();
    let owner = wallet::address(wallet::KEYS[0]);
    assert_eq!(view.account_or_empty(owner).unwrap().balance, U256::from(ETHER));
    let block = view.block(1).unwrap().unwrap();
    assert!(matches!(block.transactions[..], [EthTx::System(_)]), "{block:?}");
    let at = view.transaction(block.transactions[0].hash()).unwrap().unwrap();
    assert_eq!((at.height, at.index), (1, 0));
    let heads = view::deposit_heads(&CommittedSlots(&view)).unwrap();
    assert_eq!(heads.credited.count.get(), 1);
}

#[test]
fn fees_go_to_the_payout_address_of_the_builder() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = pegged_genesis(1);
    let mut rig = funded(&dir, &genesis);
    let to = Address::repeat_byte(0x77);
    rig.pool.add([wallet::sign(wallet::KEYS[0], wallet::call(0, to, 5, Vec::new()))]);
    rig.height();
    let view = rig.latest();
    let payout = genesis.setup().validators[0].payout;
    assert_eq!(view.header().beneficiary, payout);
    let receipt = &view.receipts(2).unwrap().unwrap()[0];
    let paid = U256::from(receipt.effective_gas_price) * U256::from(receipt.gas_used);
    assert_eq!(view.account_or_empty(payout).unwrap().balance, paid);
    let owner = wallet::address(wallet::KEYS[0]);
    let left = view.account_or_empty(owner).unwrap().balance;
    assert_eq!(left + paid + U256::from(5), U256::from(ETHER));
}

#[test]
fn a_block_of_a_builder_outside_genesis_is_rejected() {
    use mooring_abci::ConsensusApp as _;
    use mooring_abci::proto::abci::response_process_proposal::ProposalStatus;
    let dir = tempfile::tempdir().unwrap();
    let mut rig = funded(&dir, &pegged_genesis(1));
    let mut request = rig.process_request(&[]);
    request.proposer_address = vec![9; 20].into();
    assert_eq!(rig.app.process_proposal(request).unwrap().status(), ProposalStatus::Reject);
}

#[test]
fn a_withdrawal_is_in_the_exit_tree_with_a_proof_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = pegged_genesis(1);
    let tip = {
        let mut rig = funded(&dir, &genesis);
        for nonce in 0..3 {
            rig.pool.add([withdraw(nonce, 1000 + u128::from(nonce))]);
            rig.height();
        }
        rig.latest().tip().clone()
    };
    let rig = Rig::open(dir.path(), &genesis);
    let view = rig.latest();
    assert_eq!(*view.tip(), tip);
    assert_eq!(view.tip().exit_count, 3);
    let head = view::exit_head(&CommittedSlots(&view)).unwrap();
    assert_eq!((head.count, head.root), (3, tip.exit_root));
    for index in 0..3 {
        let proof = view.exit_proof(index, 3).unwrap().unwrap();
        assert_eq!(proof.exit.recipient, L1_RECIPIENT);
        assert_eq!(proof.exit.amount, U256::from(1000 + index));
        let (leaf, siblings) = (proof.exit.leaf(), &proof.siblings);
        assert!(exit::verify(tip.exit_root, 3, proof.exit.index, leaf, siblings));
    }
}

#[test]
fn a_federation_message_that_changes_nothing_makes_a_block_invalid() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = pegged_genesis(1);
    let mut rig = funded(&dir, &genesis);
    let mut federation = Federation::new(genesis.domain().unwrap(), 1);
    let deposit = federation.deposit(0, NATIVE, L1_RECIPIENT, ETHER, 0);
    let again: Vec<bytes::Bytes> =
        federation.deliver(&[deposit]).into_iter().map(Into::into).collect();
    assert!(!rig.accepts(&again));
    rig.pool.add(again.into_iter().map(Into::into));
    assert!(rig.prepare(1 << 20).is_empty(), "and is left out of a proposal");
}

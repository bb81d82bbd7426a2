//! The hand-written EIP-712 and ABI encodings against an independent implementation.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolStruct, SolValue, sol};
use mooring_bridge::{
    Count, Epoch, Exit, ExitIndex, Height, SignedStruct,
    deposit::{self, Deposit, Leaf},
    signed,
};

sol! {
    struct DepositHead { uint64 epoch; uint64 count; bytes32 acc; }
    struct Checkpoint { uint64 epoch; uint64 height; bytes32 blockHash; bytes32 stateRoot; uint64 exitCount; bytes32 exitRoot; uint64 creditedCount; bytes32 creditedAcc; }
    struct FederationUpdate { uint64 epoch; uint64 firstHeight; bytes32 membersHash; bytes32 recoveryHash; uint256 totalPower; }
    struct PauseExtension { uint64 epoch; uint64 actionNonce; uint64 pauseId; uint64 until; }
    struct Unpause { uint64 epoch; uint64 actionNonce; uint64 pauseId; }
    struct VetoLift { uint64 epoch; uint64 actionNonce; uint64 vetoId; bytes32 leafHash; }
    struct ParameterChange { uint64 epoch; uint64 actionNonce; bytes32 parameter; address asset; uint256 value; }
    struct GuardianChange { uint64 epoch; uint64 actionNonce; address guardian; bool active; }
    struct Strike { uint64 epoch; uint64 actionNonce; bytes32 checkpointHash; }
}

fn same<O: SignedStruct, R: SolStruct>(ours: &O, reference: &R) {
    assert_eq!(O::TYPE, R::eip712_encode_type());
    assert_eq!(ours.struct_hash(), reference.eip712_hash_struct());
}

fn h(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

#[test]
fn hot_structs_hash_as_eip_712_says() {
    let (epoch, count, height) = (Epoch::new(1), Count::new(2), Height::new(3));
    same(
        &signed::DepositHead { epoch, count, acc: h(4) },
        &DepositHead { epoch: 1, count: 2, acc: h(4) },
    );
    same(
        &signed::Checkpoint {
            epoch,
            height,
            block_hash: h(4),
            state_root: h(5),
            exit_count: 6,
            exit_root: h(7),
            credited_count: count,
            credited_acc: h(8),
        },
        &Checkpoint {
            epoch: 1,
            height: 3,
            blockHash: h(4),
            stateRoot: h(5),
            exitCount: 6,
            exitRoot: h(7),
            creditedCount: 2,
            creditedAcc: h(8),
        },
    );
    same(
        &signed::FederationUpdate {
            epoch,
            first_height: height,
            members_hash: h(4),
            recovery_hash: h(5),
            total_power: U256::from(6),
        },
        &FederationUpdate {
            epoch: 1,
            firstHeight: 3,
            membersHash: h(4),
            recoveryHash: h(5),
            totalPower: U256::from(6),
        },
    );
}

#[test]
fn recovery_structs_hash_as_eip_712_says() {
    let (epoch, action_nonce) = (Epoch::new(1), 2);
    same(
        &signed::PauseExtension { epoch, action_nonce, pause_id: 3, until: 4 },
        &PauseExtension { epoch: 1, actionNonce: 2, pauseId: 3, until: 4 },
    );
    same(
        &signed::Unpause { epoch, action_nonce, pause_id: 3 },
        &Unpause { epoch: 1, actionNonce: 2, pauseId: 3 },
    );
    same(
        &signed::VetoLift { epoch, action_nonce, veto_id: 3, leaf_hash: h(4) },
        &VetoLift { epoch: 1, actionNonce: 2, vetoId: 3, leafHash: h(4) },
    );
    let (asset, guardian, value) = (Address::repeat_byte(5), Address::repeat_byte(6), U256::MAX);
    same(
        &signed::ParameterChange { epoch, action_nonce, parameter: h(4), asset, value },
        &ParameterChange { epoch: 1, actionNonce: 2, parameter: h(4), asset, value },
    );
    same(
        &signed::GuardianChange { epoch, action_nonce, guardian, active: true },
        &GuardianChange { epoch: 1, actionNonce: 2, guardian, active: true },
    );
    same(
        &signed::Strike { epoch, action_nonce, checkpoint_hash: h(4) },
        &Strike { epoch: 1, actionNonce: 2, checkpointHash: h(4) },
    );
}

#[test]
fn leaves_encode_as_solidity_does() {
    let a = Address::repeat_byte;
    let leaf = Leaf::Deposit(Deposit {
        count: Count::new(9),
        asset: a(1),
        sender: a(2),
        recipient: a(3),
        amount: U256::from(4),
        gas_wei: U256::from(5),
        refund_to: a(6),
    });
    let reference =
        (U256::from(1), 9u64, a(1), a(2), a(3), U256::from(4), U256::from(5), a(6)).abi_encode();
    assert_eq!(leaf.encode(), reference);
    let exit = Exit {
        index: ExitIndex::new(7),
        asset: a(1),
        recipient: a(2),
        amount: U256::from(3),
        fee: U256::from(4),
    };
    let reference = (7u64, a(1), a(2), U256::from(3), U256::from(4)).abi_encode();
    assert_eq!(exit.leaf(), keccak256([vec![0], reference].concat()));
}

#[test]
fn head_slots_are_erc_7201s() {
    let inner = U256::from_be_bytes(keccak256("mooring.vault.head").0) - U256::from(1);
    let slot = U256::from_be_bytes(keccak256(inner.abi_encode()).0) & !U256::from(0xff);
    assert_eq!(deposit::HEAD_COUNT_SLOT, B256::from(slot));
    assert_eq!(deposit::HEAD_ACC_SLOT, B256::from(slot + U256::from(1)));
}

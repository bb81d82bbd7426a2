// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Vault} from "../../src/Vault.sol";
import {Checkpoint, Claim, Exit, FederationUpdate, IVault} from "../../src/interfaces/IVault.sol";
import {NaiveTree} from "./NaiveTree.sol";
import {Test} from "forge-std/Test.sol";

/// @dev A Vault with four members of power 1 and a federation that signs what a test says. Digests
/// are written out from the spec here, not taken from the code under test.
abstract contract Fixture is Test {
    uint256 internal constant SIDECHAIN = 42_155;
    bytes32 internal constant SETUP = keccak256("setup");
    uint256 internal constant GENESIS_SUPPLY = 5 ether;

    Vault internal vault;
    uint256[] internal keys; // ascending by address
    bytes32[] internal words;
    bytes32[] internal recoveries;
    Exit[] internal exits;
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");
    address internal relayer = makeAddr("relayer");

    function setUp() public virtual {
        vm.deal(address(this), 1_000_000 ether);
        vm.warp(1_700_000_000);
        uint96[] memory powers = new uint96[](4);
        for (uint256 i; i < 4; ++i) {
            powers[i] = 1;
        }
        _deploy(powers);
    }

    function _deploy(uint96[] memory powers) internal {
        (keys, words) = _members("member", powers);
        (, recoveries) = _members("recovery", powers);
        vault = new Vault{value: GENESIS_SUPPLY}(SIDECHAIN, SETUP, words, recoveries);
        delete exits;
    }

    /// @dev Keys sorted by address; power i goes to the i-th address.
    function _members(string memory label, uint96[] memory powers)
        internal
        pure
        returns (uint256[] memory sorted, bytes32[] memory list)
    {
        sorted = new uint256[](powers.length);
        for (uint256 i; i < powers.length; ++i) {
            sorted[i] = uint256(keccak256(abi.encode(label, i))) >> 8;
        }
        for (uint256 i = 1; i < sorted.length; ++i) {
            for (uint256 j = i; j > 0 && vm.addr(sorted[j]) < vm.addr(sorted[j - 1]); --j) {
                (sorted[j], sorted[j - 1]) = (sorted[j - 1], sorted[j]);
            }
        }
        list = new bytes32[](powers.length);
        for (uint256 i; i < powers.length; ++i) {
            list[i] = bytes32(uint256(uint160(vm.addr(sorted[i]))) << 96 | powers[i]);
        }
    }

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(bytes.concat(hex"1901", vault.domainSeparator(), structHash));
    }

    function _digest(Checkpoint memory cp) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Checkpoint(uint64 epoch,uint64 height,bytes32 blockHash,bytes32 stateRoot,uint64 exitCount,bytes32 exitRoot,uint64 creditedCount,bytes32 creditedAcc)"
        );
        return _digest(
            keccak256(
                abi.encode(
                    typeHash,
                    cp.epoch,
                    cp.height,
                    cp.blockHash,
                    cp.stateRoot,
                    cp.exitCount,
                    cp.exitRoot,
                    cp.creditedCount,
                    cp.creditedAcc
                )
            )
        );
    }

    function _digest(FederationUpdate memory u) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "FederationUpdate(uint64 epoch,uint64 firstHeight,bytes32 membersHash,bytes32 recoveryHash,uint256 totalPower)"
        );
        return _digest(
            keccak256(
                abi.encode(
                    typeHash, u.epoch, u.firstHeight, u.membersHash, u.recoveryHash, u.totalPower
                )
            )
        );
    }

    /// @dev Bundle of the members whose bit is set, lowest address first.
    function _sign(bytes32 digest, uint256 mask) internal view returns (bytes memory bundle) {
        for (uint256 i; i < keys.length; ++i) {
            if (mask >> i & 1 == 1) bundle = bytes.concat(bundle, _one(digest, keys[i]));
        }
    }

    function _one(bytes32 digest, uint256 key) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev The next checkpoint of an honest federation over `exits`.
    function _next() internal view returns (Checkpoint memory cp) {
        (uint64 height,,,,) = vault.lastCheckpoint();
        (uint64 count, bytes32 acc) = vault.head();
        cp = Checkpoint({
            epoch: vault.epoch(),
            height: height + 1,
            blockHash: keccak256(abi.encode("block", height)),
            stateRoot: keccak256(abi.encode("state", height)),
            exitCount: uint64(exits.length),
            exitRoot: NaiveTree.root(exits),
            creditedCount: count,
            creditedAcc: acc
        });
    }

    function _submit(Checkpoint memory cp) internal {
        vault.checkpoint(cp, words, _sign(_digest(cp), type(uint256).max));
    }

    /// @dev An exit on the sidechain; counts only after the next checkpoint.
    function _exit(address asset, address recipient, uint256 amount, uint256 fee)
        internal
        returns (uint64 index)
    {
        index = uint64(exits.length);
        exits.push(Exit(index, asset, recipient, amount, fee));
    }

    /// @dev Proof of an exit under the last checkpoint, which must cover all of `exits`.
    function _claim(uint64 index) internal view returns (Claim memory) {
        (, uint64 count, uint8 ringIndex,,) = vault.lastCheckpoint();
        return Claim(exits[index], count, ringIndex, NaiveTree.proof(exits, index));
    }

    /// @dev One exit, checkpointed, ready to be claimed.
    function _ready(address asset, address recipient, uint256 amount, uint256 fee)
        internal
        returns (Claim memory)
    {
        uint64 index = _exit(asset, recipient, amount, fee);
        _submit(_next());
        return _claim(index);
    }
}

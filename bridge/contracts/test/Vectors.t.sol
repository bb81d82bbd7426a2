// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Gateway} from "../src/Gateway.sol";
import {Vault} from "../src/Vault.sol";
import {WrappedToken} from "../src/WrappedToken.sol";
import {Checkpoint, Exit, FederationUpdate} from "../src/interfaces/IVault.sol";
import {Digest} from "../src/lib/Digest.sol";
import {ExitTree} from "../src/lib/ExitTree.sol";
import {Members} from "../src/lib/Members.sol";
import {Fixture} from "./util/Fixture.sol";
import {MockToken} from "./util/Mocks.sol";
import {NaiveTree} from "./util/NaiveTree.sol";

/// @dev The contracts against bridge/vectors.json, which the Rust side writes and checks as well.
contract VectorsTest is Fixture {
    string private json;

    function setUp() public override {
        json = vm.readFile("../vectors.json");
        super.setUp();
        vm.chainId(_uint(".domain.chainId"));
    }

    function _uint(string memory path) private view returns (uint256) {
        return vm.parseJsonUint(json, path);
    }

    function _word(string memory path) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, path);
    }

    function _account(string memory path) private view returns (address) {
        return vm.parseJsonAddress(json, path);
    }

    function _at(string memory list, uint256 i, string memory field)
        private
        pure
        returns (string memory)
    {
        return string.concat(".", list, "[", vm.toString(i), "]", field);
    }

    function _has(string memory list, uint256 i) private view returns (bool) {
        return vm.keyExistsJson(json, _at(list, i, ""));
    }

    /// @dev Deploys the Vault where the vectors say it is, with the fixture's members.
    function _deployThere() private {
        address there = _account(".domain.vault");
        deployCodeTo(
            "Vault.sol:Vault",
            abi.encode(_uint(".domain.sidechainId"), _word(".domain.setupHash"), words, recoveries),
            there
        );
        vault = Vault(there);
    }

    function test_domain() public {
        _deployThere();
        bytes32 salt = Digest.salt(_uint(".domain.sidechainId"), _word(".domain.setupHash"));
        assertEq(salt, _word(".domain.salt"));
        assertEq(vault.domainSeparator(), _word(".domain.separator"));
    }

    /// @dev The first four leaves are written by the Vault itself: an ETH deposit, a token's metadata,
    /// its deposit with gasWei, an epoch record.
    function test_the_vault_writes_these_leaves() public {
        _deployThere();
        _assertAcc(0);
        address sender = _account(".leaves[0].sender");
        address recipient = _account(".leaves[0].recipient");
        address refundTo = _account(".leaves[0].refundTo");
        vm.deal(sender, 100 ether);
        vm.prank(sender);
        vault.depositETH{value: _uint(".leaves[0].amount")}(recipient, refundTo);
        _assertAcc(1);

        address asset = _account(".leaves[1].asset");
        deployCodeTo("Mocks.sol:MockToken", asset);
        MockToken token = MockToken(asset);
        token.describe(
            _text(".leaves[1].name"),
            _text(".leaves[1].symbol"),
            uint8(_uint(".leaves[1].decimals"))
        );
        uint256 amount = _uint(".leaves[2].amount");
        token.mint(sender, amount);
        vm.startPrank(sender);
        token.approve(address(vault), amount);
        vault.deposit{value: _uint(".leaves[2].gasWei")}(asset, amount, recipient, refundTo);
        vm.stopPrank();
        _assertAcc(3);

        FederationUpdate memory update = FederationUpdate({
            epoch: uint64(_uint(".leaves[3].epoch")),
            firstHeight: 0,
            membersHash: _word(".leaves[3].membersHash"),
            recoveryHash: "any",
            totalPower: 1
        });
        vault.updateFederation(update, words, _sign(_digest(update), 15));
        _assertAcc(4);
    }

    function _text(string memory path) private view returns (string memory) {
        bytes32 word = _word(path);
        uint256 size;
        while (word[size] != 0) {
            ++size;
        }
        return string(bytes.concat(vm.parseBytes(_cut(vm.toString(word), 2 + 2 * size))));
    }

    function _cut(string memory s, uint256 size) private pure returns (string memory) {
        bytes memory out = new bytes(size);
        for (uint256 i; i < size; ++i) {
            out[i] = bytes(s)[i];
        }
        return string(out);
    }

    function _assertAcc(uint256 count) private view {
        (uint64 got, bytes32 acc) = vault.head();
        assertEq(got, count);
        assertEq(acc, _word(_at("acc", count, "")));
    }

    function test_leaves_and_their_chain() public view {
        bytes32 acc = keccak256(abi.encode(_word(".domain.separator")));
        assertEq(acc, _word(".acc[0]"));
        uint256 i;
        for (; _has("leaves", i); ++i) {
            bytes memory leaf = _leaf(i);
            assertEq(leaf, vm.parseJsonBytes(json, _at("leaves", i, ".encoded")));
            assertEq(keccak256(leaf), _word(_at("leaves", i, ".hash")));
            acc = keccak256(bytes.concat(acc, keccak256(leaf)));
            assertEq(acc, _word(_at("acc", i + 1, "")));
        }
        assertGe(i, 5);
        assertFalse(_has("acc", i + 1));
    }

    function _leaf(uint256 i) private view returns (bytes memory) {
        uint256 kind = _uint(_at("leaves", i, ".kind"));
        uint256 count = _uint(_at("leaves", i, ".count"));
        if (kind == 3) {
            return abi.encode(
                kind,
                count,
                _uint(_at("leaves", i, ".epoch")),
                _word(_at("leaves", i, ".membersHash"))
            );
        }
        address asset = _account(_at("leaves", i, ".asset"));
        if (kind == 2) {
            return abi.encode(
                kind,
                count,
                asset,
                _word(_at("leaves", i, ".name")),
                _word(_at("leaves", i, ".symbol")),
                _uint(_at("leaves", i, ".decimals"))
            );
        }
        assertEq(kind, 1);
        return abi.encode(
            kind,
            count,
            asset,
            _account(_at("leaves", i, ".sender")),
            _account(_at("leaves", i, ".recipient")),
            _uint(_at("leaves", i, ".amount")),
            _uint(_at("leaves", i, ".gasWei")),
            _account(_at("leaves", i, ".refundTo"))
        );
    }

    function test_head_slots() public {
        vault.depositETH{value: 1}(alice);
        (uint64 count, bytes32 acc) = vault.head();
        assertEq(uint256(vm.load(address(vault), _word(".head_slots.count"))), count);
        assertEq(vm.load(address(vault), _word(".head_slots.acc")), acc);
        assertEq(count, 1);
    }

    // --- exit tree ---

    function _exits(uint256 count) private view returns (Exit[] memory list) {
        list = new Exit[](count);
        for (uint256 i; i < count; ++i) {
            list[i] = Exit(
                uint64(_uint(_at("exits", i, ".index"))),
                _account(_at("exits", i, ".asset")),
                _account(_at("exits", i, ".recipient")),
                _uint(_at("exits", i, ".amount")),
                _uint(_at("exits", i, ".fee"))
            );
        }
    }

    function test_exit_leaves_and_roots() public view {
        uint256 i;
        for (; _has("exits", i); ++i) {
            assertEq(ExitTree.leaf(_exits(i + 1)[i]), _word(_at("exits", i, ".leaf")));
        }
        assertGe(i, 5);
        for (i = 0; _has("exit_roots", i); ++i) {
            uint256 count = _uint(_at("exit_roots", i, ".count"));
            assertEq(NaiveTree.root(_exits(count)), _word(_at("exit_roots", i, ".root")));
        }
        assertGe(i, 5);
    }

    function test_exit_proofs() public view {
        uint256 i;
        for (; _has("exit_proofs", i); ++i) {
            uint64 count = uint64(_uint(_at("exit_proofs", i, ".count")));
            uint256 index = _uint(_at("exit_proofs", i, ".index"));
            bytes32[] memory proof = vm.parseJsonBytes32Array(json, _at("exit_proofs", i, ".proof"));
            Exit[] memory list = _exits(count);
            assertEq(
                keccak256(abi.encode(proof)), keccak256(abi.encode(NaiveTree.proof(list, index)))
            );
            assertTrue(this.verify(list[index], count, proof, NaiveTree.root(list)));
        }
        assertGe(i, 5);
    }

    function verify(Exit memory e, uint64 count, bytes32[] calldata proof, bytes32 root)
        external
        pure
        returns (bool)
    {
        return ExitTree.verify(e, count, proof, root);
    }

    // --- signed structs ---

    function test_signed_structs() public view {
        string[9] memory types = [
            "DepositHead(uint64 epoch,uint64 count,bytes32 acc)",
            "Checkpoint(uint64 epoch,uint64 height,bytes32 blockHash,bytes32 stateRoot,uint64 exitCount,bytes32 exitRoot,uint64 creditedCount,bytes32 creditedAcc)",
            "FederationUpdate(uint64 epoch,uint64 firstHeight,bytes32 membersHash,bytes32 recoveryHash,uint256 totalPower)",
            "PauseExtension(uint64 epoch,uint64 actionNonce,uint64 pauseId,uint64 until)",
            "Unpause(uint64 epoch,uint64 actionNonce,uint64 pauseId)",
            "VetoLift(uint64 epoch,uint64 actionNonce,uint64 vetoId,bytes32 leafHash)",
            "ParameterChange(uint64 epoch,uint64 actionNonce,bytes32 parameter,address asset,uint256 value)",
            "GuardianChange(uint64 epoch,uint64 actionNonce,address guardian,bool active)",
            "Strike(uint64 epoch,uint64 actionNonce,bytes32 checkpointHash)"
        ];
        uint256 found;
        for (uint256 i; _has("signed", i); ++i) {
            string memory name = vm.parseJsonString(json, _at("signed", i, ".type"));
            for (uint256 t; t < types.length; ++t) {
                if (!_same(vm.split(types[t], "(")[0], name)) continue;
                bytes32 structHash = _structHash(types[t], i);
                assertEq(structHash, _word(_at("signed", i, ".structHash")), name);
                assertEq(
                    Digest.typed(_word(".domain.separator"), structHash),
                    _word(_at("signed", i, ".digest")),
                    name
                );
                found |= 1 << t;
            }
        }
        assertEq(found, 0x1ff, "a vector of each of the nine");
    }

    /// @dev Reads the fields that the type names, in its order.
    function _structHash(string memory structType, uint256 i) private view returns (bytes32) {
        bytes memory encoded = abi.encode(keccak256(bytes(structType)));
        string memory inside = vm.replace(vm.split(structType, "(")[1], ")", "");
        string[] memory fields = vm.split(inside, ",");
        for (uint256 f; f < fields.length; ++f) {
            string[] memory parts = vm.split(fields[f], " ");
            string memory path = _at("signed", i, string.concat(".", parts[1]));
            bytes32 word;
            if (_same(parts[0], "bytes32")) {
                word = _word(path);
            } else if (_same(parts[0], "address")) {
                word = bytes32(uint256(uint160(_account(path))));
            } else if (_same(parts[0], "bool")) {
                word = bytes32(vm.parseJsonBool(json, path) ? uint256(1) : 0);
            } else {
                word = bytes32(_uint(path));
            }
            encoded = bytes.concat(encoded, word);
        }
        return keccak256(encoded);
    }

    function _same(string memory a, string memory b) private pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    /// @dev The two that the Vault verifies, through its own library.
    function test_the_vaults_own_struct_hashes() public view {
        uint256 found;
        for (uint256 i; _has("signed", i); ++i) {
            string memory name = vm.parseJsonString(json, _at("signed", i, ".type"));
            bytes32 expected = _word(_at("signed", i, ".structHash"));
            if (_same(name, "Checkpoint")) {
                assertEq(this.hashCheckpoint(_checkpoint(i)), expected);
                found |= 1;
            } else if (_same(name, "FederationUpdate")) {
                assertEq(this.hashUpdate(_update(i)), expected);
                found |= 2;
            }
        }
        assertEq(found, 3);
    }

    function hashCheckpoint(Checkpoint calldata cp) external pure returns (bytes32) {
        return Digest.hash(cp);
    }

    function hashUpdate(FederationUpdate calldata u) external pure returns (bytes32) {
        return Digest.hash(u);
    }

    function _checkpoint(uint256 i) private view returns (Checkpoint memory) {
        return Checkpoint(
            uint64(_uint(_at("signed", i, ".epoch"))),
            uint64(_uint(_at("signed", i, ".height"))),
            _word(_at("signed", i, ".blockHash")),
            _word(_at("signed", i, ".stateRoot")),
            uint64(_uint(_at("signed", i, ".exitCount"))),
            _word(_at("signed", i, ".exitRoot")),
            uint64(_uint(_at("signed", i, ".creditedCount"))),
            _word(_at("signed", i, ".creditedAcc"))
        );
    }

    function _update(uint256 i) private view returns (FederationUpdate memory) {
        return FederationUpdate(
            uint64(_uint(_at("signed", i, ".epoch"))),
            uint64(_uint(_at("signed", i, ".firstHeight"))),
            _word(_at("signed", i, ".membersHash")),
            _word(_at("signed", i, ".recoveryHash")),
            _uint(_at("signed", i, ".totalPower"))
        );
    }

    function test_checkpoint_state_hash() public {
        // The Vault keeps the hash of what it accepted: the vector's checkpoint, signed by our members.
        _deployThere();
        Checkpoint memory cp = _checkpoint(_indexOf("Checkpoint"));
        for (uint256 i; i < cp.creditedCount; ++i) {
            vault.depositETH{value: 1}(alice);
        }
        vm.warp(block.timestamp + cp.height);
        _submit(cp);
        (,,,, bytes32 stateHash) = vault.lastCheckpoint();
        assertEq(stateHash, _word(".checkpoint_state_hash"));
    }

    function _indexOf(string memory name) private view returns (uint256 i) {
        while (!_same(vm.parseJsonString(json, _at("signed", i, ".type")), name)) {
            ++i;
        }
    }

    // --- members and wrapped tokens ---

    function test_members() public view {
        bytes32[] memory list = vm.parseJsonBytes32Array(json, ".members.words");
        assertEq(Members.hash(list), _word(".members.hash"));
        assertEq(Members.check(list), _uint(".members.total"));
    }

    function test_wrapped_token_address() public {
        address at = 0x6D6F6f72696E6700000000000000000000000001;
        vm.etch(at, type(Gateway).runtimeCode);
        vm.store(at, bytes32(0), bytes32(_uint(".wrapped.l1ChainId")));
        address asset = _account(".wrapped.token");
        assertEq(keccak256(abi.encode(_uint(".wrapped.l1ChainId"), asset)), _word(".wrapped.salt"));
        assertEq(Gateway(at).wrappedAddress(asset), _account(".wrapped.address"));
        vm.prank(0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE);
        Gateway(at).register(1, asset, "any", "ANY", 1);
        assertEq(Gateway(at).tokenOf(asset), _account(".wrapped.address"));
        assertEq(keccak256(type(WrappedToken).creationCode), _word(".wrapped.initCodeHash"));
    }
}

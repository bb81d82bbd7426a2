// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Exit} from "../src/interfaces/IVault.sol";
import {ExitTree} from "../src/lib/ExitTree.sol";
import {NaiveTree} from "./util/NaiveTree.sol";
import {Test} from "forge-std/Test.sol";

contract ExitTreeTest is Test {
    function _exits(uint256 count, uint256 seed) private pure returns (Exit[] memory exits) {
        exits = new Exit[](count);
        for (uint64 i; i < count; ++i) {
            uint256 r = uint256(keccak256(abi.encode(seed, i)));
            exits[i] = Exit(i, address(uint160(r)), address(uint160(r >> 32)), r, r >> 9);
        }
    }

    /// @dev External, since proofs are verified in calldata.
    function verify(Exit memory e, uint64 count, bytes32[] calldata proof, bytes32 root)
        external
        pure
        returns (bool)
    {
        return ExitTree.verify(e, count, proof, root);
    }

    function test_every_index_of_every_small_tree() public view {
        for (uint64 count = 1; count <= 17; ++count) {
            Exit[] memory exits = _exits(count, count);
            bytes32 root = NaiveTree.root(exits);
            for (uint64 i; i < count; ++i) {
                bytes32[] memory proof = NaiveTree.proof(exits, i);
                assertTrue(this.verify(exits[i], count, proof, root));
                assertFalse(this.verify(exits[i], count + 1, proof, root));
                if (count > 1) assertFalse(this.verify(exits[i], count - 1, proof, root));
            }
        }
    }

    function testFuzz_a_proof_proves_only_its_exit(
        uint256 seed,
        uint64 count,
        uint64 index,
        Exit memory other
    ) public view {
        count = uint64(bound(count, 1, 40));
        index = uint64(bound(index, 0, count - 1));
        Exit[] memory exits = _exits(count, seed);
        bytes32 root = NaiveTree.root(exits);
        bytes32[] memory proof = NaiveTree.proof(exits, index);
        assertTrue(this.verify(exits[index], count, proof, root));
        if (NaiveTree.leaf(other) != NaiveTree.leaf(exits[index])) {
            assertFalse(this.verify(other, count, proof, root));
        }
        if (proof.length > 0) {
            proof[seed % proof.length] ^= bytes32(uint256(1) << (seed % 256));
            assertFalse(this.verify(exits[index], count, proof, root));
        }
    }

    function test_proof_length_must_be_the_height() public view {
        Exit[] memory exits = _exits(4, 1);
        bytes32 root = NaiveTree.root(exits);
        bytes32[] memory proof = NaiveTree.proof(exits, 2);
        bytes32[] memory longer = new bytes32[](3);
        (longer[0], longer[1]) = (proof[0], proof[1]);
        assertFalse(this.verify(exits[2], 4, longer, root));
        assertFalse(this.verify(exits[2], 8, longer, root));
        bytes32[] memory shorter = new bytes32[](1);
        shorter[0] = proof[0];
        assertFalse(this.verify(exits[2], 4, shorter, root));
        assertFalse(this.verify(exits[2], 2, shorter, root));
    }

    function test_padding_is_no_exit() public view {
        Exit[] memory exits = _exits(3, 1);
        bytes32[] memory proof = new bytes32[](2);
        proof[0] = NaiveTree.leaf(exits[2]);
        proof[1] = NaiveTree.node(NaiveTree.leaf(exits[0]), NaiveTree.leaf(exits[1]));
        Exit memory none = Exit(3, address(0), address(0), 0, 0);
        assertFalse(this.verify(none, 3, proof, NaiveTree.root(exits)));
    }

    function test_inner_nodes_and_leaves_differ() public view {
        // The same index bits under a tree of half the height: a node is never read as a leaf.
        Exit[] memory exits = _exits(4, 7);
        bytes32 left = NaiveTree.node(NaiveTree.leaf(exits[0]), NaiveTree.leaf(exits[1]));
        bytes32 right = NaiveTree.node(NaiveTree.leaf(exits[2]), NaiveTree.leaf(exits[3]));
        assertNotEq(keccak256(bytes.concat(left, right)), NaiveTree.node(left, right));
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = right;
        assertFalse(this.verify(exits[0], 2, proof, NaiveTree.root(exits)));
    }

    function test_heights() public pure {
        uint64[10] memory counts = [uint64(0), 1, 2, 3, 4, 5, 8, 9, 1 << 31, type(uint32).max];
        uint8[10] memory heights = [0, 0, 1, 2, 2, 3, 3, 4, 31, 32];
        for (uint256 i; i < 10; ++i) {
            assertEq(ExitTree.height(counts[i]), heights[i]);
        }
    }

    function test_a_full_tree_can_be_proven_and_no_larger_one() public view {
        uint64 count = type(uint32).max;
        Exit memory e = Exit(count - 1, address(1), address(2), 3, 0);
        bytes32[] memory proof = new bytes32[](32);
        bytes32 top = NaiveTree.leaf(e);
        for (uint256 i; i < 32; ++i) {
            proof[i] = bytes32(i);
            bool right = e.index >> i & 1 == 1;
            top = right ? NaiveTree.node(proof[i], top) : NaiveTree.node(top, proof[i]);
        }
        bytes32 root = keccak256(bytes.concat(hex"02", abi.encode(count, top)));
        assertTrue(this.verify(e, count, proof, root));
        root = keccak256(bytes.concat(hex"02", abi.encode(count + 1, top)));
        assertFalse(this.verify(e, count + 1, proof, root));
    }
}

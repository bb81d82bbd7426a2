// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Exit} from "../interfaces/IVault.sol";

/// @title The exit tree: an append-only keccak Merkle tree, padded with zero leaves (spec 2.3)
library ExitTree {
    /// @dev The most exits that a tree can hold.
    uint64 internal constant MAX_COUNT = type(uint32).max;

    /// @notice Hash of a leaf.
    function leaf(Exit memory e) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"00", abi.encode(e)));
    }

    /// @notice Hash of an inner node.
    function node(bytes32 left, bytes32 right) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            // 65 bytes beyond the free memory pointer, which may stay where it is.
            let at := mload(0x40)
            mstore8(at, 1)
            mstore(add(at, 1), left)
            mstore(add(at, 33), right)
            hash := keccak256(at, 65)
        }
    }

    /// @notice The root binds the number of leaves, so a proof cannot be read under another height.
    function root(uint64 count, bytes32 top) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"02", abi.encode(count, top)));
    }

    /// @notice ceil(log2(count)); 0 for the counts 0 and 1.
    function height(uint64 count) internal pure returns (uint256 levels) {
        if (count < 2) return 0;
        for (uint64 rest = count - 1; rest != 0; rest >>= 1) {
            ++levels;
        }
    }

    /// @notice Whether `proof` (siblings from leaf to top) leads from the exit to the root.
    function verify(Exit memory e, uint64 count, bytes32[] calldata proof, bytes32 root_)
        internal
        pure
        returns (bool)
    {
        if (e.index >= count || count > MAX_COUNT || proof.length != height(count)) {
            return false;
        }
        bytes32 top = leaf(e);
        uint256 index = e.index;
        for (uint256 i; i < proof.length; ++i) {
            top = index & 1 == 0 ? node(top, proof[i]) : node(proof[i], top);
            index >>= 1;
        }
        return root(count, top) == root_;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Exit} from "../../src/interfaces/IVault.sol";

/// @dev The exit tree as the spec says it, level by level over the whole padded list: the slow
/// reference for ExitTree.
library NaiveTree {
    function leaf(Exit memory e) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(hex"00", abi.encode(e.index, e.asset, e.recipient, e.amount, e.fee))
        );
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"01", left, right));
    }

    function levels(uint256 count) internal pure returns (uint256 height) {
        while (2 ** height < count) {
            ++height;
        }
    }

    function root(Exit[] memory exits) internal pure returns (bytes32) {
        bytes32[] memory row = _bottom(exits);
        while (row.length > 1) {
            row = _up(row);
        }
        return keccak256(bytes.concat(hex"02", abi.encode(exits.length, row[0])));
    }

    function proof(Exit[] memory exits, uint256 index) internal pure returns (bytes32[] memory p) {
        bytes32[] memory row = _bottom(exits);
        p = new bytes32[](levels(exits.length));
        for (uint256 i; i < p.length; ++i) {
            p[i] = row[index ^ 1];
            row = _up(row);
            index /= 2;
        }
    }

    function _bottom(Exit[] memory exits) private pure returns (bytes32[] memory row) {
        row = new bytes32[](2 ** levels(exits.length));
        for (uint256 i; i < exits.length; ++i) {
            row[i] = leaf(exits[i]);
        }
    }

    function _up(bytes32[] memory row) private pure returns (bytes32[] memory next) {
        next = new bytes32[](row.length / 2);
        for (uint256 i; i < next.length; ++i) {
            next[i] = node(row[2 * i], row[2 * i + 1]);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Federation} from "./Federation.sol";
import {Checkpoint, IVault} from "./interfaces/IVault.sol";
import {Digest} from "./lib/Digest.sol";
import {ExitTree} from "./lib/ExitTree.sol";

/// @title Accepted checkpoints of the sidechain and the ring of their exit roots (spec 2.4, 4.3)
abstract contract Checkpoints is Federation {
    uint8 internal constant RING_SIZE = 64;
    /// @dev A height may rise by this much at once, and by this much more a second.
    uint256 private constant HEIGHT_SLACK = 1000;
    uint256 private constant HEIGHTS_PER_SECOND = 100;
    uint64 private constant MAX_NEW_EXITS = 1 << 16;

    /// @dev One slot. `acceptedAt` is in Unix seconds.
    struct Last {
        uint64 height;
        uint64 exitCount;
        uint64 acceptedAt;
        uint8 ringIndex;
    }

    Last private _last;
    bytes32 private _stateHash;
    bytes32[RING_SIZE] private _ring;

    constructor() {
        // The tree starts empty and the clock of the height bound starts now.
        _last.acceptedAt = uint64(block.timestamp);
        _ring[0] = ExitTree.root(0, 0);
    }

    /// @inheritdoc IVault
    function checkpoint(
        Checkpoint calldata cp,
        bytes32[] calldata members,
        bytes calldata signatures
    ) external {
        _checkpoint(cp, members, signatures);
    }

    /// @inheritdoc IVault
    function lastCheckpoint()
        external
        view
        returns (
            uint64 height,
            uint64 exitCount,
            uint8 ringIndex,
            uint64 acceptedAt,
            bytes32 stateHash
        )
    {
        Last memory last = _last;
        return (last.height, last.exitCount, last.ringIndex, last.acceptedAt, _stateHash);
    }

    /// @inheritdoc IVault
    function exitRootAt(uint8 ringIndex) public view returns (bytes32) {
        return ringIndex < RING_SIZE ? _ring[ringIndex] : bytes32(0);
    }

    /// @dev Whoever comes second with a checkpoint loses nothing but the gas: it is skipped.
    function _checkpoint(
        Checkpoint calldata cp,
        bytes32[] calldata members,
        bytes calldata signatures
    ) internal {
        Last memory last = _last;
        if (cp.height <= last.height) return;
        _checkBounds(cp, last);
        _requireQuorum(Digest.hash(cp), members, signatures);

        // Without new exits the root keeps its place, so that heartbeats push no root out.
        if (cp.exitCount != last.exitCount) {
            last.ringIndex = (last.ringIndex + 1) % RING_SIZE;
            _ring[last.ringIndex] = cp.exitRoot;
        }
        last.height = cp.height;
        last.exitCount = cp.exitCount;
        last.acceptedAt = uint64(block.timestamp);
        _last = last;
        _stateHash = keccak256(
            abi.encode(cp.height, cp.blockHash, cp.stateRoot, cp.creditedCount, cp.creditedAcc)
        );
        emit CheckpointAccepted(cp.height, cp.blockHash, cp.exitCount, cp.exitRoot, last.ringIndex);
    }

    /// @dev What even a quorum cannot do in one step.
    function _checkBounds(Checkpoint calldata cp, Last memory last) private view {
        if (cp.epoch != epoch) revert WrongEpoch(epoch, cp.epoch);
        if (cp.height < firstHeight) revert BelowFirstHeight(cp.height, firstHeight);
        uint256 elapsed = block.timestamp - last.acceptedAt;
        uint256 highest = last.height + HEIGHT_SLACK + HEIGHTS_PER_SECOND * elapsed;
        if (cp.height > highest) revert HeightTooFar(cp.height, highest);
        if (
            cp.exitCount < last.exitCount || cp.exitCount - last.exitCount > MAX_NEW_EXITS
                || cp.exitCount > ExitTree.MAX_COUNT
        ) revert ExitCountOutOfBounds(cp.exitCount, last.exitCount);
        if (cp.exitCount == last.exitCount && cp.exitRoot != _ring[last.ringIndex]) {
            revert ExitRootChanged();
        }
        (uint64 count,) = head();
        if (cp.creditedCount > count) revert CreditedTooMany(cp.creditedCount, count);
    }
}

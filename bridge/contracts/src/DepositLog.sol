// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IVault} from "./interfaces/IVault.sol";
import {Digest} from "./lib/Digest.sol";

/// @title The deposit log: a hash chain whose head sits in two fixed storage slots (spec 2.2)
abstract contract DepositLog is IVault {
    uint256 private constant KIND_DEPOSIT = 1;
    uint256 private constant KIND_METADATA = 2;
    uint256 private constant KIND_EPOCH = 3;

    /// @dev ERC-7201 slot of "mooring.vault.head"; members prove it with `eth_getProof`. Holds the
    /// count; the next slot holds acc.
    bytes32 private constant COUNT_SLOT =
        0xc95d8b5327c0099d6cb4e461e8e6f9a4464749eda55790fd03e4c461a1200d00;
    bytes32 private constant ACC_SLOT =
        0xc95d8b5327c0099d6cb4e461e8e6f9a4464749eda55790fd03e4c461a1200d01;

    bytes32 private immutable _salt;
    uint256 private immutable _chainId;
    bytes32 private immutable _separator;

    constructor(uint256 sidechainId, bytes32 setupHash) {
        _salt = Digest.salt(sidechainId, setupHash);
        _chainId = block.chainid;
        _separator = Digest.separator(_salt);
        _setHead(0, keccak256(abi.encode(_separator)));
    }

    /// @inheritdoc IVault
    function head() public view returns (uint64 count, bytes32 acc) {
        assembly ("memory-safe") {
            count := sload(COUNT_SLOT)
            acc := sload(ACC_SLOT)
        }
    }

    /// @inheritdoc IVault
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _chainId ? _separator : Digest.separator(_salt);
    }

    function _appendDeposit(
        address asset,
        address sender,
        address recipient,
        uint256 amount,
        uint256 gasWei,
        address refundTo
    ) internal {
        (uint64 count, bytes32 acc) = head();
        ++count;
        acc = _chain(
            count,
            acc,
            abi.encode(KIND_DEPOSIT, count, asset, sender, recipient, amount, gasWei, refundTo)
        );
        emit Deposited(count, asset, recipient, sender, amount, gasWei, refundTo, acc);
    }

    function _appendMetadata(address asset, bytes32 name, bytes32 symbol, uint8 decimals) internal {
        (uint64 count, bytes32 acc) = head();
        ++count;
        acc = _chain(count, acc, abi.encode(KIND_METADATA, count, asset, name, symbol, decimals));
        emit TokenMetadata(count, asset, name, symbol, decimals, acc);
    }

    function _appendEpoch(uint64 epoch_, bytes32 membersHash_) internal {
        (uint64 count, bytes32 acc) = head();
        ++count;
        acc = _chain(count, acc, abi.encode(KIND_EPOCH, count, epoch_, membersHash_));
        emit EpochRecorded(count, epoch_, membersHash_, acc);
    }

    function _chain(uint64 count, bytes32 acc, bytes memory leaf) private returns (bytes32 next) {
        next = keccak256(abi.encode(acc, keccak256(leaf)));
        _setHead(count, next);
    }

    function _setHead(uint64 count, bytes32 acc) private {
        assembly ("memory-safe") {
            sstore(COUNT_SLOT, count)
            sstore(ACC_SLOT, acc)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {DepositLog} from "./DepositLog.sol";
import {FederationUpdate, IVault} from "./interfaces/IVault.sol";
import {Digest} from "./lib/Digest.sol";
import {Members} from "./lib/Members.sol";

/// @title Who signs for the sidechain: the current epoch, kept as two list hashes (spec 6)
abstract contract Federation is DepositLog {
    /// @inheritdoc IVault
    uint64 public epoch;
    /// @inheritdoc IVault
    uint64 public firstHeight;
    /// @inheritdoc IVault
    bytes32 public membersHash;
    /// @inheritdoc IVault
    bytes32 public recoveryHash;
    /// @inheritdoc IVault
    uint256 public totalPower;

    constructor(bytes32[] memory members, bytes32[] memory recoveries) {
        uint256 total = Members.check(members);
        if (members.length != recoveries.length || Members.check(recoveries) != total) {
            revert BadMemberList();
        }
        epoch = 1;
        membersHash = Members.hash(members);
        recoveryHash = Members.hash(recoveries);
        totalPower = total;
    }

    /// @inheritdoc IVault
    function updateFederation(
        FederationUpdate calldata update,
        bytes32[] calldata members,
        bytes calldata signatures
    ) external {
        if (update.epoch != epoch + 1) {
            revert WrongEpoch(epoch + 1, update.epoch);
        }
        bytes32 none = keccak256("");
        if (update.totalPower == 0 || update.membersHash == none || update.recoveryHash == none) {
            revert EmptyFederation();
        }
        _requireQuorum(Digest.hash(update), members, signatures);
        epoch = update.epoch;
        firstHeight = update.firstHeight;
        membersHash = update.membersHash;
        recoveryHash = update.recoveryHash;
        totalPower = update.totalPower;
        _appendEpoch(update.epoch, update.membersHash);
    }

    /// @dev Reverts unless the current epoch's quorum signed the struct.
    function _requireQuorum(
        bytes32 structHash,
        bytes32[] calldata members,
        bytes calldata signatures
    ) internal view {
        if (Members.hash(members) != membersHash) revert WrongMembers();
        Members.requireQuorum(Digest.typed(domainSeparator(), structHash), members, signatures);
    }
}

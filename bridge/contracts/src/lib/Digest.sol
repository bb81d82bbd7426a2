// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Checkpoint, FederationUpdate} from "../interfaces/IVault.sol";

/// @title EIP-712 domain and digests of what the federation signs for L1 (spec 2.1, 2.4)
library Digest {
    bytes32 private constant DOMAIN = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    );
    bytes32 private constant CHECKPOINT = keccak256(
        "Checkpoint(uint64 epoch,uint64 height,bytes32 blockHash,bytes32 stateRoot,uint64 exitCount,bytes32 exitRoot,uint64 creditedCount,bytes32 creditedAcc)"
    );
    bytes32 private constant FEDERATION_UPDATE = keccak256(
        "FederationUpdate(uint64 epoch,uint64 firstHeight,bytes32 membersHash,bytes32 recoveryHash,uint256 totalPower)"
    );

    /// @notice Salt of the domain: which sidechain, launched with which setup.
    function salt(uint256 sidechainId, bytes32 setupHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(sidechainId, setupHash));
    }

    /// @notice Domain separator of the calling Vault on the present L1.
    function separator(bytes32 salt_) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN, keccak256("Mooring"), keccak256("1"), block.chainid, address(this), salt_
            )
        );
    }

    /// @notice Struct hash of a checkpoint.
    function hash(Checkpoint calldata cp) internal pure returns (bytes32) {
        return keccak256(abi.encode(CHECKPOINT, cp));
    }

    /// @notice Struct hash of a federation update.
    function hash(FederationUpdate calldata update) internal pure returns (bytes32) {
        return keccak256(abi.encode(FEDERATION_UPDATE, update));
    }

    /// @notice What is signed: a struct under a domain (EIP-712).
    function typed(bytes32 separator_, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator_, structHash));
    }
}

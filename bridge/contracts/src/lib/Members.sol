// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IVault} from "../interfaces/IVault.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Member lists and quorum (spec 2.1, 2.4)
/// @dev A member word is `address << 96 | power`; a list is its words in strictly ascending address
/// order.
library Members {
    uint256 internal constant MAX_MEMBERS = 128;
    uint256 private constant SIGNATURE_SIZE = 65;

    /// @notice keccak256 of the words, one after the other.
    function hash(bytes32[] memory words) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(words));
    }

    /// @notice Total power of a list that is well formed; reverts where it is not.
    function check(bytes32[] memory words) internal pure returns (uint256 total) {
        if (words.length == 0 || words.length > MAX_MEMBERS) revert IVault.BadMemberList();
        address last;
        for (uint256 i; i < words.length; ++i) {
            address member = _member(words[i]);
            uint96 power = _power(words[i]);
            if (member <= last || power == 0) revert IVault.BadMemberWord(i);
            last = member;
            total += power;
        }
    }

    /// @notice Reverts unless `signatures` over `digest` are of members with strictly more than two
    /// thirds of the list's power. The total is taken from the list, never from a stored figure.
    function requireQuorum(bytes32 digest, bytes32[] calldata words, bytes calldata signatures)
        internal
        pure
    {
        uint256 signatureCount = signatures.length / SIGNATURE_SIZE;
        if (signatures.length != signatureCount * SIGNATURE_SIZE) {
            revert IVault.BadSignatureLength();
        }
        uint256 total;
        for (uint256 i; i < words.length; ++i) {
            total += _power(words[i]);
        }
        uint256 signed;
        uint256 at;
        address last;
        for (uint256 i; i < signatureCount; ++i) {
            address signer = _recover(digest, signatures, i);
            if (signer <= last) revert IVault.SignersNotAscending(i);
            last = signer;
            while (at < words.length && _member(words[at]) < signer) {
                ++at;
            }
            if (at == words.length || _member(words[at]) != signer) {
                revert IVault.UnknownSigner(signer);
            }
            signed += _power(words[at]);
        }
        if (3 * signed <= 2 * total) revert IVault.NoQuorum(signed, total);
    }

    /// @dev Low s and v of 27 or 28 only.
    function _recover(bytes32 digest, bytes calldata signatures, uint256 position)
        private
        pure
        returns (address)
    {
        bytes calldata one = signatures[position * SIGNATURE_SIZE:(position + 1) * SIGNATURE_SIZE];
        (address signer, ECDSA.RecoverError err,) =
            ECDSA.tryRecover(digest, uint8(one[64]), bytes32(one[:32]), bytes32(one[32:64]));
        if (err != ECDSA.RecoverError.NoError) revert IVault.BadSignature(position);
        return signer;
    }

    function _member(bytes32 word) private pure returns (address) {
        return address(uint160(uint256(word) >> 96));
    }

    function _power(bytes32 word) private pure returns (uint96) {
        return uint96(uint256(word));
    }
}

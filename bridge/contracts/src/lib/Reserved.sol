// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title The sidechain's fixed addresses, and those that it never credits (spec 2.6)
library Reserved {
    /// @dev Sender of the system transactions.
    address internal constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;
    /// @dev "mooring", six zero bytes, 1 as seven bytes.
    address internal constant GATEWAY = 0x6D6F6f72696E6700000000000000000000000001;
    /// @dev Block hash history of EIP-2935.
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// @dev The 13 bytes that mark a reserved address; the last seven bytes are free.
    uint256 private constant PREFIX = 0x6d6f6f72696e67000000000000;
    /// @dev Addresses below are precompiles, present or future; zero is among them.
    uint160 private constant FIRST_FREE = 0x10000;

    /// @notice Whether the sidechain refuses to credit `account`.
    function uncreditable(address account) internal pure returns (bool) {
        return uint160(account) < FIRST_FREE || account == SYSTEM || account == HISTORY
            || uint160(account) >> 56 == PREFIX;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IVault} from "../interfaces/IVault.sol";
import {Text} from "./Text.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @title Calls to contracts that nobody has vetted
/// @dev No call copies more than 64 bytes of what it returns; none but `balance` lets it revert us.
library Tokens {
    /// @dev Gas of each of the three metadata calls: ample for a proxy with the text in storage.
    uint256 internal constant METADATA_GAS = 100_000;

    /// @notice Sends wei with `gasCap` gas (beyond the protocol's stipend).
    function sendEth(address to, uint256 amount, uint256 gasCap) internal returns (bool sent) {
        assembly ("memory-safe") {
            sent := call(gasCap, to, amount, 0, 0, 0, 0)
        }
    }

    /// @notice `transfer` with `gasCap` gas. A token that returns nothing has succeeded; one that
    /// returns anything but true, or that has no code, has failed.
    function send(address token, address to, uint256 amount, uint256 gasCap)
        internal
        returns (bool)
    {
        return _succeeds(token, abi.encodeCall(IERC20.transfer, (to, amount)), gasCap);
    }

    /// @notice `transferFrom` to this contract; success as for `send`.
    function take(address token, address from, uint256 amount) internal returns (bool) {
        bytes memory data = abi.encodeCall(IERC20.transferFrom, (from, address(this), amount));
        return _succeeds(token, data, gasleft());
    }

    /// @notice Tries an EIP-2612 permit; whether it worked shows in the allowance.
    function tryPermit(
        address token,
        address owner,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) internal {
        bytes memory data = abi.encodeCall(
            IERC20Permit.permit, (owner, address(this), amount, deadline, v, r, s)
        );
        _succeeds(token, data, gasleft());
    }

    /// @notice This contract's balance. Reverts when the token does.
    function balance(address token) internal view returns (uint256) {
        return IERC20(token).balanceOf(address(this));
    }

    /// @notice Name, symbol and decimals for display; blank or 0 where the token has none.
    /// Reverts with `InsufficientGas` rather than reading a blank for want of gas.
    function metadata(address token)
        internal
        view
        returns (bytes32 name, bytes32 symbol, uint8 decimals)
    {
        name = _text(token, IERC20Metadata.name.selector);
        symbol = _text(token, IERC20Metadata.symbol.selector);
        (bool ok, uint256 size) = _ask(token, IERC20Metadata.decimals.selector);
        if (!ok || size < 32) return (name, symbol, 0);
        uint256 word;
        assembly ("memory-safe") {
            returndatacopy(0, 0, 32)
            word := mload(0)
        }
        if (word <= type(uint8).max) decimals = uint8(word);
    }

    /// @dev A `bytes32` answer is its word. A `string` answer is (offset, length, text): the offset is
    /// 0x20 from every compiler, so length and first word, 64 bytes, are copied from there.
    function _text(address token, bytes4 selector) private view returns (bytes32 text) {
        (bool ok, uint256 size) = _ask(token, selector);
        if (!ok || size < 32) return 0;
        uint256 length = 32;
        if (size == 32) {
            assembly ("memory-safe") {
                returndatacopy(0, 0, 32)
                text := mload(0)
            }
        } else if (size >= 96) {
            assembly ("memory-safe") {
                returndatacopy(0, 32, 64)
                length := mload(0)
                text := mload(32)
            }
        }
        if (length < 32) text &= ~(bytes32(type(uint256).max) >> (8 * length));
        return Text.sanitise(text, 32);
    }

    function _ask(address token, bytes4 selector) private view returns (bool ok, uint256 size) {
        // The EVM gives a call at most 63/64 of what is left; 3,000 covers the call itself.
        if (gasleft() < METADATA_GAS + METADATA_GAS / 63 + 3000) revert IVault.InsufficientGas();
        uint256 gasCap = METADATA_GAS;
        assembly ("memory-safe") {
            mstore(0, selector)
            ok := staticcall(gasCap, token, 0, 4, 0, 0)
            size := returndatasize()
        }
    }

    function _succeeds(address token, bytes memory data, uint256 gasCap) private returns (bool ok) {
        assembly ("memory-safe") {
            mstore(0, 0)
            ok := call(gasCap, token, 0, add(data, 32), mload(data), 0, 32)
            switch returndatasize()
            case 0 { ok := and(ok, gt(extcodesize(token), 0)) }
            default { ok := and(ok, and(gt(returndatasize(), 31), eq(mload(0), 1))) }
        }
    }
}

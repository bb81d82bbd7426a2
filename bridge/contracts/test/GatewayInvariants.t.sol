// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Gateway} from "../src/Gateway.sol";
import {WrappedToken} from "../src/WrappedToken.sol";
import {Test} from "forge-std/Test.sol";

/// @dev Random system calls and withdrawals over four assets and three holders. Sums over a run may
/// pass 2^256 where supplies never do, so they are kept modulo 2^256.
contract GatewayHandler is Test {
    address private constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;
    Gateway public constant gateway = Gateway(0x6D6F6f72696E6700000000000000000000000001);

    mapping(address asset => uint256) public credited;
    mapping(address asset => uint256) public exited;
    mapping(address asset => address) public firstToken;
    uint256 public exitsMade;

    function asset(uint256 i) public pure returns (address) {
        return i % 5 == 0 ? address(0) : address(uint160(0xa000000 + i % 5));
    }

    function _holder(uint256 i) private pure returns (address) {
        return address(uint160(0xb000000 + i % 3));
    }

    function _remember(address a) private {
        if (firstToken[a] == address(0)) firstToken[a] = gateway.tokenOf(a);
    }

    function register(uint256 which, bytes32 name, bytes32 symbol, uint8 decimals) external {
        vm.prank(SYSTEM);
        gateway.register(1, asset(which), name, symbol, decimals);
        _remember(asset(which));
    }

    function credit(uint256 which, uint256 to, uint256 amount, bool huge) external {
        address a = asset(which);
        if (!huge) amount = bound(amount, 0, 1e24);
        vm.prank(SYSTEM);
        try gateway.credit(1, a, _holder(to), amount, 0) {
            unchecked {
                if (a != address(0)) credited[a] += amount;
            }
        } catch {
            bounce(which, amount, 0);
        }
        _remember(a);
    }

    function creditReserved(uint256 which, uint256 other) external {
        address to = gateway.tokenOf(asset(other));
        vm.prank(SYSTEM);
        try gateway.credit(1, asset(which), to, 1, 0) {
            revert("a wrapped token or address(0) was credited");
        } catch {}
    }

    function bounce(uint256 which, uint256 amount, uint256 gasWei) public {
        vm.prank(SYSTEM);
        gateway.bounce(1, asset(which), amount, gasWei, _holder(which));
        if (amount > 0) ++exitsMade;
        if (gasWei > 0 && asset(which) != address(0)) ++exitsMade;
    }

    function withdraw(uint256 which, uint256 from, uint256 amount, uint256 fee) external {
        address a = asset(which);
        address holder = _holder(from);
        uint256 value;
        if (a == address(0)) {
            amount = bound(amount, 1, 1e20);
            value = amount;
            vm.deal(holder, amount);
        } else {
            if (gateway.tokenOf(a) == address(0)) return;
            uint256 owned = WrappedToken(gateway.tokenOf(a)).balanceOf(holder);
            if (owned == 0) return;
            amount = bound(amount, 1, owned);
        }
        vm.prank(holder);
        uint64 index = gateway.withdraw{value: value}(a, amount, holder, bound(fee, 0, amount));
        assertEq(index, exitsMade++);
        unchecked {
            exited[a] += amount;
        }
    }
}

contract GatewayInvariantsTest is Test {
    GatewayHandler private handler;
    Gateway private gateway;

    function setUp() public {
        handler = new GatewayHandler();
        gateway = handler.gateway();
        vm.etch(address(gateway), type(Gateway).runtimeCode);
        vm.store(address(gateway), bytes32(0), bytes32(uint256(1)));
        targetContract(address(handler));
    }

    /// @dev The contract's part of I1.
    function invariant_supply_is_credits_less_exits() public view {
        for (uint256 i = 1; i < 5; ++i) {
            address a = handler.asset(i);
            if (gateway.tokenOf(a) == address(0)) continue;
            uint256 supply = WrappedToken(gateway.tokenOf(a)).totalSupply();
            unchecked {
                assertEq(supply, handler.credited(a) - handler.exited(a));
            }
        }
        assertEq(address(gateway).balance, handler.exited(address(0)));
    }

    function invariant_exits_are_numbered_without_gaps() public view {
        assertEq(gateway.exitCount(), handler.exitsMade());
    }

    /// @dev I6.
    function invariant_the_registry_is_an_append_only_bijection() public view {
        assertEq(gateway.tokenOf(address(0)), address(0));
        for (uint256 i = 1; i < 5; ++i) {
            address a = handler.asset(i);
            address token = gateway.tokenOf(a);
            assertEq(token, handler.firstToken(a));
            if (token == address(0)) continue;
            assertEq(gateway.assetOf(token), a);
            assertEq(token, gateway.wrappedAddress(a));
        }
    }
}

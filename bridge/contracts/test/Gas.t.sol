// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Checkpoint, Claim} from "../src/interfaces/IVault.sol";
import {TestToken} from "../src/testing/TestToken.sol";
import {Fixture} from "./util/Fixture.sol";

/// @dev What users and relayers pay, as whole transactions: 21,000, calldata and execution on cold
/// slots. The figures are in snapshots/figures.json; a test fails when one changes, and
/// `npm run figures` rewrites them.
contract GasTest is Fixture {
    TestToken private token;
    Claim[] private items;

    function setUp() public override {
        super.setUp();
        token = new TestToken("Test", "TST");
        token.mint(address(this), 1e30);
        token.approve(address(vault), type(uint256).max);
        vault.depositETH{value: 100 ether}(alice);
        vm.deal(relayer, 1 ether);
    }

    /// @dev Gas of the call as a transaction of its own: intrinsic cost (EIP-2028; the floor of
    /// EIP-7623 where it is higher), and execution with everything cold.
    function _measure(string memory name, address from, uint256 value, bytes memory data) private {
        vm.cool(address(vault));
        vm.cool(address(token));
        vm.prank(from);
        (bool ok,) = address(vault).call{value: value}(data);
        uint256 execution = vm.lastCallGas().gasTotalUsed;
        assertTrue(ok, name);
        uint256 tokens;
        for (uint256 i; i < data.length; ++i) {
            tokens += data[i] == 0 ? 1 : 4;
        }
        uint256 standard = 21_000 + 4 * tokens + execution;
        uint256 floor = 21_000 + 10 * tokens;
        vm.snapshotValue("figures", name, standard > floor ? standard : floor);
    }

    function test_deposit_eth() public {
        bytes memory data = abi.encodeWithSignature("depositETH(address)", alice);
        _measure("deposit ETH", address(this), 1 ether, data);
    }

    function test_deposit_token() public {
        bytes memory data = abi.encodeWithSignature(
            "deposit(address,uint256,address)", address(token), 1e18, alice
        );
        _measure("deposit token, first ever (with metadata)", address(this), 0, data);
        _measure("deposit token", address(this), 0, data);
        _measure("deposit token with gasWei", address(this), 1e15, data);
    }

    function test_checkpoint() public {
        _exit(address(0), alice, 1 ether, 0.01 ether);
        _submit(_next());
        _exit(address(0), alice, 1 ether, 0.01 ether);
        Checkpoint memory cp = _next();
        bytes memory data = abi.encodeCall(vault.checkpoint, (cp, words, _sign(_digest(cp), 15)));
        _measure("checkpoint, 4 members, all sign", relayer, 0, data);
        _exit(address(0), alice, 1 ether, 0.01 ether);
        cp = _next();
        data = abi.encodeCall(vault.checkpoint, (cp, words, _sign(_digest(cp), 7)));
        _measure("checkpoint, 4 members, 3 sign", relayer, 0, data);
    }

    function test_checkpoint_of_100_members() public {
        uint96[] memory powers = new uint96[](100);
        for (uint256 i; i < 100; ++i) {
            powers[i] = 1;
        }
        _deploy(powers);
        _exit(address(0), alice, 1, 0);
        Checkpoint memory cp = _next();
        bytes memory bundle = _sign(_digest(cp), (1 << 67) - 1);
        bytes memory data = abi.encodeCall(vault.checkpoint, (cp, words, bundle));
        _measure("checkpoint, 100 members, 67 sign", relayer, 0, data);
    }

    function _prepare(address asset, uint256 count) private {
        for (uint256 i; i < 1000; ++i) {
            address to = address(uint160(uint256(keccak256(abi.encode(i)))));
            _exit(asset, to, 0.01 ether, 0.001 ether);
        }
        _submit(_next());
        for (uint64 i; i < count; ++i) {
            items.push(_claim(i + 300));
        }
    }

    function test_claim_eth() public {
        _prepare(address(0), 2);
        _measure("claim ETH, tree of 1000", relayer, 0, abi.encodeCall(vault.claim, (items[0])));
    }

    function test_claim_token() public {
        vault.deposit(address(token), 1e24, alice);
        token.mint(relayer, 1);
        _prepare(address(token), 1);
        _measure("claim token, tree of 1000", relayer, 0, abi.encodeCall(vault.claim, (items[0])));
    }

    function test_claim_many() public {
        _prepare(address(0), 10);
        bytes memory data = abi.encodeCall(vault.claimMany, (items));
        _measure("claimMany of 10 ETH exits, tree of 1000", relayer, 0, data);
        for (uint64 i; i < 10; ++i) {
            assertTrue(vault.isClaimed(300 + i));
        }
    }
}

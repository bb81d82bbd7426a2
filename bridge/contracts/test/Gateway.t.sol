// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Gateway} from "../src/Gateway.sol";
import {WrappedToken} from "../src/WrappedToken.sol";
import {IGateway} from "../src/interfaces/IGateway.sol";
import {Test} from "forge-std/Test.sol";
import {Vm} from "forge-std/Vm.sol";

contract GatewayTest is Test {
    address private constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;
    address private constant AT = 0x6D6F6f72696E6700000000000000000000000001;
    address private constant VAULT = address(0xa0175);
    address private constant ASSET = address(0xa11ce);

    Gateway private gateway = Gateway(AT);
    address private alice = makeAddr("alice");
    address private bob = makeAddr("bob");

    /// @dev As genesis does it: code and two slots, no constructor.
    function setUp() public {
        vm.etch(AT, type(Gateway).runtimeCode);
        vm.store(AT, bytes32(0), bytes32(uint256(31_337)));
        vm.store(AT, bytes32(uint256(1)), bytes32(uint256(uint160(VAULT))));
        vm.deal(alice, 100 ether);
    }

    function _register() private returns (WrappedToken) {
        vm.prank(SYSTEM);
        gateway.register(1, ASSET, "Token", "TKN", 6);
        return WrappedToken(gateway.tokenOf(ASSET));
    }

    function _credit(address asset, address to, uint256 amount) private {
        vm.prank(SYSTEM);
        gateway.credit(2, asset, to, amount, 0);
    }

    function test_genesis_slots() public view {
        assertEq(gateway.l1ChainId(), 31_337);
        assertEq(gateway.vault(), VAULT);
        assertEq(gateway.exitCount(), 0);
    }

    function test_only_the_system_caller() public {
        vm.expectRevert(IGateway.OnlySystem.selector);
        gateway.credit(1, address(0), alice, 1, 0);
        vm.expectRevert(IGateway.OnlySystem.selector);
        gateway.bounce(1, address(0), 1, 0, alice);
        vm.expectRevert(IGateway.OnlySystem.selector);
        gateway.register(1, ASSET, "a", "b", 1);
    }

    // --- register ---

    function test_register_deploys_at_the_create2_address() public {
        bytes32 salt = keccak256(abi.encode(uint256(31_337), ASSET));
        address expected =
            vm.computeCreate2Address(salt, keccak256(type(WrappedToken).creationCode), AT);
        assertEq(gateway.wrappedAddress(ASSET), expected);
        vm.expectEmit(AT);
        emit IGateway.TokenRegistered(ASSET, expected, "Token", "TKN", 6);
        WrappedToken token = _register();
        assertEq(address(token), expected);
        assertEq(gateway.assetOf(expected), ASSET);
        assertEq(token.name(), "Token");
        assertEq(token.symbol(), "TKN");
        assertEq(token.decimals(), 6);
        assertEq(token.gateway(), AT);
    }

    function test_metadata_is_empty_outside_a_deployment() public {
        _register();
        (string memory name, string memory symbol, uint8 decimals) = gateway.metadata();
        assertEq(name, "");
        assertEq(symbol, "");
        assertEq(decimals, 0);
    }

    function test_a_second_registration_changes_nothing() public {
        WrappedToken token = _register();
        vm.recordLogs();
        vm.prank(SYSTEM);
        gateway.register(9, ASSET, "Other", "OTH", 18);
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(gateway.tokenOf(ASSET), address(token));
        assertEq(token.name(), "Token");
    }

    function test_eth_is_never_registered() public {
        vm.prank(SYSTEM);
        gateway.register(1, address(0), "Ether", "ETH", 18);
        assertEq(gateway.tokenOf(address(0)), address(0));
    }

    function testFuzz_any_bytes_register(
        address asset,
        bytes32 name,
        bytes32 symbol,
        uint8 decimals
    ) public {
        vm.assume(asset != address(0));
        vm.prank(SYSTEM);
        gateway.register(1, asset, name, symbol, decimals);
        WrappedToken token = WrappedToken(gateway.tokenOf(asset));
        assertEq(token.decimals(), decimals);
        assertLe(bytes(token.name()).length, 31);
        assertLe(bytes(token.symbol()).length, 32);
        (, string memory domainName,,,,,) = token.eip712Domain();
        assertEq(domainName, token.name());
    }

    function test_a_name_of_32_bytes_is_cut_for_permit() public {
        vm.prank(SYSTEM);
        gateway.register(1, ASSET, "exactly thirty-two bytes, it is.", "S", 0);
        WrappedToken token = WrappedToken(gateway.tokenOf(ASSET));
        assertEq(token.name(), "exactly thirty-two bytes, it is");
        _permit(token);
    }

    // --- credit ---

    function test_token_credit_mints() public {
        WrappedToken token = _register();
        vm.expectEmit(AT);
        emit IGateway.Credited(2, ASSET, alice, 50, 0);
        _credit(ASSET, alice, 50);
        assertEq(token.balanceOf(alice), 50);
    }

    function test_eth_credit_only_records() public {
        vm.expectEmit(AT);
        emit IGateway.Credited(2, address(0), bob, 50, 0);
        _credit(address(0), bob, 50);
        assertEq(bob.balance, 0);
    }

    function test_a_credit_without_registration_deploys() public {
        _credit(ASSET, alice, 50);
        WrappedToken token = WrappedToken(gateway.tokenOf(ASSET));
        assertEq(address(token), gateway.wrappedAddress(ASSET));
        assertEq(token.balanceOf(alice), 50);
        assertEq(token.name(), "");
    }

    function test_uncreditable_recipients() public {
        WrappedToken token = _register();
        address[6] memory bad = [
            address(0),
            address(0xffff),
            SYSTEM,
            AT,
            0x0000F90827F1C53a10cb7A02335B175320002935,
            address(token)
        ];
        for (uint256 i; i < bad.length; ++i) {
            bytes memory error =
                abi.encodeWithSelector(IGateway.UncreditableRecipient.selector, bad[i]);
            vm.startPrank(SYSTEM);
            vm.expectRevert(error);
            gateway.credit(1, ASSET, bad[i], 1, 0);
            vm.expectRevert(error);
            gateway.credit(1, address(0), bad[i], 1, 0);
            vm.stopPrank();
        }
    }

    function test_a_token_not_yet_deployed_cannot_be_its_own_recipient() public {
        address own = gateway.wrappedAddress(ASSET);
        vm.prank(SYSTEM);
        vm.expectRevert(abi.encodeWithSelector(IGateway.UncreditableRecipient.selector, own));
        gateway.credit(1, ASSET, own, 1, 0);
    }

    function test_mint_overflow_reverts() public {
        _register();
        _credit(ASSET, alice, type(uint256).max);
        vm.prank(SYSTEM);
        vm.expectRevert();
        gateway.credit(3, ASSET, bob, 1, 0);
    }

    // --- bounce ---

    function test_bounce_makes_an_exit_for_asset_and_gas() public {
        vm.expectEmit(AT);
        emit IGateway.Bounced(4, ASSET, bob, 50, 7);
        vm.expectEmit(AT);
        emit IGateway.Exit(0, ASSET, bob, 50, 0, AT);
        vm.expectEmit(AT);
        emit IGateway.Exit(1, address(0), bob, 7, 0, AT);
        vm.prank(SYSTEM);
        gateway.bounce(4, ASSET, 50, 7, bob);
        assertEq(gateway.exitCount(), 2);
    }

    function test_bounce_of_one_part() public {
        vm.startPrank(SYSTEM);
        gateway.bounce(4, ASSET, 50, 0, bob);
        assertEq(gateway.exitCount(), 1);
        gateway.bounce(5, ASSET, 0, 7, bob);
        assertEq(gateway.exitCount(), 2);
        vm.expectEmit(AT);
        emit IGateway.Exit(2, address(0), bob, 9, 0, AT);
        gateway.bounce(6, address(0), 9, 0, bob);
        assertEq(gateway.exitCount(), 3);
        gateway.bounce(7, address(0), 0, 0, bob);
        assertEq(gateway.exitCount(), 3);
    }

    // --- withdraw ---

    function test_withdraw_eth() public {
        vm.expectEmit(AT);
        emit IGateway.Exit(0, address(0), bob, 3 ether, 1, alice);
        vm.prank(alice);
        assertEq(gateway.withdraw{value: 3 ether}(address(0), 3 ether, bob, 1), 0);
        assertEq(AT.balance, 3 ether); // the state transition takes it from here
    }

    function test_withdraw_token_burns_without_allowance() public {
        WrappedToken token = _register();
        _credit(ASSET, alice, 50);
        vm.expectEmit(AT);
        emit IGateway.Exit(0, ASSET, bob, 30, 30, alice);
        vm.prank(alice);
        gateway.withdraw(ASSET, 30, bob, 30);
        assertEq(token.balanceOf(alice), 20);
        assertEq(token.totalSupply(), 20);
    }

    function _expectWithdraw(bytes memory error, uint256 value, address asset, address to) private {
        vm.prank(alice);
        vm.expectRevert(error);
        gateway.withdraw{value: value}(asset, 10, to, 0);
    }

    function test_withdraw_refuses() public {
        _register();
        bytes4 bad = IGateway.BadRecipient.selector;
        _expectWithdraw(abi.encodeWithSelector(bad, address(0)), 10, address(0), address(0));
        _expectWithdraw(abi.encodeWithSelector(bad, VAULT), 10, address(0), VAULT);
        _expectWithdraw(abi.encodeWithSelector(bad, ASSET), 0, ASSET, ASSET);
        bytes4 value = IGateway.WrongValue.selector;
        _expectWithdraw(abi.encodeWithSelector(value, 10, 9), 9, address(0), bob);
        _expectWithdraw(abi.encodeWithSelector(value, 10, 11), 11, address(0), bob);
        _expectWithdraw(abi.encodeWithSelector(value, 0, 1), 1, ASSET, bob);
        bytes4 unknown = IGateway.UnknownAsset.selector;
        _expectWithdraw(abi.encodeWithSelector(unknown, address(7)), 0, address(7), bob);
        vm.expectRevert(IGateway.ZeroAmount.selector);
        gateway.withdraw(address(0), 0, bob, 0);
        vm.expectRevert(IGateway.FeeAboveAmount.selector);
        gateway.withdraw(address(0), 1, bob, 2);
    }

    function test_withdraw_more_than_owned() public {
        _register();
        _credit(ASSET, bob, 50);
        vm.prank(alice);
        vm.expectRevert();
        gateway.withdraw(ASSET, 1, bob, 0);
    }

    function test_withdraw_uses_the_l1_address_not_the_wrapped() public {
        WrappedToken token = _register();
        _credit(ASSET, alice, 50);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IGateway.UnknownAsset.selector, address(token)));
        gateway.withdraw(address(token), 1, bob, 0);
    }

    function test_the_tree_ends_at_two_to_the_32_minus_one() public {
        vm.store(AT, bytes32(uint256(4)), bytes32(uint256(type(uint32).max) - 1));
        vm.startPrank(alice);
        assertEq(gateway.withdraw{value: 1}(address(0), 1, bob, 0), type(uint32).max - 1);
        vm.expectRevert(IGateway.TreeFull.selector);
        gateway.withdraw{value: 1}(address(0), 1, bob, 0);
    }

    function test_plain_transfers_are_refused() public {
        vm.prank(alice);
        (bool ok,) = AT.call{value: 1}("");
        assertFalse(ok);
    }

    // --- the wrapped token ---

    function test_only_the_gateway_mints_and_burns() public {
        WrappedToken token = _register();
        vm.expectRevert(WrappedToken.OnlyGateway.selector);
        token.mint(alice, 1);
        vm.expectRevert(WrappedToken.OnlyGateway.selector);
        token.burn(alice, 0);
    }

    function test_wrapped_permit() public {
        _permit(_register());
    }

    function _permit(WrappedToken token) private {
        (address owner, uint256 key) = makeAddrAndKey("owner");
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                owner,
                bob,
                5,
                0,
                block.timestamp
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(key, keccak256(bytes.concat(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
        token.permit(owner, bob, 5, block.timestamp, v, r, s);
        assertEq(token.allowance(owner, bob), 5);
    }
}

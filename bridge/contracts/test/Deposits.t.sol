// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Vault} from "../src/Vault.sol";
import {Checkpoint, Claim, IVault} from "../src/interfaces/IVault.sol";
import {Reserved} from "../src/lib/Reserved.sol";
import {TestToken} from "../src/testing/TestToken.sol";
import {Fixture} from "./util/Fixture.sol";
import {MockToken, Mode} from "./util/Mocks.sol";

contract DepositsTest is Fixture {
    MockToken private token;

    function setUp() public override {
        super.setUp();
        token = new MockToken();
        token.mint(address(this), 1e24);
        token.approve(address(vault), type(uint256).max);
    }

    function _chain(bytes32 acc, bytes memory leaf) private pure returns (bytes32) {
        return keccak256(bytes.concat(acc, keccak256(leaf)));
    }

    function _depositLeaf(
        uint256 count,
        address asset,
        address recipient,
        uint256 amount,
        uint256 gasWei,
        address refundTo
    ) private view returns (bytes memory) {
        return abi.encode(
            uint256(1), count, asset, address(this), recipient, amount, gasWei, refundTo
        );
    }

    function _metadataLeaf(uint256 count) private view returns (bytes memory) {
        return
            abi.encode(uint256(2), count, address(token), bytes32("Mock"), bytes32("MCK"), uint8(6));
    }

    function _assertHead(uint256 count, bytes32 acc) private view {
        (uint64 gotCount, bytes32 gotAcc) = vault.head();
        assertEq(gotCount, count);
        assertEq(gotAcc, acc);
    }

    // --- genesis and head ---

    function test_genesis_supply_is_owed() public view {
        assertEq(vault.locked(address(0)), GENESIS_SUPPLY);
        assertEq(address(vault).balance, GENESIS_SUPPLY);
        _assertHead(0, keccak256(abi.encode(vault.domainSeparator())));
    }

    function test_head_slots_are_those_of_erc7201() public {
        vault.depositETH{value: 1}(alice);
        bytes32 slot = keccak256(abi.encode(uint256(keccak256("mooring.vault.head")) - 1))
            & ~bytes32(uint256(0xff));
        (uint64 count, bytes32 acc) = vault.head();
        assertEq(uint256(vm.load(address(vault), slot)), count);
        assertEq(vm.load(address(vault), bytes32(uint256(slot) + 1)), acc);
        assertEq(count, 1);
    }

    // --- ETH ---

    function test_eth_deposit() public {
        (, bytes32 acc) = vault.head();
        acc = _chain(acc, _depositLeaf(1, address(0), alice, 3 ether, 0, bob));
        vm.expectEmit();
        emit IVault.Deposited(1, address(0), alice, address(this), 3 ether, 0, bob, acc);
        vault.depositETH{value: 3 ether}(alice, bob);
        _assertHead(1, acc);
        assertEq(vault.locked(address(0)), GENESIS_SUPPLY + 3 ether);
    }

    function test_short_forms_refund_the_sender() public {
        (, bytes32 acc) = vault.head();
        vault.depositETH{value: 1}(alice);
        acc = _chain(acc, _depositLeaf(1, address(0), alice, 1, 0, address(this)));
        vault.deposit(address(token), 2, alice);
        acc = _chain(acc, _metadataLeaf(2));
        acc = _chain(acc, _depositLeaf(3, address(token), alice, 2, 0, address(this)));
        _assertHead(3, acc);
    }

    function test_plain_transfers_are_refused() public {
        (bool ok,) = address(vault).call{value: 1}("");
        assertFalse(ok);
        (ok,) = address(vault).call{value: 1}("unknown");
        assertFalse(ok);
    }

    function test_zero_eth() public {
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.depositETH(alice);
    }

    // --- tokens ---

    function test_first_token_deposit_writes_metadata_once() public {
        (, bytes32 acc0) = vault.head();
        bytes32 acc1 = _chain(acc0, _metadataLeaf(1));
        bytes32 acc2 = _chain(acc1, _depositLeaf(2, address(token), alice, 100, 7, bob));
        vm.expectEmit();
        emit IVault.TokenMetadata(1, address(token), "Mock", "MCK", 6, acc1);
        vm.expectEmit();
        emit IVault.Deposited(2, address(token), alice, address(this), 100, 7, bob, acc2);
        vault.deposit{value: 7}(address(token), 100, alice, bob);
        vault.deposit(address(token), 50, alice, bob);
        _assertHead(3, _chain(acc2, _depositLeaf(3, address(token), alice, 50, 0, bob)));
        assertEq(vault.locked(address(token)), 150);
        assertEq(vault.locked(address(0)), GENESIS_SUPPLY + 7);
        assertEq(token.balanceOf(address(vault)), 150);
    }

    function test_fee_on_transfer_credits_what_arrived() public {
        token.behave(Mode.Fee);
        vault.deposit(address(token), 1000, alice, bob);
        assertEq(vault.locked(address(token)), 990);
    }

    function test_token_without_return_value() public {
        token.behave(Mode.NoReturn);
        vault.deposit(address(token), 1000, alice, bob);
        assertEq(vault.locked(address(token)), 1000);
    }

    function test_failing_tokens_are_refused() public {
        Mode[5] memory modes =
            [Mode.ReturnFalse, Mode.ReturnTwo, Mode.Revert, Mode.Bomb, Mode.BurnGas];
        for (uint256 i; i < modes.length; ++i) {
            token.behave(modes[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IVault.TransferFromFailed.selector, address(token))
            );
            vault.deposit{gas: 3_000_000}(address(token), 1000, alice, bob);
        }
        assertEq(vault.locked(address(token)), 0);
        (uint64 count,) = vault.head();
        assertEq(count, 0);
    }

    function test_token_that_moves_nothing() public {
        token.behave(Mode.Silent);
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.deposit(address(token), 1000, alice, bob);
    }

    function test_without_allowance() public {
        token.approve(address(vault), 999);
        vm.expectRevert(abi.encodeWithSelector(IVault.TransferFromFailed.selector, address(token)));
        vault.deposit(address(token), 1000, alice, bob);
    }

    function test_zero_token_amount() public {
        vm.expectRevert(IVault.ZeroAmount.selector);
        vault.deposit(address(token), 0, alice, bob);
    }

    function test_token_without_code() public {
        address[2] memory none = [address(0), makeAddr("nobody")];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IVault.TokenWithoutCode.selector, none[i]));
            vault.deposit(none[i], 1, alice, bob);
            vm.expectRevert(abi.encodeWithSelector(IVault.TokenWithoutCode.selector, none[i]));
            vault.depositWithPermit(none[i], 1, alice, bob, 0, 27, 0, 0);
        }
    }

    function test_the_vault_is_no_token() public {
        vm.expectRevert();
        vault.deposit(address(vault), 1, alice, bob);
    }

    // --- who may receive ---

    function test_uncreditable_recipients() public {
        address[9] memory bad = [
            address(0),
            address(1),
            address(0xffff),
            0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE,
            0x0000F90827F1C53a10cb7A02335B175320002935,
            0x6D6F6f72696E6700000000000000000000000001,
            0x6D6f6F72696E6700000000000000000000000000,
            0x6D6F6F72696e6700000000000000000000000003,
            0x6d6f6F72696e67000000000000fffFFffffffffF
        ];
        for (uint256 i; i < bad.length; ++i) {
            bytes memory error =
                abi.encodeWithSelector(IVault.UncreditableRecipient.selector, bad[i]);
            vm.expectRevert(error);
            vault.depositETH{value: 1}(bad[i], bob);
            vm.expectRevert(error);
            vault.deposit(address(token), 1, bad[i], bob);
        }
    }

    function test_neighbours_of_the_uncreditable_are_creditable() public {
        address[5] memory good = [
            address(0x10000),
            0xFFfFfFffFFfffFFfFFfFFFFFffFFFffffFfFFFfF,
            0xfFfFFffFffffFFffFffFFFFFFfFFFfFfFFfFfFfD,
            0x6d6f6f72696e6700000000000100000000000000,
            0x6d6F6f72696E66fFffffFfFFfFFFFFFffFFFFFFF
        ];
        for (uint256 i; i < good.length; ++i) {
            vault.depositETH{value: 1}(good[i], bob);
        }
        assertEq(Reserved.GATEWAY, 0x6D6F6f72696E6700000000000000000000000001);
    }

    function test_bad_refund_addresses() public {
        address[3] memory bad = [address(0), address(vault), address(token)];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IVault.BadRefundAddress.selector, bad[i]));
            vault.deposit(address(token), 1, alice, bad[i]);
        }
        vm.expectRevert(abi.encodeWithSelector(IVault.BadRefundAddress.selector, address(0)));
        vault.depositETH{value: 1}(alice, address(0));
    }

    // --- permit ---

    function _permit(TestToken t, uint256 key, uint256 amount)
        private
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                vm.addr(key),
                address(vault),
                amount,
                t.nonces(vm.addr(key)),
                block.timestamp
            )
        );
        return vm.sign(key, keccak256(bytes.concat(hex"1901", t.DOMAIN_SEPARATOR(), structHash)));
    }

    function test_deposit_with_permit_also_when_front_run() public {
        TestToken t = new TestToken("Test", "TST");
        uint256 key = 0xa11ce;
        address owner = vm.addr(key);
        t.mint(owner, 300);
        (uint8 v, bytes32 r, bytes32 s) = _permit(t, key, 100);
        vm.prank(owner);
        vault.depositWithPermit(address(t), 100, alice, bob, block.timestamp, v, r, s);
        assertEq(vault.locked(address(t)), 100);

        (v, r, s) = _permit(t, key, 200);
        t.permit(owner, address(vault), 200, block.timestamp, v, r, s);
        vm.prank(owner);
        vault.depositWithPermit(address(t), 200, alice, bob, block.timestamp, v, r, s);
        assertEq(vault.locked(address(t)), 300);
    }

    function test_a_permit_moves_only_the_senders_tokens() public {
        TestToken t = new TestToken("Test", "TST");
        uint256 key = 0xa11ce;
        t.mint(vm.addr(key), 100);
        (uint8 v, bytes32 r, bytes32 s) = _permit(t, key, 100);
        vm.expectRevert(abi.encodeWithSelector(IVault.TransferFromFailed.selector, address(t)));
        vault.depositWithPermit(address(t), 100, bob, bob, block.timestamp, v, r, s);
    }

    function test_permit_on_a_token_without_it_relies_on_allowance() public {
        vault.depositWithPermit(address(token), 5, alice, bob, 0, 27, 0, 0);
        assertEq(vault.locked(address(token)), 5);
    }

    // --- reentrancy ---

    function _expectReentered(bytes memory inner) private {
        token.reenter(address(vault), inner);
        vm.expectRevert(abi.encodeWithSelector(IVault.TransferFromFailed.selector, address(token)));
        vault.deposit(address(token), 1000, alice, bob);
        // The same call from outside the lock gets as far as its own checks.
        (bool ok, bytes memory why) = address(vault).call(inner);
        if (!ok) assertNotEq(bytes4(why), IVault.Reentered.selector);
    }

    function test_deposits_and_claims_cannot_be_entered_from_a_deposit() public {
        Claim memory item = _ready(address(0), alice, 1, 0);
        Claim[] memory items = new Claim[](1);
        items[0] = item;
        Checkpoint memory cp = _next();
        _expectReentered(abi.encodeWithSignature("depositETH(address)", alice));
        _expectReentered(
            abi.encodeWithSignature("deposit(address,uint256,address)", address(token), 1, alice)
        );
        _expectReentered(
            abi.encodeCall(IVault.depositWithPermit, (address(token), 1, alice, bob, 0, 27, 0, 0))
        );
        _expectReentered(abi.encodeCall(IVault.claimTo, (item, bob)));
        _expectReentered(
            abi.encodeCall(IVault.checkpointAndClaim, (cp, words, _sign(_digest(cp), 15), items))
        );
        _expectReentered(abi.encodeCall(IVault.claimMany, (items)));
        _expectReentered(abi.encodeCall(IVault.claim, (item)));
        assertEq(vault.locked(address(token)), 0);
    }

    function test_the_lock_is_released() public {
        vault.depositETH{value: 1}(alice);
        vault.depositETH{value: 1}(alice);
        vault.deposit(address(token), 1, alice, bob);
        (uint64 count,) = vault.head();
        assertEq(count, 4);
    }

    // --- fuzz: the chain recomputed ---

    function testFuzz_the_chain_hashes_forward(uint256 seed, uint8 steps) public {
        (, bytes32 acc) = vault.head();
        uint256 count;
        for (uint256 i; i < steps % 16; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 amount = 1 + seed % 1e18;
            address to = address(uint160(seed | 1 << 159));
            if (seed & 1 == 0) {
                vault.depositETH{value: amount}(to, bob);
                acc = _chain(acc, _depositLeaf(++count, address(0), to, amount, 0, bob));
            } else {
                if (vault.locked(address(token)) == 0) acc = _chain(acc, _metadataLeaf(++count));
                vault.deposit{value: seed % 7}(address(token), amount, to, bob);
                acc = _chain(acc, _depositLeaf(++count, address(token), to, amount, seed % 7, bob));
            }
            _assertHead(count, acc);
        }
    }
}

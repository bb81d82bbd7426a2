// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Vault} from "../src/Vault.sol";
import {Checkpoint, Claim, IVault} from "../src/interfaces/IVault.sol";
import {Fixture} from "./util/Fixture.sol";
import {MockToken, Mode, Recipient} from "./util/Mocks.sol";

contract ClaimsTest is Fixture {
    MockToken private token;
    Recipient private odd;

    function setUp() public override {
        super.setUp();
        token = new MockToken();
        odd = new Recipient();
        token.mint(address(this), 1e24);
        token.approve(address(vault), type(uint256).max);
        vault.deposit(address(token), 1e20, alice, bob);
        vault.depositETH{value: 100 ether}(alice, bob);
    }

    function _list(Claim memory a) private pure returns (Claim[] memory items) {
        items = new Claim[](1);
        items[0] = a;
    }

    function _expectClaim(Claim memory item, bytes memory error) private {
        vm.expectRevert(error);
        vault.claim(item);
    }

    // --- the single path ---

    function test_claim_pays_the_recipient_and_the_relayer() public {
        Claim memory item = _ready(address(0), alice, 10 ether, 1 ether);
        uint256 owed = vault.locked(address(0));
        vm.expectEmit();
        emit IVault.Claimed(0, address(0), alice, 10 ether, 1 ether, relayer);
        vm.prank(relayer);
        vault.claim(item);
        assertEq(alice.balance, 9 ether);
        assertEq(relayer.balance, 1 ether);
        assertEq(vault.locked(address(0)), owed - 10 ether);
        assertTrue(vault.isClaimed(0));
        assertFalse(vault.isClaimed(1));
    }

    function test_token_claim() public {
        Claim memory item = _ready(address(token), alice, 1000, 10);
        vm.prank(relayer);
        vault.claim(item);
        assertEq(token.balanceOf(alice), 990);
        assertEq(token.balanceOf(relayer), 10);
        assertEq(vault.locked(address(token)), 1e20 - 1000);
    }

    function test_token_without_return_value_pays() public {
        token.behave(Mode.NoReturn);
        vault.claim(_ready(address(token), alice, 1000, 0));
        assertEq(token.balanceOf(alice), 1000);
    }

    function test_the_whole_amount_may_be_fee() public {
        Claim memory item = _ready(address(0), address(odd), 5, 5);
        odd.behave(Mode.Revert); // it is not called for nothing
        vm.prank(relayer);
        vault.claim(item);
        assertEq(relayer.balance, 5);
    }

    function test_an_exit_is_paid_once() public {
        Claim memory item = _ready(address(0), alice, 1 ether, 0);
        vault.claim(item);
        bytes memory error = abi.encodeWithSelector(IVault.AlreadyClaimed.selector, 0);
        _expectClaim(item, error);
        _exit(address(0), bob, 1, 0);
        _submit(_next());
        _expectClaim(_claim(0), error); // under a later root too
        vm.prank(alice);
        vm.expectRevert(error);
        vault.claimTo(item, bob);
        assertEq(alice.balance, 1 ether);
    }

    /// forge-config: default.fuzz.runs = 24
    function testFuzz_the_bitmap_marks_one_index(uint64 index) public {
        index = uint64(bound(index, 0, 600));
        for (uint256 i; i <= 600; ++i) {
            _exit(address(0), alice, 1, 0);
        }
        _submit(_next());
        vault.claim(_claim(index));
        for (uint64 i; i <= 600; ++i) {
            assertEq(vault.isClaimed(i), i == index);
        }
    }

    function test_bad_proofs() public {
        _exit(address(0), bob, 1, 0);
        Claim memory item = _ready(address(0), alice, 1 ether, 0);
        bytes memory error = abi.encodeWithSelector(IVault.BadProof.selector);

        Claim memory bad = _claim(1);
        bad.exit.amount = 2 ether;
        _expectClaim(bad, error);
        bad = _claim(1);
        bad.exit.recipient = bob;
        _expectClaim(bad, error);
        bad = _claim(1);
        bad.exit.asset = address(token);
        _expectClaim(bad, error);
        bad = _claim(1);
        bad.exit.fee = 1;
        _expectClaim(bad, error);
        bad = _claim(1);
        bad.exit.index = 0;
        _expectClaim(bad, error);
        bad = _claim(1);
        bad.exitCount = 3;
        _expectClaim(bad, error);
        bad = _claim(1);
        bad.proof[0] = 0;
        _expectClaim(bad, error);
        bad = _claim(1);
        bad.proof = new bytes32[](0);
        _expectClaim(bad, error);
        for (uint256 i; i < 256; ++i) {
            if (i == item.ringIndex) continue;
            bad = _claim(1);
            bad.ringIndex = uint8(i);
            _expectClaim(bad, error);
        }
        vault.claim(item);
    }

    function test_an_empty_ring_entry_proves_nothing() public {
        // A crafted exit whose root is not zero can never match the zero of an unused entry.
        Claim memory item = _ready(address(0), alice, 1, 0);
        item.ringIndex = 63;
        _expectClaim(item, abi.encodeWithSelector(IVault.BadProof.selector));
    }

    function test_a_fee_above_the_amount_is_never_paid() public {
        Claim memory item = _ready(address(0), alice, 1, 2);
        _expectClaim(item, abi.encodeWithSelector(IVault.FeeAboveAmount.selector));
    }

    function test_payouts_never_exceed_the_ledger() public {
        token.mint(address(vault), 1e30); // a donation is not owed to anyone
        Claim memory item = _ready(address(token), alice, 1e20 + 1, 0);
        _expectClaim(
            item,
            abi.encodeWithSelector(IVault.LedgerTooLow.selector, address(token), 1e20, 1e20 + 1)
        );
    }

    function test_the_single_path_reverts_when_the_recipient_refuses() public {
        Claim memory item = _ready(address(0), address(odd), 1 ether, 0);
        Mode[3] memory modes = [Mode.Revert, Mode.Bomb, Mode.BurnGas];
        for (uint256 i; i < modes.length; ++i) {
            odd.behave(modes[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IVault.PayoutFailed.selector, address(0), address(odd))
            );
            vault.claim{gas: 5_000_000}(item);
        }
        assertFalse(vault.isClaimed(0));
        odd.behave(Mode.Plain);
        vault.claim(item);
        assertEq(address(odd).balance, 1 ether);
    }

    function test_failing_tokens_pay_nothing() public {
        Claim memory item = _ready(address(token), alice, 1000, 0);
        Mode[4] memory modes = [Mode.ReturnFalse, Mode.ReturnTwo, Mode.Revert, Mode.Bomb];
        for (uint256 i; i < modes.length; ++i) {
            token.behave(modes[i]);
            _expectClaim(
                item, abi.encodeWithSelector(IVault.PayoutFailed.selector, address(token), alice)
            );
        }
        vm.etch(address(token), ""); // its code is gone
        _expectClaim(
            item, abi.encodeWithSelector(IVault.PayoutFailed.selector, address(token), alice)
        );
        assertFalse(vault.isClaimed(0));
        assertEq(vault.locked(address(token)), 1e20);
    }

    // --- redirection ---

    function test_only_the_recipient_redirects() public {
        Claim memory item = _ready(address(0), address(odd), 10, 0);
        odd.behave(Mode.Revert); // it takes no ETH itself
        vm.expectRevert(IVault.NotRecipient.selector);
        vault.claimTo(item, bob);
        vm.expectEmit();
        emit IVault.Redirected(0, bob);
        vm.expectEmit();
        emit IVault.Claimed(0, address(0), address(odd), 10, 0, address(odd));
        vm.prank(address(odd));
        vault.claimTo(item, bob);
        assertEq(bob.balance, 10);
    }

    function test_the_fee_of_a_redirected_exit_goes_to_its_recipient() public {
        Claim memory item = _ready(address(0), alice, 10, 4);
        vm.prank(alice);
        vault.claimTo(item, bob);
        assertEq(bob.balance, 6);
        assertEq(alice.balance, 4);
    }

    function test_redirect_to_nowhere() public {
        Claim memory item = _ready(address(0), alice, 10, 0);
        address[2] memory bad = [address(0), address(vault)];
        for (uint256 i; i < 2; ++i) {
            vm.prank(alice);
            vm.expectRevert(abi.encodeWithSelector(IVault.BadRedirect.selector, bad[i]));
            vault.claimTo(item, bad[i]);
        }
    }

    // --- batches ---

    function test_a_refusing_recipient_never_blocks_a_batch() public {
        Mode[4] memory modes = [Mode.Revert, Mode.Bomb, Mode.BurnGas, Mode.Reenter];
        for (uint256 m; m < modes.length; ++m) {
            if (modes[m] == Mode.Reenter) {
                odd.reenter(address(vault), abi.encodeWithSignature("depositETH(address)", alice));
            } else {
                odd.behave(modes[m]);
            }
            uint64 first = uint64(exits.length);
            _exit(address(0), alice, 3, 1);
            _exit(address(0), address(odd), 3, 1);
            _exit(address(token), bob, 3, 1);
            _submit(_next());
            Claim[] memory items = new Claim[](3);
            for (uint64 i; i < 3; ++i) {
                items[i] = _claim(first + i);
            }
            uint256 owed = vault.locked(address(0));
            vm.expectEmit();
            emit IVault.ClaimFailed(first + 1);
            vm.prank(relayer);
            vault.claimMany{gas: 2_000_000}(items);
            assertTrue(vault.isClaimed(first));
            assertFalse(vault.isClaimed(first + 1));
            assertTrue(vault.isClaimed(first + 2));
            assertEq(vault.locked(address(0)), owed - 3);
        }
        assertEq(alice.balance, 8);
        assertEq(token.balanceOf(bob), 8);
        assertEq(relayer.balance, 4);
        assertEq(token.balanceOf(relayer), 4);
        odd.behave(Mode.Plain);
        Claim memory left = _claim(1); // it stayed claimable
        vm.prank(relayer);
        vault.claim(left);
    }

    function test_a_failing_token_never_blocks_a_batch() public {
        Mode[5] memory modes =
            [Mode.ReturnFalse, Mode.Revert, Mode.Bomb, Mode.BurnGas, Mode.Reenter];
        for (uint256 m; m < modes.length; ++m) {
            token.behave(modes[m]);
            if (modes[m] == Mode.Reenter) {
                token.reenter(address(vault), abi.encodeCall(IVault.claimMany, (new Claim[](0))));
            }
            uint64 first = uint64(exits.length);
            _exit(address(token), alice, 3, 1);
            _exit(address(0), alice, 1, 0);
            _submit(_next());
            Claim[] memory items = new Claim[](2);
            (items[0], items[1]) = (_claim(first), _claim(first + 1));
            vault.claimMany{gas: 2_000_000}(items);
            assertFalse(vault.isClaimed(first));
            assertTrue(vault.isClaimed(first + 1));
        }
        assertEq(vault.locked(address(token)), 1e20);
    }

    function test_the_recipient_and_the_fee_stand_or_fall_together() public {
        // The relayer takes no ETH: the recipient is not paid either.
        Claim memory item = _ready(address(0), alice, 3, 1);
        odd.behave(Mode.Revert);
        vm.prank(address(odd));
        vault.claimMany(_list(item));
        assertEq(alice.balance, 0);
        assertFalse(vault.isClaimed(0));
    }

    function test_a_batch_skips_what_was_claimed_or_is_wrong() public {
        _exit(address(0), alice, 1, 0);
        _exit(address(0), alice, 1, 0);
        _submit(_next());
        Claim[] memory items = new Claim[](4);
        items[0] = _claim(0);
        items[1] = _claim(0); // twice
        items[2] = _claim(1);
        items[2].exit.amount = 2; // wrong
        items[3] = _claim(1);
        vm.expectEmit();
        emit IVault.ClaimFailed(0);
        vm.expectEmit();
        emit IVault.ClaimFailed(1);
        vault.claimMany(items);
        assertEq(alice.balance, 2);
    }

    /// @dev With any gas limit an item is paid, or the whole batch reverts: nobody can make an item
    /// fail by sending too little.
    function testFuzz_an_item_cannot_be_starved(uint256 gasLimit, bool isToken) public {
        gasLimit = bound(gasLimit, 30_000, 1_200_000);
        token.behave(Mode.Work);
        Claim memory item = _ready(isToken ? address(token) : address(0), alice, 3, 1);
        vm.prank(relayer);
        (bool ok,) =
            address(vault).call{gas: gasLimit}(abi.encodeCall(IVault.claimMany, (_list(item))));
        assertEq(vault.isClaimed(0), ok);
    }

    function test_a_starved_batch_has_its_own_error() public {
        Claim memory item = _ready(address(0), alice, 3, 1);
        vm.expectRevert(IVault.InsufficientGas.selector);
        vault.claimMany{gas: 300_000}(_list(item));
    }

    function test_a_recipient_in_a_batch_gets_at_most_its_allowance() public {
        odd.behave(Mode.BurnGas);
        Claim memory item = _ready(address(0), address(odd), 3, 1);
        uint256 before = gasleft();
        vault.claimMany(_list(item));
        assertLt(before - gasleft(), 200_000);
    }

    function test_pay_item_is_for_the_vault_alone() public {
        Claim memory item = _ready(address(0), alice, 3, 1);
        vm.expectRevert(IVault.OnlySelf.selector);
        Vault(address(vault)).payItem(item, relayer);
    }

    function test_checkpoint_and_claim_in_one() public {
        _exit(address(0), alice, 7, 2);
        Checkpoint memory cp = _next();
        bytes memory bundle = _sign(_digest(cp), 15);
        _submit(cp);
        Claim memory item = _claim(0);
        // The checkpoint came first by another's hand: it is skipped and the claim goes on.
        vm.prank(relayer);
        vault.checkpointAndClaim(cp, words, bundle, _list(item));
        assertEq(alice.balance, 5);
        assertEq(relayer.balance, 2);
    }

    function test_checkpoint_and_claim_brings_its_own_root() public {
        _exit(address(0), alice, 7, 0);
        Checkpoint memory cp = _next();
        bytes memory bundle = _sign(_digest(cp), 15);
        Claim memory item = Claim(exits[0], 1, 1, new bytes32[](0));
        vault.checkpointAndClaim(cp, words, bundle, _list(item));
        assertEq(alice.balance, 7);
    }

    function test_checkpoint_and_claim_refuses_a_bad_checkpoint() public {
        _exit(address(0), alice, 7, 0);
        Checkpoint memory cp = _next();
        bytes memory bundle = _sign(_digest(cp), 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.NoQuorum.selector, 1, 4));
        vault.checkpointAndClaim(cp, words, bundle, new Claim[](0));
    }

    function test_claims_cannot_be_entered_from_a_claim() public {
        Claim memory item = _ready(address(0), address(odd), 3, 0);
        odd.reenter(address(vault), abi.encodeCall(IVault.claim, (item)));
        _expectClaim(
            item, abi.encodeWithSelector(IVault.PayoutFailed.selector, address(0), address(odd))
        );
    }
}

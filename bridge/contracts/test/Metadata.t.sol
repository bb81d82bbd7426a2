// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IVault} from "../src/interfaces/IVault.sol";
import {Text} from "../src/lib/Text.sol";
import {Fixture} from "./util/Fixture.sol";
import {MockToken, Mode, OddMetadata} from "./util/Mocks.sol";
import {Vm} from "forge-std/Vm.sol";

contract MetadataTest is Fixture {
    bytes32 private constant TOPIC =
        keccak256("TokenMetadata(uint64,address,bytes32,bytes32,uint8,bytes32)");

    function _describe(bytes memory answer, Mode mode)
        private
        returns (bytes32 name, bytes32 symbol, uint8 decimals)
    {
        address token = address(new OddMetadata(answer, mode));
        vm.recordLogs();
        vault.deposit{gas: 2_000_000}(token, 1, alice, bob);
        Vm.Log memory log = vm.getRecordedLogs()[0];
        assertEq(log.topics[0], TOPIC);
        (name, symbol, decimals,) = abi.decode(log.data, (bytes32, bytes32, uint8, bytes32));
        assertEq(vault.locked(token), 1, "the deposit stands");
    }

    function _assertText(bytes memory answer, bytes32 expected) private {
        (bytes32 name, bytes32 symbol,) = _describe(answer, Mode.Plain);
        assertEq(name, expected);
        assertEq(symbol, expected);
    }

    function test_string_answers() public {
        _assertText(abi.encode("Token"), "Token");
        _assertText(abi.encode(""), "");
        _assertText(
            abi.encode("exactly thirty-two bytes, it is."), "exactly thirty-two bytes, it is."
        );
        _assertText(
            abi.encode("a name that does not fit in thirty-two bytes"),
            "a name that does not fit in thir"
        );
    }

    function test_bytes32_answers() public {
        _assertText(abi.encode(bytes32("MKR")), "MKR");
        _assertText(abi.encode(bytes32(0)), "");
        _assertText(abi.encodePacked(bytes4("ab"), bytes28("hidden")), "ab");
    }

    function test_short_and_strange_answers_are_blank() public {
        _assertText("", "");
        _assertText(hex"41", "");
        _assertText(new bytes(31), "");
        _assertText(new bytes(64), "");
        _assertText(abi.encode(32, 5), ""); // a length without text
    }

    function test_dirty_padding_does_not_show() public {
        _assertText(abi.encode(32, 2, bytes32("abHIDDEN")), "ab");
    }

    function test_reverting_metadata_is_blank() public {
        (bytes32 name, bytes32 symbol, uint8 decimals) = _describe("", Mode.Revert);
        assertEq(name, 0);
        assertEq(symbol, 0);
        assertEq(decimals, 0);
    }

    function test_huge_answers_cost_at_most_their_allowance() public {
        (bytes32 name,,) = _describe("", Mode.Bomb);
        assertEq(name, 0);
    }

    function test_endless_work_costs_at_most_its_allowance() public {
        (bytes32 name,,) = _describe("", Mode.BurnGas);
        assertEq(name, 0);
    }

    function test_decimals() public {
        (,, uint8 decimals) = _describe(abi.encode(18), Mode.Plain);
        assertEq(decimals, 18);
        (,, decimals) = _describe(abi.encode(255), Mode.Plain);
        assertEq(decimals, 255);
        (,, decimals) = _describe(abi.encode(256), Mode.Plain);
        assertEq(decimals, 0);
        (,, decimals) = _describe(hex"12", Mode.Plain);
        assertEq(decimals, 0);
    }

    /// @dev Whatever the gas, the leaf is either whole or not written.
    function testFuzz_gas_starvation_cannot_blank_metadata(uint256 gasLimit) public {
        // Each metadata call needs most of its allowance.
        OddMetadata token = new OddMetadata(abi.encode("Mock"), Mode.Work);
        gasLimit = bound(gasLimit, 50_000, 800_000);
        vm.recordLogs();
        (bool ok,) = address(vault).call{gas: gasLimit}(
            abi.encodeWithSignature("deposit(address,uint256,address)", address(token), 1, alice)
        );
        if (!ok) {
            assertEq(vault.locked(address(token)), 0);
            return;
        }
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (bytes32 name, bytes32 symbol, uint8 decimals,) =
            abi.decode(logs[0].data, (bytes32, bytes32, uint8, bytes32));
        assertEq(name, "Mock");
        assertEq(symbol, "Mock");
        assertEq(decimals, 32); // the first word of the same answer
    }

    function test_too_little_gas_has_its_own_error() public {
        MockToken token = new MockToken();
        token.mint(address(this), 1);
        token.approve(address(vault), 1);
        vm.expectRevert(IVault.InsufficientGas.selector);
        vault.deposit{gas: 150_000}(address(token), 1, alice, bob);
    }

    // --- Text ---

    function test_printable_text_is_kept() public pure {
        bytes32[6] memory kept = [
            bytes32("Plain ASCII ~!"),
            bytes32(unicode"Gulden ƒ"),
            bytes32(unicode"ドル"),
            bytes32(unicode"🪙 coin"),
            bytes32(unicode"ÿĀ߿ࠀ"),
            bytes32("")
        ];
        for (uint256 i; i < kept.length; ++i) {
            assertEq(Text.sanitise(kept[i], 32), kept[i]);
        }
    }

    function test_what_is_not_printable_becomes_question_marks() public pure {
        assertEq(Text.sanitise(hex"410a42", 32), "A?B"); // control character
        assertEq(Text.sanitise(hex"417f42", 32), "A?B");
        assertEq(Text.sanitise(hex"41c28542", 32), "A??B"); // C1 control
        assertEq(Text.sanitise(hex"41e280ae42", 32), "A???B"); // right-to-left override
        assertEq(Text.sanitise(hex"41e2808b42", 32), "A???B"); // zero-width space
        assertEq(Text.sanitise(hex"41efbbbf42", 32), "A???B"); // byte order mark
        assertEq(Text.sanitise(hex"41f3a0818142", 32), "A????B"); // tag character
    }

    function test_malformed_utf8_becomes_question_marks() public pure {
        assertEq(Text.sanitise(hex"41ff42", 32), "A?B");
        assertEq(Text.sanitise(hex"418042", 32), "A?B"); // lone continuation
        assertEq(Text.sanitise(hex"41c0af42", 32), "A??B"); // overlong
        assertEq(Text.sanitise(hex"41e08080", 32), "A???"); // overlong
        assertEq(Text.sanitise(hex"41f0808080", 32), "A????"); // overlong
        assertEq(Text.sanitise(hex"41eda080", 32), "A???"); // surrogate
        assertEq(Text.sanitise(hex"41f4908080", 32), "A????"); // above U+10FFFF
        assertEq(Text.sanitise(hex"41c342", 32), "A?B"); // broken off
    }

    function test_text_ends_at_zero_and_at_a_cut_sequence() public pure {
        assertEq(Text.sanitise(hex"4100414141", 32), "A");
        bytes32 cut = bytes32(abi.encodePacked(bytes31("abcdefghijklmnopqrstuvwxyz01234"), hex"c3"));
        assertEq(Text.sanitise(cut, 32), bytes32("abcdefghijklmnopqrstuvwxyz01234"));
    }

    function test_a_limit_never_splits_a_character() public pure {
        assertEq(Text.sanitise(unicode"aé", 2), "a");
        assertEq(Text.sanitise(unicode"aé", 3), unicode"aé");
        assertEq(Text.sanitise("abc", 0), "");
    }

    function testFuzz_sanitising_is_idempotent_and_zero_padded(bytes32 raw, uint256 limit)
        public
        pure
    {
        limit = bound(limit, 0, 32);
        bytes32 clean = Text.sanitise(raw, limit);
        assertEq(Text.sanitise(clean, limit), clean);
        for (uint256 i = limit; i < 32; ++i) {
            assertEq(uint8(clean[i]), 0);
        }
        bool ended;
        for (uint256 i; i < 32; ++i) {
            uint8 c = uint8(clean[i]);
            if (c == 0) ended = true;
            else assertFalse(ended, "nothing after the first zero");
            assertTrue(c == 0 || c >= 0x20 && c != 0x7f);
        }
        assertEq(bytes32(bytes(Text.toString(clean))), clean);
    }
}

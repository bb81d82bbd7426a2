// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Checkpoint, Claim, IVault} from "../src/interfaces/IVault.sol";
import {Fixture} from "./util/Fixture.sol";

contract CheckpointsTest is Fixture {
    function _expect(Checkpoint memory cp, bytes memory error) private {
        bytes memory bundle = _sign(_digest(cp), 15);
        vm.expectRevert(error);
        vault.checkpoint(cp, words, bundle);
    }

    function _empty() private pure returns (bytes32) {
        return keccak256(bytes.concat(hex"02", abi.encode(uint256(0), bytes32(0))));
    }

    function test_starts_with_the_empty_tree() public view {
        (uint64 height, uint64 count, uint8 ring, uint64 at, bytes32 state) = vault.lastCheckpoint();
        assertEq(height, 0);
        assertEq(count, 0);
        assertEq(ring, 0);
        assertEq(at, block.timestamp);
        assertEq(state, 0);
        assertEq(vault.exitRootAt(0), _empty());
        assertEq(vault.exitRootAt(1), 0);
        assertEq(vault.exitRootAt(64), 0);
    }

    function test_accepts_and_keeps_the_state_hash() public {
        _exit(address(0), alice, 1, 0);
        vm.warp(block.timestamp + 60);
        Checkpoint memory cp = _next();
        vm.expectEmit();
        emit IVault.CheckpointAccepted(1, cp.blockHash, 1, cp.exitRoot, 1);
        _submit(cp);
        (uint64 height, uint64 count, uint8 ring, uint64 at, bytes32 state) = vault.lastCheckpoint();
        assertEq(height, 1);
        assertEq(count, 1);
        assertEq(ring, 1);
        assertEq(at, block.timestamp);
        assertEq(
            state,
            keccak256(
                abi.encode(cp.height, cp.blockHash, cp.stateRoot, cp.creditedCount, cp.creditedAcc)
            )
        );
        assertEq(vault.exitRootAt(1), cp.exitRoot);
    }

    function test_not_newer_is_skipped() public {
        Checkpoint memory cp = _next();
        _submit(cp);
        vm.recordLogs();
        vault.checkpoint(cp, words, _sign(_digest(cp), 15));
        cp.height = 0;
        vault.checkpoint(cp, new bytes32[](0), "nonsense");
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function testFuzz_height_bound(uint256 elapsed, uint64 height) public {
        elapsed = bound(elapsed, 0, 10_000_000);
        height = uint64(bound(height, 1, type(uint64).max));
        vm.warp(block.timestamp + elapsed);
        Checkpoint memory cp = _next();
        cp.height = height;
        uint256 highest = 1000 + 100 * elapsed;
        if (height > highest) {
            _expect(cp, abi.encodeWithSelector(IVault.HeightTooFar.selector, height, highest));
        } else {
            _submit(cp);
        }
    }

    function test_height_bound_is_exact() public {
        Checkpoint memory cp = _next();
        cp.height = 1001;
        _expect(cp, abi.encodeWithSelector(IVault.HeightTooFar.selector, 1001, 1000));
        cp.height = 1000;
        _submit(cp);
        cp.height = 2001;
        _expect(cp, abi.encodeWithSelector(IVault.HeightTooFar.selector, 2001, 2000));
        vm.warp(block.timestamp + 1);
        _submit(cp);
    }

    function test_exit_count_bounds() public {
        Checkpoint memory cp = _next();
        cp.exitCount = 65_537;
        _expect(cp, abi.encodeWithSelector(IVault.ExitCountOutOfBounds.selector, 65_537, 0));
        cp.exitCount = 65_536;
        cp.exitRoot = "root";
        _submit(cp);
        cp.height = 2;
        cp.exitCount = 65_535;
        _expect(cp, abi.encodeWithSelector(IVault.ExitCountOutOfBounds.selector, 65_535, 65_536));
    }

    function test_exit_count_ends_at_the_full_tree() public {
        // Slot 4 is `_last`; its exitCount is the second 64-bit field (storage-layout.json).
        uint256 last = uint256(vm.load(address(vault), bytes32(uint256(4))));
        uint256 almost = last | uint256(type(uint32).max - 1) << 64;
        vm.store(address(vault), bytes32(uint256(4)), bytes32(almost));
        Checkpoint memory cp = _next();
        cp.exitCount = uint64(type(uint32).max) + 1;
        cp.exitRoot = "root";
        _expect(
            cp,
            abi.encodeWithSelector(
                IVault.ExitCountOutOfBounds.selector, cp.exitCount, cp.exitCount - 2
            )
        );
        cp.exitCount -= 1;
        _submit(cp);
    }

    function test_equal_exit_count_needs_equal_root() public {
        _exit(address(0), alice, 1, 0);
        _submit(_next());
        Checkpoint memory cp = _next();
        cp.exitRoot = "other";
        _expect(cp, abi.encodeWithSelector(IVault.ExitRootChanged.selector));
        cp = _next();
        _submit(cp);
        (,, uint8 ring,,) = vault.lastCheckpoint();
        assertEq(ring, 1, "a heartbeat takes no place in the ring");
        assertEq(vault.exitRootAt(2), 0);
    }

    function test_first_heartbeat_needs_the_empty_root() public {
        Checkpoint memory cp = _next();
        cp.exitRoot = 0;
        _expect(cp, abi.encodeWithSelector(IVault.ExitRootChanged.selector));
        cp.exitRoot = _empty();
        _submit(cp);
    }

    function test_credited_count_is_bounded_by_the_head() public {
        vault.depositETH{value: 1}(alice);
        Checkpoint memory cp = _next();
        cp.creditedCount = 2;
        _expect(cp, abi.encodeWithSelector(IVault.CreditedTooMany.selector, 2, 1));
        cp.creditedCount = 1;
        _submit(cp);
    }

    function testFuzz_wrong_epoch(uint64 epoch) public {
        vm.assume(epoch != 1);
        Checkpoint memory cp = _next();
        cp.epoch = epoch;
        _expect(cp, abi.encodeWithSelector(IVault.WrongEpoch.selector, 1, epoch));
    }

    function test_ring_keeps_the_last_64_roots() public {
        Claim memory first = _ready(address(0), alice, 1, 0);
        Claim memory second = _ready(address(0), alice, 1, 0);
        bytes32[] memory roots = new bytes32[](70);
        for (uint256 i = 3; i < 66; ++i) {
            _exit(address(0), alice, 1, 0);
            Checkpoint memory cp = _next();
            roots[i] = cp.exitRoot;
            _submit(cp);
        }
        // Root 65 took the place of root 1; root 2 is the oldest that is left.
        (,, uint8 ring,,) = vault.lastCheckpoint();
        assertEq(ring, 1);
        for (uint8 i = 3; i < 66; ++i) {
            assertEq(vault.exitRootAt(i % 64), roots[i]);
        }
        vm.expectRevert(IVault.BadProof.selector);
        vault.claim(first);
        vault.claim(second);
        vault.claim(_claim(0)); // the exit itself never expires
    }
}

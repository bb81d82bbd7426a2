// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Vault} from "../src/Vault.sol";
import {Checkpoint, FederationUpdate, IVault} from "../src/interfaces/IVault.sol";
import {Fixture} from "./util/Fixture.sol";

contract FederationTest is Fixture {
    uint256 private constant CURVE_ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function _powers(uint96 a, uint96 b, uint96 c) private pure returns (uint96[] memory p) {
        p = new uint96[](3);
        (p[0], p[1], p[2]) = (a, b, c);
    }

    function _update() private view returns (FederationUpdate memory) {
        (, bytes32[] memory next) = _members("next", _powers(5, 6, 7));
        bytes32 hash = keccak256(abi.encodePacked(next));
        return FederationUpdate(vault.epoch() + 1, 0, hash, hash, 18);
    }

    function _expectSignatures(bytes memory bundle, bytes memory error) private {
        Checkpoint memory cp = _next();
        vm.expectRevert(error);
        vault.checkpoint(cp, words, bundle);
    }

    // --- construction ---

    function test_constructor_sets_epoch_one() public view {
        assertEq(vault.epoch(), 1);
        assertEq(vault.membersHash(), keccak256(abi.encodePacked(words)));
        assertEq(vault.recoveryHash(), keccak256(abi.encodePacked(recoveries)));
        assertEq(vault.totalPower(), 4);
        assertEq(vault.firstHeight(), 0);
    }

    function test_constructor_refuses_bad_lists() public {
        bytes32[] memory none = new bytes32[](0);
        vm.expectRevert(IVault.BadMemberList.selector);
        new Vault(SIDECHAIN, SETUP, none, none);

        bytes32[] memory many = new bytes32[](129);
        for (uint256 i; i < 129; ++i) {
            many[i] = bytes32((i + 1) << 96 | 1);
        }
        vm.expectRevert(IVault.BadMemberList.selector);
        new Vault(SIDECHAIN, SETUP, many, many);

        bytes32[] memory shorter = new bytes32[](3);
        for (uint256 i; i < 3; ++i) {
            shorter[i] = recoveries[i];
        }
        vm.expectRevert(IVault.BadMemberList.selector);
        new Vault(SIDECHAIN, SETUP, words, shorter);

        (, bytes32[] memory stronger) = _members("r", _powers(1, 1, 2));
        vm.expectRevert(IVault.BadMemberList.selector);
        new Vault(SIDECHAIN, SETUP, shorter, stronger);
    }

    function test_constructor_takes_128_members() public {
        bytes32[] memory list = new bytes32[](128);
        for (uint256 i; i < 128; ++i) {
            list[i] = bytes32((i + 1) << 96 | type(uint96).max);
        }
        Vault big = new Vault(SIDECHAIN, SETUP, list, list);
        assertEq(big.totalPower(), 128 * uint256(type(uint96).max));
    }

    function test_constructor_refuses_bad_words() public {
        bytes32[] memory list = new bytes32[](2);
        list[0] = bytes32(uint256(2) << 96 | 1);
        list[1] = bytes32(uint256(2) << 96 | 1); // twice
        _expectBadWord(list, 1);
        list[1] = bytes32(uint256(1) << 96 | 1); // descending
        _expectBadWord(list, 1);
        list[1] = bytes32(uint256(3) << 96); // no power
        _expectBadWord(list, 1);
        list[0] = bytes32(uint256(1)); // no address
        _expectBadWord(list, 0);
    }

    function _expectBadWord(bytes32[] memory list, uint256 position) private {
        vm.expectRevert(abi.encodeWithSelector(IVault.BadMemberWord.selector, position));
        new Vault(SIDECHAIN, SETUP, list, list);
    }

    // --- quorum ---

    function test_exactly_two_thirds_fail_and_one_more_passes() public {
        _deploy(_powers(3, 3, 3));
        Checkpoint memory cp = _next();
        bytes memory two = _sign(_digest(cp), 3);
        vm.expectRevert(abi.encodeWithSelector(IVault.NoQuorum.selector, 6, 9));
        vault.checkpoint(cp, words, two);

        _deploy(_powers(4, 3, 2));
        cp = _next();
        vault.checkpoint(cp, words, _sign(_digest(cp), 3)); // 7 of 9
        (uint64 height,,,,) = vault.lastCheckpoint();
        assertEq(height, 1);
    }

    function testFuzz_quorum_is_strictly_more_than_two_thirds(uint96[7] memory raw, uint256 mask)
        public
    {
        uint96[] memory powers = new uint96[](7);
        uint256 total;
        uint256 signed;
        for (uint256 i; i < 7; ++i) {
            powers[i] = raw[i] == 0 ? 1 : raw[i];
            total += powers[i];
            if (mask >> i & 1 == 1) signed += powers[i];
        }
        _deploy(powers);
        Checkpoint memory cp = _next();
        bytes memory bundle = _sign(_digest(cp), mask);
        if (signed * 3 <= total * 2) {
            vm.expectRevert(abi.encodeWithSelector(IVault.NoQuorum.selector, signed, total));
        }
        vault.checkpoint(cp, words, bundle);
    }

    function test_no_signatures_are_no_quorum() public {
        _expectSignatures("", abi.encodeWithSelector(IVault.NoQuorum.selector, 0, 4));
    }

    // --- one bad signature refuses the bundle ---

    function test_refuses_wrong_length() public {
        bytes memory bundle = bytes.concat(_sign(_digest(_next()), 15), hex"00");
        _expectSignatures(bundle, abi.encodeWithSelector(IVault.BadSignatureLength.selector));
    }

    function test_refuses_high_s() public {
        bytes32 digest = _digest(_next());
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[3], digest);
        bytes32 high = bytes32(CURVE_ORDER - uint256(s));
        bytes memory bundle =
            abi.encodePacked(_sign(digest, 7), r, high, v == 27 ? uint8(28) : uint8(27));
        _expectSignatures(bundle, abi.encodeWithSelector(IVault.BadSignature.selector, 3));
    }

    function test_refuses_v_other_than_27_or_28() public {
        bytes32 digest = _digest(_next());
        for (uint256 v; v < 256; ++v) {
            if (v == 27 || v == 28) continue;
            if (v > 3 && v < 26 || v > 30 && v < 255) continue; // the neighbours and extremes
            bytes memory bundle = _sign(digest, 15);
            bundle[3 * 65 + 64] = bytes1(uint8(v));
            _expectSignatures(bundle, abi.encodeWithSelector(IVault.BadSignature.selector, 3));
        }
    }

    function test_refuses_zero_signature() public {
        bytes memory bundle = bytes.concat(_sign(_digest(_next()), 7), new bytes(64), hex"1b");
        _expectSignatures(bundle, abi.encodeWithSelector(IVault.BadSignature.selector, 3));
    }

    function test_refuses_duplicate() public {
        bytes32 digest = _digest(_next());
        bytes memory bundle = bytes.concat(_sign(digest, 7), _one(digest, keys[2]));
        _expectSignatures(bundle, abi.encodeWithSelector(IVault.SignersNotAscending.selector, 3));
    }

    function test_refuses_unsorted() public {
        bytes32 digest = _digest(_next());
        bytes memory bundle = bytes.concat(_one(digest, keys[1]), _one(digest, keys[0]));
        _expectSignatures(bundle, abi.encodeWithSelector(IVault.SignersNotAscending.selector, 1));
    }

    function testFuzz_refuses_unknown_signer(uint256 key) public {
        key = bound(key, 1, CURVE_ORDER - 1);
        address stranger = vm.addr(key);
        bytes32 digest = _digest(_next());
        bytes memory bundle;
        bool placed;
        for (uint256 i; i < 4; ++i) {
            vm.assume(keys[i] != key);
            if (!placed && stranger < vm.addr(keys[i])) {
                bundle = bytes.concat(bundle, _one(digest, key));
                placed = true;
            }
            bundle = bytes.concat(bundle, _one(digest, keys[i]));
        }
        if (!placed) bundle = bytes.concat(bundle, _one(digest, key));
        _expectSignatures(bundle, abi.encodeWithSelector(IVault.UnknownSigner.selector, stranger));
    }

    function testFuzz_refuses_signatures_over_another_struct(bytes32 blockHash) public {
        Checkpoint memory cp = _next();
        vm.assume(blockHash != cp.blockHash);
        bytes memory bundle = _sign(_digest(cp), 15);
        cp.blockHash = blockHash;
        vm.expectRevert(); // signers come out as strangers, in random order
        vault.checkpoint(cp, words, bundle);
    }

    function test_refuses_another_member_list() public {
        Checkpoint memory cp = _next();
        bytes memory bundle = _sign(_digest(cp), 15);
        bytes32[] memory other = words;
        other[0] = bytes32(uint256(other[0]) + 1); // more power
        vm.expectRevert(IVault.WrongMembers.selector);
        vault.checkpoint(cp, other, bundle);
    }

    function test_recovery_keys_are_not_hot_keys() public {
        Checkpoint memory cp = _next();
        vm.expectRevert(IVault.WrongMembers.selector);
        vault.checkpoint(cp, recoveries, "");
    }

    // --- domain ---

    function _separator(uint256 chainId, address verifier, uint256 sidechain, bytes32 setup)
        private
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
                ),
                keccak256("Mooring"),
                keccak256("1"),
                chainId,
                verifier,
                keccak256(abi.encode(sidechain, setup))
            )
        );
    }

    function test_domain_follows_the_chain_id() public {
        assertEq(
            vault.domainSeparator(), _separator(block.chainid, address(vault), SIDECHAIN, SETUP)
        );
        (, bytes32 accBefore) = vault.head();
        vm.chainId(77);
        assertEq(vault.domainSeparator(), _separator(77, address(vault), SIDECHAIN, SETUP));
        (, bytes32 acc) = vault.head();
        assertEq(acc, accBefore, "acc_0 is taken once");
    }

    function test_a_second_vault_shares_no_signature() public {
        Checkpoint memory cp = _next();
        bytes memory bundle = _sign(_digest(cp), 15);
        Vault twin = new Vault(SIDECHAIN, SETUP, words, recoveries);
        vm.expectRevert();
        twin.checkpoint(cp, words, bundle);
        vault.checkpoint(cp, words, bundle);
    }

    // --- updates ---

    function test_update_replaces_lists_and_appends_a_record() public {
        FederationUpdate memory u = _update();
        u.firstHeight = 9;
        (, bytes32 acc) = vault.head();
        bytes32 next = keccak256(
            bytes.concat(acc, keccak256(abi.encode(3, uint64(1), u.epoch, u.membersHash)))
        );
        vm.expectEmit();
        emit IVault.EpochRecorded(1, 2, u.membersHash, next);
        vault.updateFederation(u, words, _sign(_digest(u), 7));

        assertEq(vault.epoch(), 2);
        assertEq(vault.membersHash(), u.membersHash);
        assertEq(vault.recoveryHash(), u.recoveryHash);
        assertEq(vault.totalPower(), 18);
        assertEq(vault.firstHeight(), 9);
        (uint64 count, bytes32 head) = vault.head();
        assertEq(count, 1);
        assertEq(head, next);
    }

    function test_after_an_update_only_the_new_members_sign() public {
        FederationUpdate memory u = _update();
        u.firstHeight = 5;
        Checkpoint memory old = _next();
        bytes memory oldBundle = _sign(_digest(old), 15);
        vault.updateFederation(u, words, _sign(_digest(u), 15));

        vm.expectRevert(abi.encodeWithSelector(IVault.WrongEpoch.selector, 2, 1));
        vault.checkpoint(old, words, oldBundle);
        Checkpoint memory cp = _next();
        vm.expectRevert(abi.encodeWithSelector(IVault.BelowFirstHeight.selector, 1, 5));
        vault.checkpoint(cp, words, "");
        cp.height = 5;
        bytes memory bundle = _sign(_digest(cp), 15);
        vm.expectRevert(IVault.WrongMembers.selector);
        vault.checkpoint(cp, words, bundle);

        (keys, words) = _members("next", _powers(5, 6, 7));
        vault.checkpoint(cp, words, _sign(_digest(cp), 6)); // 13 of 18
    }

    function test_update_needs_quorum() public {
        FederationUpdate memory u = _update();
        bytes memory bundle = _sign(_digest(u), 3);
        vm.expectRevert(abi.encodeWithSelector(IVault.NoQuorum.selector, 2, 4));
        vault.updateFederation(u, words, bundle);
    }

    function testFuzz_update_needs_the_next_epoch(uint64 epoch) public {
        vm.assume(epoch != 2);
        FederationUpdate memory u = _update();
        u.epoch = epoch;
        bytes memory bundle = _sign(_digest(u), 15);
        vm.expectRevert(abi.encodeWithSelector(IVault.WrongEpoch.selector, 2, epoch));
        vault.updateFederation(u, words, bundle);
    }

    function test_update_refuses_an_empty_federation() public {
        FederationUpdate memory u = _update();
        u.totalPower = 0;
        _expectEmpty(u);
        u = _update();
        u.membersHash = keccak256("");
        _expectEmpty(u);
        u = _update();
        u.recoveryHash = keccak256("");
        _expectEmpty(u);
    }

    function _expectEmpty(FederationUpdate memory u) private {
        bytes memory bundle = _sign(_digest(u), 15);
        vm.expectRevert(IVault.EmptyFederation.selector);
        vault.updateFederation(u, words, bundle);
    }

    function test_quorum_ignores_a_stated_total() public {
        FederationUpdate memory u = _update();
        u.totalPower = 1;
        vault.updateFederation(u, words, _sign(_digest(u), 15));
        (keys, words) = _members("next", _powers(5, 6, 7));
        Checkpoint memory cp = _next();
        bytes memory bundle = _sign(_digest(cp), 1);
        vm.expectRevert(abi.encodeWithSelector(IVault.NoQuorum.selector, 5, 18));
        vault.checkpoint(cp, words, bundle);
    }
}

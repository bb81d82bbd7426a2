// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Checkpoint, Claim, Exit, IVault} from "../src/interfaces/IVault.sol";
import {Fixture} from "./util/Fixture.sol";
import {MockToken, Mode, Recipient} from "./util/Mocks.sol";
import {Vm} from "forge-std/Vm.sol";

/// @dev Random users, weird tokens, odd recipients and a federation that at times signs exits which
/// nobody burnt for. Keeps its own books.
contract VaultHandler is Fixture {
    bytes32 private constant DEPOSITED =
        keccak256("Deposited(uint64,address,address,address,uint256,uint256,address,bytes32)");
    bytes32 private constant METADATA =
        keccak256("TokenMetadata(uint64,address,bytes32,bytes32,uint8,bytes32)");
    bytes32 private constant CLAIMED =
        keccak256("Claimed(uint64,address,address,uint256,uint256,address)");

    MockToken[3] public tokens;
    Recipient public odd;
    mapping(address asset => uint256) public credited;
    mapping(address asset => uint256) public paid;
    mapping(uint64 index => uint256) public timesPaid;
    uint256 public leaves;
    bytes32 public acc;
    uint256 public claims;

    constructor() {
        setUp();
        (, acc) = vault.head();
        odd = new Recipient();
        for (uint256 i; i < 3; ++i) {
            tokens[i] = new MockToken();
            tokens[i].approve(address(vault), type(uint256).max);
        }
        tokens[1].behave(Mode.Fee);
        tokens[2].behave(Mode.NoReturn);
        credited[address(0)] = GENESIS_SUPPLY;
    }

    receive() external payable {}

    function target() external view returns (IVault) {
        return vault;
    }

    function exitsMade() external view returns (uint256) {
        return exits.length;
    }

    function _asset(uint256 seed) private view returns (address) {
        return seed % 4 == 3 ? address(0) : address(tokens[seed % 4]);
    }

    /// @dev Books what the Vault's logs say and hashes its leaves.
    function _book() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(vault)) continue;
            bytes32 topic = logs[i].topics[0];
            if (topic == DEPOSITED) _bookDeposit(logs[i]);
            if (topic == METADATA) _bookMetadata(logs[i]);
            if (topic == CLAIMED) {
                (uint256 amount,,) = abi.decode(logs[i].data, (uint256, uint256, address));
                paid[address(uint160(uint256(logs[i].topics[2])))] += amount;
                ++timesPaid[uint64(uint256(logs[i].topics[1]))];
                ++claims;
            }
        }
    }

    function _bookDeposit(Vm.Log memory log) private {
        (address sender, uint256 amount, uint256 gasWei, address refundTo, bytes32 next) =
            abi.decode(log.data, (address, uint256, uint256, address, bytes32));
        address asset = address(uint160(uint256(log.topics[2])));
        address to = address(uint160(uint256(log.topics[3])));
        credited[asset] += amount;
        credited[address(0)] += gasWei;
        _append(abi.encode(1, ++leaves, asset, sender, to, amount, gasWei, refundTo), next);
        assertEq(uint256(log.topics[1]), leaves);
    }

    function _bookMetadata(Vm.Log memory log) private {
        (bytes32 name, bytes32 symbol, uint8 decimals, bytes32 next) =
            abi.decode(log.data, (bytes32, bytes32, uint8, bytes32));
        address asset = address(uint160(uint256(log.topics[2])));
        _append(abi.encode(2, ++leaves, asset, name, symbol, decimals), next);
    }

    function _append(bytes memory leaf, bytes32 next) private {
        acc = keccak256(bytes.concat(acc, keccak256(leaf)));
        assertEq(acc, next);
    }

    // --- actions ---

    function depositETH(uint96 amount) external {
        vm.recordLogs();
        vm.deal(address(this), amount);
        try vault.depositETH{value: amount, gas: 1_000_000}(alice, bob) {} catch {}
        _book();
    }

    function depositToken(uint256 which, uint96 amount, uint64 gasWei) external {
        MockToken token = tokens[which % 3];
        token.mint(address(this), amount);
        vm.deal(address(this), gasWei);
        vm.recordLogs();
        try vault.deposit{value: gasWei, gas: 2_000_000}(address(token), amount, alice, bob) {}
            catch {}
        _book();
    }

    function donate(uint256 which, uint64 amount) external {
        tokens[which % 3].mint(address(vault), amount);
    }

    function behave(uint256 which, uint256 mode, bool recipient) external {
        Mode chosen = Mode(mode % uint256(type(Mode).max));
        if (recipient) odd.behave(chosen);
        else tokens[which % 3].behave(chosen);
        bytes memory inner = abi.encodeWithSignature("depositETH(address)", alice);
        if (chosen == Mode.Reenter) odd.reenter(address(vault), inner);
    }

    /// @dev Every fourth exit is a lie: it may be above anything that was ever locked.
    function exit(uint256 seed, uint128 amount, uint128 fee) external {
        address asset = _asset(seed);
        uint256 owed = vault.locked(asset);
        uint256 value = seed % 16 < 12 ? bound(amount, 0, owed / 4) : amount;
        address to = seed % 5 == 0 ? address(odd) : address(uint160(seed | 1 << 158));
        _exit(asset, to, value, bound(fee, 0, value));
        _submit(_next());
    }

    function claim(uint64 index) external {
        if (exits.length == 0) return;
        index = uint64(index % exits.length);
        vm.recordLogs();
        try vault.claim{gas: 3_000_000}(_claim(index)) {} catch {}
        _book();
    }

    function claimMany(uint256 seed, uint8 count) external {
        if (exits.length == 0) return;
        Claim[] memory list = new Claim[](count % 6);
        for (uint256 i; i < list.length; ++i) {
            list[i] = _claim(uint64(uint256(keccak256(abi.encode(seed, i))) % exits.length));
        }
        vm.recordLogs();
        vault.claimMany{gas: 12_000_000}(list);
        _book();
    }
}

contract VaultInvariantsTest is Fixture {
    VaultHandler private handler;

    function setUp() public override {
        handler = new VaultHandler();
        targetContract(address(handler));
        bytes4[] memory actions = new bytes4[](7);
        actions[0] = VaultHandler.depositETH.selector;
        actions[1] = VaultHandler.depositToken.selector;
        actions[2] = VaultHandler.donate.selector;
        actions[3] = VaultHandler.behave.selector;
        actions[4] = VaultHandler.exit.selector;
        actions[5] = VaultHandler.claim.selector;
        actions[6] = VaultHandler.claimMany.selector;
        targetSelector(FuzzSelector(address(handler), actions));
    }

    function _asset(uint256 i) private view returns (address) {
        return i == 3 ? address(0) : address(handler.tokens(i));
    }

    /// @dev The actions do what their names say; else the invariants would hold of nothing.
    function test_the_handler_reaches_deposits_and_payouts() public {
        handler.depositETH(1 ether);
        handler.depositToken(0, 1000, 5);
        handler.depositToken(1, 1000, 0); // takes 1 %
        handler.depositToken(2, 1000, 0); // returns nothing
        assertEq(handler.leaves(), 7, "four deposits, three tokens described");
        for (uint256 asset; asset < 4; ++asset) {
            handler.exit(asset + 4, 100, 1);
        }
        assertEq(handler.exitsMade(), 4);
        handler.claim(0);
        handler.claimMany(1, 5);
        handler.claimMany(2, 5);
        assertGe(handler.claims(), 3);
        assertGt(handler.paid(_asset(0)), 0);
    }

    function invariant_the_balance_covers_the_ledger() public view {
        IVault v = handler.target();
        assertGe(address(v).balance, v.locked(address(0)));
        for (uint256 i; i < 3; ++i) {
            assertGe(MockToken(_asset(i)).balanceOf(address(v)), v.locked(_asset(i)));
        }
    }

    function invariant_the_ledger_is_credits_less_payouts() public view {
        for (uint256 i; i < 4; ++i) {
            address asset = _asset(i);
            uint256 owed = handler.credited(asset) - handler.paid(asset);
            assertEq(handler.target().locked(asset), owed);
        }
    }

    function invariant_an_exit_is_paid_at_most_once() public view {
        for (uint64 i; i < handler.exitsMade(); ++i) {
            assertLe(handler.timesPaid(i), 1);
            assertEq(handler.target().isClaimed(i), handler.timesPaid(i) == 1);
        }
    }

    function invariant_the_head_is_the_chain_of_all_leaves() public view {
        (uint64 count, bytes32 acc) = handler.target().head();
        assertEq(count, handler.leaves());
        assertEq(acc, handler.acc());
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Checkpoints} from "./Checkpoints.sol";
import {DepositLog} from "./DepositLog.sol";
import {Federation} from "./Federation.sol";
import {Checkpoint, Claim, Exit, IVault} from "./interfaces/IVault.sol";
import {ExitTree} from "./lib/ExitTree.sol";
import {Reserved} from "./lib/Reserved.sol";
import {Tokens} from "./lib/Tokens.sol";

/// @title The Vault: locks deposits, releases exits proven under accepted checkpoints
/// @notice Immutable. The only way in is a deposit, the only way out a claim; ETH sent without a call
/// is refused.
contract Vault is Checkpoints {
    /// @dev Gas of one transfer in a batch. The single path has no cap.
    uint256 private constant ETH_GAS = 50_000;
    uint256 private constant TOKEN_GAS = 200_000;
    /// @dev What an item of a batch costs beside its transfers: proof, bitmap, ledger, value calls to
    /// fresh accounts, events.
    uint256 private constant ITEM_GAS = 200_000;

    /// @inheritdoc IVault
    mapping(address asset => uint256) public locked;
    /// @dev One bit an exit index.
    mapping(uint256 word => uint256) private _claimed;
    /// @dev Tokens whose metadata leaf is written.
    mapping(address token => bool) private _described;

    bool private transient _entered;

    /// @dev One lock for deposits and claims, so that no token can mix the two inside a measurement.
    modifier locking() {
        if (_entered) revert Reentered();
        _entered = true;
        _;
        _entered = false;
    }

    /// @param sidechainId chain id of the sidechain
    /// @param setupHash keccak256 of the setup (spec 2.1)
    /// @param members words of epoch 1 (address << 96 | power), ascending by address
    /// @param recoveries words of the recovery addresses with the same powers, ascending by address
    /// @dev msg.value is the native supply of the sidechain's genesis.
    constructor(
        uint256 sidechainId,
        bytes32 setupHash,
        bytes32[] memory members,
        bytes32[] memory recoveries
    ) payable DepositLog(sidechainId, setupHash) Federation(members, recoveries) {
        locked[address(0)] = msg.value;
    }

    /// @inheritdoc IVault
    function depositETH(address recipient) external payable {
        _depositETH(recipient, msg.sender);
    }

    /// @inheritdoc IVault
    function depositETH(address recipient, address refundTo) external payable {
        _depositETH(recipient, refundTo);
    }

    /// @inheritdoc IVault
    function deposit(address token, uint256 amount, address recipient) external payable {
        _deposit(token, amount, recipient, msg.sender);
    }

    /// @inheritdoc IVault
    function deposit(address token, uint256 amount, address recipient, address refundTo)
        external
        payable
    {
        _deposit(token, amount, recipient, refundTo);
    }

    /// @inheritdoc IVault
    function depositWithPermit(
        address token,
        uint256 amount,
        address recipient,
        address refundTo,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external payable {
        // Outside the lock: what a token does in `permit` it could as well do before this call.
        Tokens.tryPermit(token, msg.sender, amount, deadline, v, r, s);
        _deposit(token, amount, recipient, refundTo);
    }

    /// @inheritdoc IVault
    function claim(Claim calldata item) external locking {
        _pay(item, item.exit.recipient, msg.sender, false);
    }

    /// @inheritdoc IVault
    function claimTo(Claim calldata item, address to) external locking {
        if (msg.sender != item.exit.recipient) revert NotRecipient();
        if (to == address(0) || to == address(this)) revert BadRedirect(to);
        emit Redirected(item.exit.index, to);
        _pay(item, to, msg.sender, false);
    }

    /// @inheritdoc IVault
    function claimMany(Claim[] calldata items) external locking {
        _payMany(items);
    }

    /// @inheritdoc IVault
    function checkpointAndClaim(
        Checkpoint calldata cp,
        bytes32[] calldata members,
        bytes calldata signatures,
        Claim[] calldata items
    ) external locking {
        _checkpoint(cp, members, signatures);
        _payMany(items);
    }

    /// @notice One item of a batch, called by the Vault on itself: bitmap, ledger and transfers stand or
    /// fall together.
    function payItem(Claim calldata item, address relayer) external {
        if (msg.sender != address(this)) revert OnlySelf();
        _pay(item, item.exit.recipient, relayer, true);
    }

    /// @inheritdoc IVault
    function isClaimed(uint64 index) external view returns (bool) {
        return _claimed[index >> 8] >> (index & 0xff) & 1 == 1;
    }

    function _depositETH(address recipient, address refundTo) private locking {
        _checkParties(address(0), recipient, refundTo);
        if (msg.value == 0) revert ZeroAmount();
        locked[address(0)] += msg.value;
        _appendDeposit(address(0), msg.sender, recipient, msg.value, 0, refundTo);
    }

    function _deposit(address token, uint256 amount, address recipient, address refundTo)
        private
        locking
    {
        if (token.code.length == 0) revert TokenWithoutCode(token);
        _checkParties(token, recipient, refundTo);
        uint256 credited = _take(token, amount);
        if (credited == 0) revert ZeroAmount();
        locked[token] += credited;
        locked[address(0)] += msg.value;
        if (!_described[token]) {
            _described[token] = true;
            (bytes32 name, bytes32 symbol, uint8 decimals) = Tokens.metadata(token);
            _appendMetadata(token, name, symbol, decimals);
        }
        _appendDeposit(token, msg.sender, recipient, credited, msg.value, refundTo);
    }

    /// @dev A fee-on-transfer token moves less than asked for; one that moves more gives it away.
    function _take(address token, uint256 amount) private returns (uint256) {
        if (amount == 0) revert ZeroAmount();
        uint256 before = Tokens.balance(token);
        if (!Tokens.take(token, msg.sender, amount)) revert TransferFromFailed(token);
        uint256 afterwards = Tokens.balance(token);
        uint256 received = afterwards > before ? afterwards - before : 0;
        return received < amount ? received : amount;
    }

    function _checkParties(address asset, address recipient, address refundTo) private view {
        if (Reserved.uncreditable(recipient)) revert UncreditableRecipient(recipient);
        // The zero asset makes the last comparison one with address(0), which no refund may have.
        if (refundTo == address(0) || refundTo == address(this) || refundTo == asset) {
            revert BadRefundAddress(refundTo);
        }
    }

    function _payMany(Claim[] calldata items) private {
        for (uint256 i; i < items.length; ++i) {
            Exit calldata e = items[i].exit;
            uint256 gasCap = e.asset == address(0) ? ETH_GAS : TOKEN_GAS;
            // The caller may not starve an item into failing; 1/32 covers the 63/64 rule twice.
            uint256 need = 2 * gasCap + ITEM_GAS;
            if (gasleft() < need + need / 32) revert InsufficientGas();
            try this.payItem(items[i], msg.sender) {}
            catch {
                emit ClaimFailed(e.index);
            }
        }
    }

    function _pay(Claim calldata item, address to, address relayer, bool capped) private {
        Exit memory e = item.exit;
        bytes32 root = exitRootAt(item.ringIndex);
        if (root == 0 || !ExitTree.verify(e, item.exitCount, item.proof, root)) revert BadProof();
        _markClaimed(e.index);
        if (e.fee > e.amount) revert FeeAboveAmount();
        uint256 owed = locked[e.asset];
        if (e.amount > owed) revert LedgerTooLow(e.asset, owed, e.amount);
        locked[e.asset] = owed - e.amount;
        _send(e.asset, to, e.amount - e.fee, capped);
        _send(e.asset, relayer, e.fee, capped);
        emit Claimed(e.index, e.asset, e.recipient, e.amount, e.fee, relayer);
    }

    function _markClaimed(uint64 index) private {
        uint256 bit = 1 << (index & 0xff);
        uint256 word = _claimed[index >> 8];
        if (word & bit != 0) revert AlreadyClaimed(index);
        _claimed[index >> 8] = word | bit;
    }

    function _send(address asset, address to, uint256 amount, bool capped) private {
        if (amount == 0) return;
        bool sent;
        if (asset == address(0)) {
            sent = Tokens.sendEth(to, amount, capped ? ETH_GAS : gasleft());
        } else {
            sent = Tokens.send(asset, to, amount, capped ? TOKEN_GAS : gasleft());
        }
        if (!sent) revert PayoutFailed(asset, to);
    }
}

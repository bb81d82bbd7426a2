// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {WrappedToken} from "./WrappedToken.sol";
import {IGateway} from "./interfaces/IGateway.sol";
import {ExitTree} from "./lib/ExitTree.sol";
import {Reserved} from "./lib/Reserved.sol";
import {Text} from "./lib/Text.sol";

/// @title The Gateway: system contract of the sidechain, in its genesis at a fixed address
/// @notice There is no constructor: genesis writes the storage slots 0 and 1.
contract Gateway is IGateway {
    /// @dev The longest name of a token with permit: its EIP-712 domain keeps the name in one word.
    uint256 private constant MAX_NAME = 31;

    /// @inheritdoc IGateway
    uint256 public l1ChainId;
    /// @inheritdoc IGateway
    address public vault;
    /// @inheritdoc IGateway
    mapping(address asset => address) public tokenOf;
    /// @inheritdoc IGateway
    mapping(address token => address) public assetOf;
    /// @inheritdoc IGateway
    uint64 public exitCount;

    // What the wrapped token being deployed reads; empty between deployments.
    bytes32 private transient _name;
    bytes32 private transient _symbol;
    uint8 private transient _decimals;

    modifier onlySystem() {
        if (msg.sender != Reserved.SYSTEM) revert OnlySystem();
        _;
    }

    /// @inheritdoc IGateway
    function withdraw(address asset, uint256 amount, address recipient, uint256 fee)
        external
        payable
        returns (uint64 index)
    {
        if (amount == 0) revert ZeroAmount();
        if (fee > amount) revert FeeAboveAmount();
        // For ETH the last comparison is one with address(0).
        if (recipient == address(0) || recipient == vault || recipient == asset) {
            revert BadRecipient(recipient);
        }
        uint256 value = asset == address(0) ? amount : 0;
        if (msg.value != value) revert WrongValue(value, msg.value);
        if (asset != address(0)) {
            address token = tokenOf[asset];
            if (token == address(0)) revert UnknownAsset(asset);
            WrappedToken(token).burn(msg.sender, amount);
        }
        return _exit(asset, recipient, amount, fee, msg.sender);
    }

    /// @inheritdoc IGateway
    function credit(uint64 count, address asset, address recipient, uint256 amount, uint256 gasWei)
        external
        onlySystem
    {
        // Deployed first, so that the token's own address counts as a wrapped token.
        if (asset != address(0) && tokenOf[asset] == address(0)) _deploy(asset, 0, 0, 0);
        if (Reserved.uncreditable(recipient) || assetOf[recipient] != address(0)) {
            revert UncreditableRecipient(recipient);
        }
        if (asset != address(0)) WrappedToken(tokenOf[asset]).mint(recipient, amount);
        emit Credited(count, asset, recipient, amount, gasWei);
    }

    /// @inheritdoc IGateway
    function bounce(uint64 count, address asset, uint256 amount, uint256 gasWei, address refundTo)
        external
        onlySystem
    {
        emit Bounced(count, asset, refundTo, amount, gasWei);
        if (amount > 0) _exit(asset, refundTo, amount, 0, address(this));
        if (gasWei > 0 && asset != address(0)) {
            _exit(address(0), refundTo, gasWei, 0, address(this));
        }
    }

    /// @inheritdoc IGateway
    function register(uint64, address asset, bytes32 name, bytes32 symbol, uint8 decimals)
        external
        onlySystem
    {
        if (asset == address(0) || tokenOf[asset] != address(0)) return;
        _deploy(asset, Text.sanitise(name, MAX_NAME), Text.sanitise(symbol, 32), decimals);
    }

    /// @inheritdoc IGateway
    function wrappedAddress(address asset) external view returns (address) {
        bytes32 initCodeHash = keccak256(type(WrappedToken).creationCode);
        bytes32 hash =
            keccak256(abi.encodePacked(bytes1(0xff), address(this), _salt(asset), initCodeHash));
        return address(uint160(uint256(hash)));
    }

    /// @inheritdoc IGateway
    function metadata() external view returns (string memory, string memory, uint8) {
        return (Text.toString(_name), Text.toString(_symbol), _decimals);
    }

    function _exit(address asset, address recipient, uint256 amount, uint256 fee, address sender)
        private
        returns (uint64 index)
    {
        index = exitCount;
        if (index >= ExitTree.MAX_COUNT) revert TreeFull();
        exitCount = index + 1;
        emit Exit(index, asset, recipient, amount, fee, sender);
    }

    function _deploy(address asset, bytes32 name, bytes32 symbol, uint8 decimals) private {
        (_name, _symbol, _decimals) = (name, symbol, decimals);
        address token = address(new WrappedToken{salt: _salt(asset)}());
        (_name, _symbol, _decimals) = (0, 0, 0);
        tokenOf[asset] = token;
        assetOf[token] = asset;
        emit TokenRegistered(asset, token, Text.toString(name), Text.toString(symbol), decimals);
    }

    function _salt(address asset) private view returns (bytes32) {
        return keccak256(abi.encode(l1ChainId, asset));
    }
}

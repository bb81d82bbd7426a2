// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title The sidechain side of the peg: burns, and mints by system call
/// @notice The state transition reads this contract's logs and calls it as the system caller. The
/// asset address(0) is ETH, the native coin here; any other asset is an L1 token's address.
interface IGateway {
    /// @notice Exit `index` of the exit tree, payable on L1 (spec 2.3). `fee` is inside `amount`.
    event Exit(
        uint64 indexed index,
        address indexed asset,
        address indexed recipient,
        uint256 amount,
        uint256 fee,
        address sender
    );
    /// @notice Leaf `count` was credited. The native part (ETH, gasWei) is added by the state transition.
    event Credited(
        uint64 indexed count,
        address indexed asset,
        address indexed recipient,
        uint256 amount,
        uint256 gasWei
    );
    /// @notice Leaf `count` could not be credited and goes back as exits to `refundTo`.
    event Bounced(
        uint64 indexed count,
        address indexed asset,
        address indexed refundTo,
        uint256 amount,
        uint256 gasWei
    );
    /// @notice The wrapped token of an L1 token exists from now on.
    event TokenRegistered(
        address indexed asset, address indexed token, string name, string symbol, uint8 decimals
    );

    /// @notice Only the system caller may call this.
    error OnlySystem();
    /// @notice An exit of nothing.
    error ZeroAmount();
    /// @notice The fee is above the amount it is part of.
    error FeeAboveAmount();
    /// @notice L1 could never pay there: zero, the Vault or the token itself.
    error BadRecipient(address recipient);
    /// @notice msg.value must be the amount for ETH and zero for a token.
    error WrongValue(uint256 expected, uint256 given);
    /// @notice No token of this L1 address was ever credited here.
    error UnknownAsset(address asset);
    /// @notice The exit tree holds 2^32 - 1 exits.
    error TreeFull();
    /// @notice This address cannot be credited (spec 2.6).
    error UncreditableRecipient(address recipient);

    /// @notice Burns native coin (asset zero: msg.value) or a wrapped token (from the sender, without
    /// allowance) and makes an exit for `recipient` on L1.
    /// @param fee part of `amount` that L1 pays to whoever claims
    /// @return index the exit's place in the tree
    function withdraw(address asset, uint256 amount, address recipient, uint256 fee)
        external
        payable
        returns (uint64 index);

    /// @notice System call: mints `amount` of a token; for ETH and gasWei it only checks and records.
    /// Reverts when the recipient is uncreditable or the mint overflows: the leaf then bounces.
    function credit(uint64 count, address asset, address recipient, uint256 amount, uint256 gasWei)
        external;
    /// @notice System call: makes the exits that return a leaf to `refundTo`, with fee 0.
    function bounce(uint64 count, address asset, uint256 amount, uint256 gasWei, address refundTo)
        external;
    /// @notice System call: deploys the wrapped token of `asset`. A second call changes nothing.
    /// @param name any 32 bytes; made printable and cut to 31 here
    /// @param symbol any 32 bytes; made printable here
    function register(uint64 count, address asset, bytes32 name, bytes32 symbol, uint8 decimals)
        external;

    /// @notice Number of exits made so far.
    function exitCount() external view returns (uint64);
    /// @notice Wrapped token of an L1 token; zero when not registered.
    function tokenOf(address asset) external view returns (address);
    /// @notice L1 token of a wrapped token; zero when it is none.
    function assetOf(address token) external view returns (address);
    /// @notice Where the wrapped token of an L1 token is or will be (CREATE2).
    function wrappedAddress(address asset) external view returns (address);
    /// @notice Chain id of the L1 (storage slot 0, set by genesis).
    function l1ChainId() external view returns (uint256);
    /// @notice The Vault on L1 (storage slot 1, set by genesis).
    function vault() external view returns (address);
    /// @notice What the token being deployed right now shall be called; empty at any other time.
    function metadata()
        external
        view
        returns (string memory name, string memory symbol, uint8 decimals);
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice What the federation signs about one sidechain block (spec 2.4).
struct Checkpoint {
    uint64 epoch;
    uint64 height;
    bytes32 blockHash;
    bytes32 stateRoot;
    uint64 exitCount;
    bytes32 exitRoot;
    uint64 creditedCount;
    bytes32 creditedAcc;
}

/// @notice One entry of the exit tree (spec 2.3). `fee` is inside `amount`.
struct Exit {
    uint64 index;
    address asset;
    address recipient;
    uint256 amount;
    uint256 fee;
}

/// @notice An exit with its Merkle proof under one entry of the ring of exit roots.
struct Claim {
    Exit exit;
    uint64 exitCount;
    uint8 ringIndex;
    bytes32[] proof;
}

/// @notice A new member list (spec 2.4).
struct FederationUpdate {
    uint64 epoch;
    uint64 firstHeight;
    bytes32 membersHash;
    bytes32 recoveryHash;
    uint256 totalPower;
}

/// @title The L1 side of the peg: locks deposits, releases proven exits
/// @notice Amounts are in wei for ETH and in the token's smallest unit for ERC-20. The asset
/// address(0) is ETH. There is no owner, no proxy, no pause key and no way out except `claim`.
interface IVault {
    /// @notice Leaf `count` of the deposit log is a deposit (kind 1); `acc` is the chain after it.
    event Deposited(
        uint64 indexed count,
        address indexed asset,
        address indexed recipient,
        address sender,
        uint256 amount,
        uint256 gasWei,
        address refundTo,
        bytes32 acc
    );
    /// @notice Leaf `count` describes a token (kind 2), for display only.
    event TokenMetadata(
        uint64 indexed count,
        address indexed asset,
        bytes32 name,
        bytes32 symbol,
        uint8 decimals,
        bytes32 acc
    );
    /// @notice Leaf `count` records a new epoch (kind 3).
    event EpochRecorded(
        uint64 indexed count, uint64 indexed epoch, bytes32 membersHash, bytes32 acc
    );
    /// @notice A checkpoint passed quorum and bounds; its exit root is at `ringIndex`.
    event CheckpointAccepted(
        uint64 indexed height,
        bytes32 blockHash,
        uint64 exitCount,
        bytes32 exitRoot,
        uint8 ringIndex
    );
    /// @notice An exit was paid: amount - fee to its recipient, fee to the relayer.
    event Claimed(
        uint64 indexed index,
        address indexed asset,
        address indexed recipient,
        uint256 amount,
        uint256 fee,
        address relayer
    );
    /// @notice An item of a batch was not paid; it stays claimable (or was claimed before).
    event ClaimFailed(uint64 indexed index);
    /// @notice The exit's recipient had it paid to another address.
    event Redirected(uint64 indexed index, address recipient);

    /// @notice Nothing to deposit: amount, value or what the token really moved is zero.
    error ZeroAmount();
    /// @notice There is no contract at the token's address.
    error TokenWithoutCode(address token);
    /// @notice The sidechain can never credit this address (spec 2.6).
    error UncreditableRecipient(address recipient);
    /// @notice A bounce could never be paid there: zero, the Vault or the token itself.
    error BadRefundAddress(address refundTo);
    /// @notice The token refused `transferFrom`.
    error TransferFromFailed(address token);
    /// @notice Too little gas for a bounded call to get its full allowance.
    error InsufficientGas();
    /// @notice Deposit or claim was called from inside a deposit or claim.
    error Reentered();

    /// @notice A member list is empty or longer than 128, or the two lists differ in length or power.
    error BadMemberList();
    /// @notice A member word is out of order, has no power or no address.
    error BadMemberWord(uint256 position);
    /// @notice The list in calldata is not the current epoch's.
    error WrongMembers();
    /// @notice The signed epoch is not the one expected.
    error WrongEpoch(uint64 expected, uint64 given);
    /// @notice The bundle is not a whole number of 65-byte signatures.
    error BadSignatureLength();
    /// @notice A signature is malformed, high-s, or has v other than 27 or 28.
    error BadSignature(uint256 position);
    /// @notice Signers are not strictly ascending by address.
    error SignersNotAscending(uint256 position);
    /// @notice A valid signature of nobody in the list.
    error UnknownSigner(address signer);
    /// @notice The signers hold no more than two thirds of the power.
    error NoQuorum(uint256 signed, uint256 total);
    /// @notice The new federation has no power or no members.
    error EmptyFederation();

    /// @notice The height rises faster than 100 a second plus 1,000.
    error HeightTooFar(uint64 height, uint256 highest);
    /// @notice This epoch signs only from `firstHeight` on.
    error BelowFirstHeight(uint64 height, uint64 firstHeight);
    /// @notice The number of exits went back or rose by more than 2^16, or above 2^32 - 1.
    error ExitCountOutOfBounds(uint64 exitCount, uint64 last);
    /// @notice The same number of exits with another root.
    error ExitRootChanged();
    /// @notice More leaves credited than the Vault has written.
    error CreditedTooMany(uint64 creditedCount, uint64 count);

    /// @notice The ring has no root there, or the proof does not lead to it.
    error BadProof();
    /// @notice This exit was paid before.
    error AlreadyClaimed(uint64 index);
    /// @notice The payout is above what the Vault owes of the asset.
    error LedgerTooLow(address asset, uint256 locked, uint256 amount);
    /// @notice The fee is above the amount it is part of.
    error FeeAboveAmount();
    /// @notice Only the exit's recipient may redirect it.
    error NotRecipient();
    /// @notice An exit cannot be redirected to zero or to the Vault.
    error BadRedirect(address to);
    /// @notice The recipient or the token refused the payout.
    error PayoutFailed(address asset, address to);
    /// @notice Only the Vault calls this, on itself.
    error OnlySelf();

    /// @notice `depositETH(recipient, msg.sender)`.
    function depositETH(address recipient) external payable;
    /// @notice Locks msg.value; the sidechain credits it to `recipient` as native coin.
    /// @param refundTo L1 address that is paid back if the sidechain cannot credit
    function depositETH(address recipient, address refundTo) external payable;
    /// @notice `deposit(token, amount, recipient, msg.sender)`.
    function deposit(address token, uint256 amount, address recipient) external payable;
    /// @notice Locks a token that the sender has approved; msg.value comes along as native coin.
    /// Credited is what the Vault's balance rose by, at most `amount`.
    function deposit(address token, uint256 amount, address recipient, address refundTo)
        external
        payable;
    /// @notice As `deposit`, after trying an EIP-2612 permit of the sender. A permit that fails (used
    /// by a front-runner, say) is ignored: the allowance decides.
    function depositWithPermit(
        address token,
        uint256 amount,
        address recipient,
        address refundTo,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external payable;

    /// @notice Takes a checkpoint signed by the current epoch's quorum. One that is not newer than the
    /// last is skipped without a check and without a revert.
    /// @param members the current epoch's member words, in order
    /// @param signatures 65 bytes each, signers strictly ascending by address
    function checkpoint(
        Checkpoint calldata cp,
        bytes32[] calldata members,
        bytes calldata signatures
    ) external;
    /// @notice Pays one exit; anyone may call and gets the fee. No gas cap, reverts on any failure.
    function claim(Claim calldata item) external;
    /// @notice The exit's recipient has its own exit paid to `to`.
    function claimTo(Claim calldata item, address to) external;
    /// @notice Pays what can be paid of many exits; the others emit `ClaimFailed` and stay claimable.
    function claimMany(Claim[] calldata items) external;
    /// @notice `checkpoint`, then `claimMany`.
    function checkpointAndClaim(
        Checkpoint calldata cp,
        bytes32[] calldata members,
        bytes calldata signatures,
        Claim[] calldata items
    ) external;
    /// @notice Replaces the federation by the next epoch's and appends an epoch record.
    /// @param members the current (leaving) epoch's member words, whose quorum signed
    function updateFederation(
        FederationUpdate calldata update,
        bytes32[] calldata members,
        bytes calldata signatures
    ) external;

    /// @notice Number of leaves in the deposit log and the hash chain's value after the last.
    function head() external view returns (uint64 count, bytes32 acc);
    /// @notice EIP-712 domain separator for the current chain id (spec 2.1).
    function domainSeparator() external view returns (bytes32);
    /// @notice What the Vault owes of an asset by its own book-keeping.
    function locked(address asset) external view returns (uint256);
    /// @notice Whether the exit with this index was paid.
    function isClaimed(uint64 index) external view returns (bool);
    /// @notice Current epoch, from 1.
    function epoch() external view returns (uint64);
    /// @notice keccak256 of the current epoch's member words.
    function membersHash() external view returns (bytes32);
    /// @notice keccak256 of the current epoch's recovery words.
    function recoveryHash() external view returns (bytes32);
    /// @notice Total power as stated at construction or by the last update. Quorum is computed from the
    /// member list itself.
    function totalPower() external view returns (uint256);
    /// @notice The last accepted checkpoint; `acceptedAt` in Unix seconds (construction, before any).
    /// @return height sidechain height
    /// @return exitCount exits under its root
    /// @return ringIndex where its root is
    /// @return acceptedAt L1 time of acceptance
    /// @return stateHash keccak256(abi.encode(height, blockHash, stateRoot, creditedCount, creditedAcc))
    function lastCheckpoint()
        external
        view
        returns (
            uint64 height,
            uint64 exitCount,
            uint8 ringIndex,
            uint64 acceptedAt,
            bytes32 stateHash
        );
    /// @notice Exit root at a place of the ring of 64; zero where none was written yet.
    function exitRootAt(uint8 ringIndex) external view returns (bytes32);
    /// @notice First sidechain height that the current epoch may checkpoint.
    function firstHeight() external view returns (uint64);
}

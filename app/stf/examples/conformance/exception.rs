//! Our reasons in the words of the official tests.

use mooring_stf::InvalidTx;

/// Whether our reason is one of those that the test allows, `TransactionException.A|…B`.
pub(crate) fn is_meant(expected: &str, reason: &InvalidTx) -> bool {
    let names = names(reason);
    expected
        .split('|')
        .map(|name| name.trim().trim_start_matches("TransactionException."))
        .any(|name| names.contains(&name))
}

fn names(reason: &InvalidTx) -> &'static [&'static str] {
    match reason {
        InvalidTx::BadSignature => &["INVALID_SIGNATURE_VRS"],
        InvalidTx::WrongChainId { .. } => &["INVALID_CHAINID"],
        InvalidTx::NonceTooLow { .. } => &["NONCE_MISMATCH_TOO_LOW"],
        InvalidTx::NonceTooHigh { .. } => &["NONCE_MISMATCH_TOO_HIGH"],
        InvalidTx::NonceMax { .. } => &["NONCE_IS_MAX", "NONCE_TOO_BIG"],
        InvalidTx::InsufficientFunds { .. } => &["INSUFFICIENT_ACCOUNT_FUNDS"],
        InvalidTx::CostOverflow { .. } => {
            &["INSUFFICIENT_ACCOUNT_FUNDS", "GASLIMIT_PRICE_PRODUCT_OVERFLOW"]
        }
        InvalidTx::FeeCapTooLow { .. } => &["INSUFFICIENT_MAX_FEE_PER_GAS"],
        InvalidTx::TipAboveFeeCap { .. } => &["PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"],
        InvalidTx::IntrinsicGas { .. } => &["INTRINSIC_GAS_TOO_LOW"],
        InvalidTx::FloorGas { .. } => {
            &["INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", "INTRINSIC_GAS_TOO_LOW"]
        }
        InvalidTx::GasLimit { .. } | InvalidTx::BlockFull { .. } => &["GAS_ALLOWANCE_EXCEEDED"],
        InvalidTx::GasCap { .. } => &["GAS_LIMIT_EXCEEDS_MAXIMUM"],
        InvalidTx::InitCodeTooLarge { .. } => &["INITCODE_SIZE_EXCEEDED"],
        InvalidTx::SenderIsContract { .. } => &["SENDER_NOT_EOA"],
        InvalidTx::EmptyAuthorizationList => &["TYPE_4_EMPTY_AUTHORIZATION_LIST"],
        InvalidTx::UnknownType(1) => &["TYPE_1_TX_PRE_FORK"],
        InvalidTx::UnknownType(2) => &["TYPE_2_TX_PRE_FORK"],
        InvalidTx::UnknownType(3) => &["TYPE_3_TX_PRE_FORK"],
        InvalidTx::UnknownType(4) => &["TYPE_4_TX_PRE_FORK"],
        InvalidTx::Blobs(_) => &[
            "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS",
            "TYPE_3_TX_BLOB_COUNT_EXCEEDED",
            "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH",
            "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
            "TYPE_3_TX_ZERO_BLOBS",
        ],
        // A blob or set-code transaction without a recipient has no encoding.
        InvalidTx::Undecodable(_) => &[
            "TYPE_3_TX_CONTRACT_CREATION",
            "TYPE_4_TX_CONTRACT_CREATION",
            "TYPE_4_INVALID_AUTHORIZATION_FORMAT",
        ],
        InvalidTx::TooLarge { .. }
        | InvalidTx::BlobType
        | InvalidTx::SystemType
        | InvalidTx::UnknownType(_)
        | InvalidTx::Other(_)
        | InvalidTx::Federation(_)
        | InvalidTx::NoPeg
        | InvalidTx::FederationAfterEthereum => &[],
    }
}

//! Why a text is not a genesis document: what is wrong, why it matters, what to do.

use alloy_primitives::Address;
use mooring_bridge::members::MembersError;
use thiserror::Error;

/// Why a text is not a genesis document.
#[derive(Debug, Error)]
pub enum GenesisError {
    /// Not JSON, or not the document's fields.
    #[error("genesis is not a valid document: {0}; compare it with `mooring genesis show`")]
    Json(#[source] serde_json::Error),
    /// A chain id that wallets or the peg cannot use.
    #[error("chain_id {id} {why}; choose another, e.g. 42155")]
    ChainId {
        /// The chain id.
        id: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A number outside its bounds.
    #[error("{field} is {value}, allowed is {min} to {max}; change it in the genesis document")]
    Bounds {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// The fee rule and the L1 section contradict each other.
    #[error("{0}")]
    Peg(&'static str),
    /// A name that is not one.
    #[error(
        "validator name \"{0}\" is not 1 to 32 lower-case letters, digits and -; it is used in \
         logs and file names, so rename it"
    )]
    Name(String),
    /// The same thing twice.
    #[error("{what} {value} is used twice; each validator needs its own, so replace one of them")]
    Duplicate {
        /// Which field.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// A role at an address that belongs to the chain itself.
    #[error("{role} of validator \"{name}\" is {address}, which nobody holds a key of; replace it")]
    Reserved {
        /// Which field.
        role: &'static str,
        /// Whose.
        name: String,
        /// The address.
        address: Address,
    },
    /// A key that everybody has.
    #[error(
        "{role} of validator \"{name}\" is {address}, whose private key is public (an anvil \
         account), so anyone could sign with it; make a key with `mooring keys new`, or set \
         \"dev\": true on a network without value"
    )]
    DevKey {
        /// Which field.
        role: &'static str,
        /// Whose.
        name: String,
        /// The address.
        address: Address,
    },
    /// The validators are not a federation.
    #[error("the validators are not a member list: {0}; correct \"validators\" in the genesis")]
    Members(#[from] MembersError),
    /// More power than the engines count with.
    #[error(
        "total power is above {max}, the most that consensus engines count with; divide each \
         validator's power by the same number"
    )]
    TotalPower {
        /// The most allowed.
        max: u64,
    },
    /// Money at an address that must start without.
    #[error("alloc gives a balance to {0}, which belongs to the chain itself; remove the entry")]
    AllocReserved(Address),
    /// More wei than there can be.
    #[error("the balances in alloc add up to more than 256 bits; lower them")]
    AllocOverflow,
}

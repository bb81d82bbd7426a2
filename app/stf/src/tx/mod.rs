//! Transactions: what a consensus block carries, and what the Ethereum list holds.

mod receipt;
mod root;
pub mod stored;

use std::sync::Arc;

use alloy_consensus::{
    Transaction as _, TxEnvelope,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{
    Typed2718 as _,
    eip2718::{Decodable2718, Eip2718Error, Encodable2718},
};
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::BufMut;
use mooring_bridge::{
    FederationMessage, SystemTx, federation::FEDERATION_TX_TYPE, system_tx::SYSTEM_TX_TYPE,
};

use crate::{BlobRule, ChainParams, InvalidTx};
pub use receipt::EthReceipt;
pub(crate) use receipt::receipts_root;

/// First byte of an EIP-4844 transaction.
pub(crate) const BLOB_TX_TYPE: u8 = 3;
/// First byte of the last typed transaction that this chain takes (EIP-7702).
const LAST_TX_TYPE: u8 = 4;
/// First byte of any RLP list, and so of a legacy transaction.
const FIRST_LIST_BYTE: u8 = 0xc0;

/// A transaction with its sender, which pool, block and store share.
pub type SignedTx = Arc<Recovered<TxEnvelope>>;

/// One transaction of a consensus block, decoded; an Ethereum one with its sender recovered.
#[derive(Clone, Debug)]
pub enum ConsensusTx {
    /// A federation message; never in the Ethereum list.
    Federation(FederationMessage),
    /// An Ethereum transaction of type 0 to 4; most chains refuse type 3 ([`crate::BlobRule`]).
    Ethereum(SignedTx),
}

/// Decodes one transaction of a consensus block and recovers its sender: everything that can be
/// checked without any state. Independent of all else, so callers may do it in parallel.
///
/// # Errors
/// Why the bytes are no transaction that this chain takes.
pub fn decode(bytes: &[u8]) -> Result<ConsensusTx, InvalidTx> {
    match bytes.first() {
        None => Err(InvalidTx::Undecodable("no bytes".into())),
        Some(&FEDERATION_TX_TYPE) => FederationMessage::decode(bytes)
            .map(ConsensusTx::Federation)
            .map_err(|error| InvalidTx::Undecodable(error.to_string())),
        Some(_) => decode_ethereum(bytes).map(ConsensusTx::Ethereum),
    }
}

/// Decodes an Ethereum transaction and recovers its sender.
///
/// # Errors
/// Why the bytes are no Ethereum transaction that this chain takes.
pub fn decode_ethereum(bytes: &[u8]) -> Result<SignedTx, InvalidTx> {
    let tx = decode_envelope(bytes)?;
    // EIP-2: `recover_signer` refuses an s in the upper half.
    let sender = tx.recover_signer().map_err(|_| InvalidTx::BadSignature)?;
    Ok(Arc::new(Recovered::new_unchecked(tx, sender)))
}

fn decode_envelope(bytes: &[u8]) -> Result<TxEnvelope, InvalidTx> {
    match bytes.first() {
        Some(&SYSTEM_TX_TYPE) => return Err(InvalidTx::SystemType),
        Some(&unknown) if (LAST_TX_TYPE + 1..FIRST_LIST_BYTE).contains(&unknown) => {
            return Err(InvalidTx::UnknownType(unknown));
        }
        Some(_) | None => {}
    }
    let mut rest = bytes;
    let tx = TxEnvelope::decode_2718(&mut rest).map_err(|error| match error {
        Eip2718Error::UnexpectedType(unknown) if bytes.first() == Some(&unknown) => {
            InvalidTx::UnknownType(unknown)
        }
        other => InvalidTx::Undecodable(other.to_string()),
    })?;
    if !rest.is_empty() {
        return Err(InvalidTx::Undecodable("bytes follow the transaction".into()));
    }
    // Blobs travel beside a block, never in it.
    if matches!(&tx, TxEnvelope::Eip4844(tx) if tx.tx().sidecar().is_some()) {
        return Err(InvalidTx::BlobType);
    }
    // One transaction has one encoding, so that its hash is its identity.
    if tx.encoded_2718() != bytes {
        return Err(InvalidTx::Undecodable("not the canonical encoding".into()));
    }
    Ok(tx)
}

/// Gas of the blobs that these transactions name (EIP-4844).
pub(crate) fn blob_gas_used(transactions: &[EthTx]) -> u64 {
    let gas = transactions.iter().map(|tx| match tx {
        EthTx::System(_) => 0,
        EthTx::Signed(tx) => tx.blob_gas_used().unwrap_or_default(),
    });
    gas.fold(0, u64::saturating_add)
}

/// Whether this chain takes transactions of this type.
pub(crate) fn takes(params: &ChainParams, tx: &Recovered<TxEnvelope>) -> Result<(), InvalidTx> {
    match params.blobs {
        BlobRule::Refused if tx.is_eip4844() => Err(InvalidTx::BlobType),
        BlobRule::Refused | BlobRule::Accepted => Ok(()),
    }
}

/// One transaction of the Ethereum list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EthTx {
    /// A credit or bounce that the state transition derived (type 0x7e).
    System(SystemTx),
    /// A transaction that someone signed.
    Signed(SignedTx),
}

impl EthTx {
    /// The EIP-2718 type; 0 for a legacy transaction.
    pub fn tx_type(&self) -> u8 {
        match self {
            Self::System(_) => SYSTEM_TX_TYPE,
            Self::Signed(tx) => tx.inner().ty(),
        }
    }

    /// keccak256 of the EIP-2718 encoding.
    pub fn hash(&self) -> B256 {
        match self {
            Self::System(tx) => tx.hash(),
            Self::Signed(tx) => *tx.inner().tx_hash(),
        }
    }

    /// Who sent it: the system caller, or the signer.
    pub fn sender(&self) -> Address {
        match self {
            Self::System(tx) => tx.from,
            Self::Signed(tx) => tx.signer(),
        }
    }

    /// Appends the EIP-2718 encoding: what the transactions root commits to and what raw
    /// transaction queries return.
    pub fn encode_2718(&self, out: &mut dyn BufMut) {
        match self {
            Self::System(tx) => out.put_slice(&tx.encode()),
            Self::Signed(tx) => tx.inner().encode_2718(out),
        }
    }

    /// The EIP-2718 encoding.
    pub fn encoded_2718(&self) -> Bytes {
        let mut out = Vec::new();
        self.encode_2718(&mut out);
        out.into()
    }

    /// Bytes of the EIP-2718 encoding.
    pub fn encoded_2718_len(&self) -> usize {
        match self {
            Self::System(tx) => tx.encode().len(),
            Self::Signed(tx) => tx.inner().encode_2718_len(),
        }
    }

    /// Wei per gas that it pays in a block with this base fee; 0 for a system transaction.
    pub fn effective_gas_price(&self, base_fee: u64) -> u128 {
        match self {
            Self::System(_) => 0,
            Self::Signed(tx) => tx.inner().effective_gas_price(Some(base_fee)),
        }
    }
}

/// The header's transactions root.
pub(crate) fn transactions_root(transactions: &[EthTx]) -> B256 {
    root::ordered(transactions, |_, tx, out| tx.encode_2718(out))
}

#[cfg(test)]
mod tests;

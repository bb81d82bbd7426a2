//! The derived system transaction, type 0x7e (spec 2.5): the field list of the OP Stack's deposit
//! transaction, so that existing tools parse it.

use crate::{
    addresses::{GATEWAY, SYSTEM_CALLER},
    words::Words,
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, Header};
use thiserror::Error;

/// First byte of a system transaction.
pub const SYSTEM_TX_TYPE: u8 = 0x7e;
/// Gas of each system transaction.
pub const SYSTEM_TX_GAS: u64 = 2_000_000;

/// Why the state transition makes a system transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A leaf is credited.
    Credit,
    /// A leaf cannot be credited and goes back.
    Bounce,
}

impl Cause {
    const fn tag(self) -> u64 {
        match self {
            Self::Credit => 1,
            Self::Bounce => 2,
        }
    }

    /// `keccak256(abi.encode(tag, acc_k))`: unique, since each leaf is credited or bounced once.
    pub fn source_hash(self, acc: B256) -> B256 {
        Words::new().u64(self.tag()).b256(acc).hash()
    }
}

/// A derived system transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemTx {
    /// Which leaf it answers, and how.
    pub source_hash: B256,
    /// The system caller.
    pub from: Address,
    /// The Gateway.
    pub to: Address,
    /// Native coin created, in wei.
    pub mint: U256,
    /// Native coin sent along, in wei: 0.
    pub value: U256,
    /// Gas limit.
    pub gas: u64,
    /// The OP Stack's flag for gas-free transactions: false.
    pub is_system_tx: bool,
    /// The call of the Gateway.
    pub data: Bytes,
}

/// Why bytes are not a system transaction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SystemTxError {
    /// Another first byte.
    #[error("transaction does not start with 0x7e")]
    Type,
    /// Not the RLP of the field list.
    #[error("system transaction is not well-formed RLP: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    /// Another encoding of the same transaction.
    #[error("system transaction is not in its canonical encoding")]
    NotCanonical,
}

impl SystemTx {
    /// The system transaction that answers the leaf after which the log's value is `acc`, with
    /// `mint` wei of native coin created and `data` the call of the Gateway.
    pub fn new(cause: Cause, acc: B256, mint: U256, data: Bytes) -> Self {
        Self {
            source_hash: cause.source_hash(acc),
            from: SYSTEM_CALLER,
            to: GATEWAY,
            mint,
            value: U256::ZERO,
            gas: SYSTEM_TX_GAS,
            is_system_tx: false,
            data,
        }
    }

    /// `0x7e ‖ rlp([sourceHash, from, to, mint, value, gas, isSystemTx, data])`.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        self.source_hash.encode(&mut fields);
        self.from.encode(&mut fields);
        self.to.encode(&mut fields);
        self.mint.encode(&mut fields);
        self.value.encode(&mut fields);
        self.gas.encode(&mut fields);
        self.is_system_tx.encode(&mut fields);
        self.data.encode(&mut fields);
        let mut bytes = vec![SYSTEM_TX_TYPE];
        Header { list: true, payload_length: fields.len() }.encode(&mut bytes);
        bytes.extend_from_slice(&fields);
        bytes
    }

    /// Reads a system transaction.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one in its only encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, SystemTxError> {
        let Some((&SYSTEM_TX_TYPE, mut rest)) = bytes.split_first() else {
            return Err(SystemTxError::Type);
        };
        let mut fields = Header::decode_bytes(&mut rest, true)?;
        let fields = &mut fields;
        let transaction = Self {
            source_hash: Decodable::decode(fields)?,
            from: Decodable::decode(fields)?,
            to: Decodable::decode(fields)?,
            mint: Decodable::decode(fields)?,
            value: Decodable::decode(fields)?,
            gas: Decodable::decode(fields)?,
            is_system_tx: Decodable::decode(fields)?,
            data: Decodable::decode(fields)?,
        };
        if transaction.encode() != bytes {
            return Err(SystemTxError::NotCanonical);
        }
        Ok(transaction)
    }

    /// `keccak256` of the encoding.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}

//! The deposit log: leaves and their hash chain (spec 2.2).

use crate::{
    types::{Asset, Count, Epoch},
    words::{Reader, WordError, Words},
};
use alloy_primitives::{Address, B256, U256, b256, keccak256};
use thiserror::Error;

/// Storage slot of the Vault that holds the head's count (ERC-7201 `mooring.vault.head`).
pub const HEAD_COUNT_SLOT: B256 =
    b256!("0xc95d8b5327c0099d6cb4e461e8e6f9a4464749eda55790fd03e4c461a1200d00");
/// Storage slot of the Vault that holds the head's acc: the slot after [`HEAD_COUNT_SLOT`].
pub const HEAD_ACC_SLOT: B256 =
    b256!("0xc95d8b5327c0099d6cb4e461e8e6f9a4464749eda55790fd03e4c461a1200d01");

const DEPOSIT: u8 = 1;
const TOKEN_METADATA: u8 = 2;
const EPOCH_RECORD: u8 = 3;

/// One entry of the deposit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// Value locked in the Vault.
    Deposit(Deposit),
    /// A token's name, symbol and decimals, before its first deposit. Display only.
    TokenMetadata(TokenMetadata),
    /// A member list that the Vault accepted.
    EpochRecord(EpochRecord),
}

/// Value locked in the Vault, to be credited on the sidechain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// The leaf's own number.
    pub count: Count,
    /// What was locked.
    pub asset: Asset,
    /// Who locked it on L1.
    pub sender: Address,
    /// Who is credited on the sidechain.
    pub recipient: Address,
    /// How much, in the asset's smallest unit.
    pub amount: U256,
    /// ETH sent along with a token, credited as native coin; 0 when the asset is ETH.
    pub gas_wei: U256,
    /// Who gets it back on L1 when it cannot be credited.
    pub refund_to: Address,
}

/// How a token calls itself on L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMetadata {
    /// The leaf's own number.
    pub count: Count,
    /// The token.
    pub asset: Asset,
    /// UTF-8 bytes, left-aligned, zero-padded; sanitised by the Vault, display only.
    pub name: B256,
    /// As `name`.
    pub symbol: B256,
    /// Decimal places of a displayed amount.
    pub decimals: u8,
}

/// A member list that the Vault accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochRecord {
    /// The leaf's own number.
    pub count: Count,
    /// The list's epoch.
    pub epoch: Epoch,
    /// Hash of the list's words.
    pub members_hash: B256,
}

/// Bytes that are not one canonical leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LeafError {
    /// The first word names no kind of leaf.
    #[error("no leaf has kind {0}")]
    Kind(U256),
    /// Fewer bytes than the kind has fields.
    #[error("leaf ends before its last field")]
    Short,
    /// More bytes than the kind has fields.
    #[error("leaf has bytes after its last field")]
    Long,
    /// A word with bytes set that its field does not have.
    #[error("leaf has a word that is too wide for its field")]
    Wide,
    /// Counts start at 1.
    #[error("leaf has count 0, the first leaf is 1")]
    ZeroCount,
}

impl From<WordError> for LeafError {
    fn from(error: WordError) -> Self {
        match error {
            WordError::Short => Self::Short,
            WordError::Wide => Self::Wide,
        }
    }
}

impl Leaf {
    /// The leaf's own number.
    pub const fn count(&self) -> Count {
        match self {
            Self::Deposit(leaf) => leaf.count,
            Self::TokenMetadata(leaf) => leaf.count,
            Self::EpochRecord(leaf) => leaf.count,
        }
    }

    /// `abi.encode` of the leaf.
    pub fn encode(&self) -> Vec<u8> {
        let words = match self {
            Self::Deposit(leaf) => leaf.words(),
            Self::TokenMetadata(leaf) => leaf.words(),
            Self::EpochRecord(leaf) => leaf.words(),
        };
        words.into_vec()
    }

    /// Reads a leaf; what is accepted encodes to the same bytes again.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one canonical leaf.
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u256()?;
        let count = Count::new(reader.u64()?);
        let leaf = match u8::try_from(kind) {
            Ok(DEPOSIT) => Self::Deposit(Deposit::read(count, &mut reader)?),
            Ok(TOKEN_METADATA) => Self::TokenMetadata(TokenMetadata::read(count, &mut reader)?),
            Ok(EPOCH_RECORD) => Self::EpochRecord(EpochRecord::read(count, &mut reader)?),
            _ => return Err(LeafError::Kind(kind)),
        };
        if !reader.is_empty() {
            return Err(LeafError::Long);
        }
        if count == Count::ZERO {
            return Err(LeafError::ZeroCount);
        }
        Ok(leaf)
    }

    /// `keccak256` of the encoding.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}

impl Deposit {
    fn words(&self) -> Words {
        Words::new()
            .u64(DEPOSIT.into())
            .u64(self.count.get())
            .address(self.asset)
            .address(self.sender)
            .address(self.recipient)
            .u256(self.amount)
            .u256(self.gas_wei)
            .address(self.refund_to)
    }

    fn read(count: Count, reader: &mut Reader<'_>) -> Result<Self, WordError> {
        Ok(Self {
            count,
            asset: reader.address()?,
            sender: reader.address()?,
            recipient: reader.address()?,
            amount: reader.u256()?,
            gas_wei: reader.u256()?,
            refund_to: reader.address()?,
        })
    }
}

impl TokenMetadata {
    fn words(&self) -> Words {
        Words::new()
            .u64(TOKEN_METADATA.into())
            .u64(self.count.get())
            .address(self.asset)
            .b256(self.name)
            .b256(self.symbol)
            .u64(self.decimals.into())
    }

    fn read(count: Count, reader: &mut Reader<'_>) -> Result<Self, WordError> {
        Ok(Self {
            count,
            asset: reader.address()?,
            name: reader.b256()?,
            symbol: reader.b256()?,
            decimals: reader.u8()?,
        })
    }
}

impl EpochRecord {
    fn words(&self) -> Words {
        Words::new()
            .u64(EPOCH_RECORD.into())
            .u64(self.count.get())
            .u64(self.epoch.get())
            .b256(self.members_hash)
    }

    fn read(count: Count, reader: &mut Reader<'_>) -> Result<Self, WordError> {
        Ok(Self { count, epoch: Epoch::new(reader.u64()?), members_hash: reader.b256()? })
    }
}

/// `keccak256(acc ‖ leaf_hash)`: the chain's value after one more leaf.
pub fn extend(acc: B256, leaf_hash: B256) -> B256 {
    keccak256([acc, leaf_hash].concat())
}

/// A head of the deposit log: `acc` after leaf number `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// How many leaves the log has.
    pub count: Count,
    /// The chain's value after the last of them; it alone fixes all of them.
    pub acc: B256,
}

/// A leaf that is not the next one of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("leaf {got} follows leaf {after}")]
pub struct OutOfOrder {
    /// The leaf that was offered.
    pub got: Count,
    /// The last leaf of the log.
    pub after: Count,
}

impl Head {
    /// The head after `leaf`.
    ///
    /// # Errors
    ///
    /// When `leaf` does not carry the number after this head's count.
    pub fn extend(self, leaf: &Leaf) -> Result<Self, OutOfOrder> {
        if self.count.next() != Some(leaf.count()) {
            return Err(OutOfOrder { got: leaf.count(), after: self.count });
        }
        Ok(Self { count: leaf.count(), acc: extend(self.acc, leaf.hash()) })
    }

    /// The head after all `leaves`, in order.
    ///
    /// # Errors
    ///
    /// When a leaf is not the next one.
    pub fn extend_all<'a>(
        self,
        leaves: impl IntoIterator<Item = &'a Leaf>,
    ) -> Result<Self, OutOfOrder> {
        leaves.into_iter().try_fold(self, |head, leaf| head.extend(leaf))
    }
}

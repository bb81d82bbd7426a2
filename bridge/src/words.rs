//! Solidity's `abi.encode` for static fields: one 32-byte word each.

use alloy_primitives::{Address, B256, U256, keccak256};

/// Builds `abi.encode(...)` of static fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(Vec<u8>);

impl Words {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn u256(mut self, value: U256) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes::<32>());
        self
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.u256(U256::from(value))
    }

    pub(crate) fn flag(self, value: bool) -> Self {
        self.u256(U256::from(value))
    }

    pub(crate) fn b256(mut self, value: B256) -> Self {
        self.0.extend_from_slice(value.as_slice());
        self
    }

    pub(crate) fn address(self, value: Address) -> Self {
        self.b256(value.into_word())
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn hash(&self) -> B256 {
        keccak256(&self.0)
    }
}

/// A word that does not hold a canonical value of the type asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordError {
    /// The bytes end before the word.
    Short,
    /// High bytes are set that the type does not have.
    Wide,
}

/// Reads words back, strictly.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn b256(&mut self) -> Result<B256, WordError> {
        let (word, rest) = self.0.split_at_checked(32).ok_or(WordError::Short)?;
        self.0 = rest;
        Ok(B256::from_slice(word))
    }

    pub(crate) fn u256(&mut self) -> Result<U256, WordError> {
        Ok(self.b256()?.into())
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WordError> {
        u64::try_from(self.u256()?).map_err(|_| WordError::Wide)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WordError> {
        u8::try_from(self.u256()?).map_err(|_| WordError::Wide)
    }

    pub(crate) fn address(&mut self) -> Result<Address, WordError> {
        let word = self.b256()?;
        if word[..12].iter().any(|byte| *byte != 0) {
            return Err(WordError::Wide);
        }
        Ok(Address::from_word(word))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

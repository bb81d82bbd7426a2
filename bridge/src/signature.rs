//! ECDSA signatures over EIP-712 digests, in the one form that the peg accepts (spec 2.1).

use alloy_consensus::crypto::{SECP256K1N_HALF, secp256k1::recover_signer};
use alloy_primitives::{Address, B256, U256};
use std::fmt;
use thiserror::Error;

/// Length of a signature: `r ‖ s ‖ v`.
pub const LENGTH: usize = 65;

/// 65 bytes `r ‖ s ‖ v` with r and s in range, s at most n/2 and v 27 or 28.
///
/// That they parse says nothing about who signed: [`Signature::recover`] does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; LENGTH]);

/// Why bytes are not an acceptable signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Not 65 bytes.
    #[error("signature has {0} bytes, not 65")]
    Length(usize),
    /// v is neither 27 nor 28.
    #[error("signature has v = {0}, not 27 or 28")]
    V(u8),
    /// s is above n/2: the other of two signatures for one digest.
    #[error("signature has a high s")]
    HighS,
    /// r or s is zero.
    #[error("signature has a zero r or s")]
    Zero,
    /// No public key gives this signature for this digest.
    #[error("signature belongs to no key")]
    NoKey,
}

impl Signature {
    /// Reads `r ‖ s ‖ v`, strictly.
    ///
    /// # Errors
    ///
    /// Anything but the one accepted form.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        let bytes: [u8; LENGTH] =
            bytes.try_into().map_err(|_| SignatureError::Length(bytes.len()))?;
        let signature = Self(bytes);
        if !matches!(signature.v(), 27 | 28) {
            return Err(SignatureError::V(signature.v()));
        }
        let s = U256::from_be_bytes(signature.s().0);
        if signature.r().is_zero() || s.is_zero() {
            return Err(SignatureError::Zero);
        }
        if s > SECP256K1N_HALF {
            return Err(SignatureError::HighS);
        }
        Ok(signature)
    }

    /// From the EIP-2098 form `r ‖ (parity << 255 | s)`, in which the peg's state keeps it.
    ///
    /// # Errors
    ///
    /// When r or s is not acceptable.
    pub fn from_eip2098(r: B256, vs: B256) -> Result<Self, SignatureError> {
        let mut bytes = [0u8; LENGTH];
        bytes[..32].copy_from_slice(r.as_slice());
        bytes[32..64].copy_from_slice(vs.as_slice());
        bytes[64] = 27 + (vs[0] >> 7);
        bytes[32] &= 0x7f;
        Self::parse(&bytes)
    }

    /// The EIP-2098 form `(r, vs)`.
    pub fn to_eip2098(&self) -> (B256, B256) {
        let mut vs = self.s();
        vs[0] |= (self.v() - 27) << 7;
        (self.r(), vs)
    }

    /// The signer of `digest`.
    ///
    /// # Errors
    ///
    /// When no key gives this signature for the digest.
    pub fn recover(&self, digest: B256) -> Result<Address, SignatureError> {
        recover_signer(&(*self).into(), digest).map_err(|_| SignatureError::NoKey)
    }

    /// The 65 bytes.
    pub const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// The first 32 bytes.
    pub fn r(&self) -> B256 {
        B256::from_slice(&self.0[..32])
    }

    /// The second 32 bytes.
    pub fn s(&self) -> B256 {
        B256::from_slice(&self.0[32..64])
    }

    /// The last byte, 27 or 28.
    pub const fn v(&self) -> u8 {
        self.0[64]
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", alloy_primitives::hex::encode_prefixed(self.0))
    }
}

impl From<Signature> for alloy_primitives::Signature {
    fn from(signature: Signature) -> Self {
        Self::new(signature.r().into(), signature.s().into(), signature.v() == 28)
    }
}

impl TryFrom<alloy_primitives::Signature> for Signature {
    type Error = SignatureError;

    /// Takes what a signer returns; a high s is refused, not flipped.
    fn try_from(signature: alloy_primitives::Signature) -> Result<Self, SignatureError> {
        Self::parse(&signature.as_bytes())
    }
}

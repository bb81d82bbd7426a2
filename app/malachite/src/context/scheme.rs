//! The signature scheme: ed25519, verified by the ZIP-215 rules.

use std::fmt;

use arc_malachitebft_app::types::core::SigningScheme;
use ed25519_consensus::VerificationKey;

/// The scheme's name at the type level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

/// An ed25519 signature, not checked yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Signature([u8; 64]);

impl Signature {
    pub(crate) const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 64] {
        &self.0
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Checks the signature as CometBFT does: ZIP-215, on which all implementations agree.
    pub(crate) fn verify(&self, key: &VerificationKey, message: &[u8]) -> bool {
        key.verify(&ed25519_consensus::Signature::from(self.0), message).is_ok()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl SigningScheme for Ed25519 {
    type DecodingError = String;
    type Signature = Signature;
    type PublicKey = VerificationKey;
    /// The engine never holds a private key: signatures come from the guarded signer.
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, String> {
        Signature::from_slice(bytes).ok_or_else(|| format!("signature of {} bytes", bytes.len()))
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<VerificationKey, String> {
        VerificationKey::try_from(bytes).map_err(|e| e.to_string())
    }

    fn encode_public_key(public_key: &VerificationKey) -> Vec<u8> {
        public_key.to_bytes().to_vec()
    }
}

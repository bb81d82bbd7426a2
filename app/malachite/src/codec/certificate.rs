//! Certificates: collected signatures over one vote, or over one round.

use arc_malachitebft_app::consensus::LivenessMsg;
use arc_malachitebft_app::types::core::{
    ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, PolkaCertificate, PolkaSignature,
    RoundCertificate, RoundCertificateType, RoundSignature,
};

use super::consensus::{defined, vote_kind};
use super::{CodecError, Wire, address, proto, required, signature};
use crate::canonical::vote_type;
use crate::context::{Address, BlockRef, Context, Height, Signature};

fn signature_to(address: &Address, signature: &Signature) -> proto::Signature {
    proto::Signature {
        address: address.bytes().to_vec().into(),
        signature: signature.bytes().to_vec().into(),
    }
}

fn signature_from(proto: &proto::Signature) -> Result<(Address, Signature), CodecError> {
    Ok((address(&proto.address)?, signature(&proto.signature)?))
}

fn block_from(proto: Option<proto::BlockRef>) -> Result<BlockRef, CodecError> {
    Wire::from_proto(required(proto, "block")?)
}

impl Wire for PolkaCertificate<Context> {
    type Proto = proto::Certificate;

    fn to_proto(&self) -> Result<proto::Certificate, CodecError> {
        let signatures = self.polka_signatures.iter();
        Ok(proto::Certificate {
            height: self.height.get(),
            round: self.round.as_i64(),
            block: Some(self.value_id.to_proto()?),
            signatures: signatures.map(|s| signature_to(&s.address, &s.signature)).collect(),
        })
    }

    fn from_proto(proto: proto::Certificate) -> Result<Self, CodecError> {
        let polka_signatures = proto
            .signatures
            .iter()
            .map(|s| signature_from(s).map(|(a, s)| PolkaSignature::new(a, s)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            height: Height::new(proto.height),
            round: defined(proto.round)?,
            value_id: block_from(proto.block)?,
            polka_signatures,
        })
    }
}

/// Vote extensions are disabled, so a commit certificate has none to encode.
impl Wire for ExtendedCommitCertificate<Context> {
    type Proto = proto::Certificate;

    fn to_proto(&self) -> Result<proto::Certificate, CodecError> {
        let signatures = self.commit_signatures.iter();
        Ok(proto::Certificate {
            height: self.height.get(),
            round: self.round.as_i64(),
            block: Some(self.value_id.to_proto()?),
            signatures: signatures.map(|s| signature_to(&s.address, &s.signature)).collect(),
        })
    }

    fn from_proto(proto: proto::Certificate) -> Result<Self, CodecError> {
        let commit_signatures = proto
            .signatures
            .iter()
            .map(|s| signature_from(s).map(|(a, s)| ExtendedCommitSignature::new(a, s, None)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            height: Height::new(proto.height),
            round: defined(proto.round)?,
            value_id: block_from(proto.block)?,
            commit_signatures,
        })
    }
}

impl Wire for RoundSignature<Context> {
    type Proto = proto::RoundSignature;

    fn to_proto(&self) -> Result<proto::RoundSignature, CodecError> {
        let block = match &self.value_id {
            NilOrVal::Val(block) => Some(block.to_proto()?),
            NilOrVal::Nil => None,
        };
        Ok(proto::RoundSignature {
            kind: vote_type(self.vote_type).into(),
            block,
            signature: Some(signature_to(&self.address, &self.signature)),
        })
    }

    fn from_proto(proto: proto::RoundSignature) -> Result<Self, CodecError> {
        let value = match proto.block {
            Some(block) => NilOrVal::Val(Wire::from_proto(block)?),
            None => NilOrVal::Nil,
        };
        let (address, signature) = signature_from(&required(proto.signature, "signature")?)?;
        Ok(Self::new(vote_kind(proto.kind)?, value, address, signature))
    }
}

impl Wire for RoundCertificate<Context> {
    type Proto = proto::RoundCertificate;

    fn to_proto(&self) -> Result<proto::RoundCertificate, CodecError> {
        let signatures = self.round_signatures.iter().map(Wire::to_proto);
        Ok(proto::RoundCertificate {
            height: self.height.get(),
            round: self.round.as_i64(),
            skip: self.cert_type == RoundCertificateType::Skip,
            signatures: signatures.collect::<Result<_, _>>()?,
        })
    }

    fn from_proto(proto: proto::RoundCertificate) -> Result<Self, CodecError> {
        let signatures = proto.signatures.into_iter().map(Wire::from_proto);
        Ok(Self {
            height: Height::new(proto.height),
            round: defined(proto.round)?,
            cert_type: if proto.skip {
                RoundCertificateType::Skip
            } else {
                RoundCertificateType::Precommit
            },
            round_signatures: signatures.collect::<Result<_, _>>()?,
        })
    }
}

impl Wire for LivenessMsg<Context> {
    type Proto = proto::Liveness;

    fn to_proto(&self) -> Result<proto::Liveness, CodecError> {
        use proto::liveness::Sum;
        let sum = match self {
            Self::Vote(vote) => Sum::Vote(vote.to_proto()?),
            Self::PolkaCertificate(polka) => Sum::Polka(polka.to_proto()?),
            Self::SkipRoundCertificate(round) => Sum::Round(round.to_proto()?),
        };
        Ok(proto::Liveness { sum: Some(sum) })
    }

    fn from_proto(proto: proto::Liveness) -> Result<Self, CodecError> {
        use proto::liveness::Sum;
        match required(proto.sum, "sum")? {
            Sum::Vote(vote) => Wire::from_proto(vote).map(Self::Vote),
            Sum::Polka(polka) => Wire::from_proto(polka).map(Self::PolkaCertificate),
            Sum::Round(round) => Wire::from_proto(round).map(Self::SkipRoundCertificate),
        }
    }
}

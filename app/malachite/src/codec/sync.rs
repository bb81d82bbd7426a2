//! The block sync protocol.

use arc_malachitebft_app::types::PeerId;
use arc_malachitebft_app::types::sync::{RawDecidedValue, Request, Response, Status};
use arc_malachitebft_sync::{ValueRequest, ValueResponse};

use super::{CodecError, Wire, proto, required};
use crate::context::{Context, Height};

impl Wire for Status<Context> {
    type Proto = proto::Status;

    fn to_proto(&self) -> Result<proto::Status, CodecError> {
        Ok(proto::Status {
            peer_id: self.peer_id.to_bytes().into(),
            tip_height: self.tip_height.get(),
            history_min_height: self.history_min_height.get(),
        })
    }

    fn from_proto(proto: proto::Status) -> Result<Self, CodecError> {
        Ok(Self {
            peer_id: PeerId::from_bytes(&proto.peer_id)
                .map_err(|_| CodecError::Field("peer_id"))?,
            tip_height: Height::new(proto.tip_height),
            history_min_height: Height::new(proto.history_min_height),
        })
    }
}

impl Wire for Request<Context> {
    type Proto = proto::Request;

    fn to_proto(&self) -> Result<proto::Request, CodecError> {
        let Self::ValueRequest(request) = self;
        let (start, end) = (request.range.start().get(), request.range.end().get());
        Ok(proto::Request { start, end })
    }

    fn from_proto(proto: proto::Request) -> Result<Self, CodecError> {
        let range = Height::new(proto.start)..=Height::new(proto.end);
        Ok(Self::ValueRequest(ValueRequest::new(range)))
    }
}

impl Wire for RawDecidedValue<Context> {
    type Proto = proto::DecidedValue;

    fn to_proto(&self) -> Result<proto::DecidedValue, CodecError> {
        let certificate = Some(self.certificate.to_proto()?);
        Ok(proto::DecidedValue { value: self.value_bytes.clone(), certificate })
    }

    fn from_proto(proto: proto::DecidedValue) -> Result<Self, CodecError> {
        let certificate = Wire::from_proto(required(proto.certificate, "certificate")?)?;
        Ok(Self::new(proto.value, certificate))
    }
}

impl Wire for Response<Context> {
    type Proto = proto::Response;

    fn to_proto(&self) -> Result<proto::Response, CodecError> {
        let Self::ValueResponse(response) = self;
        let values = response.values.iter().map(Wire::to_proto).collect::<Result<_, _>>()?;
        Ok(proto::Response { start: response.start_height.get(), values })
    }

    fn from_proto(proto: proto::Response) -> Result<Self, CodecError> {
        let values = proto.values.into_iter().map(Wire::from_proto).collect::<Result<_, _>>()?;
        Ok(Self::ValueResponse(ValueResponse::new(Height::new(proto.start), values)))
    }
}

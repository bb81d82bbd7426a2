//! What comes in over HTTP: bodies are read within bounds before anything parses them.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, UPGRADE},
};
use http_body_util::{BodyExt as _, Full};
use jsonrpsee::{
    core::BoxError,
    server::{HttpBody, HttpRequest, HttpResponse},
    types::error::INVALID_REQUEST_CODE,
};
use serde_json::{Value, json};
use tower::{Layer, Service};

use super::{
    load::Load,
    meter::Nothing,
    room::{Room, SMALL_REQUEST},
    scan,
};
use crate::rpc::Limits;

/// Puts a [`Gate`] before the JSON-RPC service of one connection.
#[derive(Clone, Debug)]
pub(super) struct GateLayer {
    pub(super) limits: Limits,
    pub(super) room: Arc<Room>,
    pub(super) load: Arc<Load>,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, service: S) -> Gate<S> {
        Gate { layer: self.clone(), service }
    }
}

/// The JSON-RPC service of one connection behind its bounds.
#[derive(Clone, Debug)]
pub(super) struct Gate<S> {
    layer: GateLayer,
    service: S,
}

type Answer = Result<HttpResponse, BoxError>;

impl<S, B> Service<HttpRequest<B>> for Gate<S>
where
    S: Service<HttpRequest<HttpBody>, Response = HttpResponse, Error = BoxError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let (layer, mut service) = (self.layer.clone(), self.service.clone());
        if is_websocket(&request) {
            let Some(permit) = layer.room.websocket() else {
                return Box::pin(async { Ok(busy()) });
            };
            layer.load.upgrade(permit);
            let answer = service.call(request.map(HttpBody::new));
            return Box::pin(async move { answer.await.map(closed_unless_upgraded) });
        }
        let bytes = http_body::Body::size_hint(request.body()).exact();
        layer.load.set_large(bytes.is_none_or(|bytes| bytes > SMALL_REQUEST as u64));
        Box::pin(async move {
            let answer = match layer.whole(request).await {
                Ok(whole) => service.call(whole).await,
                Err(refused) => Ok(refused),
            };
            layer.load.none_arrive();
            answer.map(emptied_if_nothing)
        })
    }
}

impl GateLayer {
    /// The request with its whole body.
    async fn whole<B>(&self, request: HttpRequest<B>) -> Result<HttpRequest<HttpBody>, HttpResponse>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        if head.method != http::Method::POST {
            return Ok(HttpRequest::from_parts(head, HttpBody::empty()));
        }
        let most = self.limits.request_bytes as usize;
        let announced = http_body::Body::size_hint(&body).exact();
        let expected = announced.and_then(|length| usize::try_from(length).ok());
        if announced.is_some() && expected.is_none_or(|length| length > most) {
            return Err(too_large(announced.unwrap_or(u64::MAX), most));
        }
        let in_time = tokio::time::timeout(self.limits.stall, async {
            let bytes = expected.unwrap_or(most);
            if let Some(room) = self.room.request(bytes).await {
                self.load.arrives(bytes, room);
            }
            http_body_util::Limited::new(body, most).collect().await
        });
        let Ok(collected) = in_time.await else { return Err(slow()) };
        let bytes = collected.map_err(|_| too_large(most as u64 + 1, most))?.to_bytes();
        if scan::is_batch_longer_than(&bytes, self.limits.batch as usize) {
            return Err(batch_too_large(&bytes));
        }
        Ok(HttpRequest::from_parts(head, HttpBody::new(Full::new(bytes))))
    }
}

fn is_websocket<B>(request: &HttpRequest<B>) -> bool {
    let upgrade = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// jsonrpsee answers `null` where JSON-RPC has no answer.
fn emptied_if_nothing(mut answer: HttpResponse) -> HttpResponse {
    if answer.extensions().get::<Nothing>().is_some() {
        answer.headers_mut().remove(CONTENT_LENGTH);
        *answer.body_mut() = HttpBody::empty();
    }
    answer
}

/// What comes next on the connection is taken for WebSocket, so that it ends where it is not.
fn closed_unless_upgraded(mut answer: HttpResponse) -> HttpResponse {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn answer(status: StatusCode, kind: &'static str, text: String) -> HttpResponse {
    let mut answer = HttpResponse::new(HttpBody::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn busy() -> HttpResponse {
    let text = "too many connections\n".to_owned();
    answer(StatusCode::TOO_MANY_REQUESTS, "text/plain", text)
}

fn slow() -> HttpResponse {
    let text = "the request took too long to arrive\n".to_owned();
    answer(StatusCode::REQUEST_TIMEOUT, "text/plain", text)
}

/// geth's words.
fn too_large(length: u64, most: usize) -> HttpResponse {
    let text = format!("content length too large ({length}>{most})\n");
    answer(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", text)
}

/// geth's form: a batch of one error, with the id of the batch's first call.
fn batch_too_large(batch: &[u8]) -> HttpResponse {
    let first = scan::first_element(batch).and_then(|call| serde_json::from_slice(call).ok());
    let id = first.and_then(|call: Value| call.get("id").cloned()).unwrap_or_default();
    let error = json!({ "code": INVALID_REQUEST_CODE, "message": "batch too large" });
    let text = json!([{ "jsonrpc": "2.0", "id": id, "error": error }]).to_string();
    answer(StatusCode::OK, "application/json", text)
}

//! What comes in over HTTP: bodies are read within bounds before anything parses them.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, UPGRADE},
};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use jsonrpsee::{
    core::BoxError,
    server::{HttpBody, HttpRequest, HttpResponse},
    types::error::INVALID_REQUEST_CODE,
};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tower::{Layer, Service};

use super::{load::Load, meter::Slot, scan};
use crate::rpc::Limits;

/// KiB of request bodies, and of answers on their way, over all connections.
const BUFFERS_KIB: usize = 32 * 1024;
/// Answers of executions, searches and batches that are made or not yet taken, over all
/// connections.
const LARGE_ANSWERS: usize = 10;
/// Bodies up to this do not wait for room.
const SMALL_BODY: usize = 16 * 1024;
/// Bytes of a large answer that the connection is given at once.
const PIECE: usize = 64 * 1024;
/// A client that takes a large answer more slowly than this is cut off.
const LEAST_BYTES_PER_SECOND: u64 = 64 * 1024;

/// Room shared by all connections.
#[derive(Clone, Debug)]
pub(super) struct Room {
    websockets: Arc<Semaphore>,
    buffers: Arc<Semaphore>,
    /// Large answers under way.
    pub(super) slots: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            websockets: Arc::new(Semaphore::new(limits.connections as usize)),
            buffers: Arc::new(Semaphore::new(BUFFERS_KIB)),
            slots: Arc::new(Semaphore::new(LARGE_ANSWERS)),
        }
    }

    /// Waits for room for so many bytes; `None` for a few, which need none.
    async fn buffer(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= SMALL_BODY {
            return None;
        }
        let kib = u32::try_from(bytes.div_ceil(1024).min(BUFFERS_KIB)).unwrap_or(u32::MAX);
        Arc::clone(&self.buffers).acquire_many_owned(kib).await.ok()
    }
}

/// Puts a [`Gate`] before the JSON-RPC service of one connection.
#[derive(Clone, Debug)]
pub(super) struct GateLayer {
    pub(super) limits: Limits,
    pub(super) room: Room,
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
            let Ok(permit) = Arc::clone(&layer.room.websockets).try_acquire_owned() else {
                return Box::pin(async { Ok(busy()) });
            };
            layer.load.upgrade(permit);
            return Box::pin(service.call(request.map(HttpBody::new)));
        }
        Box::pin(async move {
            let (request, room) = match layer.whole(request).await {
                Ok(whole) => whole,
                Err(refused) => return Ok(refused),
            };
            let answer = service.call(request).await?;
            drop(room);
            layer.hold(answer).await
        })
    }
}

impl GateLayer {
    /// The request with its whole body, and the room that the body takes.
    async fn whole<B>(
        &self,
        request: HttpRequest<B>,
    ) -> Result<(HttpRequest<HttpBody>, Option<OwnedSemaphorePermit>), HttpResponse>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        if head.method != http::Method::POST {
            return Ok((HttpRequest::from_parts(head, HttpBody::empty()), None));
        }
        let most = self.limits.request_bytes as usize;
        let announced = http_body::Body::size_hint(&body).exact();
        let expected = announced.and_then(|length| usize::try_from(length).ok());
        if announced.is_some() && expected.is_none_or(|length| length > most) {
            return Err(too_large(announced.unwrap_or(u64::MAX), most));
        }
        let in_time = tokio::time::timeout(self.limits.stall, async {
            let room = self.room.buffer(expected.unwrap_or(most)).await;
            let limited = http_body_util::Limited::new(body, most);
            (limited.collect().await, room)
        });
        let Ok((collected, room)) = in_time.await else { return Err(slow()) };
        let bytes = collected.map_err(|_| too_large(most as u64 + 1, most))?.to_bytes();
        if scan::is_batch_longer_than(&bytes, self.limits.batch as usize) {
            return Err(batch_too_large(&bytes));
        }
        Ok((HttpRequest::from_parts(head, HttpBody::new(Full::new(bytes))), room))
    }

    /// The answer, with room for it until its client has taken it.
    async fn hold(&self, answer: HttpResponse) -> Answer {
        let (mut head, body) = answer.into_parts();
        let slot = head.extensions.remove::<Slot>();
        let bytes = body.collect().await?.to_bytes();
        let Some(room) = self.room.buffer(bytes.len()).await else {
            return Ok(HttpResponse::from_parts(head, HttpBody::new(Full::new(bytes))));
        };
        let time = Duration::from_secs(bytes.len() as u64 / LEAST_BYTES_PER_SECOND);
        let until = Instant::now() + self.limits.stall + time;
        let body = HttpBody::new(Held { bytes, until, _room: room, _slot: slot });
        Ok(HttpResponse::from_parts(head, body))
    }
}

/// A large answer, handed to the connection piece by piece: it has its room until the last.
#[derive(Debug)]
struct Held {
    bytes: Bytes,
    until: Instant,
    _room: OwnedSemaphorePermit,
    _slot: Option<Slot>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        if Instant::now() > self.until {
            return Poll::Ready(Some(Err(std::io::ErrorKind::TimedOut.into())));
        }
        let size = self.bytes.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

fn is_websocket<B>(request: &HttpRequest<B>) -> bool {
    let upgrade = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
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

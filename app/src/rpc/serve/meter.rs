//! Between the transport and the methods: counts what a connection has under way, and gives the
//! transport's own errors geth's codes and words.

use std::{borrow::Cow, future::Future, sync::Arc};

use jsonrpsee::{
    BatchResponseBuilder, MethodResponse,
    core::middleware::{Batch, BatchEntry, Notification, RpcServiceT},
    types::{
        ErrorObject, Id, Request,
        error::{METHOD_NOT_FOUND_CODE, OVERSIZED_RESPONSE_CODE},
    },
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    load::{Call, Load},
    room::{Room, Turn},
};
use crate::rpc::{
    Limits, RpcError,
    error::NOT_QUICK,
    workers::{LIGHT_PARAMS, QUICK_ANSWER, Quick, Weight},
};

/// jsonrpsee's code of a batch whose answers are too large together.
const OVERSIZED_BATCH_CODE: i32 = -32011;
/// geth's code of a subscription over HTTP.
const NO_NOTIFICATIONS: i32 = -32001;
/// How often longer a batch may take than a call.
const BATCH_CALLS: u32 = 3;

/// In an HTTP response: notifications have no answer, so that its body is to be empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nothing;

fn nothing() -> MethodResponse {
    let mut answer = MethodResponse::notification();
    answer.extensions_mut().insert(Nothing);
    answer
}

/// The methods of one connection.
#[derive(Clone, Debug)]
pub(super) struct Meter<S> {
    pub(super) service: S,
    pub(super) load: Arc<Load>,
    /// That of all connections.
    pub(super) room: Arc<Room>,
    pub(super) limits: Limits,
    /// Where long calls are answered.
    pub(super) bulk: Handle,
}

/// The methods as jsonrpsee serves them.
pub(super) trait Service:
    RpcServiceT<
        MethodResponse = MethodResponse,
        BatchResponse = MethodResponse,
        NotificationResponse = MethodResponse,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Service for S where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

impl<S: Service> RpcServiceT for Meter<S> {
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let (meter, id) = (self.clone(), request.id.clone());
        let bytes = request.params.as_ref().map_or(0, |params| params.get().len());
        let call = self.load.begin(bytes);
        async move {
            let weight = Weight::of(&request.method);
            if weight == Weight::Open
                && bytes <= LIGHT_PARAMS
                && let Some(answer) = meter.quickly(&request).await
            {
                return answer;
            }
            let turn = match weight {
                Weight::Light => Ok(None),
                Weight::Open | Weight::Heavy => meter.room.turn(&meter.load).await.map(Some),
            };
            meter.run(call, id, turn, meter.answer(request)).await
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        // As if it were large: what a batch has around its calls is not known here.
        let (meter, call) = (self.clone(), self.load.begin(usize::MAX));
        async move {
            let turn = meter.room.turn_of_batch(&meter.load).await.map(Some);
            meter.run(call, Id::Null, turn, meter.answers(batch)).await
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        let served = self.service.notification(notification);
        async move {
            served.await;
            nothing()
        }
    }
}

impl<S: Service> Meter<S> {
    /// What a call answers that turns out quick, if there is room for the answer at once. It has no
    /// turn: it waits neither for long calls nor for other clients.
    async fn quickly(&self, request: &Request<'_>) -> Option<MethodResponse> {
        self.room.ready(&self.load).await.ok()?;
        let mut request = request.clone();
        request.extensions_mut().insert(Quick);
        let answer = self.answer_here(request).await;
        if answer.as_error_code() == Some(NOT_QUICK) {
            return None;
        }
        let bytes = answer.as_json().get().len();
        let room = self.room.answer_at_once(bytes).ok()?;
        self.load.answered(bytes, room);
        Some(answer)
    }

    /// What a call answers that has a turn, or needs none, once there is room for it.
    async fn run(
        &self,
        _call: Call,
        id: Id<'_>,
        turn: Result<Option<Turn>, RpcError>,
        answer: impl Future<Output = MethodResponse>,
    ) -> MethodResponse {
        let admitted = async {
            let (turn, answer) = (turn?, answer.await);
            let room = self.room.answer(answer.as_json().get().len(), turn).await?;
            Ok((answer, room))
        };
        let (answer, room) = admitted.await.unwrap_or_else(|why| (refusal(id, why), None));
        let bytes = answer.as_json().get().len();
        self.load.answered(bytes, room);
        if bytes > QUICK_ANSWER {
            self.load.set_large(true);
        }
        answer
    }

    async fn answer(&self, request: Request<'_>) -> MethodResponse {
        if Weight::of(&request.method) == Weight::Light {
            return self.answer_here(request).await;
        }
        // What is made there may be large, and jsonrpsee copies it where it is awaited.
        let (meter, request) = (self.clone(), owned(request));
        let id = request.id.clone();
        let there = self.bulk.spawn(async move { meter.answer_here(request).await });
        let answered = AbortOnDropHandle::new(there).await;
        answered.unwrap_or_else(|error| refusal(id, RpcError::internal("answer a call", error)))
    }

    async fn answer_here(&self, request: Request<'_>) -> MethodResponse {
        let (id, method) = (request.id.clone(), request.method.to_string());
        if method.ends_with("subscribe") && !self.load.is_websocket() {
            return failure(id, NO_NOTIFICATIONS, "notifications not supported".to_owned());
        }
        in_geths_words(self.service.call(request).await, id, &method)
    }

    /// The answers to the calls of a batch, one after the other. Calls that are left when its time
    /// is over are answered so.
    async fn answers(&self, batch: Batch<'_>) -> MethodResponse {
        let until = Instant::now() + self.limits.call_time * BATCH_CALLS;
        let mut answers = BatchResponseBuilder::new_with_limit(self.limits.response_bytes as usize);
        let mut has_notification = false;
        for entry in batch {
            let answer = match entry {
                Ok(BatchEntry::Call(request)) if Instant::now() >= until => {
                    refusal(request.id, RpcError::Overdue)
                }
                Ok(BatchEntry::Call(request)) => {
                    let id = request.id.clone();
                    let answer = timeout_at(until, self.answer(request)).await;
                    answer.unwrap_or_else(|_| refusal(id, RpcError::Overdue))
                }
                Ok(BatchEntry::Notification(notification)) => {
                    self.service.notification(notification).await;
                    has_notification = true;
                    continue;
                }
                Err(error) => {
                    let (error, id) = error.into_parts();
                    MethodResponse::error(id, error)
                }
            };
            if let Err(too_large) = answers.append(answer) {
                return in_geths_words(too_large, Id::Null, "");
            }
        }
        if answers.is_empty() && has_notification {
            nothing()
        } else {
            MethodResponse::from_batch(answers.finish())
        }
    }
}

/// The request for a task of its own.
fn owned(request: Request<'_>) -> Request<'static> {
    let Request { jsonrpc, id, method, params, extensions } = request;
    Request {
        jsonrpc,
        id: id.into_owned(),
        method: Cow::Owned(method.into_owned()),
        params: params.map(|params| Cow::Owned(params.into_owned())),
        extensions,
    }
}

fn refusal(id: Id<'_>, why: RpcError) -> MethodResponse {
    MethodResponse::error(id, ErrorObject::from(why))
}

fn failure(id: Id<'_>, code: i32, text: String) -> MethodResponse {
    MethodResponse::error(id, ErrorObject::owned(code, text, None::<()>))
}

fn in_geths_words(answer: MethodResponse, id: Id<'_>, method: &str) -> MethodResponse {
    match answer.as_error_code() {
        Some(OVERSIZED_RESPONSE_CODE | OVERSIZED_BATCH_CODE) => refusal(id, RpcError::TooLarge),
        Some(METHOD_NOT_FOUND_CODE) => {
            let text = format!("the method {method} does not exist/is not available");
            failure(id, METHOD_NOT_FOUND_CODE, text)
        }
        Some(_) | None => answer,
    }
}

//! Between the transport and the methods: counts what a connection has under way, and gives the
//! transport's own errors geth's codes and words.

use std::{future::Future, sync::Arc, time::Duration};

use jsonrpsee::{
    MethodResponse,
    core::middleware::{Batch, Notification, RpcServiceT},
    types::{
        ErrorObject, Id, Request,
        error::{METHOD_NOT_FOUND_CODE, OVERSIZED_RESPONSE_CODE},
    },
};
use tokio::time::timeout;

use super::{
    load::{Call, Load},
    room::Room,
};
use crate::rpc::{RpcError, workers::Weight};

/// jsonrpsee's code of a batch whose answers are too large together.
const OVERSIZED_BATCH_CODE: i32 = -32011;
/// geth's code of both.
const RESPONSE_TOO_LARGE: i32 = -32003;
/// geth's code of a subscription over HTTP.
const NO_NOTIFICATIONS: i32 = -32001;
/// How often longer a batch may take than a call.
const BATCH_CALLS: u32 = 3;

/// The methods of one connection.
#[derive(Clone, Debug)]
pub(super) struct Meter<S> {
    pub(super) service: S,
    pub(super) load: Arc<Load>,
    /// That of all connections.
    pub(super) room: Arc<Room>,
    /// Longest time that a call may take.
    pub(super) call_time: Duration,
}

impl<S> RpcServiceT for Meter<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        >,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let call = self.begin(request.params.as_ref().map_or(0, |params| params.get().len()));
        let (id, method) = (request.id.clone(), request.method.to_string());
        let unsupported = method.ends_with("subscribe") && !self.load.is_websocket();
        let answer = self.service.call(request);
        async move {
            if unsupported {
                return failure(id, NO_NOTIFICATIONS, "notifications not supported".to_owned());
            }
            let weight = Weight::of(&method);
            call.run(weight, id.clone(), async { in_geths_words(answer.await, id, &method) }).await
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        // As if it were large: what a batch has around its calls is not known here.
        let (call, time) = (self.begin(usize::MAX), self.call_time * BATCH_CALLS);
        let answer = self.service.batch(batch);
        async move {
            let in_time = async {
                match timeout(time, answer).await {
                    Ok(answer) => in_geths_words(answer, Id::Null, ""),
                    Err(_) => refusal(Id::Null, RpcError::Overdue),
                }
            };
            call.run(Weight::Heavy, Id::Null, in_time).await
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.service.notification(notification)
    }
}

impl<S> Meter<S> {
    /// A call of so many bytes begins.
    fn begin(&self, bytes: usize) -> Metered {
        Metered { call: self.load.begin(bytes), room: Arc::clone(&self.room) }
    }
}

/// A call or a batch under way.
struct Metered {
    call: Call,
    room: Arc<Room>,
}

impl Metered {
    /// The answer, made when there is a turn for it, and handed on when there is room.
    async fn run(
        self,
        weight: Weight,
        id: Id<'_>,
        answer: impl Future<Output = MethodResponse>,
    ) -> MethodResponse {
        let admitted = self.admitted(weight, answer).await;
        admitted.unwrap_or_else(|refused| {
            let answer = refusal(id, refused);
            self.call.load().answered(answer.as_json().get().len(), None);
            answer
        })
    }

    async fn admitted(
        &self,
        weight: Weight,
        answer: impl Future<Output = MethodResponse>,
    ) -> Result<MethodResponse, RpcError> {
        let load = self.call.load();
        let turn = match weight {
            Weight::Light => None,
            Weight::Heavy => Some(self.room.turn(load).await?),
        };
        let answer = answer.await;
        let bytes = answer.as_json().get().len();
        load.answered(bytes, self.room.answer(bytes, turn).await?);
        Ok(answer)
    }
}

fn refusal(id: Id<'_>, why: RpcError) -> MethodResponse {
    MethodResponse::error(id, ErrorObject::from(why))
}

fn failure(id: Id<'_>, code: i32, text: String) -> MethodResponse {
    MethodResponse::error(id, ErrorObject::owned(code, text, None::<()>))
}

fn in_geths_words(answer: MethodResponse, id: Id<'_>, method: &str) -> MethodResponse {
    let (code, text) = match answer.as_error_code() {
        Some(OVERSIZED_RESPONSE_CODE | OVERSIZED_BATCH_CODE) => {
            (RESPONSE_TOO_LARGE, "response too large".to_owned())
        }
        Some(METHOD_NOT_FOUND_CODE) => {
            let text = format!("the method {method} does not exist/is not available");
            (METHOD_NOT_FOUND_CODE, text)
        }
        Some(_) | None => return answer,
    };
    failure(id, code, text)
}

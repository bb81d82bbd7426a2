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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::load::{Call, Load};
use crate::rpc::{RpcError, workers::Weight};

/// jsonrpsee's code of a batch whose answers are too large together.
const OVERSIZED_BATCH_CODE: i32 = -32011;
/// geth's code of both.
const RESPONSE_TOO_LARGE: i32 = -32003;
/// geth's code of a subscription over HTTP.
const NO_NOTIFICATIONS: i32 = -32001;

/// The methods of one connection.
#[derive(Clone, Debug)]
pub(super) struct Meter<S> {
    pub(super) service: S,
    pub(super) load: Arc<Load>,
    /// Large answers that may be under way, over all connections.
    pub(super) slots: Arc<Semaphore>,
    /// How long a call waits for one.
    pub(super) patience: Duration,
}

/// In an HTTP response: what its answer keeps until the client has taken it.
#[derive(Clone, Debug)]
pub(super) struct Slot(#[expect(dead_code, reason = "it is held")] Arc<OwnedSemaphorePermit>);

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
        let (call, id, method) = (self.begin(), request.id.clone(), request.method.to_string());
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
        let call = self.begin();
        let answer = self.service.batch(batch);
        async move {
            call.run(Weight::Heavy, Id::Null, async { in_geths_words(answer.await, Id::Null, "") })
                .await
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
    fn begin(&self) -> Metered {
        let (call, slots) = (self.load.begin(), Arc::clone(&self.slots));
        Metered { call, slots, patience: self.patience }
    }
}

/// A call or a batch under way.
struct Metered {
    call: Call,
    slots: Arc<Semaphore>,
    patience: Duration,
}

impl Metered {
    /// The answer, made when the connection may have it.
    async fn run(
        self,
        weight: Weight,
        id: Id<'_>,
        answer: impl Future<Output = MethodResponse>,
    ) -> MethodResponse {
        let load = self.call.load();
        if weight == Weight::Light {
            let answer = answer.await;
            self.call.answered(answer.as_json().get().len());
            return answer;
        }
        let Ok(turn) = tokio::time::timeout(self.patience, load.turn(&self.slots)).await else {
            return MethodResponse::error(id, ErrorObject::from(RpcError::Overdue));
        };
        let mut answer = answer.await;
        self.call.answered(answer.as_json().get().len());
        if load.is_websocket() {
            load.hold(turn);
        } else if let Some(slot) = turn.into_slot() {
            answer.extensions_mut().insert(Slot(Arc::new(slot)));
        }
        answer
    }
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

//! `/livez`, `/readyz`, `/metrics` and `/status`.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::board::Board;

/// Serves until the future is dropped.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(listener: TcpListener, board: Arc<Board>) -> std::io::Result<()> {
    axum::serve(listener, routes(board)).await
}

fn routes(board: Arc<Board>) -> Router {
    Router::new()
        .route("/livez", get(|| std::future::ready("ok")))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(board)
}

async fn ready(State(board): State<Arc<Board>>) -> (StatusCode, Json<Value>) {
    let reasons = board.not_ready();
    let code = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons })))
}

async fn metrics(State(board): State<Arc<Board>>) -> String {
    board.metrics()
}

async fn status(State(board): State<Arc<Board>>) -> Json<Value> {
    Json(board.status())
}

//! The server: HTTP and WebSocket on one port.

use std::{future::Future, sync::Arc, time::Duration};

use jsonrpsee::{
    RpcModule,
    core::traits::IdProvider,
    server::{
        BatchRequestConfig, PingConfig, RegisterMethodError, Server, ServerConfig,
    },
    types::{ErrorObjectOwned, SubscriptionId},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::cors::{Any, CorsLayer};
use tracing::info;

use super::{
    Args, Context, Limits, Method, RpcContext, RpcError, accounts, blocks, call, dev, fees, filters,
    logs, node, peg, send, subscribe, transactions,
};

/// How long calls under way may take once the node stops.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// Why RPC is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener cannot be used.
    #[error("serve JSON-RPC")]
    Listen(#[from] std::io::Error),
    /// Two methods of one name: a fault of this program.
    #[error("register the RPC methods")]
    Register(#[from] RegisterMethodError),
}

/// Serves all methods on `listener`, with the default limits, until `stop`.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    context: Context,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    serve_with(listener, context, Limits::default(), stop).await
}

/// As [`serve`], with other limits.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    listener: TcpListener,
    context: Context,
    limits: Limits,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let module = module(context, limits)?;
    let address = listener.local_addr()?;
    let cors = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any);
    let server = Server::builder()
        .set_config(config(&limits))
        .set_http_middleware(tower::ServiceBuilder::new().layer(cors))
        .build_from_tcp(listener.into_std()?)?
        .start(module);
    info!(%address, "serving JSON-RPC");
    tokio::select! {
        () = stop.cancelled() => {}
        () = server.clone().stopped() => return Ok(()),
    }
    // An error only says that it has stopped already.
    drop(server.stop());
    drop(tokio::time::timeout(LAST_CALLS, server.stopped()).await);
    Ok(())
}

fn config(limits: &Limits) -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(limits.request_bytes)
        .max_response_body_size(limits.response_bytes)
        .max_connections(limits.connections)
        .max_subscriptions_per_connection(limits.subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.batch))
        .enable_ws_ping(PingConfig::new().ping_interval(Duration::from_secs(30)))
        .set_id_provider(HexIds)
        .build()
}

/// Subscription ids as hex strings: viem drops notifications with a number for an id.
#[derive(Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(format!("{:#034x}", rand::random::<u128>()).into())
    }
}

/// All methods.
fn module(context: Context, limits: Limits) -> Result<RpcModule<RpcContext>, RegisterMethodError> {
    let heavy = Arc::new(Semaphore::new(limits.heavy_calls));
    let dev = context.dev.clone();
    let mut module = RpcModule::new(RpcContext::new(context, limits));
    if let Some(dev) = dev {
        dev::register(&mut module, &dev)?;
    }
    let tables = [
        accounts::METHODS,
        blocks::METHODS,
        call::METHODS,
        fees::METHODS,
        filters::METHODS,
        logs::METHODS,
        node::METHODS,
        peg::METHODS,
        transactions::METHODS,
    ];
    for method in tables.into_iter().flatten() {
        register(&mut module, *method, &heavy)?;
    }
    module.register_async_method("eth_sendRawTransaction", |params, context, _| async move {
        let (raw, _) = read(&params, &context)?;
        send::send_raw(&context, raw).await.map_err(ErrorObjectOwned::from)
    })?;
    module.register_async_method("eth_sendRawTransactionSync", |params, context, _| async move {
        let (raw, wait) = read(&params, &context)?;
        send::send_raw_sync(&context, raw, wait).await.map_err(ErrorObjectOwned::from)
    })?;
    module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |params, pending, context, _| subscribe::serve(params, pending, context),
    )?;
    Ok(module)
}

fn read(
    params: &jsonrpsee::types::Params<'_>,
    context: &RpcContext,
) -> Result<(alloy_primitives::Bytes, Duration), ErrorObjectOwned> {
    let mut args = Args::new(params)?;
    Ok(send::read_args(context, &mut args)?)
}

/// Runs the method on a blocking thread, at most so many at once.
fn register(
    module: &mut RpcModule<RpcContext>,
    (name, answer): Method,
    heavy: &Arc<Semaphore>,
) -> Result<(), RegisterMethodError> {
    let heavy = Arc::clone(heavy);
    module.register_async_method(name, move |params, context, _| {
        let heavy = Arc::clone(&heavy);
        on_blocking_thread(heavy, move || {
            let params = params;
            answer(&context, &mut Args::new(&params)?)
        })
    })?;
    Ok(())
}

fn on_blocking_thread(
    heavy: Arc<Semaphore>,
    work: impl FnOnce() -> Result<Value, RpcError> + Send + 'static,
) -> impl Future<Output = Result<Value, ErrorObjectOwned>> + Send {
    async move {
        let _permit = heavy.acquire_owned().await;
        let answer = tokio::task::spawn_blocking(work).await;
        let answer = answer.map_err(|error| RpcError::internal("answer an RPC call", error));
        Ok(answer.and_then(|answer| answer)?)
    }
}

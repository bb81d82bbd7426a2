//! The server: HTTP and WebSocket on one port.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use jsonrpsee::{
    RpcModule,
    core::traits::IdProvider,
    server::{
        BatchRequestConfig, PingConfig, RegisterMethodError, Server, ServerConfig, ServerHandle,
    },
    types::{ErrorObjectOwned, SubscriptionId},
};
use serde_json::Value;
use tokio::sync::Semaphore;
use tower_http::cors::{Any, CorsLayer};
use tracing::{debug, info};

use super::{
    Args, Limits, Method, RpcContext, RpcError, accounts, blocks, call, debug, dev, fees, filters,
    logs, node, peg, send, simulate, subscribe, transactions,
};

/// Why RPC cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is in use or not this machine's.
    #[error("serve JSON-RPC on {address}; is another process using the port?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// Two methods of one name: a fault of this program.
    #[error("register the RPC methods")]
    Register(#[from] RegisterMethodError),
}

/// A running server; it stops when [`Self::stop`] is called or all handles are dropped.
#[derive(Clone, Debug)]
pub struct RpcServer(ServerHandle);

impl RpcServer {
    /// Takes no more calls; those under way end.
    pub fn stop(&self) {
        if self.0.stop().is_err() {
            debug!("JSON-RPC server has stopped already");
        }
    }

    /// Ends once the server has stopped.
    pub async fn stopped(self) {
        self.0.stopped().await;
    }
}

/// Serves all methods at `listen`, until the handle is stopped. Port 0 lets the system choose;
/// the address that it chose is returned.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(
    listen: SocketAddr,
    context: RpcContext,
) -> Result<(SocketAddr, RpcServer), ServeError> {
    let failed = |source| ServeError::Listen { address: listen, source };
    let config = config(&context.limits);
    let module = module(context)?;
    let cors = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any);
    let server = Server::builder()
        .set_config(config)
        .set_http_middleware(tower::ServiceBuilder::new().layer(cors))
        .build(listen)
        .await
        .map_err(failed)?;
    let address = server.local_addr().map_err(failed)?;
    let handle = server.start(module);
    info!(%address, "serving JSON-RPC");
    Ok((address, RpcServer(handle)))
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
pub(super) fn module(context: RpcContext) -> Result<RpcModule<RpcContext>, RegisterMethodError> {
    let heavy = Arc::new(Semaphore::new(context.limits.heavy_calls));
    let dev = context.dev.clone();
    let mut module = RpcModule::new(context);
    if let Some(dev) = dev {
        dev::register(&mut module, &dev)?;
    }
    let tables = [
        accounts::METHODS,
        blocks::METHODS,
        call::METHODS,
        debug::METHODS,
        fees::METHODS,
        filters::METHODS,
        logs::METHODS,
        node::METHODS,
        peg::METHODS,
        simulate::METHODS,
        transactions::METHODS,
    ];
    for method in tables.into_iter().flatten() {
        register(&mut module, *method, &heavy)?;
    }
    module.register_async_method("eth_sendRawTransaction", |params, context, _| async move {
        let (raw, _) = read(&params, &context)?;
        send::send_raw(&context, raw).await.map_err(ErrorObjectOwned::from)
    })?;
    module.register_async_method(
        "eth_sendRawTransactionSync",
        |params, context, _| async move {
            let (raw, wait) = read(&params, &context)?;
            send::send_raw_sync(&context, raw, wait).await.map_err(ErrorObjectOwned::from)
        },
    )?;
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

async fn on_blocking_thread(
    heavy: Arc<Semaphore>,
    work: impl FnOnce() -> Result<Value, RpcError> + Send + 'static,
) -> Result<Value, ErrorObjectOwned> {
    let _permit = heavy.acquire_owned().await;
    let answer = tokio::task::spawn_blocking(work).await;
    let answer = answer.map_err(|error| RpcError::internal("answer an RPC call", error));
    Ok(answer.and_then(|answer| answer)?)
}

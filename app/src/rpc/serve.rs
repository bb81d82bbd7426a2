//! The server: HTTP and WebSocket on one port.

mod frames;
mod gate;
mod load;
mod meter;
mod paced;
mod room;
mod scan;

use std::{
    collections::BTreeSet,
    convert::identity,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures::future::Either;
use hyper::{body::Incoming, server::conn::http1, service::HttpService};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use jsonrpsee::{
    RpcModule,
    core::{BoxError, middleware::RpcServiceBuilder, traits::IdProvider},
    server::{
        BatchRequestConfig, Methods, PingConfig, RegisterMethodError, Server, ServerConfig,
        ServerHandle, StopHandle, stop_channel,
    },
    types::{ErrorObjectOwned, SubscriptionId},
};
use serde_json::value::RawValue;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;
use tower_http::cors::{Any, CorsLayer};
use tracing::{debug, info, warn};

use gate::GateLayer;
use load::Load;
use meter::Meter;
use paced::{IDLE_STALLS, Paced};
use room::Room;

use super::{
    Args, Limits, RpcContext, RpcError, Time, accounts, blocks, call, debug, dev, discover, fees,
    filters, forks,
    json::to_raw,
    logs, node, peg, raw, send, simulate, subscribe,
    threads::Threads,
    transactions, txpool,
    workers::{Lane, Quick, Weight, Workers},
};

/// Answers and notifications that may wait for a WebSocket's client.
const MESSAGE_BUFFER: u32 = 16;
/// How long to wait when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
pub struct RpcServer {
    handle: ServerHandle,
    /// Where it runs.
    threads: Arc<Threads>,
}

impl RpcServer {
    /// Takes no more calls; those under way end.
    pub fn stop(&self) {
        if self.handle.stop().is_err() {
            debug!("JSON-RPC server has stopped already");
        }
    }

    /// Ends once the server has stopped.
    pub async fn stopped(self) {
        let Self { handle, threads } = self;
        handle.stopped().await;
        drop(threads);
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
    let limits = context.limits;
    let threads = Threads::start(limits.heavy_calls).map_err(failed)?;
    let methods = module(context, &threads)?.into();
    let bound = threads.spawn(TcpListener::bind(listen)).await;
    let listener = bound.map_err(io::Error::other).and_then(identity).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stop, handle) = stop_channel();
    let (room, bulk) = (Arc::new(Room::new(&limits)), threads.bulk());
    let door = Door { methods, limits, room, bulk, stop };
    // It ends with the handle, which waits for it.
    drop(threads.spawn(door.open(listener)));
    info!(%address, "serving JSON-RPC");
    Ok((address, RpcServer { handle, threads: Arc::new(threads) }))
}

/// Takes connections in.
#[derive(Clone, Debug)]
struct Door {
    methods: Methods,
    limits: Limits,
    room: Arc<Room>,
    /// Where large requests are read and long calls answered.
    bulk: Handle,
    stop: StopHandle,
}

impl Door {
    async fn open(self, listener: TcpListener) {
        // Each WebSocket and each HTTP client has its connection.
        let most = (self.limits.connections as usize).saturating_mul(2);
        let places = Arc::new(Semaphore::new(most));
        let mut connections = JoinSet::new();
        let mut id: u32 = 0;
        let stopped = self.stop.clone().shutdown();
        tokio::pin!(stopped);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = &mut stopped => break,
            };
            match accepted {
                Ok((socket, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        id = id.wrapping_add(1);
                        connections.spawn(self.clone().serve(socket, id, place));
                    }
                    Err(_) => debug!("refuse a connection: there are too many"),
                },
                Err(error) => {
                    // Usually out of file descriptors: they come back as connections end.
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }

    async fn serve(self, socket: TcpStream, id: u32, place: OwnedSemaphorePermit) {
        let Self { methods, limits, room, bulk, stop } = self;
        if let Err(error) = socket.set_nodelay(true) {
            debug!(%error, "a connection ended early");
            return;
        }
        let load = room.connection();
        let cors = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any);
        let (metered, shared, apart) = (Arc::clone(&load), Arc::clone(&room), bulk.clone());
        let meter = move |service| Meter {
            service,
            load: Arc::clone(&metered),
            room: Arc::clone(&shared),
            limits,
            bulk: apart.clone(),
        };
        let gate = GateLayer { limits, room: Arc::clone(&room), load: Arc::clone(&load) };
        let service = Server::builder()
            .set_config(config(&limits))
            .to_service_builder()
            .connection_id(id)
            .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(meter))
            .set_http_middleware(tower::ServiceBuilder::new().layer(cors).layer(gate))
            .build(methods, stop.clone());
        let socket = TokioIo::new(Paced::new(socket, Arc::clone(&load), room, &limits));
        // What a connection may hold goes by one request after the other, so not by HTTP/2.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.stall * IDLE_STALLS)
            .serve_connection(socket, TowerToHyperService::new(service))
            .with_upgrades();
        let served = Box::pin(until_stopped(connection, stop.shutdown()));
        if let Err(error) = moving(served, &load, &bulk).await {
            debug!(%error, "a connection ended early");
        }
        drop(place);
    }
}

/// Serves a connection here, and what it has of large requests and answers on threads where they
/// keep no others waiting.
async fn moving(
    mut served: Pin<Box<impl Future<Output = hyper::Result<()>> + Send + 'static>>,
    load: &Arc<Load>,
    bulk: &Handle,
) -> Result<(), BoxError> {
    loop {
        tokio::select! {
            biased;
            done = &mut served => return Ok(done?),
            () = load.large(true) => {}
        }
        let load = Arc::clone(load);
        let moved = bulk.spawn(async move {
            tokio::select! {
                biased;
                done = &mut served => Either::Left(done),
                () = load.large(false) => Either::Right(served),
            }
        });
        match AbortOnDropHandle::new(moved).await? {
            Either::Left(done) => return Ok(done?),
            Either::Right(back) => served = back,
        }
    }
}

/// Serves a connection; once the server is to stop, only what it has begun.
async fn until_stopped<S, B>(
    connection: http1::UpgradeableConnection<TokioIo<Paced<TcpStream>>, S>,
    stopped: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Error: Into<BoxError>> + 'static,
{
    let (mut connection, stopped) = (pin!(connection), pin!(stopped));
    tokio::select! {
        done = &mut connection => return done,
        () = stopped => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

fn config(limits: &Limits) -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(limits.request_bytes)
        .max_response_body_size(limits.response_bytes)
        .max_subscriptions_per_connection(limits.subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.batch))
        .set_message_buffer_capacity(MESSAGE_BUFFER)
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
pub(super) fn module(
    context: RpcContext,
    threads: &Threads,
) -> Result<RpcModule<RpcContext>, RegisterMethodError> {
    let workers = Workers::new(&context.limits, threads);
    let dev = context.dev.clone();
    let mut module = RpcModule::new(context);
    if let Some(dev) = dev {
        dev::register(&mut module, &dev)?;
    }
    let tables = [
        accounts::METHODS,
        blocks::METHODS,
        fees::METHODS,
        filters::METHODS,
        forks::METHODS,
        node::METHODS,
        peg::METHODS,
        raw::METHODS,
        transactions::METHODS,
        txpool::METHODS,
    ];
    for (name, answer) in tables.into_iter().flatten() {
        register(&mut module, name, &workers, |context, args, _| to_raw(answer(context, args)?))?;
    }
    let long_tables = [
        accounts::LONG_METHODS,
        blocks::LONG_METHODS,
        call::LONG_METHODS,
        debug::LONG_METHODS,
        fees::LONG_METHODS,
        filters::LONG_METHODS,
        logs::LONG_METHODS,
        simulate::LONG_METHODS,
    ];
    for (name, answer) in long_tables.into_iter().flatten() {
        register(&mut module, name, &workers, answer)?;
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
    discover(&mut module)?;
    Ok(module)
}

/// Comes last: it describes the others.
fn discover(module: &mut RpcModule<RpcContext>) -> Result<(), RegisterMethodError> {
    const NAME: &str = "rpc.discover";
    let names: BTreeSet<&str> = module.method_names().chain([NAME]).collect();
    let document = discover::document(&names);
    module.register_method(NAME, move |_, _, _| match &document {
        Ok(document) => Ok(document.clone()),
        Err(error) => Err(ErrorObjectOwned::from(RpcError::server(error.to_string()))),
    })?;
    Ok(())
}

fn read(
    params: &jsonrpsee::types::Params<'_>,
    context: &RpcContext,
) -> Result<(alloy_primitives::Bytes, Duration), ErrorObjectOwned> {
    let mut args = Args::new(params)?;
    Ok(send::read_args(context, &mut args)?)
}

/// Answers the method on the lane of its weight.
fn register(
    module: &mut RpcModule<RpcContext>,
    name: &'static str,
    workers: &Workers,
    answer: impl Fn(&RpcContext, &mut Args<'_>, &Time) -> Result<Box<RawValue>, RpcError>
    + Copy
    + Send
    + Sync
    + 'static,
) -> Result<(), RegisterMethodError> {
    let (workers, weight) = (workers.clone(), Weight::of(name));
    module.register_async_method(name, move |params, context, extensions| {
        let workers = workers.clone();
        let lane = Lane::of(weight, extensions.get::<Quick>().is_some(), params.len_bytes());
        async move {
            let work = move |time: &Time| {
                let params = params;
                answer(&context, &mut Args::new(&params)?, time)
            };
            workers.run(lane, work).await.map_err(ErrorObjectOwned::from)
        }
    })?;
    Ok(())
}

//! The listener: it accepts connections, serves each in its own task, and drains them at the end.
//! What happens to one request is in `service`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;

use crate::client_io::{ClientIo, MAX_HEAD};
use crate::client_state::ClientState;
use crate::connections::Connections;
use crate::filter::{Filter, FilterSlot};
use crate::limits::{CONNECTION_WINDOW, MAX_HEADER_LIST, MAX_STREAMS, STREAM_WINDOW};
use crate::options::GatewayOptions;
use crate::router::Router;
use crate::routes::RouteTable;
use crate::service::Shared;
use crate::stats::Stats;
use crate::target::Target;
use crate::upstream::Upstream;

/// How often room is made for clients that wait in the listen queue.
const FULL: Duration = Duration::from_millis(5);

/// A reverse proxy with a filter in front of its routes.
///
/// ```no_run
/// use gatepost_gateway::{Gateway, GatewayOptions, RouteTable};
/// use http::{HeaderValue, Request};
/// use hyper::body::Incoming;
/// use tower::util::MapRequestLayer;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let routes = RouteTable::parse(["*.example=127.0.0.1:9000"])?;
/// let filter = MapRequestLayer::new(|mut request: Request<Incoming>| {
///     request.headers_mut().insert("x-seen", HeaderValue::from_static("yes"));
///     request
/// });
/// let options = GatewayOptions::default();
/// let gateway = Gateway::bind("127.0.0.1:8080", routes, &filter, options).await?;
/// gateway.run(async { drop(tokio::signal::ctrl_c().await) }).await;
/// # Ok(())
/// # }
/// ```
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Gateway {
    /// Listens on an address; port 0 takes a free port. Clients may connect from now on, and are
    /// served once `run` runs.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(
        address: impl ToSocketAddrs,
        routes: RouteTable<Target>,
        filter: &impl Filter,
        options: GatewayOptions,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        // Routes to one address share its connections.
        let mut upstreams: HashMap<Target, Arc<Upstream>> = HashMap::new();
        let stats = Stats::default();
        let routes = routes.map(|target| {
            upstreams
                .entry(target.clone())
                .or_insert_with(|| Arc::new(Upstream::new(target, &options, stats.clone())))
                .clone()
        });
        let filter = FilterSlot::new(Router::new(routes), filter);
        Ok(Self { listener, address, shared: Arc::new(Shared { filter, options, stats }) })
    }

    /// The slot of its filter, to replace the filter while the gateway runs.
    #[must_use]
    pub fn filter(&self) -> FilterSlot {
        self.shared.filter.clone()
    }

    /// The address that the gateway listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats.clone()
    }

    /// Serves until `shutdown` is ready, then stops accepting, sends GOAWAY or closes idle
    /// connections, and gives requests in flight
    /// [`drain_timeout`](GatewayOptions::drain_timeout) to end. Returns how many connections were
    /// cut because their requests did not end in time.
    ///
    /// When the returned future is dropped, all connections are cut at once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> usize {
        let Self { listener, shared, .. } = self;
        let builder = Arc::new(builder());
        let mut connections = Connections::default();
        let (drain, draining) = watch::channel(());
        let mut shutdown = std::pin::pin!(shutdown);
        let limit = shared.options.max_connections;
        // Whether the last connection found descriptors and memory.
        let mut has_room = true;
        loop {
            let may_accept = has_room && connections.len() < limit;
            tokio::select! {
                accepted = listener.accept(), if may_accept => match accepted {
                    Ok((stream, peer)) => {
                        let state = Arc::new(ClientState::new());
                        let serving = serving(
                            builder.clone(), stream, peer, state.clone(), shared.clone(),
                            draining.clone(),
                        );
                        connections.spawn(state, serving);
                    }
                    Err(error) if is_clients(&error) => {}
                    Err(_) => has_room = false,
                },
                // Others wait in the listen queue.
                () = tokio::time::sleep(FULL), if !has_room || connections.len() >= limit => {
                    shared.stats.connections_closed_for_room(connections.make_room());
                    has_room = true;
                }
                () = connections.ended() => {}
                () = &mut shutdown => break,
            }
        }
        drop((listener, draining, drain));
        let ended = connections.all_ended();
        if tokio::time::timeout(shared.options.drain_timeout, ended).await.is_ok() {
            return 0;
        }
        connections.cut().await
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Whether accepting failed because the client hung up early. Anything else is a lack of
/// descriptors or memory, after which accepting again at once would spin.
fn is_clients(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `ClientIo` has the time of heads and of idle connections.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(u32::from(MAX_STREAMS))
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Serves a connection until it ends, or until its requests ended after the drain began. Boxed, so
/// that it is compiled once, with this crate.
fn serving(
    builder: Arc<auto::Builder<TokioExecutor>>,
    stream: TcpStream,
    peer: SocketAddr,
    state: Arc<ClientState>,
    shared: Arc<Shared>,
    draining: watch::Receiver<()>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(serve(builder, stream, peer, state, shared, draining))
}

async fn serve(
    builder: Arc<auto::Builder<TokioExecutor>>,
    stream: TcpStream,
    peer: SocketAddr,
    state: Arc<ClientState>,
    shared: Arc<Shared>,
    mut draining: watch::Receiver<()>,
) {
    // Without it small answers wait for acknowledgements. If it fails they still arrive.
    let _ = stream.set_nodelay(true);
    let _open = shared.stats.connection();
    let io = ClientIo::new(stream, state.clone(), shared.options.timeouts);
    let service = service_fn(move |request| {
        let (shared, state) = (shared.clone(), state.clone());
        async move { Ok::<_, Infallible>(shared.serve(peer, &state, request).await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    // Clients may end a connection in any way, so its error is not reported.
    tokio::select! {
        _ = connection.as_mut() => return,
        // The sender is only ever dropped.
        _ = draining.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

//! The listener: it accepts connections, serves each in its own task, and drains them at the end.
//! What happens to one request is in `service`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::filter::{Filter, FilterSlot};
use crate::first_byte_timeout::FirstByteTimeout;
use crate::limits::{CONNECTION_WINDOW, MAX_HEADER_LIST, MAX_STREAMS, STREAM_WINDOW};
use crate::options::GatewayOptions;
use crate::router::Router;
use crate::routes::RouteTable;
use crate::service::Shared;
use crate::target::Target;
use crate::upstream::Upstream;

/// Holds a whole HTTP/1.1 head with its line ends.
const HTTP1_BUFFER: usize = 64 * 1024;

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
        let routes = routes.map(|target| {
            upstreams
                .entry(target.clone())
                .or_insert_with(|| Arc::new(Upstream::new(target, &options)))
                .clone()
        });
        let filter = FilterSlot::new(Router::new(routes), filter);
        Ok(Self { listener, address, shared: Arc::new(Shared { filter, options }) })
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

    /// Serves until `shutdown` is ready, then stops accepting, sends GOAWAY or closes idle
    /// connections, and gives requests in flight
    /// [`drain_timeout`](GatewayOptions::drain_timeout) to end. Returns how many connections were
    /// cut because their requests did not end in time.
    ///
    /// When the returned future is dropped, all connections are cut at once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> usize {
        let Self { listener, shared, .. } = self;
        let builder = builder(&shared.options);
        let drain_timeout = shared.options.drain_timeout;
        let permits =
            Arc::new(Semaphore::new(shared.options.max_connections.min(Semaphore::MAX_PERMITS)));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                accepted = accept(&listener, &permits) => {
                    let Some((stream, peer, permit)) = accepted else { continue };
                    let connection = connection(&builder, stream, peer, shared.clone());
                    let watched = graceful.watch(connection);
                    connections.spawn(async move {
                        // Clients may end a connection in any way, so its error is not reported.
                        let _ = watched.await;
                        drop(permit);
                    });
                }
                Some(_) = connections.join_next() => {}
                () = &mut shutdown => break,
            }
        }
        drop(listener);
        if tokio::time::timeout(drain_timeout, graceful.shutdown()).await.is_ok() {
            return 0;
        }
        while connections.try_join_next().is_some() {}
        let cut = connections.len();
        connections.shutdown().await;
        cut
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Waits until another connection is allowed, then accepts it. `None` when accepting failed.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            // After a lack of descriptors or memory, accepting again at once would spin. A client
            // that hung up early needs no such pause.
            if !matches!(
                error.kind(),
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
            ) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        }
    }
}

fn builder(options: &GatewayOptions) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HTTP1_BUFFER)
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

fn connection(
    builder: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
) -> impl hyper_util::server::graceful::GracefulConnection + use<> {
    // Without it small answers wait for acknowledgements. If it fails they still arrive.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(FirstByteTimeout::new(stream, shared.options.header_timeout));
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.serve(peer, request).await) }
    });
    builder.serve_connection(stream, service).into_owned()
}

//! The listener: it accepts connections, serves each in its own task, and lets them end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;
use crate::connections::{Connection, Connections};
use crate::exchange::{Desk, LIMIT};
use crate::judge::Judge;
use crate::stats::Stats;

/// How many connections are open at most. An API server has one, and opens another for a new
/// certificate.
const MAX_CONNECTIONS: usize = 128;

/// How long a connection may be without a request. Go's client closes its own after 90 seconds.
const IDLE: Duration = Duration::from_secs(120);

/// How often idle connections are looked for, and connections beside those that are full.
const TICK: Duration = Duration::from_millis(500);

/// How long a connection that ends may take to send its last answers.
const ENDING: Duration = Duration::from_secs(5);

/// What HTTP/2 keeps of requests that nobody reads yet, in bytes: for a connection 256 KiB, so for
/// all of them 32 MiB.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
const MAX_STREAMS: u32 = 32;
const MAX_HEAD: usize = 16 * 1024;

/// How long accepting waits after a lack of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(5);

/// The webhook.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    certificate: Certificate,
    desk: Arc<Desk>,
    stats: Stats,
}

impl Server {
    /// Listens on an address; port 0 takes a free port. Reviews are answered at `/validate` once
    /// `run` runs.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(
        address: SocketAddr,
        judge: Judge,
        certificate: Certificate,
        stats: Stats,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk::new(judge, stats.clone()));
        Ok(Self { listener, address, certificate, desk, stats })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready. Then it accepts no more, and answers what has begun.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut connections = Connections::default();
        let (drain, draining) = watch::channel(());
        let mut shutdown = std::pin::pin!(shutdown);
        let mut has_room = true;
        loop {
            let may_accept = has_room && connections.len() < MAX_CONNECTIONS;
            tokio::select! {
                accepted = self.listener.accept(), if may_accept => match accepted {
                    Ok((stream, _)) => {
                        let connection = Arc::new(Connection::new());
                        let serving = serve(
                            stream, Arc::clone(&connection), self.certificate.clone(),
                            Arc::clone(&self.desk), self.stats.clone(), draining.clone(),
                        );
                        connections.spawn(connection, serving);
                    }
                    Err(error) => has_room = is_clients(&error),
                },
                () = tokio::time::sleep(PAUSE), if !may_accept => {
                    connections.make_room();
                    has_room = true;
                }
                () = connections.ended() => {}
                () = &mut shutdown => break,
            }
        }
        drop((self.listener, draining, drain));
        // A connection that does not end in time is cut when this function ends.
        let _ = timeout(ENDING, connections.all_ended()).await;
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
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
        .header_read_timeout(LIMIT)
        .max_buf_size(MAX_HEAD)
        // Closing an idle connection would race with its next request. API servers speak HTTP/2,
        // which says goodbye first.
        .keep_alive(false)
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32);
    builder
}

/// Serves a connection until its client ends it, it is idle, or the server ends.
async fn serve(
    stream: TcpStream,
    connection: Arc<Connection>,
    certificate: Certificate,
    desk: Arc<Desk>,
    stats: Stats,
    mut draining: watch::Receiver<()>,
) {
    let _open = stats.connection();
    // Without it small answers wait for acknowledgements. If it fails they still arrive.
    let _ = stream.set_nodelay(true);
    let accepting = TlsAcceptor::from(certificate.config()).accept(stream);
    // Clients may end a connection in any way, so its errors are not reported.
    let Ok(Ok(stream)) = timeout(LIMIT, accepting).await else { return };
    let state = Arc::clone(&connection);
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        let (begun, answering) = state.request();
        async move {
            let response = desk.answer(begun, request).await;
            drop(answering);
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder();
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    loop {
        tokio::select! {
            _ = serving.as_mut() => return,
            // The sender is only ever dropped.
            _ = draining.changed() => break,
            () = tokio::time::sleep(TICK) => {
                let waits = connection.waits_since().map(|since| since.elapsed());
                let limit = if connection.has_asked() { IDLE } else { LIMIT };
                if waits.is_some_and(|waits| waits >= limit) {
                    break;
                }
            }
        }
    }
    serving.as_mut().graceful_shutdown();
    let _ = timeout(ENDING, serving).await;
}

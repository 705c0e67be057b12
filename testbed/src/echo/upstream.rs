//! An echo upstream: a server that hands gRPC requests to the greeter and all others to the plain
//! echo.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::identity::{Body, Closed, Identity};
use super::{greeter, plain};

/// A running upstream. Dropping it ends it and its connections.
///
/// Other requests than gRPC get 200 and JSON with the fields `upstream`, `method`, `authority`,
/// `path`, `headers` (a list of pairs, `[name, value]`) and `body`,
/// and a response without a body has the same JSON in the header [`ECHO`](super::ECHO). Bytes that
/// are not UTF-8 are written as by [`gatepost_gateway::escaped`]. Status and headers may be given
/// beforehand ([`answer_with`](Self::answer_with)). Some paths do something else:
///
/// | path | what it does |
/// | --- | --- |
/// | `/.echo/status/503` | the echo, with that status |
/// | `/.echo/delay/200` | the echo, that many milliseconds late |
/// | `/.echo/close` | ends the connection (HTTP/2: the stream) without an answer |
/// | `/.echo/bytes/1000` | a body of that many bytes |
/// | `/.echo/stream/3` | that many lines, each sent by itself |
/// | `/.echo/mirror` | the request's body and trailers, sent back as they come |
/// | `/.echo/answer/302?location=%2Fa` | that status and header, and the body as `mirror` |
/// | `/.echo/head/302` | that status; the lines of the request's body are its headers |
/// | `/.echo/account` | the echo, for a client that has logged in; others are sent to the login |
/// | `/.echo/login` | sends a client that keeps cookies back to the account, logged in |
///
/// gRPC requests reach `gatepost.demo.v1.Greeter`; see [`GreeterClient`](super::GreeterClient).
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    identity: Arc<Identity>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Starts an upstream on a free port of 127.0.0.1. `env` is what its gRPC service names as
    /// `ServerEnv`.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn start(name: &str, env: Option<&str>) -> io::Result<Self> {
        Self::start_on((std::net::Ipv4Addr::LOCALHOST, 0).into(), name, env).await
    }

    /// Starts an upstream on this address, for instance where another one ran before.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start_on(address: SocketAddr, name: &str, env: Option<&str>) -> io::Result<Self> {
        Self::serve(TcpListener::bind(address).await?, name, env)
    }

    /// Starts an upstream on a socket that listens already, for instance in another network.
    ///
    /// # Errors
    /// When the system refuses the socket.
    pub fn start_with(
        listener: std::net::TcpListener,
        name: &str,
        env: Option<&str>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::serve(TcpListener::from_std(listener)?, name, env)
    }

    fn serve(listener: TcpListener, name: &str, env: Option<&str>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let identity = Arc::new(Identity {
            name: name.to_owned(),
            env: env.unwrap_or_default().to_owned(),
            given: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, identity.clone()));
        Ok(Self { address, identity, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Gives the echoes from now on this status and these headers. A gRPC response gets only the
    /// headers, and keeps its content type.
    pub fn answer_with(&self, response: http::Response<()>) {
        *self.identity.given.lock().unwrap_or_else(PoisonError::into_inner) = Some(response);
    }

    /// Stops it and waits until it and its connections are gone; its port then refuses connections.
    pub async fn shutdown(mut self) {
        self.accepting.abort();
        // The only error is that the task was aborted.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections until the task is aborted, which ends the connections too.
async fn accept(listener: TcpListener, identity: Arc<Identity>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, identity.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, identity: Arc<Identity>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(identity.clone(), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // A head at a gateway's limits arrives here with the headers that the gateway adds.
    builder
        .http1()
        .max_headers(1000)
        .max_buf_size(1024 * 1024)
        .http2()
        .max_header_list_size(1024 * 1024);
    // Clients, and the path that closes, may end the connection in any way.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// gRPC goes to tonic, everything else to the plain echo.
async fn answer(
    identity: Arc<Identity>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Closed> {
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        let Ok(response) = greeter::answer(identity, request).await as Result<_, Infallible>;
        return Ok(response);
    }
    plain::answer(&identity, request).await
}

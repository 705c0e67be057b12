//! An HTTP client for tests of gateways. It speaks either HTTP version without TLS, sends any
//! authority to any address, and reads the echo upstreams' answers.
//!
//! It is written for tests: a request that hangs, or an answer that is not what the caller expects,
//! is a panic.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

/// The HTTP versions that a gateway accepts.
pub const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// The longest time that a test waits for one step. It is far longer than any step takes.
const LIMIT: Duration = Duration::from_secs(60);

/// The header list that an echo upstream's answer may need over HTTP/2: it repeats the request's
/// headers in one header.
const MAX_HEADER_LIST: u32 = 1024 * 1024;

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Waits for a future.
///
/// # Panics
/// When it takes longer than a minute.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("the step ends within a minute")
}

/// A client connection of either HTTP version.
#[derive(Debug)]
pub enum Client {
    /// HTTP/1.1.
    Http1(http1::SendRequest<Body>),
    /// HTTP/2.
    Http2(http2::SendRequest<Body>),
}

impl Client {
    /// Connects to a gateway.
    ///
    /// # Errors
    /// When the HTTP/2 handshake fails.
    ///
    /// # Panics
    /// When the address does not accept connections.
    pub async fn try_connect(version: Version, address: SocketAddr) -> hyper::Result<Self> {
        let stream = connected(address).await;
        if version == Version::HTTP_2 {
            Self::http2(http2::Builder::new(TokioExecutor::new()), stream).await
        } else {
            let (sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            Ok(Self::Http1(sender))
        }
    }

    /// Connects to a gateway.
    ///
    /// # Panics
    /// When the gateway does not accept the connection.
    pub async fn connect(version: Version, address: SocketAddr) -> Self {
        Self::try_connect(version, address).await.expect("the gateway accepts the connection")
    }

    /// Connects over HTTP/2 with a window of this many bytes for each stream: the gateway may send
    /// no more before the client reads.
    ///
    /// # Panics
    /// When the gateway does not accept the connection.
    pub async fn connect_with_window(window: u32, address: SocketAddr) -> Self {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let client = Self::http2(builder, connected(address).await).await;
        client.expect("the gateway accepts the connection")
    }

    async fn http2(
        mut builder: http2::Builder<TokioExecutor>,
        stream: TokioIo<TcpStream>,
    ) -> hyper::Result<Self> {
        let (sender, connection) =
            builder.max_header_list_size(MAX_HEADER_LIST).handshake(stream).await?;
        tokio::spawn(connection);
        Ok(Self::Http2(sender))
    }

    /// Sends a request and waits for the head of the response. The URI is absolute. With HTTP/1.1
    /// its authority becomes `Host`, unless the request has that header.
    ///
    /// # Errors
    /// When the stream or the connection ends without a response.
    ///
    /// # Panics
    /// When the URI is not absolute, or nothing comes within a minute.
    pub async fn send(&mut self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        soon(async {
            match self {
                Self::Http1(sender) => {
                    let uri = std::mem::take(request.uri_mut()).into_parts();
                    let authority = uri.authority.expect("an absolute URI");
                    let host = authority.as_str().parse().expect("an authority is a header value");
                    request.headers_mut().entry(http::header::HOST).or_insert(host);
                    *request.uri_mut() = uri.path_and_query.expect("a path").into();
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Self::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        })
        .await
    }
}

async fn connected(address: SocketAddr) -> TokioIo<TcpStream> {
    TokioIo::new(TcpStream::connect(address).await.expect("the address accepts connections"))
}

/// Sends one request on a connection of its own.
///
/// # Errors
/// When the stream or the connection ends without a response.
///
/// # Panics
/// As [`Client::send`] does.
pub async fn try_send(
    version: Version,
    address: SocketAddr,
    request: Request<Body>,
) -> hyper::Result<Response<Incoming>> {
    Client::try_connect(version, address).await?.send(request).await
}

/// Sends one request on a connection of its own.
///
/// # Panics
/// When there is no response.
pub async fn send(
    version: Version,
    address: SocketAddr,
    request: Request<Body>,
) -> Response<Incoming> {
    try_send(version, address, request).await.expect("a response")
}

/// A GET with headers and no body. The URI is absolute.
///
/// # Panics
/// When the URI or a header is malformed.
#[must_use]
pub fn get(uri: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = headers
        .iter()
        .fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
    request.body(no_body()).expect("a request")
}

/// An empty body.
#[must_use]
pub fn no_body() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of these bytes.
pub fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The body of a response as text.
///
/// # Panics
/// When the body is cut or is not UTF-8.
pub async fn text(response: Response<Incoming>) -> String {
    let bytes = soon(response.into_body().collect()).await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The JSON in an echo upstream's response: the request that it received.
///
/// # Panics
/// When the response came from something else.
pub async fn echo(response: Response<Incoming>) -> Value {
    serde_json::from_str(&text(response).await).expect("an echo upstream's JSON")
}

/// Every value of a header in an echo upstream's JSON.
#[must_use]
pub fn received<'a>(echo: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = echo["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
    headers
        .iter()
        .filter(|header| header[0] == name)
        .filter_map(|header| header[1].as_str())
        .collect()
}

//! A client that speaks either HTTP version and sends what the `http` crate can hold, and what
//! every client here reads: an [`Answer`], which knows the echo upstreams' JSON.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

/// Both protocols that a client may speak to a gateway.
pub const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// Far longer than any answer takes: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Headers that gateways and clients write by themselves, of which no policy speaks.
const GATEWAYS_OWN: &[&str] = &[
    "host",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
    "content-length",
    "transfer-encoding",
];

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
}

/// What an upstream saw, or what the gateway answered: all that both gateways must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Upstream {
        status: u16,
        name: String,
        method: String,
        authority: String,
        path: String,
        headers: Vec<(String, String)>,
        body: String,
    },
    Gateway {
        status: u16,
        content_type: String,
        body: String,
    },
}

impl Answer {
    /// The status line and headers of an HTTP/1.1 answer.
    pub fn of_raw_head(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|status| status.parse().ok());
        let header = |line: &str| {
            line.split_once(':')
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Self {
            status: status.expect("a status line"),
            headers: lines.filter_map(header).collect(),
            ..Self::default()
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the upstream received, if one was reached.
    pub fn echo(&self) -> Option<Value> {
        let echo: Value = serde_json::from_slice(
            self.header(gatepost_testbed::echo::ECHO).map_or(&self.body, str::as_bytes),
        )
        .ok()?;
        echo.get("upstream").is_some().then_some(echo)
    }

    /// Who answered: an upstream's name, or `gateway <status>`.
    pub fn by(&self) -> String {
        match self.echo() {
            Some(echo) => text(&echo["upstream"]),
            None => format!("gateway {}", self.status),
        }
    }

    /// The authority that the upstream received.
    pub fn authority(&self) -> String {
        self.echo().map(|echo| text(&echo["authority"])).unwrap_or_default()
    }

    /// Every value of a header that the upstream received.
    pub fn received(&self, name: &str) -> Vec<String> {
        let Some(echo) = self.echo() else { return Vec::new() };
        pairs(&echo).into_iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect()
    }

    pub fn seen(&self) -> Seen {
        let Some(echo) = self.echo() else {
            let content_type = self.header("content-type").unwrap_or_default().to_owned();
            return Seen::Gateway { status: self.status, content_type, body: self.text() };
        };
        let own = |name: &str| GATEWAYS_OWN.contains(&name) || name.starts_with("x-envoy-");
        let mut headers: Vec<_> = pairs(&echo).into_iter().filter(|(name, _)| !own(name)).collect();
        // Between headers of different names order means nothing; between those of one name the
        // sort keeps it.
        headers.sort_by(|(left, _), (right, _)| left.cmp(right));
        Seen::Upstream {
            status: self.status,
            name: text(&echo["upstream"]),
            method: text(&echo["method"]),
            authority: text(&echo["authority"]),
            path: text(&echo["path"]),
            headers,
            body: text(&echo["body"]),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pairs(echo: &Value) -> Vec<(String, String)> {
    let headers = echo["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
    headers.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

pub fn no_body() -> Body {
    Empty::new().boxed_unsync()
}

pub fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A GET with headers and no body. The URI is absolute; its authority becomes Host or `:authority`.
pub fn get(uri: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = headers
        .iter()
        .fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
    request.body(no_body()).expect("a request")
}

/// Sends one request on a connection of its own.
pub async fn send(version: Version, address: SocketAddr, request: Request<Body>) -> Answer {
    try_send(version, address, request).await.expect("an answer")
}

/// Sends one request on a connection of its own; the error is a stream or connection that ended
/// instead of answering.
pub async fn try_send(
    version: Version,
    address: SocketAddr,
    request: Request<Body>,
) -> hyper::Result<Answer> {
    tokio::time::timeout(PATIENCE, exchange(version, address, request))
        .await
        .expect("an answer or an end of the connection")
}

async fn exchange(
    version: Version,
    address: SocketAddr,
    mut request: Request<Body>,
) -> hyper::Result<Answer> {
    let stream =
        TokioIo::new(TcpStream::connect(address).await.expect("the gateway accepts connections"));
    let response = if version == Version::HTTP_2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let (mut sender, connection) =
            builder.max_header_list_size(1024 * 1024).handshake(stream).await?;
        tokio::spawn(connection);
        sender.send_request(request).await?
    } else {
        let host = request
            .uri()
            .authority()
            .expect("an absolute URI")
            .as_str()
            .parse()
            .expect("a header's value");
        request.headers_mut().entry("host").or_insert(host);
        *request.uri_mut() =
            request.uri().path_and_query().expect("a path").as_str().parse().expect("a path");
        let (mut sender, connection) = http1::handshake(stream).await?;
        tokio::spawn(connection);
        sender.send_request(request).await?
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers.iter().map(header).collect(),
        body: body.to_bytes().to_vec(),
        trailers,
    })
}

//! One upstream. A request is sent on a pooled connection of the client's own protocol, and in
//! HTTP/1.1 to an upstream that does not speak HTTP/2; the result is the response's head, or an
//! [`UpstreamError`]. Nothing is sent twice unless the upstream says that it did not look at it.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{COOKIE, HOST, HeaderMap, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::connect::HttpConnector;

use crate::body::{RequestBody, RequestBodyEnd, ResponseLimits, UpstreamBody};
use crate::hop_by_hop;
use crate::http1_pool::{Http1Error, Http1Pool};
use crate::http2_pool::{Http2Error, Http2Pool};
use crate::http2_streams::Stream;
use crate::options::{GatewayOptions, Timeouts};
use crate::reply::LocalReply;
use crate::response_checks::{self, ResponseError};
use crate::stats::Stats;
use crate::target::Target;
use crate::tunnel;

/// How long an upstream that does not speak HTTP/2 is not asked to again.
const HTTP1_ONLY: Duration = Duration::from_secs(60);

/// Why an upstream gave no response.
///
/// Envoy answers 503 when the connection failed, and also when it ended before a response. Here the
/// second is 502, because the upstream got the request and may have acted on it: a client must not
/// retry as it may after 503.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("upstream connect error: no connection to {address}: {}", innermost(.source.as_ref()))]
    Connect { address: String, source: Box<dyn Error + Send + Sync> },
    #[error(
        "upstream error: {address} ended the exchange before a valid answer: {}",
        innermost(.source.as_ref())
    )]
    Exchange { address: String, source: Box<dyn Error + Send + Sync> },
    #[error("upstream error: the answer of {address} is refused: {source}")]
    Response { address: String, source: ResponseError },
    #[error("upstream error: {address} switched protocols without being asked")]
    Switched { address: String },
    #[error("upstream request timeout: no answer from {address} within {limit:?}")]
    Timeout { address: String, limit: Duration },
    #[error("the request was not whole in time")]
    ClientTimeout,
    #[error("the request's body broke off or is malformed")]
    ClientBody,
    #[error("the filter left an authority that HTTP/2 cannot carry: {0:?}")]
    Authority(HeaderValue),
}

/// The head of a request to an upstream.
#[derive(Debug)]
pub(crate) struct UpstreamHead {
    pub(crate) method: Method,
    /// Sent over HTTP/2 only.
    pub(crate) scheme: Scheme,
    pub(crate) path: PathAndQuery,
    /// Sent as `Host` or `:authority`.
    pub(crate) authority: HeaderValue,
    /// The other headers. `Host` among them is replaced or removed.
    pub(crate) headers: HeaderMap,
}

impl UpstreamError {
    /// The reply for the client. It names neither the address nor the cause.
    pub(crate) fn reply(&self) -> LocalReply {
        let (status, body) = match self {
            Self::Connect { .. } => (StatusCode::SERVICE_UNAVAILABLE, "upstream connect error"),
            Self::Exchange { .. } | Self::Response { .. } | Self::Switched { .. } => {
                (StatusCode::BAD_GATEWAY, "upstream error")
            }
            Self::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "upstream request timeout"),
            Self::ClientTimeout => (StatusCode::REQUEST_TIMEOUT, "request timeout"),
            Self::ClientBody => (StatusCode::BAD_REQUEST, "Bad Request"),
            // The same reply that the wasm layer gives for an invalid header.
            Self::Authority(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "invalid header value for: :authority")
            }
        };
        LocalReply::new(status, body, self.to_string())
    }
}

pub(crate) struct Upstream {
    target: Target,
    http1: Http1Pool,
    http2: Http2Pool,
    /// When the upstream last answered in HTTP/1.1 what was begun in HTTP/2.
    http1_since: Mutex<Option<Instant>>,
    timeouts: Timeouts,
    stats: Stats,
}

impl Upstream {
    pub(crate) fn new(target: Target, options: &GatewayOptions, stats: Stats) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(options.timeouts.connect));
        connector.set_nodelay(true);
        let address = uri(Scheme::HTTP, target.authority().clone(), PathAndQuery::from_static("/"));
        Self {
            http1: Http1Pool::new(connector.clone(), address.clone()),
            http2: Http2Pool::new(connector, address),
            target,
            http1_since: Mutex::new(None),
            timeouts: options.timeouts,
            stats,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.target.to_string()
    }

    /// Sends the request in the protocol that the client used. The time for the response begins
    /// when the client's body was passed on, so a long upload or a bidirectional stream is not cut.
    /// With `switch`, the request asks for that protocol for the client's end of a connection.
    pub(crate) async fn send(
        &self,
        head: UpstreamHead,
        version: Version,
        body: RequestBody,
        switch: Option<(HeaderValue, OnUpgrade)>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let sent = self.exchange(head, version, body, switch).await;
        match &sent {
            Err(UpstreamError::Connect { .. }) => self.stats.connect_failed(),
            Err(UpstreamError::Timeout { .. }) => self.stats.timed_out(),
            Err(UpstreamError::ClientTimeout | UpstreamError::ClientBody) | Ok(_) => {}
            Err(_) => self.stats.upstream_failed(),
        }
        sent
    }

    async fn exchange(
        &self,
        mut head: UpstreamHead,
        version: Version,
        mut body: RequestBody,
        switch: Option<(HeaderValue, OnUpgrade)>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let mut end = body.watch();
        let mut whole_since = None;
        let (protocol, client) = switch.unzip();
        hop_by_hop::set_upgrade(&mut head.headers, protocol);
        let exchange = async {
            if version != Version::HTTP_2 {
                return self.send_http1(head, body).await;
            }
            if !self.speaks_http1() {
                return self.send_http2(head, body).await;
            }
            join_cookies(&mut head.headers);
            self.send_http1(head, body).await
        };
        let outcome = tokio::select! {
            biased;
            outcome = exchange => outcome,
            late = self.late(&mut end, &mut whole_since) => Err(late),
        };
        let (mut response, stream) = match outcome {
            Err(UpstreamError::Exchange { .. }) if end.is_aborted() => {
                return Err(UpstreamError::ClientBody);
            }
            outcome => outcome?,
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let client = client.filter(|_| version == Version::HTTP_11);
            let client =
                client.ok_or_else(|| UpstreamError::Switched { address: self.address() })?;
            let upstream = hyper::upgrade::on(&mut response);
            tokio::spawn(tunnel::run(client, upstream, self.timeouts.stream_idle));
        }
        let (parts, body) = response.into_parts();
        response_checks::check(&parts)
            .map_err(|source| UpstreamError::Response { address: self.address(), source })?;
        let limits = ResponseLimits::new(self.timeouts, end, whole_since);
        Ok(Response::from_parts(parts, UpstreamBody::new(body, stream, limits)))
    }

    /// Waits until the client or the upstream took too long.
    async fn late(
        &self,
        end: &mut RequestBodyEnd,
        whole_since: &mut Option<Instant>,
    ) -> UpstreamError {
        loop {
            let idle = self.timeouts.stream_idle.map(|limit| end.last_frame() + limit);
            let whole = self.timeouts.request.map(|limit| end.began() + limit);
            let deadline = idle.into_iter().chain(whole).min();
            tokio::select! {
                biased;
                () = end.finished() => break,
                () = sleep_until(deadline) => {}
            }
            let idle = self.timeouts.stream_idle.map(|limit| end.last_frame() + limit);
            if idle.into_iter().chain(whole).any(|deadline| deadline <= Instant::now()) {
                return UpstreamError::ClientTimeout;
            }
        }
        let began = *whole_since.insert(Instant::now());
        let limit = self.timeouts.response();
        sleep_until(limit.map(|limit| began + limit)).await;
        UpstreamError::Timeout { address: self.address(), limit: limit.unwrap_or_default() }
    }

    async fn send_http1(
        &self,
        head: UpstreamHead,
        body: RequestBody,
    ) -> Result<Exchange, UpstreamError> {
        let mut request = request(head.path.into(), Version::HTTP_11, body);
        *request.method_mut() = head.method;
        *request.headers_mut() = head.headers;
        request.headers_mut().insert(HOST, head.authority);
        match self.http1.send(request, self.timeouts.connect).await {
            Ok(response) => Ok((response, None)),
            Err(Http1Error::Connect(source)) => Err(self.connect_error(source)),
            Err(Http1Error::Exchange(source)) => Err(self.exchange_error(source.into())),
        }
    }

    async fn send_http2(
        &self,
        head: UpstreamHead,
        body: RequestBody,
    ) -> Result<Exchange, UpstreamError> {
        let authority = head.authority;
        let Ok(parsed) = Authority::try_from(authority.as_bytes()) else {
            return Err(UpstreamError::Authority(authority));
        };
        let mut request = request(uri(head.scheme, parsed, head.path), Version::HTTP_2, body);
        *request.method_mut() = head.method;
        *request.headers_mut() = head.headers;
        request.headers_mut().remove(HOST);
        match self.http2.send(request, self.timeouts.connect).await {
            Ok((response, stream)) => Ok((response, Some(stream))),
            Err(Http2Error::Connect(source)) => Err(self.connect_error(source)),
            Err(Http2Error::Silent) => Err(UpstreamError::Timeout {
                address: self.address(),
                limit: self.timeouts.connect,
            }),
            Err(Http2Error::NotHttp2(request)) => {
                let (mut parts, body) = request.into_parts();
                join_cookies(&mut parts.headers);
                let path = parts.uri.path_and_query().cloned();
                let head = UpstreamHead {
                    method: parts.method,
                    scheme: Scheme::HTTP,
                    path: path.unwrap_or(PathAndQuery::from_static("/")),
                    authority,
                    headers: parts.headers,
                };
                let sent = self.send_http1(head, body).await?;
                *self.http1_since.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Instant::now());
                Ok(sent)
            }
            Err(Http2Error::Exchange(source)) => Err(self.exchange_error(source.into())),
        }
    }

    /// Whether the upstream answered HTTP/2 with HTTP/1.1 not long ago.
    fn speaks_http1(&self) -> bool {
        let since = *self.http1_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() < HTTP1_ONLY)
    }

    fn connect_error(&self, source: Box<dyn Error + Send + Sync>) -> UpstreamError {
        UpstreamError::Connect { address: self.address(), source }
    }

    fn exchange_error(&self, source: Box<dyn Error + Send + Sync>) -> UpstreamError {
        UpstreamError::Exchange { address: self.address(), source }
    }
}

/// For ever without a deadline.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// A response, and with HTTP/2 its stream.
type Exchange = (Response<Incoming>, Option<Stream>);

fn request(uri: Uri, version: Version, body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    request
}

fn uri(scheme: Scheme, authority: Authority, path: PathAndQuery) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query = Some(path);
    // It fails only when one of the three parts is missing.
    Uri::from_parts(parts).unwrap_or_default()
}

/// HTTP/2 clients may send a cookie in several headers, HTTP/1.1 has one (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Made of header values and a separator, so it is a header value.
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// The innermost cause. hyper's own errors only say at which step they happened.
fn innermost<'a>(error: &'a (dyn Error + Send + Sync + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost: &'a (dyn Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

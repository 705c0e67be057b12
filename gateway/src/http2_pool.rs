//! HTTP/2 connections to one upstream, shared by requests for any authority. hyper-util's own
//! client pools by the request's authority, which clients choose: each new Host would open a
//! connection. This pool has one address and ignores the authority. It keeps to
//! the number of streams that the upstream allows, and opens another connection for more.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response, Uri};
use http_body::Body as _;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tower::Service;

use crate::body::RequestBody;
use crate::http2_settings::SettingsReader;
use crate::http2_streams::{Stream, Streams};
use crate::limits::{CONNECTION_WINDOW, MAX_FIELDS, MAX_RESPONSE_HEAD, STREAM_WINDOW};

/// HTTP/2 counts 32 bytes more for each header than Envoy does; `response_checks` applies the exact
/// limit.
const MAX_RESPONSE_HEADER_LIST: u32 = (MAX_RESPONSE_HEAD + MAX_FIELDS * 32) as u32;

/// A connection beside the first one is closed after it had no request for this long.
const SPARE_IDLE: Duration = Duration::from_secs(60);

/// How often a request is sent at most: again on another connection after one that did not take it.
const TRIES: usize = 3;

/// Why a request got no response head.
pub(crate) enum Http2Error {
    Connect(Box<dyn Error + Send + Sync>),
    /// The upstream did not answer the beginning of a connection in HTTP/2. The request was not
    /// sent.
    NotHttp2(Box<Request<RequestBody>>),
    /// The upstream says nothing. The request was not sent.
    Silent,
    Exchange(hyper::Error),
}

pub(crate) struct Http2Pool {
    connector: HttpConnector,
    address: Uri,
    /// Locked briefly and never across an await.
    connections: Mutex<Vec<Connection>>,
    /// Locked while a connection is opened, so that a burst of requests shares it.
    connecting: tokio::sync::Mutex<()>,
}

struct Connection {
    sender: SendRequest<RequestBody>,
    streams: Arc<Streams>,
    last_used: Instant,
}

/// Why there is no connection.
enum NoStream {
    Connect(Box<dyn Error + Send + Sync>),
    NotHttp2,
    Silent,
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for NoStream {
    fn from(error: E) -> Self {
        Self::Connect(error.into())
    }
}

type Opened = (SendRequest<RequestBody>, Stream);

impl Http2Pool {
    pub(crate) fn new(connector: HttpConnector, address: Uri) -> Self {
        Self {
            connector,
            address,
            connections: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// Sends the request and waits for the response's head. The stream is open until what is
    /// returned with it is dropped.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
        connect_timeout: Duration,
    ) -> Result<(Response<Incoming>, Stream), Http2Error> {
        for tries_left in (0..TRIES).rev() {
            let (mut sender, stream) = match self.stream(connect_timeout).await {
                Ok(opened) => opened,
                Err(NoStream::Connect(error)) => return Err(Http2Error::Connect(error)),
                Err(NoStream::NotHttp2) => return Err(Http2Error::NotHttp2(Box::new(request))),
                Err(NoStream::Silent) => return Err(Http2Error::Silent),
            };
            let again = (tries_left > 0).then(|| without_body(&request)).flatten();
            let mut error = match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, stream)),
                Err(error) => error,
            };
            // Either nothing was sent, or the upstream says that it did not look at it.
            let unsent = error.take_message();
            let error = error.into_error();
            request = match (unsent, again) {
                (Some(unsent), _) if tries_left > 0 => unsent,
                (_, Some(again)) if was_refused(&error) => again,
                _ => return Err(Http2Error::Exchange(error)),
            };
            // Other streams of the connection go on, new ones are opened on another.
            self.lock().retain(|kept| !Arc::ptr_eq(&kept.streams, &stream.0));
        }
        Err(Http2Error::Connect("no connection takes the request".into()))
    }

    /// A stream of an open connection, or of a new one when all are full.
    async fn stream(&self, limit: Duration) -> Result<Opened, NoStream> {
        if let Some(stream) = self.free_stream() {
            return Ok(stream);
        }
        let _connecting = self.connecting.lock().await;
        loop {
            if let Some(stream) = self.free_stream() {
                return Ok(stream);
            }
            self.connect(limit).await?;
        }
    }

    /// Opens one more connection, and waits for the upstream's settings.
    async fn connect(&self, limit: Duration) -> Result<(), NoStream> {
        let socket = self.connector.clone().call(self.address.clone()).await?.into_inner();
        let (socket, mut allowed) = SettingsReader::new(socket);
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_RESPONSE_HEADER_LIST)
            .keep_alive_interval(Duration::from_secs(30))
            .handshake(TokioIo::new(socket))
            .await?;
        // The task ends when the sender is dropped and the last request is over. Errors reach the
        // requests themselves.
        tokio::spawn(connection);
        // It fails when the connection ends before.
        let settings = tokio::time::timeout(limit, allowed.wait_for(Option::is_some)).await;
        match settings.map(|allowed| allowed.map(|allowed| *allowed)) {
            Ok(Ok(Some(0))) => {
                return Err(NoStream::Connect("the upstream allows no stream".into()));
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(NoStream::NotHttp2),
            Err(_) => return Err(NoStream::Silent),
        }
        let streams = Arc::new(Streams { open: AtomicUsize::new(0), allowed });
        self.lock().push(Connection { sender, streams, last_used: Instant::now() });
        Ok(())
    }

    fn free_stream(&self) -> Option<Opened> {
        let mut connections = self.lock();
        connections.retain(|connection| !connection.sender.is_closed());
        // The first connection with a free stream is used, so the last ones become idle first.
        if connections.len() > 1
            && let Some(last) = connections.last()
            && last.streams.open.load(Ordering::Relaxed) == 0
            && last.last_used.elapsed() > SPARE_IDLE
        {
            connections.pop();
        }
        connections.iter_mut().find_map(|connection| {
            let stream = connection.streams.open()?;
            connection.last_used = Instant::now();
            Some((connection.sender.clone(), stream))
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same request, if it has no body that was or will be read.
fn without_body(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if !request.body().is_end_stream() {
        return None;
    }
    let mut again = Request::new(RequestBody::new(Empty::new()));
    again.method_mut().clone_from(request.method());
    again.uri_mut().clone_from(request.uri());
    *again.version_mut() = request.version();
    again.headers_mut().clone_from(request.headers());
    Some(again)
}

/// Whether the upstream says that it did not process the request (RFC 9113 §8.7).
fn was_refused(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let reason = error.reason();
            return reason == Some(h2::Reason::REFUSED_STREAM)
                || (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR));
        }
        source = error.source();
    }
    false
}

//! HTTP/2 connections to one upstream, shared by requests for any authority. hyper-util's own
//! client pools by the request's authority, which clients choose: each new Host would open a
//! connection. This pool has one address and ignores the authority.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use crate::body::RequestBody;
use crate::limits::{CONNECTION_WINDOW, MAX_FIELDS, MAX_RESPONSE_HEAD, MAX_STREAMS, STREAM_WINDOW};

/// HTTP/2 counts 32 bytes more for each header than Envoy does; `response_checks` applies the exact
/// limit.
const MAX_RESPONSE_HEADER_LIST: u32 = (MAX_RESPONSE_HEAD + MAX_FIELDS * 32) as u32;

/// A connection beside the first one is closed after it had no request for this long.
const SPARE_IDLE: Duration = Duration::from_secs(60);

/// Why a request got no response head.
pub(crate) enum Http2Error {
    Connect(Box<dyn Error + Send + Sync>),
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
    /// One permit for each stream that may still be opened.
    streams: Arc<Semaphore>,
    last_used: Instant,
}

impl Http2Pool {
    pub(crate) fn new(connector: HttpConnector, address: Uri) -> Self {
        Self {
            connector,
            address,
            connections: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// Sends the request and waits for the response's head. The permit counts as one stream of the
    /// connection until it is dropped.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
        connect_timeout: Duration,
    ) -> Result<(Response<Incoming>, OwnedSemaphorePermit), Http2Error> {
        let mut may_retry = true;
        loop {
            let stream = tokio::time::timeout(connect_timeout, self.stream()).await;
            let (mut sender, permit) = match stream {
                Ok(stream) => stream.map_err(Http2Error::Connect)?,
                Err(elapsed) => return Err(Http2Error::Connect(elapsed.into())),
            };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, permit)),
                Err(mut error) => match error.take_message() {
                    // The connection closed before anything was sent: retry once on another one.
                    Some(unsent) if may_retry => {
                        request = unsent;
                        may_retry = false;
                    }
                    _ => return Err(Http2Error::Exchange(error.into_error())),
                },
            }
        }
    }

    /// A stream of an open connection, or of a new one when all are full.
    async fn stream(
        &self,
    ) -> Result<(SendRequest<RequestBody>, OwnedSemaphorePermit), Box<dyn Error + Send + Sync>>
    {
        if let Some(stream) = self.free_stream() {
            return Ok(stream);
        }
        let _connecting = self.connecting.lock().await;
        if let Some(stream) = self.free_stream() {
            return Ok(stream);
        }
        let socket = self.connector.clone().call(self.address.clone()).await?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_RESPONSE_HEADER_LIST)
            .keep_alive_interval(Duration::from_secs(30))
            .handshake(socket)
            .await?;
        // The task ends when the sender is dropped and the last request is over. Errors reach the
        // requests themselves.
        tokio::spawn(connection);
        let streams = Arc::new(Semaphore::new(usize::from(MAX_STREAMS)));
        let permit = streams.clone().try_acquire_owned()?;
        self.lock().push(Connection { sender: sender.clone(), streams, last_used: Instant::now() });
        Ok((sender, permit))
    }

    fn free_stream(&self) -> Option<(SendRequest<RequestBody>, OwnedSemaphorePermit)> {
        let mut connections = self.lock();
        connections.retain(|connection| !connection.sender.is_closed());
        // The first connection with a free stream is used, so the last ones become idle first.
        if connections.len() > 1
            && let Some(last) = connections.last()
            && last.streams.available_permits() == usize::from(MAX_STREAMS)
            && last.last_used.elapsed() > SPARE_IDLE
        {
            connections.pop();
        }
        connections.iter_mut().find_map(|connection| {
            let permit = connection.streams.clone().try_acquire_owned().ok()?;
            connection.last_used = Instant::now();
            Some((connection.sender.clone(), permit))
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

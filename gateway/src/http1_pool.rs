//! HTTP/1.1 connections to one upstream. A connection carries one exchange at a time, and is kept
//! for the next one only when its upstream speaks HTTP/1.1: an answer in HTTP/1.0 would make hyper
//! speak HTTP/1.0 on it from then on, in which a body of unknown length cannot be sent.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use tower::Service;

use crate::body::RequestBody;
use crate::limits::{MAX_FIELDS, MAX_RESPONSE_HEAD};

/// How many idle connections are kept. More are opened when needed, and closed afterwards.
const MAX_IDLE: usize = 64;
/// An idle connection that is older is not used again.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);
/// Holds a whole head with its line ends.
const BUFFER: usize = MAX_RESPONSE_HEAD + 16 * 1024;

/// Why a request got no response head.
pub(crate) enum Http1Error {
    Connect(Box<dyn Error + Send + Sync>),
    Exchange(hyper::Error),
}

pub(crate) struct Http1Pool {
    connector: HttpConnector,
    address: Uri,
    idle: Arc<IdleConnections>,
}

/// The connections without an exchange, the oldest first. Locked briefly and never across an await.
#[derive(Default)]
struct IdleConnections(Mutex<Vec<Idle>>);

struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

impl Http1Pool {
    pub(crate) fn new(connector: HttpConnector, address: Uri) -> Self {
        Self { connector, address, idle: Arc::default() }
    }

    /// Sends the request and waits for the response's head.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
        connect_timeout: Duration,
    ) -> Result<Response<Incoming>, Http1Error> {
        loop {
            let (mut sender, is_new) = match self.idle.take() {
                Some(sender) => (sender, false),
                None => (self.connect(connect_timeout).await?, true),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    if response.version() == Version::HTTP_11 {
                        self.keep(sender);
                    }
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    // The upstream closed an idle connection before anything was sent on it.
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(Http1Error::Exchange(error.into_error())),
                },
            }
        }
    }

    async fn connect(&self, limit: Duration) -> Result<SendRequest<RequestBody>, Http1Error> {
        let connecting = async {
            let socket = self.connector.clone().call(self.address.clone()).await?;
            let (sender, connection) = Builder::new()
                // As Envoy does: a folded line becomes one line (RFC 9112 §5.2).
                .allow_obsolete_multiline_headers_in_responses(true)
                .max_headers(MAX_FIELDS)
                .max_buf_size(BUFFER)
                .handshake(socket)
                .await?;
            // The task ends with the connection. Errors reach the request itself.
            tokio::spawn(connection.with_upgrades());
            Ok::<_, Box<dyn Error + Send + Sync>>(sender)
        };
        match tokio::time::timeout(limit, connecting).await {
            Ok(connected) => connected.map_err(Http1Error::Connect),
            Err(elapsed) => Err(Http1Error::Connect(elapsed.into())),
        }
    }

    /// Keeps a connection for the next request, once this exchange is over.
    fn keep(&self, mut sender: SendRequest<RequestBody>) {
        let idle = self.idle.clone();
        tokio::spawn(async move {
            // It fails when the connection cannot be used again.
            if sender.ready().await.is_ok() {
                idle.put(sender);
            }
        });
    }
}

impl IdleConnections {
    /// The connection that was used last: the others become old and are closed.
    fn take(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.lock();
        while let Some(Idle { sender, since }) = idle.pop() {
            if since.elapsed() > MAX_IDLE_TIME {
                // The ones before it are older still.
                idle.clear();
            } else if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn put(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.lock();
        idle.retain(|kept| kept.since.elapsed() <= MAX_IDLE_TIME && !kept.sender.is_closed());
        if idle.len() < MAX_IDLE {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

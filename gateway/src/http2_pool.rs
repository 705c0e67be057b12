//! HTTP/2 connections to one upstream, shared by requests for any authority. hyper-util's own
//! client pools by the request's authority, which clients choose: each new Host would open a
//! connection. Here the address alone counts.

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

use super::body::RequestBody;
use super::server::{CONNECTION_WINDOW, MAX_HEADER_LIST, STREAM_WINDOW, STREAMS_PER_CONNECTION};

/// A spare connection without requests is closed after this.
const SPARE_IDLE: Duration = Duration::from_secs(60);

/// Why a request got no answer's head.
pub(super) enum Http2Error {
    Connect(Box<dyn Error + Send + Sync>),
    Exchange(hyper::Error),
}

pub(super) struct Http2Pool {
    connector: HttpConnector,
    address: Uri,
    /// Held briefly and never across an await.
    connections: Mutex<Vec<Connection>>,
    /// One connection is opened at a time, so that a burst of requests shares it.
    dialing: tokio::sync::Mutex<()>,
}

struct Connection {
    sender: SendRequest<RequestBody>,
    places: Arc<Semaphore>,
    used: Instant,
}

impl Http2Pool {
    pub(super) fn new(connector: HttpConnector, address: Uri) -> Self {
        Self {
            connector,
            address,
            connections: Mutex::default(),
            dialing: tokio::sync::Mutex::default(),
        }
    }

    /// Sends the request and waits for the answer's head. The permit is the request's place on its
    /// connection.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
        connect_timeout: Duration,
    ) -> Result<(Response<Incoming>, OwnedSemaphorePermit), Http2Error> {
        let mut again = true;
        loop {
            let place = tokio::time::timeout(connect_timeout, self.place()).await;
            let (mut sender, place) = match place {
                Ok(place) => place.map_err(Http2Error::Connect)?,
                Err(elapsed) => return Err(Http2Error::Connect(elapsed.into())),
            };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, place)),
                Err(mut error) => match error.take_message() {
                    // The connection closed under us and nothing was sent: once more, on another
                    // one.
                    Some(unsent) if again => {
                        request = unsent;
                        again = false;
                    }
                    _ => return Err(Http2Error::Exchange(error.into_error())),
                },
            }
        }
    }

    /// A place on an open connection, else on a new one.
    async fn place(
        &self,
    ) -> Result<(SendRequest<RequestBody>, OwnedSemaphorePermit), Box<dyn Error + Send + Sync>>
    {
        if let Some(place) = self.open_place() {
            return Ok(place);
        }
        let _dialing = self.dialing.lock().await;
        if let Some(place) = self.open_place() {
            return Ok(place);
        }
        let stream = self.connector.clone().call(self.address.clone()).await?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(Duration::from_secs(30))
            .handshake(stream)
            .await?;
        // It ends when the sender is dropped and its last request is over. An error reaches the
        // requests themselves.
        tokio::spawn(connection);
        let places = Arc::new(Semaphore::new(STREAMS_PER_CONNECTION));
        let place = places.clone().try_acquire_owned()?;
        self.lock().push(Connection { sender: sender.clone(), places, used: Instant::now() });
        Ok((sender, place))
    }

    fn open_place(&self) -> Option<(SendRequest<RequestBody>, OwnedSemaphorePermit)> {
        let mut connections = self.lock();
        connections.retain(|connection| !connection.sender.is_closed());
        // The first with a free place is taken, so the last ones are those that fall idle.
        if connections.len() > 1
            && let Some(last) = connections.last()
            && last.places.available_permits() == STREAMS_PER_CONNECTION
            && last.used.elapsed() > SPARE_IDLE
        {
            connections.pop();
        }
        connections.iter_mut().find_map(|connection| {
            let place = connection.places.clone().try_acquire_owned().ok()?;
            connection.used = Instant::now();
            Some((connection.sender.clone(), place))
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

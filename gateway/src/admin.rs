//! A small HTTP server beside the gateway, for its operators: a few pages, read with GET or
//! HEAD. What the pages say is the caller's.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How many connections are served at once; others wait.
const MAX_CONNECTIONS: usize = 256;
/// How long a connection may take altogether: it carries one request.
const LIMIT: Duration = Duration::from_secs(10);
/// How long the head of the request may take.
const HEAD_LIMIT: Duration = Duration::from_secs(2);
const MAX_HEAD: usize = 16 * 1024;

/// What a path shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// The content.
    pub body: String,
}

/// A listener for pages.
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Listens on an address; port 0 takes a free port.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves the page of each path, and 404 where there is none, until the future is dropped.
    pub async fn run(self, page: impl Fn(&str) -> Option<Page> + Send + Sync + 'static) {
        let (page, places) = (Arc::new(page), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                // After a lack of descriptors, accepting again at once would spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let page = page.clone();
            tokio::spawn(async move {
                // The client may end in any way.
                let _ = tokio::time::timeout(LIMIT, serve(stream, page)).await;
                drop(place);
            });
        }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn serve(
    stream: TcpStream,
    page: Arc<impl Fn(&str) -> Option<Page> + Send + Sync + 'static>,
) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let response = answer(&request, &*page);
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(
    request: &Request<Incoming>,
    page: &impl Fn(&str) -> Option<Page>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let Some(Page { status, content_type, body }) = page(request.uri().path()) else {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    if *request.method() != Method::GET && *request.method() != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // hyper leaves it out of an answer to HEAD.
    *response.body_mut() = Full::from(body);
    response
}

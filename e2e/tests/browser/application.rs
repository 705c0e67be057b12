//! An upstream that answers as a test says, and remembers what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

/// What an application answers.
pub type Page = Response<Full<Bytes>>;

/// A running application, which ends with the test's runtime.
pub struct Application {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Application {
    pub async fn start(
        answer: impl Fn(&Request<Incoming>) -> Page + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let application = Self { address, asked: Arc::default() };
        let (answer, asked) = (Arc::new(answer), application.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, asked) = (answer.clone(), asked.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let line = format!("{} {}", request.method(), request.uri().path());
                    asked.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                    std::future::ready(Ok::<_, Infallible>(answer(&request)))
                });
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // The gateway ends its connections in its own way.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        application
    }

    /// The method and path of each request so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A page of this type, with more headers.
pub fn page(content_type: &str, headers: &[(&str, &str)], text: impl Into<String>) -> Page {
    let mut response = Response::builder().header("content-type", content_type);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(Bytes::from(text.into()))).expect("a response")
}

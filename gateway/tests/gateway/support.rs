//! What these tests need beside the test bed's client: a running gateway, filters made of closures,
//! bytes sent by hand, and an upstream that sends scripted bytes.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gatepost_gateway::{
    Filter, FilterSlot, Gateway, GatewayOptions, RouteTable, Router, Stats, UpstreamBody,
};
use gatepost_testbed::client::soon;
use http::{Request, Response, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::layer::util::Identity;
use tower::{BoxError, Layer, Service};

/// A gateway in a task of its own.
pub struct Running {
    pub address: SocketAddr,
    pub filter: FilterSlot,
    pub stats: Stats,
    stop: oneshot::Sender<()>,
    task: JoinHandle<usize>,
}

impl Running {
    pub fn stop(self) -> JoinHandle<usize> {
        let _ = self.stop.send(());
        self.task
    }
}

/// A filter that forwards every request unchanged.
pub fn forward() -> Identity {
    Identity::new()
}

/// What [`Deciding`] does with a request.
pub enum Verdict {
    /// The request is forwarded as the function left it.
    Forward,
    /// The filter answers with this status and body.
    Reply(u16, &'static str),
    /// The filter fails.
    Fail,
}

/// A filter that calls a function for each request.
#[derive(Clone)]
pub struct Deciding<F>(pub F);

/// The service of [`Deciding`].
#[derive(Clone)]
pub struct Decided<F> {
    decide: F,
    router: Router,
}

impl<F: Clone> Layer<Router> for Deciding<F> {
    type Service = Decided<F>;

    fn layer(&self, router: Router) -> Decided<F> {
        Decided { decide: self.0.clone(), router }
    }
}

impl<F: Fn(&mut Request<Incoming>) -> Verdict> Service<Request<Incoming>> for Decided<F> {
    type Response = Response<Either<Full<Bytes>, UpstreamBody>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        match (self.decide)(&mut request) {
            Verdict::Forward => {
                let answering = self.router.call(request);
                Box::pin(async { Ok(answering.await?.map(Either::Right)) })
            }
            Verdict::Reply(status, body) => {
                let response =
                    Response::builder().status(status).body(Either::Left(Full::from(body)));
                Box::pin(async { Ok(response?) })
            }
            Verdict::Fail => Box::pin(async { Err("no answer".into()) }),
        }
    }
}

/// Writes another authority and path into a request.
pub fn redirect(request: &mut Request<Incoming>, authority: &str, path: &str) {
    if request.version() == Version::HTTP_2 {
        *request.uri_mut() = format!("http://{authority}{path}").parse().unwrap();
    } else {
        *request.uri_mut() = path.parse::<Uri>().unwrap();
        request.headers_mut().insert("host", authority.parse().unwrap());
    }
}

pub async fn gateway(routes: &[(&str, SocketAddr)], filter: impl Filter) -> Running {
    gateway_with(routes, filter, GatewayOptions::default()).await
}

pub async fn gateway_with(
    routes: &[(&str, impl std::fmt::Display)],
    filter: impl Filter,
    options: GatewayOptions,
) -> Running {
    let routes =
        RouteTable::parse(routes.iter().map(|(host, address)| format!("{host}=http://{address}")))
            .unwrap();
    let gateway = Gateway::bind("127.0.0.1:0", routes, &filter, options).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (address, filter, stats) = (gateway.local_addr(), gateway.filter(), gateway.stats());
    let task = tokio::spawn(gateway.run(async { drop(stopped.await) }));
    Running { address, filter, stats, stop, task }
}

/// Sends bytes as they are and reads until the gateway closes.
pub async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The gateway may close before it read everything; its answer can still be read.
    let _ = stream.write_all(bytes.as_ref()).await;
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The JSON in a raw answer with a content length.
pub fn echo_of_raw(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

pub fn status_of_raw(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

/// An upstream that reads a request's head, sends these bytes and then waits for the end of the
/// connection. The receiver gets `request` and `end`.
pub async fn scripted(
    answer: &'static [u8],
) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (events, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let events = events.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = events.send("request");
                let _ = stream.write_all(answer).await;
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                let _ = events.send("end");
            });
        }
    });
    (address, receiver)
}

/// An upstream that answers each request with what the function makes of its head, and ends the
/// connection when there is no answer. The receiver
/// gets each request as it came.
pub async fn answering(
    answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, receiver) = tokio::sync::mpsc::unbounded_channel();
    let answer = std::sync::Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (requests, answer) = (requests.clone(), answer.clone());
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    let Some(answer) = answer(&request) else { break };
                    let _ = requests.send(request);
                    let _ = stream.write_all(&answer).await;
                }
            });
        }
    });
    (address, receiver)
}

/// A request with its body.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    let is_whole = |request: &str| match request.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains("chunked") => body.ends_with("0\r\n\r\n"),
        Some((head, body)) => {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.map_or(0, |length| length.parse().unwrap())
        }
        None => false,
    };
    while !is_whole(&request) {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        request.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    Some(request)
}

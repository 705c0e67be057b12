//! Calls that guests start, while an exchange waits for them: HTTP, gRPC and gRPC streams, their
//! timeouts and their ends.

mod common;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{Pieces, answer, get, one_worker, plugin, pool_with};
use gatepost_host::{ChainOptions, MemoryLog};
use gatepost_host_tower::{CalloutBody, ClusterServices, Pool, PoolOptions, WasmBody, WasmLayer};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tower::{Layer, ServiceExt, service_fn};

fn pool(script: &str, clusters: ClusterServices) -> (Pool, MemoryLog) {
    let options = PoolOptions { callouts: Arc::new(clusters), ..one_worker() };
    pool_with(vec![plugin("p", script)], ChainOptions::default(), options)
}

/// Sends a request through a pool, in time.
async fn send(pool: &Pool) -> common::Answer {
    let service = WasmLayer::new(pool.clone()).layer(service_fn(
        |request: Request<WasmBody<Pieces>>| async move {
            let told =
                request.headers().get("x-told").map(|told| Bytes::copy_from_slice(told.as_bytes()));
            Ok::<_, Infallible>(Response::new(http_body_util::Full::new(told.unwrap_or_default())))
        },
    ));
    let response = tokio::time::timeout(Duration::from_secs(10), service.oneshot(get("/"))).await;
    answer(response.expect("a response in time")).await
}

/// What the guest logged of its callouts.
fn told(log: &MemoryLog, of: &str) -> Vec<String> {
    log.messages().into_iter().filter(|line| line.starts_with(of)).collect()
}

/// A service that tells what it was sent, with a trailer.
async fn describe(request: Request<CalloutBody>) -> Result<Response<Pieces>, Infallible> {
    let head =
        common::head(request.method().as_str(), &request.uri().to_string(), request.headers());
    let body = request.into_body().collect().await.unwrap();
    let trailers =
        body.trailers().map(|trailers| common::head("", "", trailers)).unwrap_or_default();
    let text = format!("{head} {:?}{trailers}", body.to_bytes());
    let response = Response::builder().status(201).header("x-callee", "yes");
    Ok(response.body(Pieces::of(&[text.leak()]).with_trailer("x-t", "2")).unwrap())
}

#[tokio::test]
async fn a_callout_resumes_a_request_with_what_it_was_answered() {
    let script = "request_headers: call auth 1000 body :method POST :path /check :authority \
        auth.example x-a 1 trailers x-t 1
        request_headers: pause
        http_call_response: pairs call_headers
        http_call_response: pairs call_trailers
        http_call_response: body call 0 1000
        http_call_response: effective stream
        http_call_response: add request_headers x-told $
        http_call_response: continue request";
    let (pool, log) = pool(script, ClusterServices::new().with("auth", service_fn(describe)));
    let answer = send(&pool).await;
    let told_to_callee = "POST http://auth.example/check x-a=1 content-length=4 b\"body\"  x-t=1";
    assert_eq!(answer.body, told_to_callee, "{:?}", log.messages());
    let lines = told(&log, "http_call_response: pairs");
    assert_eq!(
        lines[0],
        "http_call_response: pairs call_headers -> Ok [:status=\"201\" x-callee=\"yes\"]"
    );
    assert_eq!(lines[1], "http_call_response: pairs call_trailers -> Ok [x-t=\"2\"]");
}

#[tokio::test]
async fn a_cluster_at_an_address_is_called_there_by_the_guests_name() {
    let script =
        "request_headers: call auth 1000 \"\" :method GET :path /check :authority auth.example
        request_headers: pause
        http_call_response: body call 0 1000
        http_call_response: effective stream
        http_call_response: add request_headers x-told $
        http_call_response: continue request";
    let origin = http::Uri::from_static("http://127.0.0.1:9000");
    let (pool, _) =
        pool(script, ClusterServices::new().with_origin("auth", origin, service_fn(describe)));
    assert_eq!(send(&pool).await.body, "GET http://127.0.0.1:9000/check host=auth.example b\"\"");
}

#[tokio::test]
async fn a_hyper_client_sends_callouts_over_a_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut requests) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let told = |request: Request<hyper::body::Incoming>| {
            let sender = sender.clone();
            async move {
                let head = common::head(
                    request.method().as_str(),
                    &request.uri().to_string(),
                    request.headers(),
                );
                let body = request.into_body().collect().await.unwrap().to_bytes();
                sender.send(format!("{head} {body:?}")).await.unwrap();
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        };
        let stream = hyper_util::rt::TokioIo::new(stream);
        hyper::server::conn::http1::Builder::new()
            .serve_connection(stream, hyper::service::service_fn(told))
            .await
    });
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<CalloutBody>();
    let script = format!(
        "request_headers: call auth 1000 body :method POST :path /check :authority \
         auth.example\n{CALLS}"
    );
    let clusters = ClusterServices::new().with_origin(
        "auth",
        format!("http://{address}").parse().unwrap(),
        client,
    );
    let (pool, log) = pool(&script, clusters);
    assert_eq!(&send(&pool).await.head[..3], "200");
    assert_eq!(
        requests.recv().await.unwrap(),
        "POST /check content-length=4 host=auth.example b\"body\""
    );
    assert!(told(&log, "http_call_response: get")[0].ends_with("\"200\""));
}

const CALLS: &str = "http_call_response: get call_headers :status
        http_call_response: body call 0 1000
        http_call_response: effective stream
        http_call_response: continue request
        request_headers: pause";

#[tokio::test]
async fn a_callout_that_is_not_answered_times_out_and_is_dropped() {
    let script =
        format!("request_headers: call slow 60 \"\" :method GET :path / :authority a\n{CALLS}");
    let running = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&running);
    let slow = move |_: Request<CalloutBody>| {
        let counted = Counted::new(&count);
        async move {
            std::future::pending::<()>().await;
            drop(counted);
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    };
    let (pool, log) = pool(&script, ClusterServices::new().with("slow", service_fn(slow)));
    let start = Instant::now();
    assert_eq!(&send(&pool).await.head[..3], "200");
    assert!(start.elapsed() >= Duration::from_millis(60));
    let lines = told(&log, "http_call_response: ");
    assert!(
        lines[0].ends_with("-> Ok \"504\"")
            && lines[1].ends_with("-> Ok \"upstream request timeout\""),
        "{lines:?}"
    );
    common::soon("the call is dropped", || running.load(Ordering::SeqCst) == 0).await;
}

/// Counts those that are alive.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_unreachable() {
    let script =
        format!("request_headers: call nobody 1000 \"\" :method GET :path / :authority a\n{CALLS}");
    for clusters in
        [ClusterServices::new(), ClusterServices::new().with("nobody", service_fn(fails))]
    {
        let (pool, log) = pool(&script, clusters);
        assert_eq!(&send(&pool).await.head[..3], "200");
        let lines = told(&log, "http_call_response: ");
        assert!(
            lines[0].ends_with("\"503\"")
                && lines[1].contains("reset reason: remote connection failure"),
            "{lines:?}"
        );
    }
}

async fn fails(_: Request<CalloutBody>) -> Result<Response<Empty<Bytes>>, std::io::Error> {
    Err(std::io::Error::other("no"))
}

async fn panics(_: Request<CalloutBody>) -> Result<Response<Empty<Bytes>>, Infallible> {
    panic!("a bug of the embedder's")
}

#[tokio::test]
async fn a_callee_that_panics_does_not_leave_its_guest_waiting() {
    let script = format!(
        "request_headers: call broken 60000 \"\" :method GET :path / :authority a\n{CALLS}"
    );
    let (pool, _) = pool(&script, ClusterServices::new().with("broken", service_fn(panics)));
    assert_eq!(&send(&pool).await.head[..3], "200");
}

/// Answers each message of a gRPC call with the same after `echo `.
async fn grpc_echo(request: Request<CalloutBody>) -> Result<Response<GrpcAnswer>, Infallible> {
    let (head, mut body) = request.into_parts();
    let (sender, answers) = tokio::sync::mpsc::channel(8);
    let status =
        head.headers.get("x-grpc-status").cloned().unwrap_or(HeaderValue::from_static("0"));
    tokio::spawn(async move {
        let mut received = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            received.extend_from_slice(&frame.into_data().unwrap_or_default());
            while received.len() >= 5 && received.len() >= 5 + usize::from(received[4]) {
                let rest = received.split_off(5 + usize::from(received[4]));
                let message = [b"echo ", &received[5..]].concat();
                received = rest;
                let framed =
                    [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()][..], &message].concat();
                if sender.send(Frame::data(framed.into())).await.is_err() {
                    return;
                }
            }
        }
        let message = HeaderValue::from_static("no%20way");
        let trailers = [
            (HeaderName::from_static("grpc-status"), status),
            (HeaderName::from_static("grpc-message"), message),
        ];
        let _ = sender.send(Frame::trailers(HeaderMap::from_iter(trailers))).await;
    });
    let told =
        format!("{} {}", head.uri, head.headers.get("te").map_or("", |te| te.to_str().unwrap()));
    let response =
        Response::builder().header("content-type", "application/grpc").header("x-told", told);
    Ok(response.body(StreamBody::new(Frames(answers))).unwrap())
}

type GrpcAnswer = StreamBody<Frames>;

struct Frames(tokio::sync::mpsc::Receiver<Frame<Bytes>>);

impl futures_util::Stream for Frames {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

#[tokio::test]
async fn a_grpc_call_brings_its_message_or_its_status() {
    let script = |metadata: &str| {
        format!(
            "request_headers: grpc greeter pkg.Service Method 1000 hello {metadata}
            request_headers: pause
            grpc_receive: body grpc 0 100
            grpc_receive: effective stream
            grpc_receive: continue request
            grpc_close: status
            grpc_close: effective stream
            grpc_close: continue request"
        )
    };
    let clusters = || ClusterServices::new().with("greeter", service_fn(grpc_echo));
    let (good, log) = pool(&script(""), clusters());
    send(&good).await;
    assert_eq!(
        told(&log, "grpc_receive: body"),
        ["grpc_receive: body grpc 0 100 -> Ok \"echo hello\""],
        "{:?}",
        log.messages()
    );
    let (bad, log) = pool(&script("x-grpc-status 7"), clusters());
    send(&bad).await;
    assert_eq!(
        told(&log, "grpc_close: status"),
        ["grpc_close: status -> Ok 7 \"no way{via_upstream}\""],
        "{:?}",
        log.messages()
    );
    let (nobody, log) = pool(&script(""), ClusterServices::new());
    send(&nobody).await;
    assert!(
        told(&log, "grpc_close: status")[0].contains("14 \"upstream connect error"),
        "{:?}",
        log.messages()
    );
}

#[tokio::test]
async fn a_grpc_stream_carries_messages_both_ways() {
    let script = "request_headers: grpc_stream greeter pkg.Service Chat x-m 1
        request_headers: grpc_send one false
        request_headers: pause
        grpc_receive_initial_metadata: get grpc_initial_metadata x-told
        grpc_receive: body grpc 0 100
        grpc_receive#1: grpc_send two true
        grpc_receive_trailing_metadata: get grpc_trailing_metadata grpc-status
        grpc_close: status
        grpc_close: effective stream
        grpc_close: continue request";
    let (pool, log) = pool(script, ClusterServices::new().with("greeter", service_fn(grpc_echo)));
    send(&pool).await;
    let lines: Vec<String> =
        told(&log, "grpc_").into_iter().filter(|line| line.contains("->")).collect();
    assert_eq!(
        lines,
        [
            "grpc_receive_initial_metadata: get grpc_initial_metadata x-told -> Ok \
             \"http://greeter/pkg.Service/Chat trailers\"",
            "grpc_receive: body grpc 0 100 -> Ok \"echo one\"",
            "grpc_receive: grpc_send two true -> Ok",
            "grpc_receive: body grpc 0 100 -> Ok \"echo two\"",
            "grpc_receive_trailing_metadata: get grpc_trailing_metadata grpc-status -> Ok \"0\"",
            "grpc_close: status -> Ok 0 \"no way{via_upstream}\"",
            "grpc_close: effective stream -> Ok",
            "grpc_close: continue request -> Ok",
        ],
        "{:?}",
        log.messages()
    );
}

#[tokio::test]
async fn a_callout_from_a_tick_is_sent_without_a_request() {
    let script = "configure: tick 20
        tick#1: tick 0
        tick#1: call auth 1000 \"\" :method GET :path /tick :authority a
        http_call_response: get call_headers :status";
    let (_pool, log) = pool(script, ClusterServices::new().with("auth", service_fn(describe)));
    common::soon("the answer comes", || told(&log, "http_call_response: get").len() == 1).await;
}

#[tokio::test]
async fn an_item_in_a_queue_wakes_the_other_worker() {
    let script = "configure: register work
        request_headers: enqueue work item
        queue_ready: dequeue work";
    let (pool, log) = pool_with(
        vec![plugin("p", script)],
        ChainOptions::default(),
        PoolOptions { workers: 2, ..one_worker() },
    );
    send(&pool).await;
    common::soon("the item comes", || {
        told(&log, "queue_ready: dequeue").iter().any(|line| line.ends_with("\"item\""))
    })
    .await;
}

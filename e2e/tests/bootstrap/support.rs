//! What these tests share: the Envoy binary, the filter of gate.wat, an upstream that answers which
//! protocol and headers it received, and a blocking GET.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatepost_render::FailurePolicy;
use gatepost_render::bootstrap::{AccessLog, Bootstrap, Module, Plugin, PluginSource, Route};
use gatepost_testbed::client;
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use http::Version;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The filter of gate.wat.
pub fn gate() -> Vec<u8> {
    wat::parse_str(include_str!("gate.wat")).expect("gate.wat is valid")
}

pub fn plugin<'a>(module: &'a [u8], configuration: &'a str) -> Plugin<'a> {
    Plugin { module: Module::Inline(module), configuration, on_failure: FailurePolicy::default() }
}

/// A bootstrap on loopback with ports of the system's choice.
pub fn bootstrap<'a>(routes: &'a [Route], plugin: PluginSource<'a>) -> Bootstrap<'a> {
    Bootstrap {
        listen: ([127, 0, 0, 1], 0).into(),
        admin: None,
        routes,
        trusted_hops: 0,
        access_log: AccessLog::Stdout,
        plugin,
    }
}

pub fn routes(texts: &[String]) -> Vec<Route> {
    texts.iter().map(|text| text.parse().expect("a route")).collect()
}

/// A running Envoy and the address of its listener.
pub fn start(bootstrap: &Bootstrap<'_>) -> (Envoy, SocketAddr) {
    let envoy = Envoy::start(
        &gatepost_e2e::envoy().expect("an Envoy"),
        &bootstrap.render().expect("a document"),
        &Options::default(),
    )
    .expect("Envoy starts");
    let listener = envoy.listener(LISTENER).expect("a listener");
    (envoy, listener)
}

/// Waits until a condition holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "not within 20 seconds: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An HTTP/1.1 and HTTP/2 server that answers
/// `<name> <protocol> <authority> length=<what gate.wat wrote>`, and after it those of [`STEERING`]
/// that arrived.
pub struct Upstream {
    pub address: SocketAddr,
    _runtime: Runtime,
}

impl Upstream {
    pub fn start(name: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("bound");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a TCP socket");
                tokio::spawn(async move {
                    let service = service_fn(move |request| async move {
                        Ok::<_, Infallible>(describe(name, &request))
                    });
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A client may hang up.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, _runtime: runtime }
    }
}

/// Headers by which a trusted client could control Envoy.
const STEERING: [&str; 4] = [
    "x-envoy-internal",
    "x-envoy-retry-on",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-expected-rq-timeout-ms",
];

fn describe(name: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let header = |key| {
        request.headers().get(key).map_or("none", |value| value.to_str().unwrap_or("not text"))
    };
    let authority =
        request.uri().authority().map_or(header("host"), |authority| authority.as_str());
    let mut text = format!(
        "{name} {:?} {authority} length={}",
        request.version(),
        header("x-configuration-length")
    );
    for name in STEERING.iter().filter(|name| request.headers().contains_key(**name)) {
        text.push(' ');
        text.push_str(name);
    }
    Response::new(Full::new(text.into()))
}

/// Sends `GET /` and returns the status and body.
pub fn get(
    to: SocketAddr,
    version: Version,
    authority: &str,
    headers: &[(&str, &str)],
) -> (u16, String) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let request = client::get(&format!("http://{authority}/"), headers);
        let response = client::send(version, to, request).await;
        (response.status().as_u16(), client::text(response).await)
    })
}

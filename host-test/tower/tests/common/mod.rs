//! What the tests of the layer share: chains of scripted guests, services to put behind them, and
//! bodies in pieces.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gatepost_host::{
    Chain, ChainOptions, ChainPlugin, Engine, EngineOptions, FailPolicy, Host, MemoryLog, Module,
    PluginConfig,
};
use gatepost_host_tower::{Pool, PoolOptions, WasmBody, WasmLayer};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;

static PROBE: LazyLock<Module> = LazyLock::new(|| {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    Module::new(&engine, "probe", gatepost_guests_wasm::PROBE).expect("the probe")
});

/// A plugin that runs a script.
pub fn plugin(name: &str, script: &str) -> ChainPlugin {
    let config = PluginConfig {
        name: name.to_owned(),
        vm_id: name.to_owned(),
        configuration: script.to_owned().into(),
        ..PluginConfig::default()
    };
    ChainPlugin { module: PROBE.clone(), config }
}

/// The same with what happens when it traps.
pub fn plugin_that_fails(script: &str, fail_policy: FailPolicy) -> ChainPlugin {
    let mut plugin = plugin("failing", script);
    plugin.config.fail_policy = fail_policy;
    plugin
}

/// A pool of one worker, and what its guests log.
pub fn pool_of(scripts: &[&str]) -> (Pool, MemoryLog) {
    let plugins = scripts
        .iter()
        .zip(0..)
        .map(|(script, number)| plugin(&format!("p{number}"), script))
        .collect();
    pool_with(plugins, ChainOptions::default(), one_worker())
}

pub fn one_worker() -> PoolOptions {
    PoolOptions { workers: 1, ..PoolOptions::default() }
}

pub fn pool_with(
    plugins: Vec<ChainPlugin>,
    options: ChainOptions,
    pool: PoolOptions,
) -> (Pool, MemoryLog) {
    let log = MemoryLog::default();
    let host = Host { log: Arc::new(log.clone()), ..Host::default() };
    let pool = Pool::start(&Chain::with_options(plugins, options), host, pool).expect("a pool");
    (pool, log)
}

pub fn layer_of(scripts: &[&str]) -> WasmLayer {
    WasmLayer::new(pool_of(scripts).0)
}

/// A body that comes in pieces, each when it is asked for, with a wait where there is one.
#[derive(Default)]
pub struct Pieces {
    frames: VecDeque<Frame<Bytes>>,
    /// It ends without a sign before the end.
    pub fails: bool,
}

impl Pieces {
    pub fn of(pieces: &[&'static str]) -> Self {
        Self {
            frames: pieces.iter().map(|piece| Frame::data(Bytes::from(*piece))).collect(),
            fails: false,
        }
    }

    pub fn with_trailer(mut self, name: &'static str, value: &'static str) -> Self {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        )]);
        self.frames.push_back(Frame::trailers(trailers));
        self
    }

    pub fn that_fails(mut self) -> Self {
        self.fails = true;
        self
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = self.frames.pop_front().map(Ok);
        let failure =
            || std::mem::take(&mut self.fails).then(|| Err(std::io::Error::other("cut off")));
        Poll::Ready(frame.or_else(failure))
    }
}

/// What a service got.
#[derive(Clone, Debug, Default)]
pub struct Got {
    pub head: String,
    pub pieces: Vec<Bytes>,
    pub trailers: Option<HeaderMap>,
    pub error: Option<String>,
    pub route_cache_cleared: bool,
}

impl Got {
    pub fn body(&self) -> Bytes {
        self.pieces.concat().into()
    }
}

/// What a service has got, in order.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Vec<Got>>>);

impl Seen {
    pub fn all(&self) -> Vec<Got> {
        self.0.lock().unwrap().clone()
    }

    pub fn only(&self) -> Got {
        let all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }

    /// Reads a request whole and keeps it.
    pub async fn keep<B>(&self, request: Request<WasmBody<B>>)
    where
        B: Body,
        B::Error: Into<gatepost_host_tower::BoxError>,
    {
        let mut got = Got {
            head: head(request.method().as_str(), &request.uri().to_string(), request.headers()),
            route_cache_cleared: request
                .extensions()
                .get::<gatepost_host_tower::RouteCacheCleared>()
                .is_some(),
            ..Got::default()
        };
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => got.pieces.push(data),
                Ok(Err(frame)) => got.trailers = frame.into_trailers().ok(),
                Err(error) => got.error = Some(error.to_string()),
            }
        }
        self.0.lock().unwrap().push(got);
    }
}

pub fn head(first: &str, second: &str, headers: &HeaderMap) -> String {
    let fields =
        headers.iter().map(|(name, value)| format!(" {name}={}", value.as_bytes().escape_ascii()));
    format!("{first} {second}{}", fields.collect::<String>())
}

/// A response that has come whole.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
    pub error: Option<String>,
    pub extensions: http::Extensions,
}

/// Reads a response whole.
pub async fn answer<B>(response: Result<Response<B>, Infallible>) -> Answer
where
    B: Body + Unpin,
    B::Data: Into<Bytes>,
    B::Error: std::fmt::Display,
{
    let (parts, mut body) = response.unwrap().into_parts();
    let (mut data, mut trailers, mut error) = (Vec::new(), None, None);
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(piece)) => data.extend_from_slice(&piece.into()),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(failure) => error = Some(failure.to_string()),
        }
    }
    let status = parts.status.as_u16().to_string();
    let fields = parts
        .headers
        .iter()
        .map(|(name, value)| format!(" {name}={}", value.as_bytes().escape_ascii()));
    let head = format!("{status}{}", fields.collect::<String>());
    Answer { head, body: data.into(), trailers, error, extensions: parts.extensions }
}

pub fn get(path: &str) -> Request<Pieces> {
    request("GET", path, Pieces::default())
}

pub fn post(pieces: &[&'static str]) -> Request<Pieces> {
    request("POST", "/", Pieces::of(pieces))
}

pub fn request(method: &str, path: &str, body: Pieces) -> Request<Pieces> {
    Request::builder().method(method).uri(path).header("host", "shop.example").body(body).unwrap()
}

/// Waits until something is so; guests' timers and other tasks need a moment.
pub async fn soon(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds: {what}");
}

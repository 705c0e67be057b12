//! Puts proxy-wasm filters into any service of hyper, axum or tonic: a
//! [`tower::Layer`](https://docs.rs/tower/latest/tower/trait.Layer.html) over the types of `http`
//! and `http-body`.
//!
//! A [`Pool`] runs a [`Chain`](gatepost_host::Chain) of plugins in VMs, and a [`WasmLayer`] of it
//! is in front of a service as Envoy's filters are in front of an upstream: requests pass the
//! plugins before the service gets them, and responses pass them on their way back. The host's
//! [`Worker`](gatepost_host::Worker), which behaves as Envoy does, decides what plugins may do and
//! what their actions do to a message.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use gatepost_host::{Chain, ChainPlugin, Engine, EngineOptions, Host, Module, PluginConfig};
//! use gatepost_host_tower::{Pool, PoolOptions, WasmBody, WasmLayer};
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Any proxy-wasm module will do; this one sets the response header `x-seen: yes`.
//! let wasm = wat::parse_str(r#"(module
//!     (import "env" "proxy_replace_header_map_value"
//!         (func $replace (param i32 i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "x-seenyes")
//!     (func (export "proxy_abi_version_0_2_1"))
//!     (func (export "malloc") (param i32) (result i32) (i32.const 1024))
//!     (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
//!         i32.const 2 i32.const 0 i32.const 6 i32.const 6 i32.const 3 call $replace))"#)?;
//! let module = Module::new(&Engine::new(EngineOptions::default())?, "seen", &wasm)?;
//! let chain = Chain::new(vec![ChainPlugin { module, config: PluginConfig::default() }]);
//! let pool = Pool::start(&chain, Host::default(), PoolOptions::default())?;
//!
//! let hello = |_: Request<WasmBody<Empty<Bytes>>>| async {
//!     Ok::<_, Infallible>(Response::new("hello".to_owned()))
//! };
//! let service = WasmLayer::new(pool).layer(service_fn(hello));
//!
//! let request = Request::get("/").header("host", "shop.example").body(Empty::new())?;
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.headers()["x-seen"], "yes");
//! # Ok(())
//! # }
//! ```
//!
//! # What passes, and how
//!
//! - **Bodies stream.** A frame is read from its sender when the other side wants one, is shown to
//!   the plugins, and goes on as they leave it. While a plugin keeps more than
//!   [`buffer_bytes`](gatepost_host::ChainOptions) and wants to keep on, the sender is not read. A
//!   plugin that changes a body removes `content-length`, or sets it, as under Envoy.
//! - **Headers** are as Envoy shows them: `:method`, `:scheme`, `:authority` and `:path`, where
//!   HTTP/1 has a request line and `Host`. Those that belong to one connection (`connection`,
//!   `transfer-encoding`, `keep-alive`, and `te` except `trailers`) are not shown to plugins;
//!   `connection` and `upgrade` of an upgrade are. The URI keeps its form, and changes where a
//!   plugin has changed what it says. A head that `http` cannot hold is answered with 503 in a
//!   request and 502 in a response. The layer does not add what Envoy's connection manager and
//!   router add, as `x-forwarded-for` and `x-request-id`.
//! - **Local replies** have a [`LocalReplySent`](gatepost_host::LocalReplySent) in their
//!   extensions, for access logs.
//! - **An error of the service** becomes a response, as Envoy's router makes one: see
//!   [`UpstreamErrors`]. When a plugin or either side resets a stream, the body ends with
//!   [`BodyError::Reset`], which servers turn into a reset. Before a response has begun the client
//!   gets 503 with such a body.
//! - **Dropping** the response, or its future, ends the exchange, and what the service still reads
//!   of the request fails. A request whose whole response has been read is over, too.
//! - **The route**: a service that routes by the request as plugins leave it needs nothing. One
//!   that has routed before finds [`RouteCacheCleared`] in the request's extensions when it should
//!   do so again.
//! - **Upgrades and tunnels** of HTTP/1: their heads pass the plugins, what follows on the
//!   connection does not.
//!
//! Guests run on the task that brings them a message, under the lock of their worker, which is
//! never held while anything is awaited. A guest that loops would occupy that thread: limit it with
//! [`Limits`](gatepost_host::Limits).
//!
//! # Time and callouts
//!
//! Each worker has a task on the tokio runtime in which the pool was started. It sleeps until a
//! tick or a timeout is due, and sends the guests' callouts: HTTP calls, gRPC calls and gRPC
//! streams, each as a request to what the embedder gives as [`Callouts`] or, cluster by cluster, as
//! [`ClusterServices`]. Exchanges that wait at a plugin are woken when a tick or an answer lets
//! them go on. The tasks end with the last handle to the pool, and so do the calls that they have
//! open.
#![forbid(unsafe_code)]

mod body;
mod call;
mod callout;
mod clusters;
mod connection;
mod driver;
mod exchange;
mod future;
mod grpc;
mod layer;
mod message;
mod pool;
mod pooled_worker;
mod upstream_error;

pub use body::{BodyError, BoxError, WasmBody};
pub use callout::{
    CalloutBody, CalloutError, CalloutFuture, CalloutResponse, Callouts, NoCallouts,
};
pub use clusters::ClusterServices;
pub use connection::{ConnectionInfo, RouteCacheCleared};
pub use future::WasmFuture;
pub use layer::{WasmLayer, WasmService};
pub use pool::{Pool, PoolError, PoolOptions};
pub use pooled_worker::OnTrap;
pub use upstream_error::{AnyFailure, UpstreamErrors, UpstreamFailure};

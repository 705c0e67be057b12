//! The embedded gateway: an HTTP reverse proxy that behaves as an Envoy listener with one HTTP
//! connection manager does.
//!
//! It accepts HTTP/1.1 and HTTP/2 (prior knowledge) on one port, brings each request into the form
//! that Envoy's filters see, hands it to a [`Filter`], which is a tower layer, and behind that to
//! the [`Router`], which selects the upstream by the authority that the filter left, and streams
//! bodies and trailers both ways. It knows nothing of policies or proxy-wasm: those are a layer.
//! TLS, retries and load balancing are left to what stands around it.
//!
//! A request's way: `server` (connections) -> `service` (one request) -> `manager` with `admission`
//! and `forwarded` -> `filter` -> `router` with `routes` -> `upstream`; `reply` where the gateway
//! answers itself.

mod admission;
mod authority;
mod body;
mod filter;
mod forwarded;
mod hop;
mod http2_pool;
mod manager;
mod options;
mod path;
mod patience;
pub mod plugin;
mod reply;
mod router;
mod routes;
mod server;
mod service;
mod target;
mod upstream;

pub use body::UpstreamBody;
pub use filter::{Details, Filter, FilterSlot, Filtered, Origin};
pub use options::{Access, AccessLog, GatewayOptions};
pub use reply::LocalReply;
pub use router::Router;
pub use routes::{RouteError, RouteTable};
pub use server::Gateway;
pub use target::{Target, TargetError};

//! The embedded gateway: an HTTP reverse proxy that behaves as an Envoy listener with one HTTP connection manager does.
//!
//! It accepts HTTP/1.1 and HTTP/2 (prior knowledge) on one port, shows each request head to a [`RequestFilter`], selects the
//! upstream by the authority that the filter left, and streams bodies and trailers both ways. It knows nothing of policies or
//! proxy-wasm: those live behind the filter. TLS, retries and load balancing are left to what stands around it.
//!
//! A request's way: `server` (connections) -> `service` (one request) -> `admission`, `forwarded` and `head` (Envoy's view of
//! it) -> the filter -> `routes` -> `upstream` -> `reply` when the gateway answers itself.

mod admission;
mod authority;
mod body;
mod filter;
mod forwarded;
mod head;
mod hop;
mod http2_pool;
mod options;
mod path;
mod patience;
mod reply;
mod routes;
mod server;
mod service;
mod target;
mod upstream;

pub use filter::{FilterSlot, LocalReply, RequestFilter, Verdict};
pub use head::{Field, HeadError, RequestHead, RewriteError};
pub use options::{Access, AccessLog, GatewayOptions};
pub use routes::{RouteError, RouteTable};
pub use server::Gateway;
pub use target::{Target, TargetError};

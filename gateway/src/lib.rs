//! The embedded gateway: an HTTP reverse proxy that behaves as an Envoy listener with one HTTP
//! connection manager does.
//!
//! It accepts HTTP/1.1 and HTTP/2 (prior knowledge) on one port, brings each request into the form
//! that Envoy's filters see, passes it through a [`Filter`], which is a tower layer, and on to the
//! [`Router`], which selects the upstream by the authority that the filter left. Bodies and
//! trailers are streamed both ways. It has no TLS, retries or load balancing.
//!
//! The gateway itself is independent of policies and proxy-wasm. [`PolicyFilter`] is the layer that
//! runs a policy: the real filter.wasm on wasmtime.
//!
//! A request passes these files: `server` with `connections` (the listener), `client_io` with
//! `request_head` (bytes), `service` (one request),
//! `connection_manager` with `codec_checks`, `hop_by_hop` and `forwarded`, then `filter`, `router`
//! with `routes`, and `upstream` with
//! `response_checks`. `reply` builds the gateway's own responses. `admin` is a
//! server of its own.

mod access_log;
mod admin;
mod authority;
mod body;
mod body_end;
mod client_io;
mod client_state;
mod codec_checks;
mod connection_manager;
mod connections;
mod escaped;
mod extensions;
mod filter;
mod filter_module;
mod forwarded;
mod hop_by_hop;
mod http1_pool;
mod http2_pool;
mod http2_settings;
mod http2_streams;
mod limits;
mod options;
mod path;
mod policy_filter;
mod reply;
mod request_head;
mod response_checks;
mod router;
mod routes;
mod server;
mod service;
mod stats;
mod target;
mod tunnel;
mod upstream;

pub use access_log::{Access, AccessLog};
pub use admin::{Admin, Page};
pub use body::UpstreamBody;
pub use escaped::escaped;
pub use extensions::{Details, Origin};
pub use filter::{Filter, FilterSlot, Filtered};
pub use filter_module::{FilterModule, PolicyError};
pub use options::{GatewayOptions, Timeouts};
pub use policy_filter::PolicyFilter;
pub use reply::LocalReply;
pub use router::Router;
pub use routes::{RouteError, RouteTable};
pub use server::Gateway;
pub use stats::{CLASSES, Stats, StatsSnapshot};
pub use target::{Target, TargetError};

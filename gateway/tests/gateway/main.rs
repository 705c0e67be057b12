//! The embedded gateway as its clients and upstreams see it: real connections on loopback, echo
//! upstreams, and filters made of closures or of scripted wasm. No result depends on how long
//! something takes; time limits only end a test that hangs.

mod clients;
mod forwarding;
mod grpc;
mod http2_upstreams;
mod lifecycle;
mod refusals;
mod replies;
mod streaming;
mod support;
mod targets;
mod upgrades;
mod upstream_framing;
mod wasm;

//! The embedded gateway as its clients and upstreams see it: real connections on loopback, echo
//! upstreams behind it, layers of closures and of scripted wasm as filters. No test is decided by
//! how long something takes; the limits only end what hangs.

mod forwarding;
mod grpc;
mod lifecycle;
mod refusals;
mod replies;
mod streaming;
mod support;
mod wasm;

//! A policy's tests as their author writes them (`tests.yaml`): requests, and what is expected of
//! each. This is plain data for any runner, be it the filter in a wasm host, an embedded gateway or
//! a real Envoy; nothing here sends a request. [`mismatch`] judges a test by the engine alone.
//!
//! ```yaml
//! # Which upstream answers for which authority, where the tests run through a gateway.
//! routes:
//!   readiness.example: readiness
//!   "*.shop.example": shop     # exact names, *.suffix, and * for everything else
//!   "*": anything-else
//! tests:
//! - name: the balancer's probe reaches the readiness endpoint     # unique in the file
//!   request:
//!     method: GET              # default GET
//!     authority: 10.0.0.1      # required
//!     path: /                  # default /
//!     # A list sends the header once for each value.
//!     headers: { user-agent: GoogleHC/1.0, env: [env1, env2] }
//!     source: 35.191.0.1       # the downstream address, default 203.0.113.7
//!   response:                  # what the upstream answers; omitted: 200 without headers
//!     status: 302              # default 200
//!     headers: { location: /login, set-cookie: [sid=1, theme=dark] }
//!   expect:                    # exactly one of forward and reply
//!     forward:
//!       authority: readiness.example:15020     # omitted: unchanged
//!       path: /healthz/ready                   # omitted: unchanged
//!       # Exactly this value, or this list of values, goes upstream.
//!       headers: { x-gatepost-env: env1 }
//!       absent: [knative-serving-namespace]    # does not go upstream
//!       upstream: readiness                    # the name in `routes` that answers
//!     # All but status is optional.
//!     # reply: { status: 404, details: gatepost.host.private, grpcStatus: 12, body: "…" }
//!     response:                # what the client gets, from an upstream or from the gateway
//!       headers: { location: /login, set-cookie: [sid=1, theme=dark] }   # exactly these values
//!       absent: [vary]         # the client does not get it
//!     counters: [gatepost.health_check.gclb]   # exactly these counters go up by one
//! ```
//!
//! `forward` is complete, and a runner must compare all of it: a header of the request that is
//! neither in `headers` nor in `absent` arrives unchanged, and no other header is added, beside
//! those that the gateway itself sets on every request. `status` and `grpcStatus` of a reply are
//! the policy's decision: to a gRPC client a gateway sends the latter with HTTP 200. Names of
//! headers are compared in lower case. Where `counters` is given, no other counter of Gatepost may
//! go up.
//!
//! `expect.response` is not complete: gateways add headers of their own to responses. The request
//! comes by `http`, unless it has the header `x-forwarded-proto`.

mod counters;
mod decide;
mod error;
mod fields;
mod headers;
mod model;
mod reading;

pub use decide::{Decided, Fate, decide, mismatch};
pub use model::{
    Case, DEFAULT_SOURCE, Expect, ExpectedResponse, Forward, Outcome, Reply, Request, Response,
    Route, Routes, Suite,
};

//! The requests that modules are measured with on `gatepost-host`, and what a module must do with
//! each.

use crate::browser::browser;

/// A kind of request, and what the module must do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What reports call it.
    pub name: &'static str,
    /// The request.
    pub request: &'static [(&'static str, &'static str)],
    /// A header that it must have afterwards, with its value.
    pub leaves: (&'static str, &'static str),
}

/// The load balancer's probe, which is rewritten to the gateway's own readiness endpoint.
pub const PROBE: Workload = Workload {
    name: "probe",
    request: &[
        (":authority", "10.0.0.7"),
        (":path", "/"),
        (":method", "GET"),
        (":scheme", "http"),
        ("user-agent", "GoogleHC/1.0"),
        ("connection", "Keep-alive"),
    ],
    leaves: (":path", "/healthz/ready"),
};

/// A request to a customer's domain, which the policy maps.
pub const MAPPED: Workload = Workload {
    name: "mapped host",
    request: &[
        (":authority", "my-service.test.com"),
        (":path", "/api/v1/items?page=2"),
        (":method", "GET"),
        (":scheme", "https"),
        ("user-agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("via", "1.1 google"),
        ("x-forwarded-for", "203.0.113.7, 35.191.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "5b3a9a5e-8a36-4c36-9e0a-6f5f9a1c2d3e"),
    ],
    leaves: (":authority", "my-service.default.example.com"),
};

/// A browser's request with its twelve ordinary headers, which passes untouched.
pub const PASS_THROUGH: Workload = Workload {
    name: "pass-through",
    request: &browser([
        (":authority", "www.example.com"),
        (":path", "/articles/2024/05/a-long-title-of-an-article?utm_source=newsletter"),
        (":method", "GET"),
        (":scheme", "https"),
    ]),
    leaves: (":authority", "www.example.com"),
};

/// The mapped host's request through [`THREE_HEADERS`](super::guest::THREE_HEADERS).
pub const SDK: Workload =
    Workload { name: "three headers", leaves: ("x-complete", "yes"), ..MAPPED };

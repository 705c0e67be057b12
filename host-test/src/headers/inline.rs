//! The names that Envoy's header maps keep in one slot. Adding such a header twice joins the values
//! with a comma. Read in Envoy's `envoy/http/header_map.h`; the extensions of a full build (cache,
//! compressor, CORS, gRPC-Web and others) register more names, which have tables of their own.

use super::HeaderScope;

const REQUEST_AND_RESPONSE: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "keep-alive",
    "proxy-connection",
    "proxy-status",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-request-id",
];

const REQUEST: [&str; 36] = [
    ":authority",
    ":method",
    ":path",
    ":protocol",
    ":scheme",
    "expect",
    "grpc-timeout",
    "te",
    "user-agent",
    "x-client-trace-id",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-is-timeout-retry",
    "x-envoy-max-retries",
    "x-envoy-original-path",
    "x-envoy-original-url",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];

const RESPONSE: [&str; 12] = [
    ":status",
    "date",
    "grpc-message",
    "grpc-status",
    "location",
    "server",
    "x-envoy-degraded",
    "x-envoy-immediate-health-check-fail",
    "x-envoy-ratelimited",
    "x-envoy-upstream-canary",
    "x-envoy-upstream-healthchecked-cluster",
    "x-envoy-upstream-service-time",
];

const REQUEST_EXTENSIONS: [&str; 17] = [
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "content-encoding",
    "grpc-accept-encoding",
    "grpc-encoding",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "referer",
];

const RESPONSE_EXTENSIONS: [&str; 13] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "cache-control",
    "content-encoding",
    "etag",
    "grpc-accept-encoding",
    "grpc-encoding",
    "last-modified",
    "vary",
];

const RESPONSE_TRAILERS: [&str; 2] = ["grpc-message", "grpc-status"];

/// Whether Envoy keeps this header, in lower case, in one slot.
pub(super) fn is_inline(scope: HeaderScope, name: &[u8]) -> bool {
    let has = |names: &[&str]| names.iter().any(|inline| inline.as_bytes() == name);
    match scope {
        HeaderScope::Request => {
            has(&REQUEST_AND_RESPONSE) || has(&REQUEST) || has(&REQUEST_EXTENSIONS)
        }
        HeaderScope::Response => {
            has(&REQUEST_AND_RESPONSE) || has(&RESPONSE) || has(&RESPONSE_EXTENSIONS)
        }
        HeaderScope::RequestTrailers => false,
        HeaderScope::ResponseTrailers => has(&RESPONSE_TRAILERS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_decides_which_names_have_one_slot() {
        assert!(is_inline(HeaderScope::Request, b"x-forwarded-for"));
        assert!(!is_inline(HeaderScope::Response, b"x-forwarded-for"));
        assert!(is_inline(HeaderScope::ResponseTrailers, b"grpc-status"));
        assert!(!is_inline(HeaderScope::RequestTrailers, b"via"));
        assert!(!is_inline(HeaderScope::Request, b"env"));
    }
}

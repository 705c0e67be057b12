//! The message that a header map belongs to, and the headers that Envoy keeps in one slot of such a
//! map. The names are those of Envoy's `envoy/http/header_map.h`. Extensions of a full build
//! (cache, compressor, CORS, gRPC-Web and others) register more, which are in tables of their own.

/// The message that a header map belongs to. It decides which headers Envoy keeps in one slot, and
/// whether `host` means `:authority`.
///
/// ```
/// use gatepost_host::{HeaderScope, Headers};
///
/// // In a request, `host` is another name of `:authority`. In a response it is a header as others.
/// let headers = |scope| Headers::collect(scope, [("host", "shop.example")]);
/// assert!(headers(HeaderScope::Request).get(":authority").is_some());
/// assert!(headers(HeaderScope::Response).get(":authority").is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderScope {
    /// A request's headers.
    #[default]
    Request,
    /// A response's headers.
    Response,
    /// A request's trailers.
    RequestTrailers,
    /// A response's trailers.
    ResponseTrailers,
    /// A map as Google's plugin tester has it: names keep the case in which they were first
    /// written, no name has a special meaning, and none is kept in one slot.
    AsWritten,
}

impl HeaderScope {
    /// Whether Envoy keeps this header in one slot of such a map: a second value is joined to the
    /// first with a comma. The name must be in lower case.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// assert!(HeaderScope::Request.keeps_in_one_slot(b"user-agent"));
    /// let pairs = [("user-agent", "a"), ("user-agent", "b"), ("x-tag", "a"), ("x-tag", "b")];
    /// assert_eq!(Headers::request(pairs).to_string(), "user-agent: a,b\nx-tag: a\nx-tag: b\n");
    /// ```
    #[must_use]
    pub fn keeps_in_one_slot(self, name: &[u8]) -> bool {
        let has = |names: &[&str]| names.iter().any(|inline| inline.as_bytes() == name);
        match self {
            HeaderScope::Request => {
                has(&REQUEST_AND_RESPONSE) || has(&REQUEST) || has(&REQUEST_EXTENSIONS)
            }
            HeaderScope::Response => {
                has(&REQUEST_AND_RESPONSE) || has(&RESPONSE) || has(&RESPONSE_EXTENSIONS)
            }
            HeaderScope::RequestTrailers | HeaderScope::AsWritten => false,
            HeaderScope::ResponseTrailers => has(&RESPONSE_TRAILERS),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_decides_which_names_have_one_slot() {
        assert!(HeaderScope::Request.keeps_in_one_slot(b"x-forwarded-for"));
        assert!(!HeaderScope::Response.keeps_in_one_slot(b"x-forwarded-for"));
        assert!(HeaderScope::ResponseTrailers.keeps_in_one_slot(b"grpc-status"));
        assert!(!HeaderScope::RequestTrailers.keeps_in_one_slot(b"via"));
        assert!(!HeaderScope::Request.keeps_in_one_slot(b"env"));
    }
}

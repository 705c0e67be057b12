//! The gateway's settings and what it reports of each request. Every default is Envoy's, unless the
//! field says otherwise.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// How the gateway behaves. Take the default and change what differs.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// How many trusted proxies stand in front (Envoy's `xff_num_trusted_hops`); 0: the peer is the
    /// client.
    pub trusted_hops: u32,
    /// Keep a client's `x-request-id` (Envoy's `preserve_external_request_id`) instead of making a
    /// new one.
    pub keep_request_id: bool,
    /// How long a connection to an upstream may take; 503 after it.
    pub connect_timeout: Duration,
    /// How long an upstream may take from the request's end to the first byte of its answer; 504
    /// after it. Envoy's route timeout covers the answer's end too, which would cut long streams.
    pub response_timeout: Duration,
    /// How long a client may take to send a head, and how long it may leave an HTTP/1.1 connection
    /// idle. Envoy waits for ever for the one and an hour for the other.
    pub header_timeout: Duration,
    /// How long requests in flight may take to end after the gateway was told to stop.
    pub drain_timeout: Duration,
    /// How many downstream connections may be open; more wait in the listen queue. Envoy has no
    /// limit.
    pub max_connections: usize,
    /// Called once for each request, when its answer's head is known.
    pub access_log: Option<AccessLog>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            trusted_hops: 0,
            keep_request_id: false,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(15),
            header_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            access_log: None,
        }
    }
}

/// A function that is told of each request. It runs on the connection's task and must not block.
#[derive(Clone)]
pub struct AccessLog(Arc<dyn Fn(&Access) + Send + Sync>);

impl AccessLog {
    /// Wraps the function.
    pub fn new(log: impl Fn(&Access) + Send + Sync + 'static) -> Self {
        Self(Arc::new(log))
    }

    pub(super) fn record(&self, access: &Access) {
        (self.0)(access);
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessLog")
    }
}

/// One request, as it came and as it was answered. Bytes are the client's and may be anything but
/// line ends.
#[derive(Clone, Debug)]
pub struct Access {
    /// The trusted address of the client.
    pub source: SocketAddr,
    /// The method, as it came.
    pub method: Bytes,
    /// The authority, as it came; empty when it was missing.
    pub authority: Bytes,
    /// The path and query, as they came.
    pub path: Bytes,
    /// The authority after the filter, by which the route was selected; none when the filter
    /// answered.
    pub routed_authority: Option<Bytes>,
    /// The address of the upstream that was asked.
    pub upstream: Option<String>,
    /// The HTTP status that the client got (200 for every gRPC answer).
    pub status: u16,
    /// Why the gateway or its filter answered, `via_upstream` when neither did, and `-` where
    /// nobody said.
    pub details: String,
    /// From the request's head to the answer's.
    pub duration: Duration,
}

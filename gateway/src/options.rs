//! The gateway's settings. Every default is Envoy's, unless the field says otherwise.

use std::time::Duration;

use crate::access_log::AccessLog;

/// Limits in time, with Envoy's names, meanings and defaults. `None` is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// How long a connection to an upstream may take; 503 after it (`connect_timeout` of a
    /// cluster).
    pub connect: Duration,
    /// From the request's end to the response's end (`timeout` of a route). 504 after it, or the
    /// response breaks off.
    pub route: Option<Duration>,
    /// How long a request, a response or an upgraded connection may stand still
    /// (`stream_idle_timeout`). 408 after it while the client has to send, 504 while the upstream
    /// has to, or the response breaks off.
    pub stream_idle: Option<Duration>,
    /// From a request's head to its end (`request_timeout`); 408 after it.
    pub request: Option<Duration>,
    /// From a head's first byte to its last one (`request_headers_timeout`); 408 after it.
    pub request_headers: Option<Duration>,
    /// How long a connection may have no request (`idle_timeout`).
    pub idle: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            route: Some(Duration::from_secs(15)),
            stream_idle: Some(Duration::from_secs(5 * 60)),
            request: None,
            request_headers: None,
            idle: Some(Duration::from_secs(60 * 60)),
        }
    }
}

impl Timeouts {
    /// How long a head may take.
    pub(crate) fn head(&self) -> Option<Duration> {
        [self.request_headers, self.stream_idle].into_iter().flatten().min()
    }

    /// How long the head of a response may take.
    pub(crate) fn response(&self) -> Option<Duration> {
        [self.route, self.stream_idle].into_iter().flatten().min()
    }
}

/// How the gateway behaves. Take the default and change what differs.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// How many trusted proxies are in front of the gateway (Envoy's `xff_num_trusted_hops`). With
    /// 0 the peer is the client.
    pub trusted_hops: u32,
    /// Keep a client's `x-request-id` (Envoy's `preserve_external_request_id`) instead of making a
    /// new one.
    pub keep_request_id: bool,
    /// How long clients and upstreams may take.
    pub timeouts: Timeouts,
    /// Protocols that an HTTP/1.1 client may change to with `upgrade`, in lower case (Envoy's
    /// `upgrade_configs`); 403 for any other. Istio's gateways allow `websocket`.
    pub upgrades: Vec<String>,
    /// How long requests in flight may take to end after shutdown began.
    pub drain_timeout: Duration,
    /// How many downstream connections may be open. For one more, the connection is closed that
    /// waits for its client the longest. Envoy has no limit.
    pub max_connections: usize,
    /// Called once for each request, when the head of its response is known.
    pub access_log: Option<AccessLog>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            trusted_hops: 0,
            keep_request_id: false,
            timeouts: Timeouts::default(),
            upgrades: vec!["websocket".to_owned()],
            drain_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            access_log: None,
        }
    }
}

//! The gateway's settings. Every default is Envoy's, unless the field says otherwise.

use std::time::Duration;

use crate::access_log::AccessLog;

/// How the gateway behaves. Take the default and change what differs.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// How many trusted proxies are in front of the gateway (Envoy's `xff_num_trusted_hops`). With
    /// 0 the peer is the client.
    pub trusted_hops: u32,
    /// Keep a client's `x-request-id` (Envoy's `preserve_external_request_id`) instead of making a
    /// new one.
    pub keep_request_id: bool,
    /// How long a connection to an upstream may take; 503 after it.
    pub connect_timeout: Duration,
    /// How long an upstream may take from the request's end to the head of its response; 504 after
    /// it. Envoy's route timeout also covers the response's body, which would cut long streams.
    pub response_timeout: Duration,
    /// How long a client may take to send a head, and how long it may leave an HTTP/1.1 connection
    /// idle. Envoy has no timeout for the head, and one hour for an idle connection.
    pub header_timeout: Duration,
    /// How long requests in flight may take to end after shutdown began.
    pub drain_timeout: Duration,
    /// How many downstream connections may be open; more wait in the listen queue. Envoy has no
    /// limit.
    pub max_connections: usize,
    /// Called once for each request, when the head of its response is known.
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

//! The result of one request: what a test could observe of it.

use std::collections::BTreeMap;

/// The result of a request, as far as it could be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Where the request ended.
    pub outcome: Outcome,
    /// The headers that the client got, in order, without pseudo-headers; none where it got no
    /// response.
    pub response: Vec<(String, String)>,
    /// By how much each of Gatepost's counters went up; `None` where counters were not read.
    pub counters: Option<BTreeMap<String, u64>>,
}

/// Where a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It went upstream.
    Forwarded(Forwarded),
    /// The gateway answered.
    Replied(Replied),
    /// It was neither forwarded nor answered.
    Stopped,
}

/// A request as it went upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forwarded {
    /// Its authority.
    pub authority: String,
    /// Its path with its query.
    pub path: String,
    /// Its headers in order, without pseudo-headers.
    pub headers: Vec<(String, String)>,
    /// The name of the upstream; `None` when no route matched.
    pub upstream: Option<String>,
}

/// The gateway's own response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replied {
    /// The HTTP status; `None` for a gRPC response, whose HTTP status is always 200.
    pub status: Option<u16>,
    /// The response code details, where they can be seen.
    pub details: Option<String>,
    /// The gRPC status of a gRPC response.
    pub grpc_status: Option<u32>,
    /// The body, or the message of a gRPC response.
    pub body: Option<String>,
}

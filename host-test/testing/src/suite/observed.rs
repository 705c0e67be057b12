//! What happened in a test: the messages that left the chain, and what the plugins did beside that. Whatever drives the chain fills
//! it; [`judge`](super::judge()) compares it with what is expected.

use bytes::Bytes;
use gatepost_host::{Effect, Headers, LogLevel};

use super::model::Half;
use crate::report::Difference;

/// A message that left the chain, or that was sent into it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Its headers, pseudo-headers among them.
    pub headers: Headers,
    /// Its body, put together.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Option<Headers>,
    /// Whether it has come to its end.
    pub complete: bool,
}

/// An answer in the upstream's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u32,
    /// Why, for access logs.
    pub details: String,
    /// The gRPC status, if it gave one.
    pub grpc_status: Option<u32>,
    /// Which plugin; none is the proxy itself, as for a body that is too large.
    pub plugin: Option<String>,
}

/// A call that a plugin made.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// The cluster, or a gRPC call's target.
    pub cluster: String,
    /// `:path`, or `/service/method`.
    pub path: String,
    /// The headers or the initial metadata.
    pub headers: Headers,
    /// The body or the message.
    pub body: Bytes,
}

/// Everything.
#[derive(Debug, Default)]
pub struct Observed {
    /// The request as the client sent it.
    pub sent: Message,
    /// The response as the upstream gave it, if it was asked.
    pub answered: Option<Message>,
    /// The request as it reached the upstream, as far as it did.
    pub forwarded: Option<Message>,
    /// The response as it reached the client, as far as it did.
    pub response: Option<Message>,
    /// The answer that was not the upstream's, if there was one.
    pub reply: Option<Reply>,
    /// Whether the stream was reset.
    pub reset: bool,
    /// Which half waits for something that does not come.
    pub paused: Option<Half>,
    /// Whether the route was to be chosen anew.
    pub route_cache_cleared: bool,
    /// What was logged.
    pub logs: Vec<(LogLevel, Bytes)>,
    /// What the test added to counters and histograms and set gauges to, by name.
    pub metrics: Vec<(String, u64)>,
    /// The calls that the plugins made.
    pub callouts: Vec<Called>,
    /// What passed between the plugins and their host once they had started.
    pub effects: Vec<Effect>,
    /// Guests that trapped.
    pub traps: Vec<String>,
    /// Why the plugins did not start, if they did not.
    pub refused: Option<String>,
    /// What went wrong whatever is expected, as a call that nothing answers.
    pub faults: Vec<Difference>,
}

//! What happened in one exchange of a test: the messages that left the chain, and what the plugins
//! did beside that. `drive.rs` fills it, `judge.rs` compares it with what is expected.

use bytes::Bytes;
use gatepost_diagnostics::Diagnostic;
use gatepost_host::{Headers, LogLevel, Recorded};

use super::model::Paused;

/// A message that left the chain, or that was sent into it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message {
    /// Its headers, pseudo-headers among them.
    pub(super) headers: Headers,
    /// Its body, put together.
    pub(super) body: Vec<u8>,
    /// Its trailers.
    pub(super) trailers: Option<Headers>,
    /// Whether it has come to its end.
    pub(super) complete: bool,
}

/// An answer that is not the upstream's.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u32,
    /// The reason, as access logs show it.
    pub(super) details: String,
    /// The gRPC status, if it gave one.
    pub(super) grpc_status: Option<u32>,
    /// The plugin that sent it; `None` for the proxy itself, as for a body that is too large.
    pub(super) plugin: Option<String>,
}

/// A call that a plugin made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Called {
    /// The cluster, or a gRPC call's target.
    pub(super) cluster: String,
    /// `:path`, or `/service/method`.
    pub(super) path: String,
    /// The headers or the initial metadata.
    pub(super) headers: Headers,
    /// The body or the message.
    pub(super) body: Bytes,
}

/// Everything that happened.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The request as the client sent it.
    pub(super) sent: Message,
    /// The response as the upstream gave it, if it was asked.
    pub(super) answered: Option<Message>,
    /// The request as it reached the upstream, as far as it did.
    pub(super) forwarded: Option<Message>,
    /// The response as it reached the client, as far as it did.
    pub(super) response: Option<Message>,
    /// The answer that was not the upstream's, if there was one.
    pub(super) reply: Option<Reply>,
    /// Whether the stream was reset.
    pub(super) reset: bool,
    /// Which message a plugin still holds at the end.
    pub(super) paused: Option<Paused>,
    /// Whether the route was to be chosen again.
    pub(super) route_cache_cleared: bool,
    /// What was logged.
    pub(super) logs: Vec<(LogLevel, Bytes)>,
    /// What the test added to counters and histograms and set gauges to, by name.
    pub(super) metrics: Vec<(String, u64)>,
    /// The calls that the plugins made.
    pub(super) callouts: Vec<Called>,
    /// The calls between the plugins and their host after the start.
    pub(super) effects: Vec<Recorded>,
    /// Guests that trapped.
    pub(super) traps: Vec<String>,
    /// Why the plugins did not start, if they did not.
    pub(super) refused: Option<String>,
    /// What is wrong whatever the test expects, as a call that no stub answers.
    pub(super) mismatches: Vec<Diagnostic>,
}

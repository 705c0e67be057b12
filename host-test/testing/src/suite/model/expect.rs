//! What a test expects, as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::suite::values::{LogExpectation, Matcher, Outcome};

/// What is expected. What is not named is not compared, unless the test is strict.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expect {
    /// The request as it reaches the upstream.
    pub forward: Option<Spanned<Forward>>,
    /// The response as it reaches the client.
    pub response: Option<Spanned<Response>>,
    /// A plugin, or the proxy itself, answers instead of the upstream.
    pub reply: Option<Spanned<Reply>>,
    /// The client's stream is reset.
    pub reset: Option<bool>,
    /// A guest traps: `true`, or what the trap says.
    pub trapped: Option<Outcome>,
    /// A plugin does not start, for example because it refuses its configuration: `true`, or what
    /// the host's error says.
    pub refused: Option<Outcome>,
    /// A plugin holds the request or the response and does not let it go on.
    pub paused: Option<Paused>,
    /// A write to the request's headers, or a plugin's own call, makes the proxy choose the route
    /// again.
    pub route_cache_cleared: Option<bool>,
    /// Lines that are logged, in any order; an empty list is none at all.
    pub logs: Option<Vec<LogExpectation>>,
    /// Lines that are not logged.
    pub no_logs: Vec<LogExpectation>,
    /// Metrics by their names, with what the test adds to a counter or a histogram's count, or sets
    /// a gauge to.
    pub metrics: BTreeMap<String, u64>,
    /// Calls that the plugins make, in this order among others; an empty list is none at all.
    pub callouts: Option<Vec<SentCallout>>,
    /// Hostcalls that the plugins make once they have started, in this order among others; an empty
    /// list is none at all. In a strict test these and no others.
    pub effects: Option<Vec<Hostcall>>,
}

/// The message of an exchange that a plugin holds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Paused {
    /// The client's.
    Request,
    /// The upstream's.
    Response,
}

/// A request as it reaches the upstream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Forward {
    /// The pseudo-header `:method`.
    pub method: Option<Matcher>,
    /// The pseudo-header `:scheme`.
    pub scheme: Option<Matcher>,
    /// The pseudo-header `:authority`.
    pub authority: Option<Matcher>,
    /// The pseudo-header `:path`.
    pub path: Option<Matcher>,
    /// Headers and what their values are, several joined with a comma.
    pub headers: BTreeMap<String, Matcher>,
    /// Headers that are not there.
    pub absent: Vec<String>,
    /// The whole body.
    pub body: Option<Matcher>,
    /// The trailers.
    pub trailers: BTreeMap<String, Matcher>,
}

/// A response as it reaches the client.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Response {
    /// The HTTP status.
    pub status: Option<u16>,
    /// Headers and what their values are, several joined with a comma.
    pub headers: BTreeMap<String, Matcher>,
    /// Headers that are not there.
    pub absent: Vec<String>,
    /// The whole body.
    pub body: Option<Matcher>,
    /// The trailers.
    pub trailers: BTreeMap<String, Matcher>,
}

/// An answer that is not the upstream's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Reply {
    /// The HTTP status. A gRPC request gets 200 and `grpc-status`, and this is what the plugin
    /// gave.
    pub status: Option<u32>,
    /// Headers and what their values are, several joined with a comma.
    pub headers: BTreeMap<String, Matcher>,
    /// Headers that are not there.
    pub absent: Vec<String>,
    /// The body.
    pub body: Option<Matcher>,
    /// The reason, as access logs show it.
    pub details: Option<Matcher>,
    /// The gRPC status that the plugin gave, or that a gRPC client got.
    pub grpc_status: Option<u32>,
    /// Which plugin of a chain answers.
    pub plugin: Option<Matcher>,
}

/// A call that a plugin makes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SentCallout {
    /// The cluster, or a gRPC call's target.
    pub cluster: Option<Matcher>,
    /// An HTTP call's path, or `/package.Service/Method`.
    pub path: Option<Matcher>,
    /// An HTTP call's headers or a gRPC call's initial metadata.
    pub headers: BTreeMap<String, Matcher>,
    /// An HTTP call's body, or a gRPC message.
    pub body: Option<Matcher>,
}

/// A hostcall that a plugin makes: its name, some of its arguments, and the status that it returns.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hostcall {
    /// As in `proxy_log`.
    pub call: Spanned<String>,
    /// Arguments by the names that they have in a recording.
    #[serde(default)]
    pub arguments: BTreeMap<String, Matcher>,
    /// As in `Ok` and `NotFound`.
    pub status: Option<String>,
}

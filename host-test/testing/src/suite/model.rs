//! A file of tests in Gatepost's format, as data. Values that may be written in several ways are in
//! [`super::values`], expectations in [`expect`].

pub mod expect;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gatepost_host::{FailPolicy, LogLevel, Profile};
use serde::Deserialize;
use serde_saphyr::Spanned;

pub use self::expect::{Expect, Forward, Hostcall, Paused, Reply, Response, SentCallout};
use super::values::{Body, Configuration, HeaderList, Matcher, Property, Span};

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Which proxy to behave as, where they differ: `envoy` or `gcp`.
    #[serde(default)]
    pub profile: Profile,
    /// The plugin under test.
    pub plugin: Option<Plugin>,
    /// A chain of plugins instead: the first sees a request first and a response last.
    pub plugins: Option<Vec<Plugin>>,
    /// The environment variables of every VM.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What each VM and stream may use.
    #[serde(default)]
    pub limits: Limits,
    /// Log lines below this level are dropped; plugins that ask get this level.
    pub log_level: Option<LogLevel>,
    /// The time at which every test begins, in seconds since 1970. Default the beginning of 2025.
    #[serde(default = "new_year")]
    pub time: u64,
    /// The seed of the plugins' random bytes.
    #[serde(default)]
    pub seed: u64,
    /// The clusters that exist; a call to another one is refused. `None`: every name is a cluster.
    pub clusters: Option<Vec<String>>,
    /// The tests, each on VMs of its own.
    pub tests: Vec<Spanned<Test>>,
}

fn new_year() -> u64 {
    1_735_689_600
}

/// The plugin of a file that names none.
static DEFAULT_PLUGIN: LazyLock<Plugin> = LazyLock::new(Plugin::default);

impl File {
    /// The chain.
    pub(super) fn plugins(&self) -> &[Plugin] {
        match (&self.plugin, &self.plugins) {
            (Some(one), _) => std::slice::from_ref(one),
            (None, Some(chain)) => chain,
            (None, None) => std::slice::from_ref(&DEFAULT_PLUGIN),
        }
    }
}

/// A plugin in the words of Envoy's `PluginConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plugin {
    /// Its module, relative to the file; none is the module under test.
    pub module: Option<String>,
    /// Its name. Default `test`, in a chain `plugin-1` and so on.
    pub name: Option<String>,
    /// Its root context's id.
    #[serde(default)]
    pub root_id: String,
    /// Its VM's id. Plugins of one module with one id share a VM.
    #[serde(default)]
    pub vm_id: String,
    /// What `proxy_on_vm_start` reads.
    pub vm_configuration: Option<Configuration>,
    /// What `proxy_on_configure` reads: text as it is, anything else as JSON.
    pub configuration: Option<Configuration>,
    /// The same from a file, relative to this one.
    pub configuration_file: Option<Spanned<String>>,
    /// What to do with streams once the VM has trapped.
    #[serde(default)]
    pub fail_policy: FailPolicy,
    /// Whether a header callback's "stop iteration" stops only the headers.
    #[serde(default)]
    pub allow_on_headers_stop_iteration: bool,
}

/// What each VM and stream may use; what is not given has the host's defaults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a body that a stream buffers.
    pub buffer_bytes: Option<usize>,
    /// Bytes of a VM's memory.
    pub memory_bytes: Option<usize>,
    /// Fuel for each callback, about one unit for an instruction.
    pub fuel: Option<u64>,
}

impl Limits {
    /// These limits, and the others' where there are none.
    pub(super) fn over(&self, others: &gatepost_host::Limits) -> gatepost_host::Limits {
        gatepost_host::Limits {
            memory_bytes: self.memory_bytes.unwrap_or(others.memory_bytes),
            fuel_per_callback: self.fuel.or(others.fuel_per_callback),
            ..others.clone()
        }
    }
}

/// A request on fresh VMs, and others after it if they are asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Test {
    /// Its name, in this file only once.
    pub name: Spanned<String>,
    /// Another configuration for this test; only with one plugin.
    pub configuration: Option<Configuration>,
    /// The same from a file, relative to this one.
    pub configuration_file: Option<Spanned<String>>,
    /// Whether anything that is not expected fails the test.
    #[serde(default)]
    pub strict: bool,
    /// The plugins are only root contexts, as Envoy's `WasmService` has them: no client sends a
    /// request. The test takes the time `before` and `after`.
    #[serde(default)]
    pub service: bool,
    /// Answers to the plugins' calls: the first that fits a call answers it.
    #[serde(default)]
    pub callouts: Vec<Spanned<Callout>>,
    /// The client's request.
    #[serde(default)]
    pub request: Request,
    /// What the upstream answers. Default 200 without a body.
    #[serde(default)]
    pub upstream: Upstream,
    /// Properties by their dotted paths.
    #[serde(default)]
    pub properties: BTreeMap<String, Spanned<Property>>,
    /// How long the plugins run before the request comes.
    #[serde(default)]
    pub before: Span,
    /// How long they run after the exchange.
    #[serde(default)]
    pub after: Span,
    /// What is expected.
    pub expect: Spanned<Expect>,
    /// Further requests to the same VMs, one after the other.
    #[serde(default)]
    pub then: Vec<Step>,
}

/// A further request of a test.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// The client's request.
    #[serde(default)]
    pub request: Request,
    /// What the upstream answers. Default 200 without a body.
    #[serde(default)]
    pub upstream: Upstream,
    /// Properties by their dotted paths.
    #[serde(default)]
    pub properties: BTreeMap<String, Spanned<Property>>,
    /// How long the plugins run before the request comes.
    #[serde(default)]
    pub before: Span,
    /// How long they run after the exchange.
    #[serde(default)]
    pub after: Span,
    /// What is expected.
    pub expect: Spanned<Expect>,
}

/// One exchange of a test, the first or a further one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    /// None for a test without a client.
    pub(super) request: Option<&'a Request>,
    pub(super) upstream: &'a Upstream,
    pub(super) properties: &'a BTreeMap<String, Spanned<Property>>,
    pub(super) before: Span,
    pub(super) after: Span,
    pub(super) expect: &'a Expect,
}

impl Test {
    /// The first request and those after it.
    pub(super) fn exchanges(&self) -> impl Iterator<Item = Exchange<'_>> {
        let Self { service, request, upstream, properties, before, after, expect, then, .. } = self;
        let first = Exchange {
            request: (!service).then_some(request),
            upstream,
            properties,
            before: *before,
            after: *after,
            expect: &expect.value,
        };
        let further = then.iter().map(|step| {
            let Step { request, upstream, properties, before, after, expect } = step;
            Exchange {
                request: Some(request),
                upstream,
                properties,
                before: *before,
                after: *after,
                expect: &expect.value,
            }
        });
        std::iter::once(first).chain(further)
    }
}

/// A request of the client.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Scheme, authority and path in one.
    pub url: Option<Spanned<String>>,
    /// Default `GET`.
    pub method: Option<String>,
    /// Default `http`.
    pub scheme: Option<String>,
    /// Default `test.example`.
    pub authority: Option<String>,
    /// With its query. Default `/`.
    pub path: Option<String>,
    /// The other headers.
    #[serde(default)]
    pub headers: HeaderList,
    /// The body. None is a request that ends with its headers.
    pub body: Option<Body>,
    /// The trailers.
    pub trailers: Option<HeaderList>,
    /// How the message ends without trailers.
    #[serde(default)]
    pub end: End,
    /// The client's address, with a port if it matters.
    pub source: Option<Spanned<String>>,
    /// The address that the client connected to.
    pub destination: Option<Spanned<String>>,
    /// The protocol that the client speaks. Default `HTTP/1.1`.
    pub protocol: Option<Protocol>,
}

/// The protocol that the client speaks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the protocols'")]
pub enum Protocol {
    #[serde(rename = "HTTP/1.0")]
    Http10,
    #[serde(rename = "HTTP/1.1")]
    Http11,
    #[serde(rename = "HTTP/2")]
    Http2,
    #[serde(rename = "HTTP/3")]
    Http3,
}

impl Protocol {
    /// As the property `request.protocol` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

/// How a message without trailers ends.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// With a last part that is marked as the end.
    #[default]
    Last,
    /// With an empty part of body after the last one.
    Empty,
}

/// What the upstream does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Upstream {
    /// The HTTP status.
    pub status: u16,
    /// The other headers.
    pub headers: HeaderList,
    /// The body. None is a response that ends with its headers.
    pub body: Option<Body>,
    /// The trailers.
    pub trailers: Option<HeaderList>,
    /// How the message ends without trailers.
    pub end: End,
    /// How long it takes.
    pub delay: Span,
    /// It closes the connection instead of answering.
    pub reset: bool,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            status: 200,
            headers: HeaderList::default(),
            body: None,
            trailers: None,
            end: End::Last,
            delay: Span::default(),
            reset: false,
        }
    }
}

/// An answer to a plugin's call.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Callout {
    /// The cluster, or a gRPC call's target. None is any.
    pub cluster: Option<Matcher>,
    /// An HTTP call's path, or `/package.Service/Method`. None is any.
    pub path: Option<Matcher>,
    /// An HTTP call's method. None is any.
    pub method: Option<Matcher>,
    /// An HTTP call's headers or a gRPC call's initial metadata. None is any.
    #[serde(default)]
    pub headers: BTreeMap<String, Matcher>,
    /// How many calls it answers; `None` is all.
    pub times: Option<u32>,
    /// How long the answer takes.
    #[serde(default)]
    pub delay: Span,
    /// An HTTP answer.
    pub reply: Option<CalloutReply>,
    /// A gRPC answer.
    pub grpc: Option<GrpcReply>,
    /// The connection is refused.
    #[serde(default)]
    pub fail: bool,
    /// No answer comes; the call's own timeout ends it.
    #[serde(default)]
    pub hang: bool,
}

/// The answer to an HTTP call.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CalloutReply {
    /// The HTTP status. Default 200.
    #[serde(default = "ok")]
    pub status: u16,
    /// The other headers.
    #[serde(default)]
    pub headers: HeaderList,
    /// The body.
    pub body: Option<Body>,
    /// The trailers.
    #[serde(default)]
    pub trailers: HeaderList,
}

fn ok() -> u16 {
    200
}

/// The answer to a gRPC call, or to each message on a gRPC stream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcReply {
    /// Metadata before the first message of a stream.
    pub initial_metadata: HeaderList,
    /// The message, without gRPC's five bytes of framing.
    pub message: Option<Body>,
    /// Metadata after a stream's messages.
    pub trailing_metadata: HeaderList,
    /// The gRPC status; a call that has a message needs none.
    pub status: u32,
    /// What goes with the status.
    pub status_message: String,
}

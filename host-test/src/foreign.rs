//! Foreign functions: what a proxy offers its guests beside the ABI, by name. Those of Envoy's that
//! need nothing outside this crate are built in; an embedding program registers its own. The
//! hostcall that calls them is in `hostcalls/foreign`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use crate::abi::Status;
use crate::attributes;
use crate::contexts::Contexts;
use crate::expression::{Expression, Expressions};
use crate::limits::{Limits, Refused};
use crate::work::Work;

/// One call of a foreign function: the arguments, and what the function may read and change.
///
/// ```
/// use gatepost_host::{ForeignCall, ForeignFunctions, Status};
///
/// /// Keeps the arguments under a key of the plugin, and returns their length.
/// fn remember(call: &mut ForeignCall<'_>) -> Result<bytes::Bytes, Status> {
///     if call.arguments().is_empty() {
///         return Err(Status::BadArgument);
///     }
///     let key = format!("remembered.{}", call.plugin());
///     call.set_filter_state(&key, call.arguments())?;
///     Ok(call.arguments().len().to_string().into())
/// }
/// # use gatepost_host_fixtures::*;
/// # let module = module("foreign");
/// # // This guest calls `reverse`.
/// # let foreign = ForeignFunctions::none().with("reverse", remember);
/// # let mut vm = Vm::new(&module, Host { foreign, ..Host::default() }, VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "p".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
/// # let _ = vm.request_headers(stream, &mut headers, true)?;
/// # assert_eq!(headers.get("x-back"), Some(&b"3"[..]));
/// # let kept = vm.stream_info(stream, |info| info.filter_state.get("remembered.p").cloned())?;
/// # assert_eq!(kept.unwrap(), "abc");
///
/// let functions = ForeignFunctions::envoy().with("remember", remember);
/// assert!(functions.names().any(|name| name == "remember"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ForeignCall<'a> {
    arguments: &'a [u8],
    contexts: &'a mut Contexts,
    limits: &'a Limits,
    work: &'a mut Work,
    /// The limit that the call has met.
    denied: Option<&'static str>,
}

impl std::fmt::Debug for ForeignCall<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForeignCall").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

impl<'a> ForeignCall<'a> {
    pub(crate) fn new(
        arguments: &'a [u8],
        contexts: &'a mut Contexts,
        limits: &'a Limits,
        work: &'a mut Work,
    ) -> Self {
        Self { arguments, contexts, limits, work, denied: None }
    }

    /// The limit that kept the function from doing what it was called for.
    pub(crate) fn denied(&self) -> Option<&'static str> {
        self.denied
    }

    fn refused(&mut self, refused: Refused) -> Status {
        if let Refused::Limit(limit) = refused {
            self.denied = Some(limit);
        }
        refused.status()
    }

    /// The arguments. By convention they are a protobuf message.
    #[must_use]
    pub fn arguments(&self) -> &'a [u8] {
        self.arguments
    }

    /// The name of the plugin that calls.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.contexts.root().map_or("", |root| &root.config.name)
    }

    /// The id of the context that calls.
    #[must_use]
    pub fn context(&self) -> u32 {
        self.contexts.id()
    }

    /// Clears the stream's route cache: the proxy selects the route again. Does nothing outside a
    /// stream.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # // This guest calls `reverse` with `abc`.
    /// let reroute = |call: &mut ForeignCall<'_>| {
    ///     call.clear_route_cache();
    ///     Ok(bytes::Bytes::new())
    /// };
    /// # let foreign = ForeignFunctions::none().with("reverse", reroute);
    /// # let host = Host { foreign, ..Host::default() };
    /// # let (mut vm, plugin) = started_with("foreign", host);
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = request();
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// assert!(vm.take_route_cache_cleared(stream)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_route_cache(&mut self) {
        if let Some(stream) = self.contexts.stream_mut() {
            stream.route_cache_cleared = true;
        }
    }

    /// Keeps a value on the stream. Guests read it as the property `filter_state` with this key.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # // This guest calls `reverse` with `abc`.
    /// let keep = |call: &mut ForeignCall<'_>| {
    ///     call.set_filter_state("kept", call.arguments())?;
    ///     Ok(bytes::Bytes::new())
    /// };
    /// # let foreign = ForeignFunctions::none().with("reverse", keep);
    /// # let host = Host { foreign, ..Host::default() };
    /// # let (mut vm, plugin) = started_with("foreign", host);
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = request();
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// let kept = vm.stream_info(stream, |info| info.filter_state.get("kept").cloned())?;
    /// assert_eq!(kept.unwrap(), "abc");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` outside a stream, `InternalFailure` beyond
    /// [`Limits::filter_state_bytes`](crate::Limits).
    pub fn set_filter_state(&mut self, key: &str, value: &[u8]) -> Result<(), Status> {
        let limit = self.limits.filter_state_bytes;
        let stream = self.contexts.stream_mut().ok_or(Status::NotFound)?;
        let kept = stream.info.write(|info| {
            self.work.entries(info.filter_state.len());
            info.filter_state.write(key.as_bytes(), value, limit, false)
        });
        kept.map_err(|refused| self.refused(refused))
    }

    fn max_result_bytes(&self) -> usize {
        self.limits.body_bytes
    }

    /// The expressions of the plugin that the host called the guest for. As in Envoy,
    /// `proxy_set_effective_context` does not change which.
    fn expressions(&mut self) -> Result<&mut Expressions, Status> {
        self.contexts.entered_root_mut().map(|root| &mut root.expressions).ok_or(Status::NotFound)
    }
}

type Function = dyn Fn(&mut ForeignCall<'_>) -> Result<Bytes, Status> + Send + Sync;

/// The foreign functions of a host, by name. The default is [`envoy`](Self::envoy).
///
/// ```
/// use gatepost_host::{ForeignFunctions, Host};
///
/// let functions = ForeignFunctions::envoy()
///     .with("reverse", |call| Ok(call.arguments().iter().rev().copied().collect()));
/// let host = Host { foreign: functions, ..Host::default() };
/// assert!(host.foreign.names().any(|name| name == "reverse"));
/// ```
#[derive(Clone)]
pub struct ForeignFunctions {
    functions: Arc<BTreeMap<String, Arc<Function>>>,
}

impl std::fmt::Debug for ForeignFunctions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Default for ForeignFunctions {
    fn default() -> Self {
        Self::envoy()
    }
}

impl ForeignFunctions {
    /// No functions: every call is `NotFound`.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// assert_eq!(ForeignFunctions::none().names().count(), 0);
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Self { functions: Arc::default() }
    }

    /// Envoy's `clear_route_cache`, `set_envoy_filter_state`, `declare_property`, `compress` and
    /// `uncompress`; and `expr_create`, `expr_evaluate` and `expr_delete` for expressions that are
    /// a literal or an attribute, as in `7`, `"text"` or `request.headers["x-id"]`. Any other
    /// expression is `BadArgument`, which Envoy answers to text that is not CEL.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let foreign = ForeignFunctions::envoy();
    /// let names: Vec<_> = foreign.names().collect();
    /// assert_eq!(names[..3], ["clear_route_cache", "compress", "declare_property"]);
    /// assert_eq!(names[3..6], ["expr_create", "expr_delete", "expr_evaluate"]);
    /// assert_eq!(names[6..], ["set_envoy_filter_state", "uncompress"]);
    /// ```
    #[must_use]
    pub fn envoy() -> Self {
        Self::none()
            .with("clear_route_cache", |call| {
                call.clear_route_cache();
                Ok(Bytes::new())
            })
            .with("set_envoy_filter_state", set_envoy_filter_state)
            .with("declare_property", declare_property)
            .with("compress", compress)
            .with("uncompress", uncompress)
            .with("expr_create", expr_create)
            .with("expr_evaluate", expr_evaluate)
            .with("expr_delete", expr_delete)
    }

    /// Adds a function, or replaces the one of the same name.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let module = module("foreign");
    /// let foreign = ForeignFunctions::none()
    ///     .with("reverse", |call| Ok(call.arguments().iter().rev().copied().collect()));
    /// let mut vm = Vm::new(&module, Host { foreign, ..Host::default() }, VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = request();
    /// // This guest calls `reverse` with `abc`, and sets a header to the result.
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// assert_eq!(headers.get("x-back"), Some(&b"cba"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with(
        mut self,
        name: &str,
        function: impl Fn(&mut ForeignCall<'_>) -> Result<Bytes, Status> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.functions).insert(name.to_owned(), Arc::new(function));
        self
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<Arc<Function>> {
        self.functions.get(std::str::from_utf8(name).ok()?).cloned()
    }
}

/// Envoy's `SetEnvoyFilterStateArguments`. The life span is accepted and ignored: filter state here
/// lasts as long as its stream.
#[derive(Clone, PartialEq, Message)]
struct SetEnvoyFilterState {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, tag = "2")]
    value: String,
    #[prost(int32, tag = "3")]
    span: i32,
}

/// The keys for which Envoy has a factory ("Well Known Filter State Objects" in its documentation).
const FILTER_STATE_OBJECTS: [&str; 15] = [
    "envoy.filters.listener.original_dst.local_ip",
    "envoy.filters.listener.original_dst.remote_ip",
    "envoy.hashable_string",
    "envoy.network.application_protocols",
    "envoy.network.ip",
    "envoy.network.transport_socket.original_dst_address",
    "envoy.network.upstream_server_name",
    "envoy.network.upstream_subject_alt_names",
    "envoy.ratelimit.hits_addend",
    "envoy.string",
    "envoy.tcp_proxy.cluster",
    "envoy.tcp_proxy.disable_tunneling",
    "envoy.tcp_proxy.per_connection_idle_timeout_ms",
    "envoy.upstream.dynamic_host",
    "envoy.upstream.dynamic_port",
];

fn set_envoy_filter_state(call: &mut ForeignCall<'_>) -> Result<Bytes, Status> {
    let arguments =
        SetEnvoyFilterState::decode(call.arguments()).map_err(|_| Status::BadArgument)?;
    if !FILTER_STATE_OBJECTS.contains(&arguments.path.as_str()) {
        return Err(Status::NotFound);
    }
    call.set_filter_state(&arguments.path, arguments.value.as_bytes())?;
    Ok(Bytes::new())
}

/// Envoy's `DeclarePropertyArguments`, without what has no effect here: the type, its schema and
/// the span.
#[derive(Clone, PartialEq, Message)]
struct DeclareProperty {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bool, tag = "2")]
    read_only: bool,
}

/// Declares a value for `proxy_set_property`, once for each context. As in Envoy, the streams of a
/// plugin follow what was declared in its root context only.
fn declare_property(call: &mut ForeignCall<'_>) -> Result<Bytes, Status> {
    let DeclareProperty { name, read_only } =
        DeclareProperty::decode(call.arguments()).map_err(|_| Status::BadArgument)?;
    let limit = call.limits.filter_state_bytes;
    let declared = call.contexts.entered_declared().ok_or(Status::BadArgument)?;
    let declared = declared.declare(&name, read_only, limit);
    declared.map_err(|refused| call.refused(refused))?;
    Ok(Bytes::new())
}

fn compress(call: &mut ForeignCall<'_>) -> Result<Bytes, Status> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    call.work.compressed(call.arguments().len());
    encoder.write_all(call.arguments()).map_err(|_| Status::SerializationFailure)?;
    encoder.finish().map(Bytes::from).map_err(|_| Status::SerializationFailure)
}

fn uncompress(call: &mut ForeignCall<'_>) -> Result<Bytes, Status> {
    let limit = u64::try_from(call.max_result_bytes()).unwrap_or(u64::MAX);
    let mut plain = Vec::new();
    let mut decoder =
        flate2::read::ZlibDecoder::new(call.arguments()).take(limit.saturating_add(1));
    decoder.read_to_end(&mut plain).map_err(|_| Status::SerializationFailure)?;
    call.work.uncompressed(plain.len());
    if plain.len() > call.max_result_bytes() {
        return Err(call.refused(Refused::Limit("body_bytes")));
    }
    Ok(plain.into())
}

fn expr_create(call: &mut ForeignCall<'_>) -> Result<Bytes, Status> {
    let text = call.arguments();
    let created = call.expressions()?.create(text);
    let token = created.map_err(|refused| call.refused(refused))?;
    Ok(Bytes::copy_from_slice(&token.to_le_bytes()))
}

fn expr_evaluate(call: &mut ForeignCall<'_>) -> Result<Bytes, Status> {
    let token = token(call)?;
    let expression = call.expressions()?.get(token).cloned().ok_or(Status::NotFound)?;
    let value = match expression {
        Expression::Literal(value) => value,
        Expression::Attribute(path) => {
            let (stream, root) = (call.contexts.entered_stream(), call.contexts.entered_root());
            let found = attributes::get(&path, stream, root);
            // A missing attribute makes the evaluation fail.
            found.map_err(|status| {
                if status == Status::NotFound { Status::InternalFailure } else { status }
            })?
        }
    };
    let bytes = value.into_bytes();
    call.work.bytes(bytes.len());
    Ok(bytes)
}

fn expr_delete(call: &mut ForeignCall<'_>) -> Result<Bytes, Status> {
    let token = token(call)?;
    call.expressions()?.delete(token);
    Ok(Bytes::new())
}

fn token(call: &ForeignCall<'_>) -> Result<u32, Status> {
    call.arguments().try_into().map(u32::from_le_bytes).map_err(|_| Status::BadArgument)
}

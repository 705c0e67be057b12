//! Foreign functions: what a proxy offers its guests beside the ABI, by name. Envoy's that need no more than this crate has are
//! built in; an embedding program registers its own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use crate::abi::Status;
use crate::state::HostState;

/// A foreign function as it is called: what the guest gave, and what it may act on.
pub struct ForeignCall<'a> {
    arguments: &'a [u8],
    state: &'a mut HostState,
}

impl std::fmt::Debug for ForeignCall<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForeignCall").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

impl<'a> ForeignCall<'a> {
    pub(crate) fn new(arguments: &'a [u8], state: &'a mut HostState) -> Self {
        Self { arguments, state }
    }

    /// The bytes that the guest gave. By convention they are a protobuf message.
    #[must_use]
    pub fn arguments(&self) -> &'a [u8] {
        self.arguments
    }

    /// The plugin that calls.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.state.root().map_or("", |root| &root.config.name)
    }

    /// The context that calls, as the guest numbers it.
    #[must_use]
    pub fn context(&self) -> u32 {
        self.state.context()
    }

    /// Has the stream's route chosen anew; does nothing outside a stream.
    pub fn clear_route_cache(&mut self) {
        if let Some(stream) = self.state.stream_mut() {
            stream.route_cache_cleared = true;
        }
    }

    /// Keeps a value on the stream, which guests read as the property `filter_state` and this key.
    ///
    /// # Errors
    /// `NotFound` outside a stream, `InternalFailure` beyond [`Limits::filter_state_bytes`](crate::Limits).
    pub fn set_filter_state(&mut self, key: &str, value: &[u8]) -> Result<(), Status> {
        let limit = self.state.limits.filter_state_bytes;
        let stream = self.state.stream_mut().ok_or(Status::NotFound)?;
        stream.info.write(|info| info.filter_state.set(key.as_bytes(), value, limit))
    }

    fn room(&self) -> usize {
        self.state.limits.body_bytes
    }
}

type Function = dyn Fn(&mut ForeignCall<'_>) -> Result<Bytes, Status> + Send + Sync;

/// The foreign functions of a host, by name. The default are Envoy's.
///
/// ```
/// use gatepost_host::{ForeignFunctions, Host};
///
/// let reverse = |call: &mut gatepost_host::ForeignCall<'_>| Ok(call.arguments().iter().rev().copied().collect());
/// let host = Host { foreign: ForeignFunctions::envoy().with("reverse", reverse), ..Host::default() };
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
    /// None at all: every call is `NotFound`.
    #[must_use]
    pub fn none() -> Self {
        Self { functions: Arc::default() }
    }

    /// Envoy's `clear_route_cache`, `set_envoy_filter_state`, `compress` and `uncompress`.
    #[must_use]
    pub fn envoy() -> Self {
        Self::none()
            .with("clear_route_cache", |call| {
                call.clear_route_cache();
                Ok(Bytes::new())
            })
            .with("set_envoy_filter_state", set_envoy_filter_state)
            .with("compress", compress)
            .with("uncompress", uncompress)
    }

    /// With this function too, in the place of one of the same name.
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

/// Envoy's `SetEnvoyFilterStateArguments`. The life span is accepted and has no effect: a stream is all that lives here.
#[derive(Clone, PartialEq, Message)]
struct SetEnvoyFilterState {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, tag = "2")]
    value: String,
    #[prost(int32, tag = "3")]
    span: i32,
}

/// The keys that Envoy knows how to make an object for ("Well Known Filter State Objects" in its documentation).
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
    let arguments = SetEnvoyFilterState::decode(call.arguments()).map_err(|_| Status::BadArgument)?;
    if !FILTER_STATE_OBJECTS.contains(&arguments.path.as_str()) {
        return Err(Status::NotFound);
    }
    call.set_filter_state(&arguments.path, arguments.value.as_bytes())?;
    Ok(Bytes::new())
}

fn compress(call: &mut ForeignCall<'_>) -> Result<Bytes, Status> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(call.arguments()).map_err(|_| Status::SerializationFailure)?;
    encoder.finish().map(Bytes::from).map_err(|_| Status::SerializationFailure)
}

fn uncompress(call: &mut ForeignCall<'_>) -> Result<Bytes, Status> {
    let room = u64::try_from(call.room()).unwrap_or(u64::MAX);
    let mut plain = Vec::new();
    let mut decoder = flate2::read::ZlibDecoder::new(call.arguments()).take(room.saturating_add(1));
    decoder.read_to_end(&mut plain).map_err(|_| Status::SerializationFailure)?;
    if plain.len() > call.room() { Err(Status::InternalFailure) } else { Ok(plain.into()) }
}

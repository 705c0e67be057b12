//! One HTTP stream as a plugin sees it: what is known of the request, which maps and bodies a
//! callback may touch, and how a callback ends. Walking a chain of plugins and buffering bodies are
//! not here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;

use crate::abi::{BufferKind, MapKind, StreamKind};
use crate::effect::Text;
use crate::filter_state::FilterState;
use crate::headers::{HeaderScope, Headers};
use crate::property::PropertyValue;

/// Names one stream of one VM. It stays valid until the stream is finished.
///
/// ```
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/tag.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
/// let first = vm.stream(plugin, StreamInfo::default())?;
/// assert_eq!((plugin.context(), first.context()), (1, 2));
/// vm.finish(first, FinalMaps::default())?;
/// let late = vm.request_headers(first, &mut Headers::request([(":path", "/")]), true);
/// assert!(matches!(late, Err(CallError::UnknownStream { context: 2 })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId {
    pub(crate) slot: u32,
    pub(crate) context: u32,
}

impl StreamId {
    /// The context's id as the guest sees it.
    #[must_use]
    pub fn context(self) -> u32 {
        self.context
    }
}

/// What the proxy knows of a stream. Guests read it with `proxy_get_property`.
///
/// ```
/// use gatepost_host::StreamInfo;
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/route.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "route", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "route".into(), ..PluginConfig::default() })?;
///
/// let info = StreamInfo {
///     source: Some("203.0.113.7:4711".parse()?),
///     protocol: Some("HTTP/1.1"),
///     route_name: "shop".into(),
///     ..StreamInfo::default()
/// };
/// let stream = vm.stream(plugin, info)?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// // This guest puts the route's name into a header, and sets the property `seen`.
/// let _ = vm.request_headers(stream, &mut headers, true)?;
/// assert_eq!(headers.get("x-route"), Some(&b"shop"[..]));
/// let seen = vm.stream_info(stream, |info| info.filter_state.get("wasm.seen").cloned())?;
/// assert_eq!(seen.unwrap(), "yes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct StreamInfo {
    /// `source.address` and `source.port`: the downstream's address as the proxy trusts it.
    pub source: Option<SocketAddr>,
    /// `destination.address` and `destination.port`.
    pub destination: Option<SocketAddr>,
    /// `request.protocol`, as in `HTTP/1.1` and `HTTP/2`.
    pub protocol: Option<&'static str>,
    /// `request.time`, in nanoseconds since the Unix epoch.
    pub request_time_nanos: Option<u64>,
    /// `route_name`, also `xds.route_name`; empty when the route has none.
    pub route_name: Bytes,
    /// `cluster_name`, also `xds.cluster_name`.
    pub cluster_name: Option<Bytes>,
    /// Bytes of request body seen: `request.size` of a request without `content-length`.
    pub request_bytes: u64,
    /// `request.duration`, in nanoseconds; known at the end.
    pub request_duration_nanos: Option<u64>,
    /// `response.code`; without it, the `:status` of the headers that a guest may see.
    pub response_code: Option<u32>,
    /// `response.code_details`: why the response is what it is; empty while there is none.
    pub response_code_details: Bytes,
    /// `response.flags`: Envoy's bits for what went wrong.
    pub response_flags: u64,
    /// `response.size`: bytes of response body seen.
    pub response_bytes: u64,
    /// Any other property by its dotted path, as in `connection.id`.
    pub properties: Vec<(String, PropertyValue)>,
    /// What guests keep on the stream; every plugin of it sees it.
    pub filter_state: FilterState,
}

/// What is known of a stream, for one plugin or for every plugin that the stream passes.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a stream with its own information must not need memory of its own"
)]
pub(crate) enum Info {
    Own(StreamInfo),
    Shared(Arc<Mutex<StreamInfo>>),
}

impl Default for Info {
    fn default() -> Self {
        Info::Own(StreamInfo::default())
    }
}

impl Info {
    pub(crate) fn read<T>(&self, read: impl FnOnce(&StreamInfo) -> T) -> T {
        match self {
            Info::Own(info) => read(info),
            Info::Shared(info) => read(&info.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    pub(crate) fn write<T>(&mut self, write: impl FnOnce(&mut StreamInfo) -> T) -> T {
        match self {
            Info::Own(info) => write(info),
            Info::Shared(info) => write(&mut info.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// How a callback on a stream ended.
///
/// ```
/// use gatepost_host::{Outcome, Pause};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/redact.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "redact", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "redact".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let mut body = bytes::Bytes::from_static(b"secret");
///
/// match vm.request_body(stream, &mut body, false)? {
///     Outcome::Continue => println!("send {} bytes on", body.len()),
///     Outcome::Pause(Pause::Buffer) => println!("keep {} bytes until the guest has seen the end", body.len()),
///     Outcome::Pause(how) => println!("wait: {how:?}"),
///     Outcome::LocalReply(reply) => println!("answer {}", reply.status),
///     Outcome::Close => println!("reset the stream"),
/// }
/// # assert_eq!(vm.request_body(stream, &mut body, false)?, Outcome::Pause(Pause::Buffer));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Outcome {
    /// Go on to the next filter.
    Continue,
    /// Stop here.
    Pause(Pause),
    /// Answer the client with this instead. Boxed: it is rare and large.
    LocalReply(Box<LocalReply>),
    /// The guest closed the stream: reset it.
    Close,
}

/// What happens to the rest of the message while a plugin pauses.
///
/// ```
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/auth.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// // This guest stops at the headers. Unless it is allowed to stop those alone, the body waits with them.
/// assert_eq!(vm.request_headers(stream, &mut headers, false)?, Outcome::Pause(Pause::Watermark));
///
/// let config = PluginConfig { allow_on_headers_stop_iteration: true, ..PluginConfig::default() };
/// let plugin = vm.start_plugin(config)?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// assert_eq!(vm.request_headers(stream, &mut headers, false)?, Outcome::Pause(Pause::Headers));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// Headers wait, body callbacks still come. Only with
    /// [`PluginConfig::allow_on_headers_stop_iteration`](crate::PluginConfig).
    Headers,
    /// Everything waits; the body is buffered up to the limit, beyond which the stream fails.
    Buffer,
    /// Everything waits; the body is buffered up to the limit, at which the sender is held back.
    Watermark,
    /// This chunk is kept by nobody and the next one comes.
    NoBuffer,
}

/// An answer that a plugin gives in the upstream's place (`proxy_send_local_response`).
///
/// ```
/// use gatepost_host::Outcome;
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/deny.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "deny", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "deny".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
///
/// let Outcome::LocalReply(reply) = vm.request_headers(stream, &mut headers, true)? else { panic!("this guest always answers") };
/// assert_eq!(reply.status, 403);
/// assert_eq!((reply.body.to_string(), reply.details.to_string()), ("no".into(), "denied".into()));
/// assert_eq!(reply.grpc_status, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalReply {
    /// The HTTP status as the guest gave it. A guest may give a number that is no status.
    pub status: u32,
    /// Why, for access logs; white space replaced by `_` as Envoy does.
    pub details: Text,
    /// Headers to add, names in lower case.
    pub headers: Vec<(Text, Text)>,
    /// The body.
    pub body: Text,
    /// The gRPC status for a gRPC request, 0 to 16; none when the guest gave none.
    pub grpc_status: Option<u32>,
}

/// The streams of an HTTP exchange.
pub(crate) const HTTP: [StreamKind; 2] = [StreamKind::HttpRequest, StreamKind::HttpResponse];
/// The sides of a connection.
pub(crate) const CONNECTION: [StreamKind; 2] = [StreamKind::Downstream, StreamKind::Upstream];

/// The four maps of an HTTP stream.
pub(crate) const HTTP_MAPS: usize = 4;

/// A stream in a VM. Slots are used again, so that a stream needs no memory of its own.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The context id; 0 while the slot is free.
    pub(crate) context: u32,
    /// The plugin's slot.
    pub(crate) root: u32,
    pub(crate) info: Info,
    /// Maps lent for the callback that runs, by [`MapKind`].
    pub(crate) maps: [Headers; HTTP_MAPS],
    /// Which maps the guest may reach, one bit each.
    pub(crate) lent: u8,
    /// Which maps come to be when the guest adds to them, one bit each: trailers, in the last body
    /// callback.
    pub(crate) addable: u8,
    /// Whether the lent maps may be read only, as in `proxy_on_log`.
    pub(crate) read_only: bool,
    /// Bodies lent for the callback that runs, by [`BufferKind`]: request, response, downstream,
    /// upstream.
    pub(crate) bodies: [Bytes; 4],
    /// Which bodies are lent, one bit each.
    pub(crate) bodies_lent: u8,
    pub(crate) local_reply: Option<Box<LocalReply>>,
    pub(crate) route_cache_cleared: bool,
    /// Streams the guest continued or closed since the last question, one bit per [`StreamKind`].
    pub(crate) continued: u8,
    pub(crate) closed: u8,
    /// Whom the driver opened the stream for.
    pub(crate) owner: u64,
}

impl Stream {
    #[inline]
    pub(crate) fn reset(&mut self, context: u32, root: u32, info: Info) {
        self.context = context;
        self.root = root;
        self.info = info;
        self.lent = 0;
        self.addable = 0;
        self.bodies_lent = 0;
        self.owner = 0;
        self.read_only = false;
        self.local_reply = None;
        self.route_cache_cleared = false;
        self.continued = 0;
        self.closed = 0;
    }

    pub(crate) fn free(&mut self) {
        self.reset(0, 0, Info::default());
    }

    pub(crate) fn map(&self, kind: MapKind) -> Option<&Headers> {
        let map = self.maps.get(kind as usize)?;
        (self.lent & (1 << kind as u8) != 0).then_some(map)
    }

    pub(crate) fn map_mut(&mut self, kind: MapKind) -> Option<&mut Headers> {
        let bit = 1 << kind as u8;
        if self.read_only || (self.lent | self.addable) & bit == 0 {
            return None;
        }
        self.lent |= bit;
        self.maps.get_mut(kind as usize)
    }

    /// In the last body callback of a message without trailers a guest may add some. One that has
    /// them says so with the callback of its trailers, not with the end of its body.
    pub(crate) fn make_addable(&mut self, body: BufferKind, end_of_stream: bool) {
        let (kind, scope) = match body {
            BufferKind::HttpRequestBody => (MapKind::RequestTrailers, HeaderScope::RequestTrailers),
            _ => (MapKind::ResponseTrailers, HeaderScope::ResponseTrailers),
        };
        self.addable = if end_of_stream { 1 << kind as u8 } else { 0 };
        if let Some(map) = self
            .maps
            .get_mut(kind as usize)
            .filter(|_| end_of_stream && self.lent & (1 << kind as u8) == 0)
        {
            *map = Headers::new(scope);
        }
    }

    /// Whether the guest has added to a map that was [addable](Self::addable); it no longer is.
    pub(crate) fn take_added(&mut self, kind: MapKind) -> Option<Headers> {
        let bit = 1 << kind as u8;
        let added = std::mem::take(&mut self.addable) & self.lent & bit != 0;
        if !added {
            return None;
        }
        self.lent &= !bit;
        self.maps.get_mut(kind as usize).map(std::mem::take).filter(|map| !map.is_empty())
    }

    /// Takes or gives back a map: before a callback the caller's map comes in, after it goes out
    /// again.
    pub(crate) fn swap_map(&mut self, kind: MapKind, headers: &mut Headers, lent: bool) {
        if let Some(map) = self.maps.get_mut(kind as usize) {
            std::mem::swap(map, headers);
            let bit = 1 << kind as u8;
            self.lent = if lent { self.lent | bit } else { self.lent & !bit };
        }
    }

    pub(crate) fn body(&self, kind: BufferKind) -> &[u8] {
        self.bodies.get(kind as usize).map_or(&[], |body| body)
    }

    /// Takes a body, or gives it back.
    pub(crate) fn swap_body(&mut self, kind: BufferKind, body: &mut Bytes) {
        if let Some(lent) = self.bodies.get_mut(kind as usize) {
            std::mem::swap(lent, body);
            self.bodies_lent ^= 1 << kind as u8;
        }
    }

    pub(crate) fn body_mut(&mut self, kind: BufferKind) -> Option<&mut Bytes> {
        let body = self.bodies.get_mut(kind as usize)?;
        (!self.read_only && self.bodies_lent & (1 << kind as u8) != 0).then_some(body)
    }

    /// The guest may no longer look at the request, though it is still lent.
    pub(crate) fn hide_request(&mut self) {
        self.lent &= !(1 << MapKind::RequestHeaders as u8 | 1 << MapKind::RequestTrailers as u8);
    }

    /// Whether the guest has closed one of these since the last question. Closing a connection's
    /// side means nothing on an HTTP stream, nor the other way round.
    pub(crate) fn take_closed(&mut self, kinds: [StreamKind; 2]) -> bool {
        let bits = kinds.iter().fold(0, |bits, kind| bits | 1 << *kind as u8);
        std::mem::take(&mut self.closed) & bits != 0
    }

    pub(crate) fn note(bits: &mut u8, kind: StreamKind) {
        *bits |= 1 << kind as u8;
    }

    pub(crate) fn taken(bits: &mut u8, kind: StreamKind) -> bool {
        let bit = 1 << kind as u8;
        let had = *bits & bit != 0;
        *bits &= !bit;
        had
    }
}

//! One stream as a plugin sees it: what the proxy knows of it, and the header maps and bodies that
//! a callback may read and change. Moving a message through a chain is the worker's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::abi::{BufferKind, MapKind, StreamKind};
use crate::filter_state::{Declared, FilterState};
use crate::headers::{HeaderScope, Headers};
use crate::outcome::LocalReply;
use crate::property::PropertyValue;

/// Identifies one stream of one VM, until the stream is finished.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, plugin) = started("tag");
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
    /// The id of the stream's context, which the guest knows.
    #[must_use]
    pub fn context(self) -> u32 {
        self.context
    }
}

/// What the proxy knows of a stream. Guests read it with `proxy_get_property`.
///
/// ```
/// use gatepost_host::StreamInfo;
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, plugin) = started("route");
///
/// let info = StreamInfo {
///     source: Some("203.0.113.7:4711".parse()?),
///     protocol: Some("HTTP/1.1"),
///     route_name: "shop".into(),
///     ..StreamInfo::default()
/// };
/// let stream = vm.stream(plugin, info)?;
/// # let mut headers = request();
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
    /// Only [`properties`](Self::properties) are known, and no others that the host has, as in
    /// Google's plugin tester.
    pub only_given_properties: bool,
    /// Values that guests keep on the stream. All plugins of the stream share them.
    pub filter_state: FilterState,
}

/// A stream's information: its own, or shared by all plugins that the stream passes.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a stream with its own information must not allocate")]
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

/// The streams of an HTTP exchange.
pub(crate) const HTTP: [StreamKind; 2] = [StreamKind::HttpRequest, StreamKind::HttpResponse];
/// The sides of a connection.
pub(crate) const CONNECTION: [StreamKind; 2] = [StreamKind::Downstream, StreamKind::Upstream];

/// The four maps of an HTTP stream.
pub(crate) const HTTP_MAPS: usize = 4;

/// A stream in a VM. Slots are reused, so that opening a stream allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The context id; 0 while the slot is free.
    pub(crate) context: u32,
    /// The plugin's slot.
    pub(crate) root: u32,
    pub(crate) info: Info,
    /// Maps lent for the current callback, by [`MapKind`].
    pub(crate) maps: [Headers; HTTP_MAPS],
    /// Which maps the guest may use, one bit each.
    pub(crate) lent: u8,
    /// Which maps are created when the guest adds to them, one bit each: trailers, in the last body
    /// callback.
    pub(crate) addable: u8,
    /// Which of the maps were created in a body callback, one bit each. As in Envoy, the guest
    /// keeps them until the stream ends.
    pub(crate) created: u8,
    /// Whether the guest may only read the lent maps, as in `proxy_on_log`.
    pub(crate) read_only: bool,
    /// Bodies lent for the current callback, by [`BufferKind`]: request, response, downstream,
    /// upstream.
    pub(crate) bodies: [Bytes; 4],
    /// Which bodies are lent, one bit each.
    pub(crate) bodies_lent: u8,
    /// The values that the guest has declared in this context.
    pub(crate) declared: Declared,
    /// The guest's last callback was one in which Google's plugin tester takes a local reply.
    pub(crate) may_reply: bool,
    pub(crate) local_reply: Option<Box<LocalReply>>,
    pub(crate) route_cache_cleared: bool,
    /// Directions that the guest continued or closed and the driver has not taken yet, one bit for
    /// each [`StreamKind`].
    pub(crate) continued: u8,
    pub(crate) closed: u8,
    /// Whether the stream is in the list of [`Contexts::touch`](crate::contexts::Contexts).
    pub(crate) touched: bool,
    /// A number of the driver's, which it finds its exchange by.
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
        self.created = 0;
        self.declared.clear();
        self.bodies_lent = 0;
        self.owner = 0;
        self.may_reply = false;
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
        if self.read_only && self.created & bit == 0 || (self.lent | self.addable) & bit == 0 {
            return None;
        }
        self.lent |= bit;
        self.maps.get_mut(kind as usize)
    }

    /// In the last body callback of a message without trailers, the guest may add trailers.
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

    /// Takes the trailers that the guest has added; the map is no longer [addable](Self::addable).
    pub(crate) fn take_added(&mut self, kind: MapKind) -> Option<Headers> {
        let bit = 1 << kind as u8;
        let added = std::mem::take(&mut self.addable) & self.lent & bit != 0;
        if !added {
            return None;
        }
        self.created |= bit;
        self.maps.get(kind as usize).cloned().filter(|map| !map.is_empty())
    }

    /// Swaps a map in before a callback and out after it.
    pub(crate) fn swap_map(&mut self, kind: MapKind, headers: &mut Headers, lent: bool) {
        if let Some(map) = self.maps.get_mut(kind as usize) {
            std::mem::swap(map, headers);
            let bit = 1 << kind as u8;
            self.lent = if lent { self.lent | bit } else { self.lent & !bit | self.created & bit };
        }
    }

    pub(crate) fn body(&self, kind: BufferKind) -> &[u8] {
        self.bodies.get(kind as usize).map_or(&[], |body| body)
    }

    /// Swaps a body in before a callback and out after it.
    pub(crate) fn swap_body(&mut self, kind: BufferKind, body: &mut Bytes) {
        if let Some(lent) = self.bodies.get_mut(kind as usize) {
            std::mem::swap(lent, body);
            self.bodies_lent ^= 1 << kind as u8;
        }
    }

    pub(crate) fn lends_body(&self, kind: BufferKind) -> bool {
        (kind as usize) < self.bodies.len() && self.bodies_lent & (1 << kind as u8) != 0
    }

    pub(crate) fn body_mut(&mut self, kind: BufferKind) -> Option<&mut Bytes> {
        let body = self.bodies.get_mut(kind as usize)?;
        (!self.read_only && self.bodies_lent & (1 << kind as u8) != 0).then_some(body)
    }

    /// The guest may no longer read the request, although its map is still here.
    pub(crate) fn hide_request(&mut self) {
        self.lent &= !(1 << MapKind::RequestHeaders as u8 | 1 << MapKind::RequestTrailers as u8);
    }

    /// Whether the guest has closed one of these directions since the last call. A direction of a
    /// connection has no meaning on an HTTP stream, and the reverse.
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

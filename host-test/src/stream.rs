//! One HTTP stream as a plugin sees it: what is known of the request, which maps and bodies a callback may touch, and how a
//! callback ends. Walking a chain of plugins and buffering bodies are not here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;

use crate::abi::{BufferKind, MapKind, StreamKind};
use crate::effect::Text;
use crate::filter_state::FilterState;
use crate::headers::Headers;
use crate::property::PropertyValue;

/// Names one stream of one VM. It stays valid until the stream is finished.
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
    /// Any other property by its dotted path, as in `connection.id`.
    pub properties: Vec<(String, PropertyValue)>,
    /// What guests keep on the stream; every plugin of it sees it.
    pub filter_state: FilterState,
}

/// What is known of a stream, for one plugin or for every plugin that the stream passes.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a stream with its own information must not need memory of its own")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// Headers wait, body callbacks still come. Only with [`PluginConfig::allow_on_headers_stop_iteration`](crate::PluginConfig).
    Headers,
    /// Everything waits; the body is buffered up to the limit, beyond which the stream fails.
    Buffer,
    /// Everything waits; the body is buffered up to the limit, at which the sender is held back.
    Watermark,
    /// This chunk is kept by nobody and the next one comes.
    NoBuffer,
}

/// An answer that a plugin gives in the upstream's place (`proxy_send_local_response`).
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
    /// Which maps are lent, one bit each.
    pub(crate) lent: u8,
    /// Whether the lent maps may be read only, as in `proxy_on_log`.
    pub(crate) read_only: bool,
    /// Bodies lent for the callback that runs, by [`BufferKind`]: request, response, downstream, upstream.
    pub(crate) bodies: [Bytes; 4],
    pub(crate) local_reply: Option<Box<LocalReply>>,
    pub(crate) route_cache_cleared: bool,
    /// Streams the guest continued or closed since the last question, one bit per [`StreamKind`].
    pub(crate) continued: u8,
    pub(crate) closed: u8,
}

impl Stream {
    #[inline]
    pub(crate) fn reset(&mut self, context: u32, root: u32, info: Info) {
        self.context = context;
        self.root = root;
        self.info = info;
        self.lent = 0;
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
        if self.read_only || self.lent & (1 << kind as u8) == 0 {
            return None;
        }
        self.maps.get_mut(kind as usize)
    }

    /// Takes or gives back a map: before a callback the caller's map comes in, after it goes out again.
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

    /// Takes or gives back a body, as [`swap_map`](Self::swap_map) does a map.
    pub(crate) fn swap_body(&mut self, kind: BufferKind, body: &mut Bytes) {
        if let Some(lent) = self.bodies.get_mut(kind as usize) {
            std::mem::swap(lent, body);
        }
    }

    pub(crate) fn body_mut(&mut self, kind: BufferKind) -> Option<&mut Bytes> {
        self.bodies.get_mut(kind as usize)
    }

    /// The guest may no longer look at the request, though it is still lent.
    pub(crate) fn hide_request(&mut self) {
        self.lent &= !(1 << MapKind::RequestHeaders as u8 | 1 << MapKind::RequestTrailers as u8);
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

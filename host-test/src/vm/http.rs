//! The callbacks of an HTTP stream, one call each. The caller's headers and body are lent to the guest for the time of the call,
//! changed in place, and the guest's answer says how to go on. Callbacks that the module does not export are skipped.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::core::Core;
use super::{Vm, byte_len};
use crate::abi::{BufferKind, MapKind, StreamKind};
use crate::callbacks::{AskWith, Body, Export, HeadersCallback};
use crate::error::CallError;
use crate::headers::Headers;
use crate::plugin::Plugin;
use crate::state::Place;
use crate::stream::{Info, LocalReply, Outcome, Pause, Stream, StreamId, StreamInfo};

/// The maps that `proxy_on_log` may read. What the stream never had is none.
#[derive(Debug, Default)]
pub struct FinalMaps<'a> {
    /// The request's headers as they went upstream.
    pub request_headers: Option<&'a mut Headers>,
    /// The response's headers as they went downstream.
    pub response_headers: Option<&'a mut Headers>,
    /// The response's trailers.
    pub response_trailers: Option<&'a mut Headers>,
}

impl Vm {
    /// Opens a stream for a plugin and calls `proxy_on_context_create`.
    ///
    /// # Errors
    /// When the plugin is unknown or being stopped, or the guest traps.
    #[inline]
    pub fn stream(&mut self, plugin: Plugin, info: StreamInfo) -> Result<StreamId, CallError> {
        self.open(plugin, Info::Own(info))
    }

    /// As [`stream`](Self::stream), with what is known of the stream shared by every plugin that it passes.
    ///
    /// # Errors
    /// When the plugin is unknown or being stopped, or the guest traps.
    pub fn stream_sharing(&mut self, plugin: Plugin, info: Arc<Mutex<StreamInfo>>) -> Result<StreamId, CallError> {
        self.open(plugin, Info::Shared(info))
    }

    #[inline]
    fn open(&mut self, plugin: Plugin, info: Info) -> Result<StreamId, CallError> {
        self.core.check_plugin(plugin)?;
        if self.core.store.data().roots.get(plugin.slot as usize).is_none_or(|root| root.awaiting_done) {
            return Err(CallError::UnknownPlugin { context: plugin.context });
        }
        let (slot, context) = self.core.store.data_mut().add_stream(plugin.slot, info);
        let stream = StreamId { slot, context };
        self.core.notify(&self.callbacks.context_create, Place::Stream(slot), (context, plugin.context))?;
        Ok(stream)
    }

    /// `proxy_on_request_headers`
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn request_headers(
        &mut self,
        stream: StreamId,
        headers: &mut Headers,
        end_of_stream: bool,
    ) -> Result<Outcome, CallError> {
        on_headers(&mut self.core, &self.callbacks.request_headers, stream, MapKind::RequestHeaders, headers, end_of_stream)
    }

    /// `proxy_on_request_body`, with one chunk or all that has been buffered.
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn request_body(&mut self, stream: StreamId, body: &mut Bytes, end_of_stream: bool) -> Result<Outcome, CallError> {
        on_body(&mut self.core, &self.callbacks.request_body, stream, BufferKind::HttpRequestBody, body, end_of_stream)
    }

    /// `proxy_on_request_trailers`
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn request_trailers(&mut self, stream: StreamId, trailers: &mut Headers) -> Result<Outcome, CallError> {
        on_trailers(&mut self.core, &self.callbacks.request_trailers, stream, MapKind::RequestTrailers, trailers)
    }

    /// `proxy_on_response_headers`
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn response_headers(
        &mut self,
        stream: StreamId,
        headers: &mut Headers,
        end_of_stream: bool,
    ) -> Result<Outcome, CallError> {
        on_headers(&mut self.core, &self.callbacks.response_headers, stream, MapKind::ResponseHeaders, headers, end_of_stream)
    }

    /// `proxy_on_response_body`, with one chunk or all that has been buffered.
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn response_body(&mut self, stream: StreamId, body: &mut Bytes, end_of_stream: bool) -> Result<Outcome, CallError> {
        on_body(&mut self.core, &self.callbacks.response_body, stream, BufferKind::HttpResponseBody, body, end_of_stream)
    }

    /// `proxy_on_response_trailers`
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn response_trailers(&mut self, stream: StreamId, trailers: &mut Headers) -> Result<Outcome, CallError> {
        on_trailers(&mut self.core, &self.callbacks.response_trailers, stream, MapKind::ResponseTrailers, trailers)
    }

    /// Ends a stream: `proxy_on_log`, `proxy_on_done`, `proxy_on_delete`, the order of Envoy's HTTP connection manager. The
    /// stream is closed even when a callback traps.
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn finish(&mut self, stream: StreamId, maps: FinalMaps<'_>) -> Result<(), CallError> {
        self.core.stream(stream)?;
        let logged = self.core.check().and_then(|()| self.log(stream, maps));
        let deleted = self.delete(stream);
        logged.and(deleted)
    }

    /// The first part of [`finish`](Self::finish): `proxy_on_log`. In a chain every plugin logs before the first is done.
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn log(&mut self, stream: StreamId, mut maps: FinalMaps<'_>) -> Result<(), CallError> {
        self.core.stream(stream)?;
        let place = Place::Stream(stream.slot);
        if let Some(function) = &self.callbacks.log.function {
            let lend = |stream: &mut Stream, maps: &mut FinalMaps<'_>, lent: bool| {
                stream.read_only = lent;
                for (kind, map) in [
                    (MapKind::RequestHeaders, &mut maps.request_headers),
                    (MapKind::ResponseHeaders, &mut maps.response_headers),
                    (MapKind::ResponseTrailers, &mut maps.response_trailers),
                ] {
                    if let Some(map) = map {
                        stream.swap_map(kind, map, lent);
                    }
                }
            };
            lend(self.core.stream_mut(stream)?, &mut maps, true);
            let logged = self.core.call(self.callbacks.log.name, place, function, stream.context);
            lend(self.core.stream_mut(stream)?, &mut maps, false);
            logged?;
        }
        Ok(())
    }

    /// The second part of [`finish`](Self::finish): `proxy_on_done`, `proxy_on_delete`. The stream is closed even when one traps.
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn delete(&mut self, stream: StreamId) -> Result<(), CallError> {
        self.core.stream(stream)?;
        let ended = self.core.check().and_then(|()| self.done(stream));
        self.core.store.data_mut().remove_stream(stream.slot);
        ended?;
        self.reap()
    }

    fn done(&mut self, stream: StreamId) -> Result<(), CallError> {
        let place = Place::Stream(stream.slot);
        if let Some(function) = &self.callbacks.done.function {
            // Only a root context can put its end off.
            self.core.call(self.callbacks.done.name, place, function, stream.context)?;
        }
        self.core.notify(&self.callbacks.delete, place, stream.context)
    }

    /// What the proxy knows of a stream; a driver keeps it up to date, and reads what guests have set.
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn stream_info<T>(&mut self, stream: StreamId, with: impl FnOnce(&mut StreamInfo) -> T) -> Result<T, CallError> {
        Ok(self.core.stream_mut(stream)?.info.write(with))
    }

    /// Lends a map beyond a callback, while the guest pauses on it: callbacks of other contexts may then reach it with
    /// `proxy_set_effective_context`, as when the answer to a callout decides what becomes of a request.
    /// [`reclaim_map`](Self::reclaim_map) gives it back.
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn lend_map(&mut self, stream: StreamId, kind: MapKind, map: &mut Headers) -> Result<(), CallError> {
        self.core.stream_mut(stream)?.swap_map(kind, map, true);
        Ok(())
    }

    /// Takes back what [`lend_map`](Self::lend_map) lent, with the guest's changes. It works on a VM that has trapped, too.
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn reclaim_map(&mut self, stream: StreamId, kind: MapKind, map: &mut Headers) -> Result<(), CallError> {
        self.core.stream_mut(stream)?.swap_map(kind, map, false);
        Ok(())
    }

    /// Lends a body beyond a callback, or takes it back: what was in its place comes out.
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn swap_body(&mut self, stream: StreamId, kind: BufferKind, body: &mut Bytes) -> Result<(), CallError> {
        self.core.stream_mut(stream)?.swap_body(kind, body);
        Ok(())
    }

    /// The streams that a guest continued, closed or answered in a callback of another context since the last question. What it did
    /// to each, [`take_continued`](Self::take_continued), [`take_closed`](Self::take_closed) and
    /// [`take_local_reply`](Self::take_local_reply) tell.
    #[must_use]
    pub fn take_touched(&mut self) -> Vec<StreamId> {
        let state = self.core.store.data_mut();
        let touched = std::mem::take(&mut state.touched);
        let open = |slot: u32| state.streams.get(slot as usize).filter(|stream| stream.context != 0);
        touched.into_iter().filter_map(|slot| open(slot).map(|stream| StreamId { slot, context: stream.context })).collect()
    }

    /// Whether a guest closed the stream since the last question.
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_closed(&mut self, stream: StreamId) -> Result<bool, CallError> {
        Ok(std::mem::take(&mut self.core.stream_mut(stream)?.closed) != 0)
    }

    /// Whether a write to the request's headers, or the guest itself, has cleared the route cache since the last question.
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_route_cache_cleared(&mut self, stream: StreamId) -> Result<bool, CallError> {
        Ok(std::mem::take(&mut self.core.stream_mut(stream)?.route_cache_cleared))
    }

    /// Whether the guest has let this half of the stream go on since the last question.
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_continued(&mut self, stream: StreamId, half: StreamKind) -> Result<bool, CallError> {
        Ok(Stream::taken(&mut self.core.stream_mut(stream)?.continued, half))
    }

    /// A local reply that the guest sent outside the stream's own callbacks, as from a tick.
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_local_reply(&mut self, stream: StreamId) -> Result<Option<LocalReply>, CallError> {
        Ok(self.core.stream_mut(stream)?.local_reply.take().map(|reply| *reply))
    }
}

fn on_headers(
    core: &mut Core,
    export: &Export<HeadersCallback>,
    stream: StreamId,
    kind: MapKind,
    headers: &mut Headers,
    end_of_stream: bool,
) -> Result<Outcome, CallError> {
    core.check()?;
    let Some(callback) = &export.function else { return skipped(core, stream) };
    let (place, count) = (Place::Stream(stream.slot), u32::try_from(headers.len()).unwrap_or(u32::MAX));
    core.stream_mut(stream)?.swap_map(kind, headers, true);
    let code = match callback {
        HeadersCallback::Old(function) => core.call(export.name, place, function, (stream.context, count)),
        HeadersCallback::New(function) => core.call(export.name, place, function, (stream.context, count, end_of_stream.into())),
    };
    core.stream_mut(stream)?.swap_map(kind, headers, false);
    let pause = match code? {
        // 2 would be "continue and end the stream", which Envoy takes for "continue".
        0 | 2 => None,
        1 if allows_stop_iteration(core, stream) => Some(Pause::Headers),
        3 => Some(Pause::Buffer),
        _ => Some(Pause::Watermark),
    };
    outcome(core, stream, pause)
}

fn on_body(
    core: &mut Core,
    export: &Export<Body>,
    stream: StreamId,
    kind: BufferKind,
    body: &mut Bytes,
    end_of_stream: bool,
) -> Result<Outcome, CallError> {
    core.check()?;
    let Some(function) = &export.function else { return skipped(core, stream) };
    let (place, len) = (Place::Stream(stream.slot), byte_len(body));
    core.stream_mut(stream)?.swap_body(kind, body);
    let code = core.call(export.name, place, function, (stream.context, len, end_of_stream.into()));
    core.stream_mut(stream)?.swap_body(kind, body);
    let pause = match code? {
        0 => None,
        1 => Some(Pause::Buffer),
        2 => Some(Pause::Watermark),
        _ => Some(Pause::NoBuffer),
    };
    outcome(core, stream, pause)
}

fn on_trailers(
    core: &mut Core,
    export: &Export<AskWith>,
    stream: StreamId,
    kind: MapKind,
    trailers: &mut Headers,
) -> Result<Outcome, CallError> {
    core.check()?;
    let Some(function) = &export.function else { return skipped(core, stream) };
    let (place, count) = (Place::Stream(stream.slot), u32::try_from(trailers.len()).unwrap_or(u32::MAX));
    core.stream_mut(stream)?.swap_map(kind, trailers, true);
    let code = core.call(export.name, place, function, (stream.context, count));
    core.stream_mut(stream)?.swap_map(kind, trailers, false);
    outcome(core, stream, (code? != 0).then_some(Pause::Watermark))
}

fn skipped(core: &Core, stream: StreamId) -> Result<Outcome, CallError> {
    core.stream(stream).map(|_| Outcome::Continue)
}

fn allows_stop_iteration(core: &Core, stream: StreamId) -> bool {
    let root = core.stream(stream).ok().and_then(|stream| core.store.data().roots.get(stream.root as usize));
    root.is_some_and(|root| root.config.allow_on_headers_stop_iteration)
}

/// A local reply or a close that the callback asked for comes before its answer.
fn outcome(core: &mut Core, stream: StreamId, pause: Option<Pause>) -> Result<Outcome, CallError> {
    let stream = core.stream_mut(stream)?;
    if let Some(reply) = stream.local_reply.take() {
        return Ok(Outcome::LocalReply(reply));
    }
    if std::mem::take(&mut stream.closed) != 0 {
        return Ok(Outcome::Close);
    }
    Ok(pause.map_or(Outcome::Continue, Outcome::Pause))
}

//! The callbacks of an HTTP stream, a method for each. A method lends the caller's headers or body
//! to the guest for the time of the call, and returns what the guest asks for. A callback that the
//! module does not export is skipped.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::guest_store::GuestStore;
use super::instance::{Vm, byte_len};
use crate::abi::{BufferKind, MapKind};
use crate::callbacks::{AskWith, Body, Export, HeadersCallback};
use crate::contexts::ContextRef;
use crate::error::CallError;
use crate::headers::Headers;
use crate::outcome::{Outcome, Pause};
use crate::plugin::Plugin;
use crate::stream::{HTTP, Info, Stream, StreamId, StreamInfo};

/// The maps that `proxy_on_log` may read; none for a message that the stream did not have.
///
/// ```
/// use gatepost_host::FinalMaps;
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("tag");
/// # let mut headers = request();
/// # let _ = vm.request_headers(stream, &mut headers, true)?;
/// # let mut response = Headers::response([(":status", "200")]);
///
/// let maps = FinalMaps {
///     request_headers: Some(&mut headers),
///     response_headers: Some(&mut response),
///     ..FinalMaps::default()
/// };
/// vm.finish(stream, maps)?;
/// assert_eq!(headers.get("x-tag"), Some(&b"blue"[..])); // the maps are returned
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct FinalMaps<'a> {
    /// The request's headers, as sent upstream.
    pub request_headers: Option<&'a mut Headers>,
    /// The response's headers, as sent downstream.
    pub response_headers: Option<&'a mut Headers>,
    /// The response's trailers.
    pub response_trailers: Option<&'a mut Headers>,
}

impl Vm {
    /// Opens a stream for a plugin and calls `proxy_on_context_create`.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("tag");
    /// let stream = vm.stream(plugin, StreamInfo::default())?;
    /// assert_eq!(vm.open_streams(), 1);
    /// vm.finish(stream, FinalMaps::default())?;
    /// assert_eq!(vm.open_streams(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the plugin is unknown or was stopped, or the guest traps.
    #[inline]
    pub fn stream(&mut self, plugin: Plugin, info: StreamInfo) -> Result<StreamId, CallError> {
        self.open(plugin, Info::Own(info), 0)
    }

    /// As [`stream`](Self::stream), with information that all plugins of the stream share.
    ///
    /// ```
    /// # use std::sync::{Arc, Mutex};
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("route");
    /// # let other = vm.start_plugin(PluginConfig::default())?;
    /// # let mut headers = request();
    /// let info = StreamInfo { route_name: "shop".into(), ..StreamInfo::default() };
    /// let info = Arc::new(Mutex::new(info));
    /// let first = vm.stream_sharing(plugin, Arc::clone(&info))?;
    /// let second = vm.stream_sharing(other, Arc::clone(&info))?;
    /// // The first plugin sets the property `seen`, and the second can read it.
    /// let _ = vm.request_headers(first, &mut headers, true)?;
    /// assert!(vm.stream_info(second, |info| info.filter_state.get("wasm.seen").is_some())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the plugin is unknown or was stopped, or the guest traps.
    pub fn stream_sharing(
        &mut self,
        plugin: Plugin,
        info: Arc<Mutex<StreamInfo>>,
    ) -> Result<StreamId, CallError> {
        self.open(plugin, Info::Shared(info), 0)
    }

    #[inline]
    pub(crate) fn open(
        &mut self,
        plugin: Plugin,
        info: Info,
        owner: u64,
    ) -> Result<StreamId, CallError> {
        self.guest.check_plugin(plugin)?;
        if self
            .guest
            .store
            .data()
            .contexts
            .roots
            .get(plugin.slot as usize)
            .is_none_or(|root| root.awaiting_done)
        {
            return Err(CallError::UnknownPlugin { context: plugin.context });
        }
        let (slot, context) = self.guest.store.data_mut().contexts.add_stream(plugin.slot, info);
        let stream = StreamId { slot, context };
        self.guest.stream_mut(stream)?.owner = owner;
        self.guest.notify(
            &self.callbacks.context_create,
            ContextRef::Stream(slot),
            (context, plugin.context),
        )?;
        Ok(stream)
    }

    /// `proxy_on_request_headers`: the guest changes the headers in place. At `end_of_stream`
    /// no body and no trailers follow.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("tag");
    /// # let mut headers = request();
    /// let outcome = vm.request_headers(stream, &mut headers, true)?;
    /// assert_eq!(outcome, Outcome::Continue);
    /// assert_eq!(headers.get("x-tag"), Some(&b"blue"[..])); // this guest has added it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn request_headers(
        &mut self,
        stream: StreamId,
        headers: &mut Headers,
        end_of_stream: bool,
    ) -> Result<Outcome, CallError> {
        on_headers(
            &mut self.guest,
            &self.callbacks.request_headers,
            stream,
            MapKind::RequestHeaders,
            headers,
            end_of_stream,
        )
    }

    /// `proxy_on_request_body`, with one piece of the body or with all that was buffered. The guest
    /// changes the bytes in place. At `end_of_stream` nothing follows, no trailers either.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("redact");
    /// # let mut headers = request();
    /// let mut body = bytes::Bytes::from("secret");
    /// assert_eq!(vm.request_body(stream, &mut body, true)?, Outcome::Continue);
    /// assert_eq!(body, "redacted"); // this guest has written it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn request_body(
        &mut self,
        stream: StreamId,
        body: &mut Bytes,
        end_of_stream: bool,
    ) -> Result<Outcome, CallError> {
        on_body(
            &mut self.guest,
            &self.callbacks.request_body,
            stream,
            BufferKind::HttpRequestBody,
            body,
            end_of_stream,
        )
    }

    /// `proxy_on_request_trailers`, the end of a request that has trailers.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("stamp");
    /// let mut trailers = Headers::new(HeaderScope::RequestTrailers);
    /// assert_eq!(vm.request_trailers(stream, &mut trailers)?, Outcome::Continue);
    /// assert_eq!(trailers.get("x-stamp"), Some(&b"yes"[..])); // this guest has added it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn request_trailers(
        &mut self,
        stream: StreamId,
        trailers: &mut Headers,
    ) -> Result<Outcome, CallError> {
        on_trailers(
            &mut self.guest,
            &self.callbacks.request_trailers,
            stream,
            MapKind::RequestTrailers,
            trailers,
        )
    }

    /// `proxy_on_response_headers`: the guest changes the headers in place. At `end_of_stream`
    /// no body and no trailers follow.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("stamp");
    /// let mut headers = Headers::response([(":status", "200")]);
    /// assert_eq!(vm.response_headers(stream, &mut headers, true)?, Outcome::Continue);
    /// assert_eq!(headers.get("x-stamp"), Some(&b"yes"[..])); // this guest has added it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn response_headers(
        &mut self,
        stream: StreamId,
        headers: &mut Headers,
        end_of_stream: bool,
    ) -> Result<Outcome, CallError> {
        on_headers(
            &mut self.guest,
            &self.callbacks.response_headers,
            stream,
            MapKind::ResponseHeaders,
            headers,
            end_of_stream,
        )
    }

    /// `proxy_on_response_body`, with one piece of the body or with all that was buffered. The
    /// guest changes the bytes in place. At `end_of_stream` nothing follows, no trailers either.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("stamp");
    /// let mut body = bytes::Bytes::from("hello");
    /// assert_eq!(vm.response_body(stream, &mut body, true)?, Outcome::Continue);
    /// assert_eq!(body, "hello!"); // this guest adds to the end
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn response_body(
        &mut self,
        stream: StreamId,
        body: &mut Bytes,
        end_of_stream: bool,
    ) -> Result<Outcome, CallError> {
        on_body(
            &mut self.guest,
            &self.callbacks.response_body,
            stream,
            BufferKind::HttpResponseBody,
            body,
            end_of_stream,
        )
    }

    /// `proxy_on_response_trailers`, the end of a response that has trailers.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("stamp");
    /// let pairs = [("grpc-status", "0")];
    /// let mut trailers = Headers::collect(HeaderScope::ResponseTrailers, pairs);
    /// assert_eq!(vm.response_trailers(stream, &mut trailers)?, Outcome::Continue);
    /// assert_eq!(trailers.to_string(), "grpc-status: 0\nx-stamp: yes\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn response_trailers(
        &mut self,
        stream: StreamId,
        trailers: &mut Headers,
    ) -> Result<Outcome, CallError> {
        on_trailers(
            &mut self.guest,
            &self.callbacks.response_trailers,
            stream,
            MapKind::ResponseTrailers,
            trailers,
        )
    }

    /// Ends a stream: `proxy_on_log`, `proxy_on_done`, `proxy_on_delete`, the order of Envoy's HTTP
    /// connection manager. The stream is closed even when a callback traps.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("tag");
    /// # let mut headers = request();
    /// let maps = FinalMaps { request_headers: Some(&mut headers), ..FinalMaps::default() };
    /// vm.finish(stream, maps)?;
    /// let again = vm.finish(stream, FinalMaps::default());
    /// assert!(matches!(again, Err(CallError::UnknownStream { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn finish(&mut self, stream: StreamId, maps: FinalMaps<'_>) -> Result<(), CallError> {
        self.guest.stream(stream)?;
        let logged = self.guest.check().and_then(|()| self.log(stream, maps));
        let deleted = self.delete(stream);
        logged.and(deleted)
    }

    /// The first part of [`finish`](Self::finish): `proxy_on_log`. In a chain, call it for every
    /// plugin before the first [`delete`](Self::delete).
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("tag");
    /// # let other = vm.start_plugin(config("tag"))?;
    /// let first = vm.stream(plugin, StreamInfo::default())?;
    /// let second = vm.stream(other, StreamInfo::default())?;
    /// for stream in [first, second] {
    ///     vm.log(stream, FinalMaps::default())?;
    /// }
    /// for stream in [first, second] {
    ///     vm.delete(stream)?;
    /// }
    /// assert_eq!(vm.open_streams(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn log(&mut self, stream: StreamId, mut maps: FinalMaps<'_>) -> Result<(), CallError> {
        self.guest.stream(stream)?;
        let context = ContextRef::Stream(stream.slot);
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
            lend(self.guest.stream_mut(stream)?, &mut maps, true);
            let logged =
                self.guest.call(self.callbacks.log.name, context, function, stream.context);
            lend(self.guest.stream_mut(stream)?, &mut maps, false);
            logged?;
        }
        Ok(())
    }

    /// The second part of [`finish`](Self::finish): `proxy_on_done`, `proxy_on_delete`. The stream
    /// is closed even when one traps.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("tag");
    /// let stream = vm.stream(plugin, StreamInfo::default())?;
    /// vm.log(stream, FinalMaps::default())?;
    /// vm.delete(stream)?;
    /// assert_eq!(vm.open_streams(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn delete(&mut self, stream: StreamId) -> Result<(), CallError> {
        self.guest.stream(stream)?;
        let ended = self.guest.check().and_then(|()| self.done(stream));
        self.guest.store.data_mut().contexts.remove_stream(stream.slot);
        ended?;
        self.delete_done_plugins()
    }

    fn done(&mut self, stream: StreamId) -> Result<(), CallError> {
        let context = ContextRef::Stream(stream.slot);
        if let Some(function) = &self.callbacks.done.function {
            // Only a root context can delay its end, so the answer does not matter.
            self.guest.call(self.callbacks.done.name, context, function, stream.context)?;
        }
        self.guest.notify(&self.callbacks.delete, context, stream.context)
    }
}

fn on_headers(
    guest: &mut GuestStore,
    export: &Export<HeadersCallback>,
    stream: StreamId,
    kind: MapKind,
    headers: &mut Headers,
    end_of_stream: bool,
) -> Result<Outcome, CallError> {
    guest.check()?;
    let Some(callback) = &export.function else { return skipped(guest, stream) };
    let (context, count) =
        (ContextRef::Stream(stream.slot), u32::try_from(headers.len()).unwrap_or(u32::MAX));
    let open = guest.stream_mut(stream)?;
    open.swap_map(kind, headers, true);
    open.may_reply = true;
    let code = match callback {
        HeadersCallback::Old(function) => {
            guest.call(export.name, context, function, (stream.context, count))
        }
        HeadersCallback::New(function) => guest.call(
            export.name,
            context,
            function,
            (stream.context, count, end_of_stream.into()),
        ),
    };
    guest.stream_mut(stream)?.swap_map(kind, headers, false);
    let pause = match code? {
        // 2 is "continue and end the stream" in the ABI; Envoy takes it for "continue".
        0 | 2 => None,
        1 if allows_stop_iteration(guest, stream) => Some(Pause::Headers),
        3 => Some(Pause::Buffer),
        _ => Some(Pause::Watermark),
    };
    outcome(guest, stream, pause)
}

fn on_body(
    guest: &mut GuestStore,
    export: &Export<Body>,
    stream: StreamId,
    kind: BufferKind,
    body: &mut Bytes,
    end_of_stream: bool,
) -> Result<Outcome, CallError> {
    guest.check()?;
    let Some(function) = &export.function else { return skipped(guest, stream) };
    let (context, len) = (ContextRef::Stream(stream.slot), byte_len(body));
    let open = guest.stream_mut(stream)?;
    open.swap_body(kind, body);
    open.make_addable(kind, end_of_stream);
    open.may_reply = kind == BufferKind::HttpRequestBody;
    let code =
        guest.call(export.name, context, function, (stream.context, len, end_of_stream.into()));
    guest.stream_mut(stream)?.swap_body(kind, body);
    let pause = match code? {
        0 => None,
        1 => Some(Pause::Buffer),
        2 => Some(Pause::Watermark),
        _ => Some(Pause::NoBuffer),
    };
    outcome(guest, stream, pause)
}

fn on_trailers(
    guest: &mut GuestStore,
    export: &Export<AskWith>,
    stream: StreamId,
    kind: MapKind,
    trailers: &mut Headers,
) -> Result<Outcome, CallError> {
    guest.check()?;
    let Some(function) = &export.function else { return skipped(guest, stream) };
    let (context, count) =
        (ContextRef::Stream(stream.slot), u32::try_from(trailers.len()).unwrap_or(u32::MAX));
    guest.stream_mut(stream)?.swap_map(kind, trailers, true);
    let code = guest.call(export.name, context, function, (stream.context, count));
    guest.stream_mut(stream)?.swap_map(kind, trailers, false);
    outcome(guest, stream, (code? != 0).then_some(Pause::Watermark))
}

fn skipped(guest: &GuestStore, stream: StreamId) -> Result<Outcome, CallError> {
    guest.stream(stream).map(|_| Outcome::Continue)
}

fn allows_stop_iteration(guest: &GuestStore, stream: StreamId) -> bool {
    let root = guest
        .stream(stream)
        .ok()
        .and_then(|stream| guest.store.data().contexts.roots.get(stream.root as usize));
    root.is_some_and(|root| root.config.allow_on_headers_stop_iteration)
}

/// A local reply or a close that the callback asked for takes precedence over its return value.
fn outcome(
    guest: &mut GuestStore,
    stream: StreamId,
    pause: Option<Pause>,
) -> Result<Outcome, CallError> {
    let open = guest.stream_mut(stream)?;
    if open.local_reply.is_some()
        && let Some(reply) = guest.store.data_mut().contexts.take_reply(stream.slot)
    {
        return Ok(Outcome::LocalReply(reply));
    }
    if guest.stream_mut(stream)?.take_closed(HTTP) {
        return Ok(Outcome::Close);
    }
    Ok(pause.map_or(Outcome::Continue, Outcome::Pause))
}

//! The callbacks of an HTTP stream, one call each. The caller's headers and body are lent to the
//! guest for the time of the call, changed in place, and the guest's answer says how to go on.
//! Callbacks that the module does not export are skipped.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::core::Core;
use super::{Vm, byte_len};
use crate::abi::{BufferKind, MapKind};
use crate::callbacks::{AskWith, Body, Export, HeadersCallback};
use crate::error::CallError;
use crate::headers::Headers;
use crate::plugin::Plugin;
use crate::state::Place;
use crate::stream::{HTTP, Info, Outcome, Pause, Stream, StreamId, StreamInfo};

/// The maps that `proxy_on_log` may read. What the stream never had is none.
///
/// ```
/// use gatepost_host::FinalMaps;
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/tag.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let _ = vm.request_headers(stream, &mut headers, true)?;
/// # let mut response = Headers::response([(":status", "200")]);
///
/// let maps = FinalMaps {
///     request_headers: Some(&mut headers),
///     response_headers: Some(&mut response),
///     ..FinalMaps::default()
/// };
/// vm.finish(stream, maps)?;
/// assert_eq!(headers.get("x-tag"), Some(&b"blue"[..])); // they come back
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
    /// let stream = vm.stream(plugin, StreamInfo::default())?;
    /// assert_eq!(vm.open_streams(), 1);
    /// vm.finish(stream, FinalMaps::default())?;
    /// assert_eq!(vm.open_streams(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the plugin is unknown or being stopped, or the guest traps.
    #[inline]
    pub fn stream(&mut self, plugin: Plugin, info: StreamInfo) -> Result<StreamId, CallError> {
        self.open(plugin, Info::Own(info), 0)
    }

    /// As [`stream`](Self::stream), with what is known of the stream shared by every plugin that it
    /// passes.
    ///
    /// ```
    /// # use std::sync::{Arc, Mutex};
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/route.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "route", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "route".into(), ..PluginConfig::default() })?;
    /// # let other = vm.start_plugin(PluginConfig::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let info = Arc::new(Mutex::new(StreamInfo { route_name: "shop".into(), ..StreamInfo::default() }));
    /// let first = vm.stream_sharing(plugin, Arc::clone(&info))?;
    /// let second = vm.stream_sharing(other, Arc::clone(&info))?;
    /// // What the first plugin sets (this guest sets `seen`), the second reads.
    /// let _ = vm.request_headers(first, &mut headers, true)?;
    /// assert!(vm.stream_info(second, |info| info.filter_state.get("wasm.seen").is_some())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the plugin is unknown or being stopped, or the guest traps.
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
        self.core.check_plugin(plugin)?;
        if self
            .core
            .store
            .data()
            .roots
            .get(plugin.slot as usize)
            .is_none_or(|root| root.awaiting_done)
        {
            return Err(CallError::UnknownPlugin { context: plugin.context });
        }
        let (slot, context) = self.core.store.data_mut().add_stream(plugin.slot, info);
        let stream = StreamId { slot, context };
        self.core.stream_mut(stream)?.owner = owner;
        self.core.notify(
            &self.callbacks.context_create,
            Place::Stream(slot),
            (context, plugin.context),
        )?;
        Ok(stream)
    }

    /// `proxy_on_request_headers`: the guest changes the headers in place. At `end_of_stream`
    /// neither body nor trailers follow.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
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
            &mut self.core,
            &self.callbacks.request_headers,
            stream,
            MapKind::RequestHeaders,
            headers,
            end_of_stream,
        )
    }

    /// `proxy_on_request_body`, with one chunk or all that has been buffered. The guest changes the
    /// bytes in place. At `end_of_stream` nothing follows, no trailers either.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/redact.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "redact", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "redact".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
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
            &mut self.core,
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
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/stamp.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "stamp", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "stamp".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
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
            &mut self.core,
            &self.callbacks.request_trailers,
            stream,
            MapKind::RequestTrailers,
            trailers,
        )
    }

    /// `proxy_on_response_headers`: the guest changes the headers in place. At `end_of_stream`
    /// neither body nor trailers follow.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/stamp.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "stamp", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "stamp".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
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
            &mut self.core,
            &self.callbacks.response_headers,
            stream,
            MapKind::ResponseHeaders,
            headers,
            end_of_stream,
        )
    }

    /// `proxy_on_response_body`, with one chunk or all that has been buffered. The guest changes
    /// the bytes in place. At `end_of_stream` nothing follows, no trailers either.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/stamp.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "stamp", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "stamp".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
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
            &mut self.core,
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
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/stamp.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "stamp", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "stamp".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// let mut trailers = Headers::collect(HeaderScope::ResponseTrailers, [("grpc-status", "0")]);
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
            &mut self.core,
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
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// vm.finish(stream, FinalMaps { request_headers: Some(&mut headers), ..FinalMaps::default() })?;
    /// assert!(matches!(vm.finish(stream, FinalMaps::default()), Err(CallError::UnknownStream { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn finish(&mut self, stream: StreamId, maps: FinalMaps<'_>) -> Result<(), CallError> {
        self.core.stream(stream)?;
        let logged = self.core.check().and_then(|()| self.log(stream, maps));
        let deleted = self.delete(stream);
        logged.and(deleted)
    }

    /// The first part of [`finish`](Self::finish): `proxy_on_log`. In a chain every plugin logs
    /// before the first is done.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
    /// # let other = vm.start_plugin(PluginConfig { configuration: "red".into(), ..PluginConfig::default() })?;
    /// let streams = [vm.stream(plugin, StreamInfo::default())?, vm.stream(other, StreamInfo::default())?];
    /// for stream in streams {
    ///     vm.log(stream, FinalMaps::default())?;
    /// }
    /// for stream in streams {
    ///     vm.delete(stream)?;
    /// }
    /// assert_eq!(vm.open_streams(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// The second part of [`finish`](Self::finish): `proxy_on_done`, `proxy_on_delete`. The stream
    /// is closed even when one traps.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
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
    let (place, count) =
        (Place::Stream(stream.slot), u32::try_from(headers.len()).unwrap_or(u32::MAX));
    core.stream_mut(stream)?.swap_map(kind, headers, true);
    let code = match callback {
        HeadersCallback::Old(function) => {
            core.call(export.name, place, function, (stream.context, count))
        }
        HeadersCallback::New(function) => {
            core.call(export.name, place, function, (stream.context, count, end_of_stream.into()))
        }
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
    let open = core.stream_mut(stream)?;
    open.swap_body(kind, body);
    open.make_addable(kind, end_of_stream);
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
    let (place, count) =
        (Place::Stream(stream.slot), u32::try_from(trailers.len()).unwrap_or(u32::MAX));
    core.stream_mut(stream)?.swap_map(kind, trailers, true);
    let code = core.call(export.name, place, function, (stream.context, count));
    core.stream_mut(stream)?.swap_map(kind, trailers, false);
    outcome(core, stream, (code? != 0).then_some(Pause::Watermark))
}

fn skipped(core: &Core, stream: StreamId) -> Result<Outcome, CallError> {
    core.stream(stream).map(|_| Outcome::Continue)
}

fn allows_stop_iteration(core: &Core, stream: StreamId) -> bool {
    let root = core
        .stream(stream)
        .ok()
        .and_then(|stream| core.store.data().roots.get(stream.root as usize));
    root.is_some_and(|root| root.config.allow_on_headers_stop_iteration)
}

/// A local reply or a close that the callback asked for comes before its answer.
fn outcome(core: &mut Core, stream: StreamId, pause: Option<Pause>) -> Result<Outcome, CallError> {
    let stream = core.stream_mut(stream)?;
    if let Some(reply) = stream.local_reply.take() {
        return Ok(Outcome::LocalReply(reply));
    }
    if stream.take_closed(HTTP) {
        return Ok(Outcome::Close);
    }
    Ok(pause.map_or(Outcome::Continue, Outcome::Pause))
}

//! A stream between its callbacks: what is lent to a guest that pauses, and what the guest asked
//! for meanwhile.

use bytes::Bytes;

use super::Vm;
use crate::abi::{BufferKind, MapKind, StreamKind};
use crate::error::CallError;
use crate::headers::Headers;
use crate::stream::{HTTP, LocalReply, Stream, StreamId, StreamInfo};

impl Vm {
    /// What the proxy knows of a stream; a driver keeps it up to date, and reads what guests have
    /// set.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/route.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "route", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "route".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// // The router has chosen.
    /// vm.stream_info(stream, |info| info.cluster_name = Some("shop".into()))?;
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// // This guest sets the property `seen`.
    /// let seen = vm.stream_info(stream, |info| info.filter_state.get("wasm.seen").cloned())?;
    /// assert_eq!(seen.unwrap(), "yes");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn stream_info<T>(
        &mut self,
        stream: StreamId,
        with: impl FnOnce(&mut StreamInfo) -> T,
    ) -> Result<T, CallError> {
        Ok(self.core.stream_mut(stream)?.info.write(with))
    }

    /// Lends a map beyond a callback, while the guest pauses on it: callbacks of other contexts may
    /// then reach it with `proxy_set_effective_context`, as when the answer to a callout decides
    /// what becomes of a request. [`reclaim_map`](Self::reclaim_map) gives it back.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// // This guest waits for an answer; while it does, its request is where it can be reached.
    /// assert_eq!(vm.request_headers(stream, &mut headers, true)?, Outcome::Pause(Pause::Watermark));
    /// vm.lend_map(stream, MapKind::RequestHeaders, &mut headers)?;
    /// assert!(headers.is_empty());
    /// # let callout = vm.take_callouts().remove(0);
    /// vm.answer(callout.token, CalloutAnswer::http(Headers::response([(":status", "200")]), "ok"))?;
    /// vm.reclaim_map(stream, MapKind::RequestHeaders, &mut headers)?;
    /// assert_eq!(headers.get(":path"), Some(&b"/"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn lend_map(
        &mut self,
        stream: StreamId,
        kind: MapKind,
        map: &mut Headers,
    ) -> Result<(), CallError> {
        self.core.stream_mut(stream)?.swap_map(kind, map, true);
        Ok(())
    }

    /// Takes back what [`lend_map`](Self::lend_map) lent, with the guest's changes. It works on a
    /// VM that has trapped, too.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/trap.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "trap", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "trap".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// vm.lend_map(stream, MapKind::RequestHeaders, &mut headers)?;
    /// # let other = vm.stream(plugin, StreamInfo::default())?;
    /// let trapped = vm.request_headers(other, &mut Headers::request([(":path", "/other")]), true);
    /// assert!(trapped.is_err());
    /// vm.reclaim_map(stream, MapKind::RequestHeaders, &mut headers)?;
    /// assert_eq!(headers.get(":path"), Some(&b"/"[..])); // nothing is lost
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn reclaim_map(
        &mut self,
        stream: StreamId,
        kind: MapKind,
        map: &mut Headers,
    ) -> Result<(), CallError> {
        self.core.stream_mut(stream)?.swap_map(kind, map, false);
        Ok(())
    }

    /// Lends a body beyond a callback, or takes it back: what was in its place comes out.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let _ = vm.request_headers(stream, &mut headers, false)?;
    /// let mut body = bytes::Bytes::from("kept");
    /// vm.swap_body(stream, BufferKind::HttpRequestBody, &mut body)?;
    /// assert!(body.is_empty());
    /// // Callbacks of other contexts may work on it now.
    /// vm.swap_body(stream, BufferKind::HttpRequestBody, &mut body)?;
    /// assert_eq!(body, "kept");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn swap_body(
        &mut self,
        stream: StreamId,
        kind: BufferKind,
        body: &mut Bytes,
    ) -> Result<(), CallError> {
        self.core.stream_mut(stream)?.swap_body(kind, body);
        Ok(())
    }

    /// The trailers that a guest has added in the last body callback of a message that had none.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/redact.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "redact", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "redact".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let _ = vm.request_body(stream, &mut "secret".into(), true)?;
    /// let trailers = vm.take_added_trailers(stream, MapKind::RequestTrailers)?.unwrap();
    /// assert_eq!(trailers.to_string(), "x-redacted: yes\n"); // this guest has added them
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_added_trailers(
        &mut self,
        stream: StreamId,
        kind: MapKind,
    ) -> Result<Option<Headers>, CallError> {
        Ok(self.core.stream_mut(stream)?.take_added(kind))
    }

    /// The streams that a guest continued, closed or answered in a callback of another context
    /// since the last question. What it did to each, [`take_continued`](Self::take_continued),
    /// [`take_closed`](Self::take_closed) and [`take_local_reply`](Self::take_local_reply) tell.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let _ = vm.request_headers(stream, &mut headers, true)?;
    /// # let callout = vm.take_callouts().remove(0);
    /// // The answer comes to the root context, which lets the stream go on.
    /// vm.answer(callout.token, CalloutAnswer::http(Headers::response([(":status", "200")]), "ok"))?;
    /// assert_eq!(vm.take_touched(), [stream]);
    /// assert!(vm.take_continued(stream, StreamKind::HttpRequest)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_touched(&mut self) -> Vec<StreamId> {
        self.take_touched_owners().into_iter().map(|(stream, _)| stream).collect()
    }

    /// As [`take_touched`](Self::take_touched), each with whom it was opened for.
    pub(crate) fn take_touched_owners(&mut self) -> Vec<(StreamId, u64)> {
        let state = self.core.store.data_mut();
        let touched = std::mem::take(&mut state.touched);
        let open =
            |slot: u32| state.streams.get(slot as usize).filter(|stream| stream.context != 0);
        let named = |slot: u32| {
            open(slot).map(|stream| (StreamId { slot, context: stream.context }, stream.owner))
        };
        touched.into_iter().filter_map(named).collect()
    }

    /// Whether a guest closed the stream since the last question.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let _ = vm.request_headers(stream, &mut headers, true)?;
    /// # let callout = vm.take_callouts().remove(0);
    /// // This guest closes the stream when its call fails.
    /// vm.answer(callout.token, CalloutAnswer::Failed)?;
    /// assert!(vm.take_closed(stream)?);
    /// assert!(!vm.take_closed(stream)?); // it is told once
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_closed(&mut self, stream: StreamId) -> Result<bool, CallError> {
        Ok(self.core.stream_mut(stream)?.take_closed(HTTP))
    }

    /// Whether a write to the request's headers, or the guest itself, has cleared the route cache
    /// since the last question.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let _ = vm.request_headers(stream, &mut headers, true)?; // this guest adds a header
    /// assert!(vm.take_route_cache_cleared(stream)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_route_cache_cleared(&mut self, stream: StreamId) -> Result<bool, CallError> {
        Ok(std::mem::take(&mut self.core.stream_mut(stream)?.route_cache_cleared))
    }

    /// Whether the guest has let this half of the stream go on since the last question.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let _ = vm.request_headers(stream, &mut headers, true)?;
    /// # let callout = vm.take_callouts().remove(0);
    /// // This guest lets the request go on when its call is answered with `ok`.
    /// vm.answer(callout.token, CalloutAnswer::http(Headers::response([(":status", "200")]), "ok"))?;
    /// assert!(vm.take_continued(stream, StreamKind::HttpRequest)?);
    /// assert!(!vm.take_continued(stream, StreamKind::HttpRequest)?); // it is told once
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_continued(
        &mut self,
        stream: StreamId,
        half: StreamKind,
    ) -> Result<bool, CallError> {
        Ok(Stream::taken(&mut self.core.stream_mut(stream)?.continued, half))
    }

    /// A local reply that the guest sent outside the stream's own callbacks, as from a tick.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let _ = vm.request_headers(stream, &mut headers, true)?;
    /// # let callout = vm.take_callouts().remove(0);
    /// // This guest answers 403 unless its call is answered with `ok`.
    /// vm.answer(callout.token, CalloutAnswer::timeout())?;
    /// assert_eq!(vm.take_local_reply(stream)?.unwrap().status, 403);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_local_reply(&mut self, stream: StreamId) -> Result<Option<LocalReply>, CallError> {
        Ok(self.core.stream_mut(stream)?.local_reply.take().map(|reply| *reply))
    }
}

//! A stream between its callbacks: the maps and bodies that stay lent while the guest pauses the
//! stream, and what the guest has asked for in callbacks of other contexts.

use bytes::Bytes;

use super::instance::Vm;
use crate::abi::{BufferKind, MapKind, StreamKind};
use crate::error::CallError;
use crate::headers::Headers;
use crate::outcome::LocalReply;
use crate::stream::{HTTP, Stream, StreamId, StreamInfo};

impl Vm {
    /// Reads or changes what the proxy knows of a stream. A driver updates it, and reads the values
    /// that guests have set.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("route");
    /// # let mut headers = request();
    /// // The router has selected a cluster.
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
        Ok(self.guest.stream_mut(stream)?.info.write(with))
    }

    /// Lends a map to the VM after a callback that paused the stream. Callbacks of other contexts
    /// can then use it with `proxy_set_effective_context`: for instance one that gets the answer to
    /// a callout and changes the request. [`reclaim_map`](Self::reclaim_map) takes the map back.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// // This guest pauses the request until its callout is answered.
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// vm.lend_map(stream, MapKind::RequestHeaders, &mut headers)?;
    /// assert!(headers.is_empty());
    /// # let callout = vm.take_callouts().remove(0);
    /// let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
    /// vm.answer(callout.token, answer)?;
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
        self.guest.stream_mut(stream)?.swap_map(kind, map, true);
        Ok(())
    }

    /// Takes back a map that [`lend_map`](Self::lend_map) lent, with the guest's changes. It also
    /// works after a trap.
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn reclaim_map(
        &mut self,
        stream: StreamId,
        kind: MapKind,
        map: &mut Headers,
    ) -> Result<(), CallError> {
        self.guest.stream_mut(stream)?.swap_map(kind, map, false);
        Ok(())
    }

    /// Lends a body to the VM after a callback that paused the stream, or takes it back: the given
    /// body is swapped with the VM's.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// # let _ = vm.request_headers(stream, &mut headers, false)?;
    /// let mut body = bytes::Bytes::from("kept");
    /// vm.swap_body(stream, BufferKind::HttpRequestBody, &mut body)?;
    /// assert!(body.is_empty());
    /// // Callbacks of other contexts can read and change it now.
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
        self.guest.stream_mut(stream)?.swap_body(kind, body);
        Ok(())
    }

    /// Takes the trailers that a guest added in the last body callback of a message without
    /// trailers.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("redact");
    /// # let mut headers = request();
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
        Ok(self.guest.stream_mut(stream)?.take_added(kind))
    }

    /// Takes the list of streams that a guest has continued, closed or answered in callbacks of
    /// other contexts. [`take_continued`](Self::take_continued), [`take_closed`](Self::take_closed)
    /// and [`take_local_reply`](Self::take_local_reply) say which it was.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// # let _ = vm.request_headers(stream, &mut headers, true)?;
    /// # let callout = vm.take_callouts().remove(0);
    /// // The root context gets the answer, and continues the stream.
    /// let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
    /// vm.answer(callout.token, answer)?;
    /// assert_eq!(vm.take_touched(), [stream]);
    /// assert!(vm.take_continued(stream, StreamKind::HttpRequest)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_touched(&mut self) -> Vec<StreamId> {
        self.take_touched_owners().into_iter().map(|(stream, _)| stream).collect()
    }

    /// As [`take_touched`](Self::take_touched), with the owner number of each stream.
    pub(crate) fn take_touched_owners(&mut self) -> Vec<(StreamId, u64)> {
        let state = self.guest.store.data_mut();
        let touched = state.contexts.take_touched();
        let open = |slot: u32| {
            state.contexts.streams.get(slot as usize).filter(|stream| stream.context != 0)
        };
        let named = |slot: u32| {
            open(slot).map(|stream| (StreamId { slot, context: stream.context }, stream.owner))
        };
        touched.into_iter().filter_map(named).collect()
    }

    /// Whether a guest has closed the stream since the last call.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// # let _ = vm.request_headers(stream, &mut headers, true)?;
    /// # let callout = vm.take_callouts().remove(0);
    /// // This guest closes the stream when its call fails.
    /// vm.answer(callout.token, CalloutAnswer::Failed)?;
    /// assert!(vm.take_closed(stream)?);
    /// assert!(!vm.take_closed(stream)?); // reported once
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_closed(&mut self, stream: StreamId) -> Result<bool, CallError> {
        Ok(self.guest.stream_mut(stream)?.take_closed(HTTP))
    }

    /// Whether the route cache was cleared since the last call, by a write to the request's headers
    /// or by the guest itself.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("tag");
    /// # let mut headers = request();
    /// let _ = vm.request_headers(stream, &mut headers, true)?; // this guest adds a header
    /// assert!(vm.take_route_cache_cleared(stream)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_route_cache_cleared(&mut self, stream: StreamId) -> Result<bool, CallError> {
        Ok(std::mem::take(&mut self.guest.stream_mut(stream)?.route_cache_cleared))
    }

    /// Whether the guest has continued this direction of the stream since the last call.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// # let _ = vm.request_headers(stream, &mut headers, true)?;
    /// # let callout = vm.take_callouts().remove(0);
    /// // This guest continues the request when the answer is `ok`.
    /// let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
    /// vm.answer(callout.token, answer)?;
    /// assert!(vm.take_continued(stream, StreamKind::HttpRequest)?);
    /// assert!(!vm.take_continued(stream, StreamKind::HttpRequest)?); // reported once
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_continued(
        &mut self,
        stream: StreamId,
        direction: StreamKind,
    ) -> Result<bool, CallError> {
        Ok(Stream::taken(&mut self.guest.stream_mut(stream)?.continued, direction))
    }

    /// Takes the local reply that a guest has sent in a callback of another context, as in a tick.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// # let _ = vm.request_headers(stream, &mut headers, true)?;
    /// # let callout = vm.take_callouts().remove(0);
    /// // This guest answers 403 unless the answer is `ok`.
    /// vm.answer(callout.token, CalloutAnswer::timeout())?;
    /// assert_eq!(vm.take_local_reply(stream)?.unwrap().status, 403);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open.
    pub fn take_local_reply(&mut self, stream: StreamId) -> Result<Option<LocalReply>, CallError> {
        self.guest.stream(stream)?;
        let reply = self.guest.store.data_mut().contexts.take_reply(stream.slot);
        Ok(reply.map(|reply| *reply))
    }
}

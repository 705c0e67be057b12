//! The callbacks of a connection, for network filters: its start, the bytes of each direction, and
//! its ends. A method lends the caller's buffer to the guest for the time of the call. While a
//! guest pauses, the caller keeps the bytes and shows them again together with the next ones, as
//! Envoy does.

use bytes::Bytes;

use super::guest_store::GuestStore;
use super::instance::{Vm, byte_len};
use crate::abi::BufferKind;
use crate::callbacks::{Body, Export};
use crate::contexts::ContextRef;
use crate::error::CallError;
use crate::outcome::{Outcome, Pause};
use crate::stream::{CONNECTION, StreamId};

/// How a side of a connection was closed (`proxy_close_type_t`).
///
/// ```
/// use gatepost_host::CloseType;
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("lines");
/// # let _ = vm.new_connection(stream)?;
///
/// vm.downstream_close(stream, CloseType::Remote)?; // the client closed it
/// vm.finish(stream, FinalMaps::default())?;
/// assert_eq!(vm.open_streams(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CloseType {
    /// Unknown.
    Unknown = 0,
    /// The proxy closed it.
    Local = 1,
    /// The other side closed it.
    Remote = 2,
}

impl Vm {
    /// `proxy_on_new_connection`, on a stream that [`stream`](Self::stream) has opened.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (host, log) = host_with_log();
    /// # let (mut vm, plugin) = started_with("lines", host);
    /// let stream = vm.stream(plugin, StreamInfo::default())?;
    /// assert_eq!(vm.new_connection(stream)?, Outcome::Continue);
    /// assert_eq!(log.messages(), ["hello"]); // this guest logs it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn new_connection(&mut self, stream: StreamId) -> Result<Outcome, CallError> {
        self.guest.stream(stream)?;
        let export = &self.callbacks.new_connection;
        let answer = match &export.function {
            Some(function) => self.guest.call(
                export.name,
                ContextRef::Stream(stream.slot),
                function,
                stream.context,
            )?,
            None => 0,
        };
        outcome(&mut self.guest, stream, answer)
    }

    /// `proxy_on_downstream_data`, with all bytes from downstream that were not sent on yet.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("lines");
    /// # let _ = vm.new_connection(stream)?;
    /// // This guest waits for the end of a line, and puts `> ` before it.
    /// let mut data = bytes::Bytes::from("he");
    /// assert!(matches!(vm.downstream_data(stream, &mut data, false)?, Outcome::Pause(_)));
    /// // Nothing was sent on, so all bytes are shown again.
    /// let mut data = bytes::Bytes::from("hello\n");
    /// assert_eq!(vm.downstream_data(stream, &mut data, false)?, Outcome::Continue);
    /// assert_eq!(data, "> hello\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn downstream_data(
        &mut self,
        stream: StreamId,
        data: &mut Bytes,
        end_of_stream: bool,
    ) -> Result<Outcome, CallError> {
        on_data(
            &mut self.guest,
            &self.callbacks.downstream_data,
            stream,
            BufferKind::DownstreamData,
            data,
            end_of_stream,
        )
    }

    /// `proxy_on_upstream_data`, with all bytes from upstream that were not sent on yet. At
    /// `end_of_stream` it also calls `proxy_on_upstream_connection_close`, as Envoy does.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (host, log) = host_with_log();
    /// # let (mut vm, plugin) = started_with("lines", host);
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let _ = vm.new_connection(stream)?;
    /// let mut data = bytes::Bytes::from("bye\n");
    /// assert_eq!(vm.upstream_data(stream, &mut data, true)?, Outcome::Continue);
    /// assert_eq!(data, "bye\n");
    /// assert_eq!(log.messages().last().unwrap(), "closed"); // logged at the end
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn upstream_data(
        &mut self,
        stream: StreamId,
        data: &mut Bytes,
        end_of_stream: bool,
    ) -> Result<Outcome, CallError> {
        let kind = BufferKind::UpstreamData;
        let outcome = on_data(
            &mut self.guest,
            &self.callbacks.upstream_data,
            stream,
            kind,
            data,
            end_of_stream,
        )?;
        if end_of_stream {
            self.upstream_close(stream, CloseType::Unknown)?;
        }
        Ok(outcome)
    }

    /// `proxy_on_downstream_connection_close`: the client's side was closed.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("lines");
    /// # let _ = vm.new_connection(stream)?;
    /// vm.downstream_close(stream, CloseType::Remote)?; // the client closed it
    /// vm.finish(stream, FinalMaps::default())?;
    /// assert_eq!(vm.open_streams(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn downstream_close(&mut self, stream: StreamId, how: CloseType) -> Result<(), CallError> {
        self.guest.stream(stream)?;
        let params = (stream.context, how as u32);
        self.guest.notify(
            &self.callbacks.downstream_connection_close,
            ContextRef::Stream(stream.slot),
            params,
        )
    }

    /// `proxy_on_upstream_connection_close`: the upstream's side was closed.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (host, log) = host_with_log();
    /// # let (mut vm, plugin) = started_with("lines", host);
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// vm.upstream_close(stream, CloseType::Remote)?;
    /// assert_eq!(log.messages(), ["closed"]); // this guest logs it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn upstream_close(&mut self, stream: StreamId, how: CloseType) -> Result<(), CallError> {
        self.guest.stream(stream)?;
        let params = (stream.context, how as u32);
        self.guest.notify(
            &self.callbacks.upstream_connection_close,
            ContextRef::Stream(stream.slot),
            params,
        )
    }
}

fn on_data(
    guest: &mut GuestStore,
    export: &Export<Body>,
    stream: StreamId,
    kind: BufferKind,
    data: &mut Bytes,
    end_of_stream: bool,
) -> Result<Outcome, CallError> {
    guest.check()?;
    let answer = match &export.function {
        None => {
            guest.stream(stream)?;
            0
        }
        Some(function) => {
            guest.stream_mut(stream)?.swap_body(kind, data);
            let params =
                (stream.context, byte_len(guest.stream(stream)?.body(kind)), end_of_stream.into());
            let answer = guest.call(export.name, ContextRef::Stream(stream.slot), function, params);
            guest.stream_mut(stream)?.swap_body(kind, data);
            answer?
        }
    };
    outcome(guest, stream, answer)
}

fn outcome(guest: &mut GuestStore, stream: StreamId, answer: u32) -> Result<Outcome, CallError> {
    let open = guest.stream_mut(stream)?;
    if open.take_closed(CONNECTION) {
        return Ok(Outcome::Close);
    }
    Ok(if answer == 0 { Outcome::Continue } else { Outcome::Pause(Pause::Watermark) })
}

//! The callbacks of a connection, for network filters: its start, the bytes of each direction, and
//! its ends. The caller's buffer is lent to the guest for the time of a call. While a guest pauses,
//! the caller keeps the bytes and shows them again with the next ones, as Envoy does.

use bytes::Bytes;

use super::core::Core;
use super::{Vm, byte_len};
use crate::abi::BufferKind;
use crate::callbacks::{Body, Export};
use crate::error::CallError;
use crate::state::Place;
use crate::stream::{CONNECTION, Outcome, Pause, StreamId};

/// How a side of a connection ended (`proxy_close_type_t`).
///
/// ```
/// use gatepost_host::CloseType;
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/lines.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "lines", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "lines".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let _ = vm.new_connection(stream)?;
///
/// vm.downstream_close(stream, CloseType::Remote)?; // the client has gone
/// vm.finish(stream, FinalMaps::default())?;
/// assert_eq!(vm.open_streams(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CloseType {
    /// It is not known who closed it.
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
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/lines.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "lines", &wasm)?;
    /// # let log = MemoryLog::default();
    /// # let host = Host { log: std::sync::Arc::new(log.clone()), ..Host::default() };
    /// # let mut vm = Vm::new(&module, host, VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// let stream = vm.stream(plugin, StreamInfo::default())?;
    /// assert_eq!(vm.new_connection(stream)?, Outcome::Continue);
    /// assert_eq!(log.messages(), ["hello"]); // this guest logs it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn new_connection(&mut self, stream: StreamId) -> Result<Outcome, CallError> {
        self.core.stream(stream)?;
        let export = &self.callbacks.new_connection;
        let answer = match &export.function {
            Some(function) => {
                self.core.call(export.name, Place::Stream(stream.slot), function, stream.context)?
            }
            None => 0,
        };
        outcome(&mut self.core, stream, answer)
    }

    /// `proxy_on_downstream_data`, with all bytes from downstream that have not gone on yet.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/lines.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "lines", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "lines".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let _ = vm.new_connection(stream)?;
    /// // This guest waits for the end of a line, and puts `> ` before it.
    /// let mut data = bytes::Bytes::from("he");
    /// assert!(matches!(vm.downstream_data(stream, &mut data, false)?, Outcome::Pause(_)));
    /// // Nothing has gone on, so all of it is shown again.
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
            &mut self.core,
            &self.callbacks.downstream_data,
            stream,
            BufferKind::DownstreamData,
            data,
            end_of_stream,
        )
    }

    /// `proxy_on_upstream_data`, with all bytes from upstream that have not gone on yet. The last
    /// one is followed by `proxy_on_upstream_connection_close`, as in Envoy.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/lines.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "lines", &wasm)?;
    /// # let log = MemoryLog::default();
    /// # let host = Host { log: std::sync::Arc::new(log.clone()), ..Host::default() };
    /// # let mut vm = Vm::new(&module, host, VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let _ = vm.new_connection(stream)?;
    /// let mut data = bytes::Bytes::from("bye\n");
    /// assert_eq!(vm.upstream_data(stream, &mut data, true)?, Outcome::Continue);
    /// assert_eq!(data, "bye\n");
    /// assert_eq!(log.messages().last().unwrap(), "closed"); // this guest logs the upstream's end
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
            &mut self.core,
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

    /// `proxy_on_downstream_connection_close`: the client's side has ended.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/lines.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "lines", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "lines".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let _ = vm.new_connection(stream)?;
    /// vm.downstream_close(stream, CloseType::Remote)?; // the client has gone
    /// vm.finish(stream, FinalMaps::default())?;
    /// assert_eq!(vm.open_streams(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn downstream_close(&mut self, stream: StreamId, how: CloseType) -> Result<(), CallError> {
        self.core.stream(stream)?;
        let params = (stream.context, how as u32);
        self.core.notify(
            &self.callbacks.downstream_connection_close,
            Place::Stream(stream.slot),
            params,
        )
    }

    /// `proxy_on_upstream_connection_close`: the upstream's side has ended.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/lines.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "lines", &wasm)?;
    /// # let log = MemoryLog::default();
    /// # let host = Host { log: std::sync::Arc::new(log.clone()), ..Host::default() };
    /// # let mut vm = Vm::new(&module, host, VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// vm.upstream_close(stream, CloseType::Remote)?;
    /// assert_eq!(log.messages(), ["closed"]); // this guest logs it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the stream is not open, or the guest traps.
    pub fn upstream_close(&mut self, stream: StreamId, how: CloseType) -> Result<(), CallError> {
        self.core.stream(stream)?;
        let params = (stream.context, how as u32);
        self.core.notify(
            &self.callbacks.upstream_connection_close,
            Place::Stream(stream.slot),
            params,
        )
    }
}

fn on_data(
    core: &mut Core,
    export: &Export<Body>,
    stream: StreamId,
    kind: BufferKind,
    data: &mut Bytes,
    end_of_stream: bool,
) -> Result<Outcome, CallError> {
    core.check()?;
    let answer = match &export.function {
        None => {
            core.stream(stream)?;
            0
        }
        Some(function) => {
            core.stream_mut(stream)?.swap_body(kind, data);
            let params =
                (stream.context, byte_len(core.stream(stream)?.body(kind)), end_of_stream.into());
            let answer = core.call(export.name, Place::Stream(stream.slot), function, params);
            core.stream_mut(stream)?.swap_body(kind, data);
            answer?
        }
    };
    outcome(core, stream, answer)
}

fn outcome(core: &mut Core, stream: StreamId, answer: u32) -> Result<Outcome, CallError> {
    let open = core.stream_mut(stream)?;
    if open.take_closed(CONNECTION) {
        return Ok(Outcome::Close);
    }
    Ok(if answer == 0 { Outcome::Continue } else { Outcome::Pause(Pause::Watermark) })
}

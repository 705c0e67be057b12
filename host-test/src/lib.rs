//! Runs any proxy-wasm module outside Envoy, on wasmtime, as Envoy would.
//!
//! An [`Engine`] compiles a [`Module`]. From there on there are two layers:
//!
//! - A [`Worker`] runs HTTP exchanges through a [`Chain`] of plugins, as Envoy's filter manager
//!   does: pauses and buffers, local replies, traps and what follows from them, callouts and ticks.
//!   It does no input or output, and sleeps never. [`Worker::run`] takes a whole request and an
//!   [`Upstream`], for tests.
//! - A [`Vm`] is one instance of a module. Plugins are started in it and streams opened for them;
//!   each callback is one call, which changes headers and bodies in place and answers with an
//!   [`Outcome`]. It is for those who drive streams themselves.
//!
//! Logs, metrics, time, shared data and the names of clusters come in with a [`Host`]: nothing is
//! global. What a module imports and the host does not serve answers `Unimplemented`, and stands in
//! [`Module::capabilities`]. What a guest may use has [`Limits`]; one that breaks them, traps or
//! lies about its memory harms nobody but itself.
//!
//! The crate knows no policy and depends on no other part of Gatepost.
//!
//! ```
//! use gatepost_host::{Engine, EngineOptions, FinalMaps, Headers, Host, Module, Outcome, PluginConfig, StreamInfo, Vm,
//! VmOptions};
//!
//! // Any proxy-wasm module will do; this one sets the request header `x-seen: yes`.
//! let wasm = wat::parse_str(r#"(module
//!     (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "x-seenyes")
//!     (func (export "proxy_abi_version_0_2_1"))
//!     (func (export "malloc") (param i32) (result i32) (i32.const 1024))
//!     (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
//!         (call $replace (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 6) (i32.const 3))))"#)?;
//!
//! let engine = Engine::new(EngineOptions::default())?;
//! let module = Module::new(&engine, "seen", &wasm)?;
//! let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
//! let plugin = vm.start_plugin(PluginConfig { name: "seen".into(), ..PluginConfig::default() })?;
//!
//! let stream = vm.stream(plugin, StreamInfo::default())?;
//! let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
//! let outcome = vm.request_headers(stream, &mut headers, true)?;
//! vm.finish(stream, FinalMaps { request_headers: Some(&mut headers), ..FinalMaps::default() })?;
//!
//! assert_eq!(outcome, Outcome::Continue);
//! assert_eq!(headers.get("x-seen"), Some(&b"yes"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What to look at
//!
//! | to | see |
//! | --- | --- |
//! | run whole requests through plugins, as a test does | [`Worker::run`], [`Upstream`], [`Finished`] |
//! | drive plugins from a proxy of your own | [`Worker`], [`Part`], [`Event`]; or [`Vm`], [`Outcome`] for each callback |
//! | answer the calls that guests make | [`Callout`], [`CalloutAnswer`] |
//! | see what guests log, count and do | [`MemoryLog`], [`Metrics`], [`Recording`], [`StrictRecorder`] |
//! | have a run come out the same each time | [`VirtualClock`], [`SeededRandom`], [`WorkerOptions::seed`] |
//! | keep a guest within bounds | [`Limits`], [`EngineOptions`], [`TrapReport`], [`FailPolicy`] |
//! | give guests something of your own | [`ForeignFunctions`], [`StreamInfo`], [`PropertyValue`] |
//!
//! # Envoy is right
//!
//! Every hostcall and every rule of the driver is run on a real Envoy and here, and compared. What
//! the host does otherwise, on purpose, is listed with its reason in `docs/host/parity.md`; the
//! hostcalls and exports are in `docs/host/abi.md`, WASI in `docs/host/wasi.md`.
#![forbid(unsafe_code)]

mod abi;
mod attributes;
mod cache;
mod callbacks;
mod callout;
mod chain;
mod clock;
mod contexts;
mod engine;
mod error;
mod expression;
mod filter_state;
mod foreign;
mod grpc;
mod guest_clock;
mod headers;
mod host;
mod hostcalls;
mod limits;
mod memory;
mod metrics;
mod module;
mod outcome;
mod pairs;
mod plugin;
mod profile;
mod property;
mod recording;
mod shared;
mod sink;
mod state;
mod stream;
mod text;
mod vm;
mod vm_options;
mod wasi;
mod worker;

pub use abi::{AbiVersion, BufferKind, LogLevel, MapKind, Status, StreamKind};
pub use cache::{CacheProblem, CacheState};
pub use callout::{
    CalloutAnswer, CalloutKind, CalloutRequest, CalloutToken, Clusters, GrpcService, VmCallout,
};
pub use chain::{Chain, ChainOptions, ChainPlugin};
pub use clock::{
    Clock, RandomSource, RandomUnavailable, SeededRandom, SystemClock, SystemRandom, VirtualClock,
};
pub use engine::{Engine, EngineOptions, Pool};
pub use error::{CallError, ModuleError, StartError, TrapReport};
pub use filter_state::FilterState;
pub use foreign::{ForeignCall, ForeignFunctions};
pub use headers::{HeaderScope, Headers};
pub use host::Host;
pub use hostcalls::{HOSTCALLS, Hostcall};
pub use limits::Limits;
pub use metrics::{HistogramValue, MetricKind, MetricValue, Metrics};
pub use module::{CapabilityReport, Module, Unserved};
pub use outcome::{LocalReply, Outcome, Pause};
pub use plugin::{Environment, FailPolicy, Plugin, PluginConfig};
pub use profile::Profile;
pub use property::PropertyValue;
pub use recording::{
    ExpectedHostcall, Fields, HostcallMismatch, Recorded, RecordedEvent, Recorder, Recording,
    StrictRecorder, Value,
};
pub use shared::{Shared, SharedLimits};
pub use sink::{LogLine, LogRecord, LogSink, MemoryLog, NoLog};
pub use stream::{StreamId, StreamInfo};
pub use text::Text;
pub use vm::{CloseType, FinalMaps, Stopped, Vm};
pub use vm_options::{VmOptions, WasiOptions};
pub use worker::{
    Callout, CalloutId, Direction, End, Event, ExchangeId, Finished, LocalReplySent, Message, Part,
    Upstream, Worker, WorkerOptions,
};

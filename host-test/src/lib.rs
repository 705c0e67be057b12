//! Runs any proxy-wasm module outside Envoy, on wasmtime, as Envoy would.
//!
//! An [`Engine`] compiles a [`Module`]. Above that there are two layers:
//!
//! - A [`Worker`] runs HTTP exchanges through a [`Chain`] of plugins, as Envoy's filter manager
//!   does: pauses and buffers, local replies, traps and what follows from them, callouts and ticks.
//!   It does no input or output, and never sleeps. [`Worker::run`] takes a whole request and an
//!   [`Upstream`], for tests.
//! - A [`Vm`] is one instance of a module. It starts plugins and opens streams for them. Each
//!   callback is one method, which changes headers and bodies in place and returns an [`Outcome`].
//!   Use it to drive streams by your own rules.
//!
//! Logs, metrics, time, shared data and the names of clusters come from a [`Host`]: there is no
//! global state. An import that the host does not serve answers `Unimplemented`, and is listed in
//! [`Module::capabilities`]. [`Limits`] bound what a guest can use. A guest that exceeds them,
//! traps, or passes wrong pointers stops only itself.
//!
//! The crate depends on no other part of Gatepost, and knows no policy.
//!
//! ```
//! use gatepost_host::{Engine, EngineOptions, FinalMaps, Headers, Host, Module, Outcome};
//! use gatepost_host::{PluginConfig, StreamInfo, Vm, VmOptions};
//!
//! // Any proxy-wasm module can be used; this one sets the request header `x-seen: yes`.
//! let wasm = wat::parse_str(r#"(module
//!     (import "env" "proxy_replace_header_map_value"
//!         (func $replace (param i32 i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "x-seenyes")
//!     (func (export "proxy_abi_version_0_2_1"))
//!     (func (export "malloc") (param i32) (result i32) (i32.const 1024))
//!     (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
//!         (call $replace
//!             (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 6) (i32.const 3))))"#)?;
//!
//! let engine = Engine::new(EngineOptions::default())?;
//! let module = Module::new(&engine, "seen", &wasm)?;
//! let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
//! let plugin = vm.start_plugin(PluginConfig { name: "seen".into(), ..PluginConfig::default() })?;
//!
//! let stream = vm.stream(plugin, StreamInfo::default())?;
//! let mut headers = Headers::request([(":method", "GET"), (":path", "/")]);
//! let outcome = vm.request_headers(stream, &mut headers, true)?;
//! vm.finish(stream, FinalMaps::default())?;
//!
//! assert_eq!(outcome, Outcome::Continue);
//! assert_eq!(headers.get("x-seen"), Some(&b"yes"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! | --- | --- |
//! | run whole requests in a test | [`Worker::run`], [`Upstream`], [`Finished`] |
//! | run plugins in a proxy of your own | [`Worker`], [`Part`], [`Event`] |
//! | make each callback yourself | [`Vm`], [`Outcome`] |
//! | answer the calls that guests make | [`Callout`], [`CalloutAnswer`] |
//! | read what guests log and count | [`MemoryLog`], [`Metrics`] |
//! | read or check the hostcalls of guests | [`Recording`], [`StrictRecorder`] |
//! | make a run repeatable | [`VirtualClock`], [`SeededRandom`], [`WorkerOptions::seed`] |
//! | limit a guest | [`Limits`], [`EngineOptions`], [`TrapReport`], [`FailPolicy`] |
//! | offer guests something of your own | [`ForeignFunctions`], [`StreamInfo`], [`PropertyValue`] |
//!
//! # Envoy is the measure
//!
//! Every hostcall and every rule of the driver is run on a real Envoy and here, and compared. The
//! differences are listed with their reasons in `docs/host/parity.md`, the hostcalls and exports in
//! `docs/host/abi.md`, and WASI in `docs/host/wasi.md` of the repository.
#![forbid(unsafe_code)]

mod abi;
mod attributes;
mod bounded;
mod cache;
mod callbacks;
mod callout;
mod chain;
mod clock;
mod contexts;
mod engine;
mod error;
mod expression;
mod features;
mod filter_state;
mod foreign;
mod fuel;
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
mod span;
mod state;
mod stream;
mod text;
mod vm;
mod vm_options;
mod wasi;
mod work;
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
pub use module::{CapabilityReport, ImportState, Module, Stub, Unserved};
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

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

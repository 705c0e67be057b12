//! Runs any proxy-wasm module outside Envoy, on wasmtime, as Envoy would.
//!
//! An [`Engine`] compiles a [`Module`]; a [`Vm`] is one running instance of it, with its own memory; plugins are started in a VM,
//! each a root context with its own configuration; and streams are opened for a plugin, whose callbacks change headers
//! and bodies in place and answer with an [`Outcome`]. Logs, metrics, time and shared data come in with a [`Host`]: nothing is
//! global.
//! What a module imports and the host does not serve answers `Unimplemented`, and stands in [`Module::capabilities`].
//!
//! The crate knows no policy and depends on no other part of Gatepost. It does not walk chains of plugins or buffer bodies, and the
//! callouts of guests are taken from a VM and answered there ([`Vm::take_callouts`], [`Vm::answer`]): sending them is the
//! business of whoever drives the streams.
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
//! # Where it differs from Envoy
//!
//! Each on purpose, because the guest or the host would otherwise be misled or harmed:
//!
//! - An import that is not served is linked and answers so; Envoy does not load the module.
//! - `proxy_set_header_map_pairs` with malformed pairs is `BadArgument`; Envoy removes every header.
//! - `proxy_get_buffer_bytes` that starts beyond the end is `BadArgument`; Envoy's length wraps around.
//! - A metric defined again keeps its number; Envoy gives out another for the same metric each time.
//! - What a guest can make the host keep has [`Limits`]; beyond them a hostcall answers `InternalFailure`.
//! - `proc_exit` stops the guest; Envoy logs it and goes on. A sleep (WASI's `poll_oneoff`) is over at once and moves the guest's
//!   own clocks; standard input is open and at its end; a function that cannot do its work says so where Envoy says success.
//! - AssemblyScript's `env.abort` traps with message, file and line, and `env.seed` answers; Envoy does not load the module.
//! - A trailer cannot yet be added from the last body callback of a message that has none.
//! - `proxy_continue_stream` with a connection's side is `BadArgument`; `proxy_grpc_call` with an empty `GrpcService` is
//!   `ParseFailure`, where Envoy ends itself. Envoy's foreign functions for expressions and signatures are not offered.
#![forbid(unsafe_code)]

mod abi;
mod cache;
mod callbacks;
mod callout;
mod chain;
mod clock;
mod effect;
mod engine;
mod error;
mod filter_state;
mod foreign;
mod grpc;
mod headers;
mod hostcalls;
mod limits;
mod memory;
mod metrics;
mod module;
mod pairs;
mod plugin;
mod profile;
mod property;
mod shared;
mod sink;
mod state;
mod stream;
mod vm;
mod wasi;
mod worker;

pub use abi::{AbiVersion, BufferKind, LogLevel, MapKind, Status, StreamKind};
pub use cache::{CacheProblem, CacheState};
pub use callout::{CalloutAnswer, CalloutKind, CalloutRequest, CalloutToken, Clusters, GrpcService, VmCallout};
pub use chain::{Chain, ChainOptions, ChainPlugin};
pub use clock::{Clock, RandomSource, RandomUnavailable, SeededRandom, SystemClock, SystemRandom, VirtualClock};
pub use effect::{Effect, EffectEvent, EffectLog, Expected, Fields, Mismatch, Recorder, StrictEffects, Text, Value};
pub use engine::{Engine, EngineOptions, Pool};
pub use error::{CallError, ModuleError, StartError, TrapReport};
pub use filter_state::FilterState;
pub use foreign::{ForeignCall, ForeignFunctions};
pub use headers::{HeaderScope, Headers};
pub use hostcalls::{HOSTCALLS, Hostcall};
pub use limits::Limits;
pub use metrics::{HistogramValue, MetricKind, MetricValue, Metrics};
pub use module::{CapabilityReport, Module, Unserved};
pub use plugin::{Environment, FailPolicy, Plugin, PluginConfig};
pub use profile::Profile;
pub use property::PropertyValue;
pub use shared::{Shared, SharedLimits};
pub use sink::{LogLine, LogRecord, LogSink, MemoryLog, NoLog};
pub use state::Host;
pub use stream::{LocalReply, Outcome, Pause, StreamId, StreamInfo};
pub use vm::{CloseType, FinalMaps, Stopped, Vm, VmOptions};
pub use wasi::WasiOptions;
pub use worker::{
    Callout, CalloutId, Direction, End, Event, ExchangeId, Finished, LocalReplySent, Message, Part, Upstream, Worker,
    WorkerOptions,
};

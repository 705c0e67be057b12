//! Errors: a module that cannot be loaded, a plugin that does not start, a guest that traps. Each
//! names the guest and what it was doing.

use std::sync::Arc;

/// A module could not be loaded.
///
/// ```
/// use gatepost_host::{Engine, EngineOptions, Module, ModuleError};
///
/// # let engine = Engine::new(EngineOptions::default())?;
/// let error = Module::new(&engine, "filter.wasm", b"GIF89a").unwrap_err();
/// assert!(matches!(error, ModuleError::Compile { .. }));
/// assert!(error.to_string().starts_with("filter.wasm: not a valid wasm module"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The engine's options cannot be used on this machine.
    #[error("the wasm engine cannot be set up: {0:#}")]
    Engine(wasmtime::Error),
    /// Not wasm, or wasm that Cranelift cannot compile.
    #[error("{module}: not a valid wasm module: {error:#}")]
    Compile {
        /// The module's name.
        module: String,
        /// The compiler's error.
        error: wasmtime::Error,
    },
    /// No export announces the ABI version.
    #[error(
        "{module}: no export proxy_abi_version_0_1_0, proxy_abi_version_0_2_0 or \
         proxy_abi_version_0_2_1: not a proxy-wasm module"
    )]
    NoAbiVersion {
        /// The module's name.
        module: String,
    },
    /// The host needs this export to pass values to the guest.
    #[error("{module}: exports no {export}: values cannot be passed to the guest")]
    MissingExport {
        /// The module's name.
        module: String,
        /// What is missing.
        export: &'static str,
    },
    /// The module was loaded as a command, and is none.
    #[error(
        "{module}: exports no _start: it is a filter or a library, and no program that could be run"
    )]
    NotACommand {
        /// The module's name.
        module: String,
    },
    /// The module uses a feature of WebAssembly that the host does not have.
    #[error(
        "{module}: uses {feature}, which {}",
        if *.runs_in_envoy { "this host cannot run though Envoy can" } else { "Envoy refuses, too" }
    )]
    Feature {
        /// The module's name.
        module: String,
        /// The feature.
        feature: &'static str,
        /// Whether Envoy 1.40.0 runs the module.
        runs_in_envoy: bool,
    },
    /// Imports that are no functions of proxy-wasm or WASI.
    #[error(
        "{module}: imports {}: the host has no such {}, and neither has Envoy",
        imports.join(", "),
        if imports.len() == 1 { "function" } else { "functions" }
    )]
    UnknownImports {
        /// The module's name.
        module: String,
        /// The module and name of each.
        imports: Vec<String>,
    },
    /// An imported memory or table, which Envoy makes.
    #[error("{module}: imports the {kind} {import}: Envoy makes one, and this host does not")]
    ImportedStore {
        /// The module's name.
        module: String,
        /// `memory` or `table`.
        kind: &'static str,
        /// The import's module and name.
        import: String,
    },
    /// A known import with another signature than the specification's.
    #[error("{module}: cannot be linked: {error:#}")]
    Link {
        /// The module's name.
        module: String,
        /// The difference.
        error: wasmtime::Error,
    },
}

/// A VM or a plugin did not start.
///
/// ```
/// use gatepost_host::{Host, Limits, PluginConfig, StartError, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("tag");
///
/// let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// // This guest refuses an empty configuration. The VM can start other plugins.
/// let refused = vm.start_plugin(PluginConfig { name: "tag".into(), ..PluginConfig::default() });
/// assert!(matches!(refused, Err(StartError::Refused { plugin }) if plugin == "tag"));
/// assert!(vm.start_plugin(config("tag")).is_ok());
///
/// // This limit needs an engine that counts fuel.
/// let limits = Limits { fuel_per_callback: Some(1000), ..Limits::default() };
/// let options = VmOptions { limits, ..VmOptions::default() };
/// let error = Vm::new(&module, Host::default(), options).unwrap_err();
/// assert!(error.to_string().ends_with("needs an engine with EngineOptions::fuel"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A limit that needs an engine with another option.
    #[error("the limit {limit} needs an engine with EngineOptions::{option}")]
    LimitNeedsEngine {
        /// The field of `Limits`.
        limit: &'static str,
        /// The field of `EngineOptions`.
        option: &'static str,
    },
    /// The module could not be instantiated: more memory than allowed, or its start function
    /// trapped.
    #[error("{module}: cannot be instantiated: {error:#}")]
    Instantiate {
        /// The module's name.
        module: String,
        /// wasmtime's error.
        error: wasmtime::Error,
    },
    /// A callback is exported with another signature than its ABI version's.
    #[error("{module}: the export {export} has the wrong signature for its ABI version: {error:#}")]
    Signature {
        /// The module's name.
        module: String,
        /// The export.
        export: &'static str,
        /// The expected and the found signature.
        error: wasmtime::Error,
    },
    /// `proxy_on_vm_start` returned false.
    #[error(
        "plugin {plugin:?}: refused its VM configuration (proxy_on_vm_start answered false); its \
         log says why"
    )]
    VmRefused {
        /// The plugin's name.
        plugin: String,
    },
    /// `proxy_on_configure` returned false.
    #[error(
        "plugin {plugin:?}: refused its configuration (proxy_on_configure answered false); its \
         log says why"
    )]
    Refused {
        /// The plugin's name.
        plugin: String,
    },
    /// The guest trapped while starting.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A call into a VM failed.
///
/// ```
/// use gatepost_host::CallError;
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, plugin) = started("trap");
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
///
/// // A trap poisons the VM: it answers each later call with the same report.
/// let error = vm.request_headers(stream, &mut headers, true).unwrap_err();
/// assert!(matches!(error, CallError::Trapped(_)));
/// let error = vm.tick(plugin).unwrap_err();
/// assert!(matches!(error, CallError::Poisoned(_)));
/// assert_eq!(error.trap().unwrap().callback, "proxy_on_request_headers");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The guest trapped in this call. The VM cannot be used any more.
    #[error("{0}")]
    Trapped(Arc<TrapReport>),
    /// The guest trapped in an earlier call.
    #[error("the VM is poisoned: {0}")]
    Poisoned(Arc<TrapReport>),
    /// The plugin was stopped, or belongs to another VM.
    #[error("no plugin with root context {context} runs in this VM")]
    UnknownPlugin {
        /// The root context's id.
        context: u32,
    },
    /// A plugin cannot be stopped while it has open streams.
    #[error(
        "the plugin with root context {context} has {streams} open streams: finish them before \
         it is stopped"
    )]
    StreamsOpen {
        /// The root context's id.
        context: u32,
        /// The number of open streams.
        streams: usize,
    },
    /// No guest waits for such an answer to this callout: it was cancelled or answered.
    #[error("no callout {token} awaits such an answer in this VM")]
    UnknownCallout {
        /// The number of the callout that the guest got.
        token: u32,
    },
    /// The stream was finished, or belongs to another VM.
    #[error("no stream with context {context} is open in this VM")]
    UnknownStream {
        /// The stream context's id.
        context: u32,
    },
}

impl CallError {
    /// The report of the trap, in this call or an earlier one.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("trap");
    /// # let mut headers = request();
    /// let error = vm.request_headers(stream, &mut headers, true).unwrap_err();
    /// assert!(error.trap().unwrap().trap.contains("unreachable"));
    /// ```
    #[must_use]
    pub fn trap(&self) -> Option<&TrapReport> {
        match self {
            CallError::Trapped(report) | CallError::Poisoned(report) => Some(report),
            CallError::UnknownPlugin { .. }
            | CallError::UnknownStream { .. }
            | CallError::UnknownCallout { .. }
            | CallError::StreamsOpen { .. } => None,
        }
    }
}

/// A trap that stopped a guest.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, plugin) = started("trap");
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
/// let _ = vm.request_headers(stream, &mut headers, true);
/// let report = vm.trap().unwrap();
/// assert_eq!(report.guest, "trap (plugin trap)");
/// assert_eq!(report.callback, "proxy_on_request_headers");
/// assert_eq!(report.limit, None);
/// assert!(report.backtrace.contains("<wasm function"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapReport {
    /// The module, and the plugin if the host had called it for one.
    pub guest: String,
    /// The export that the host called.
    pub callback: &'static str,
    /// The reason, in one line.
    pub trap: String,
    /// The field of [`Limits`](crate::Limits) that was exceeded, if one was.
    pub limit: Option<&'static str>,
    /// The guest's stack, innermost frame first; empty if it is unknown.
    pub backtrace: String,
}

impl std::fmt::Display for TrapReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: trapped in {}: {}", self.guest, self.callback, self.trap)?;
        match self.limit {
            Some(limit) => write!(f, " (limit {limit})"),
            None => Ok(()),
        }
    }
}

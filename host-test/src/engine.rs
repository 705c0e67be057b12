//! The wasm engine: the options that all its modules and VMs share, and the imports that it links.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::{
    Cache, Config, InstanceAllocationStrategy, Linker, OptLevel, PoolingAllocationConfig,
};

use crate::abi::AbiVersion;
use crate::cache::{self, CacheProblem, CacheState};
use crate::error::ModuleError;
use crate::state::HostState;
use crate::{hostcalls, wasi};

/// The options of an engine. They change the code that modules are compiled to.
///
/// ```
/// use gatepost_host::{Engine, EngineOptions, Pool};
///
/// let options = EngineOptions {
///     fuel: true,                                          // for Limits::fuel_per_callback
///     pool: Some(Pool { vms: 8, memory_bytes: 16 << 20 }), // at most 8 VMs of at most 16 MiB each
///     ..EngineOptions::default()
/// };
/// let engine = Engine::new(options)?;
/// # use gatepost_host_fixtures::*;
/// # let module = module_on(&engine, "count");
///
/// let limits = Limits { fuel_per_callback: Some(1_000_000), ..Limits::default() };
/// let vm = Vm::new(&module, Host::default(), VmOptions { limits, ..VmOptions::default() });
/// assert!(vm.is_ok()); // without `fuel` the limit is refused
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// Counts fuel, for [`Limits::fuel_per_callback`](crate::Limits). It makes guests slower.
    /// Default off.
    pub fuel: bool,
    /// Checks epochs, for [`Limits::epochs_per_callback`](crate::Limits). Default off.
    pub epochs: bool,
    /// Compiles in three quarters of the time, to code that is slower: for a module that runs a few
    /// times only, as in tests. Default off.
    pub quick: bool,
    /// Reserves address space for a number of VMs, so that they start faster. Default none.
    pub pool: Option<Pool>,
    /// The directory where compiled modules are kept, so that another engine with the same options
    /// loads them in a few milliseconds instead of hundreds. It is created if it is missing.
    /// Default none.
    ///
    /// The key of a module is its bytes, the engine's options, the version of wasmtime and the
    /// features of the processor. A cache never makes loading a module fail: if a file is damaged,
    /// or the directory cannot be read or written, the module is compiled. [`Engine::cache`]
    /// returns the state of the cache.
    ///
    /// The files are machine code, run with the rights of this process, and they are not signed. So
    /// a directory that belongs to another user, or that other users can write to, is not used.
    pub cache: Option<PathBuf>,
}

/// Address space for VMs, reserved in advance. A VM beyond that number fails to start, and a module
/// that needs more memory fails to load.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// let pool = Pool { vms: 1, memory_bytes: 1 << 20 };
/// let engine = Engine::new(EngineOptions { pool: Some(pool), ..EngineOptions::default() })?;
/// let module = module_on(&engine, "tag");
///
/// let first = Vm::new(&module, Host::default(), VmOptions::default())?;
/// let second = Vm::new(&module, Host::default(), VmOptions::default());
/// assert!(matches!(second, Err(StartError::Instantiate { .. })));
/// drop(first);
/// assert!(Vm::new(&module, Host::default(), VmOptions::default()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A module for such an engine has one memory and at most one table, of at most 20,000 elements;
/// [`Module::new`](crate::Module::new) refuses others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The most VMs at one time.
    pub vms: u32,
    /// The most linear memory of one VM, in bytes.
    pub memory_bytes: usize,
}

/// Compiles modules and runs VMs. Clones share one engine.
///
/// Compile a module once, and give each thread a VM of its own:
///
/// ```
/// use gatepost_host::{Headers, Host, PluginConfig, StreamInfo, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
///
/// // This module counts requests in the metric `requests`.
/// # let module = module("count");
/// let host = Host::default();
/// std::thread::scope(|threads| {
///     for _ in 0..2 {
///         threads.spawn(|| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///             let mut vm = Vm::new(&module, host.clone(), VmOptions::default())?;
///             let plugin = vm.start_plugin(PluginConfig::default())?;
///             let stream = vm.stream(plugin, StreamInfo::default())?;
///             let _ = vm.request_headers(stream, &mut Headers::request([(":path", "/")]), true)?;
///             Ok(())
///         });
///     }
/// });
/// assert_eq!(host.metrics.value("requests"), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) options: Arc<EngineOptions>,
    cache: Arc<Result<Option<Cache>, CacheProblem>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with these options.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let engine = Engine::new(EngineOptions { epochs: true, ..EngineOptions::default() })?;
    /// assert_eq!(engine.cache(), CacheState::Off);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ModuleError::Engine`] if the machine cannot run it, as with a pool that needs more address
    /// space than there is.
    pub fn new(options: EngineOptions) -> Result<Self, ModuleError> {
        let mut config = Config::new();
        config.consume_fuel(options.fuel).epoch_interruption(options.epochs);
        if options.quick {
            config.cranelift_opt_level(OptLevel::None);
        }
        // What Envoy's V8 runs beside wasmtime's defaults.
        config.wasm_gc(true).wasm_function_references(true).wasm_exceptions(true);
        config.wasm_memory64(true).wasm_multi_memory(true).wasm_threads(true);
        if let Some(pool) = options.pool {
            let mut pooling = PoolingAllocationConfig::default();
            pooling
                .total_core_instances(pool.vms)
                .total_memories(pool.vms)
                .total_tables(pool.vms)
                // As many as a VM may have by default: the pool reserves addresses, not memory.
                .table_elements(crate::limits::Limits::default().table_elements)
                .max_memory_size(pool.memory_bytes);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling));
        }
        let cache = options.cache.as_deref().map(cache::open).transpose();
        if let Ok(cache) = &cache {
            config.cache(cache.clone());
        }
        let wasmtime = wasmtime::Engine::new(&config).map_err(ModuleError::Engine)?;
        Ok(Self { wasmtime, options: Arc::new(options), cache: Arc::new(cache) })
    }

    /// The state of [`EngineOptions::cache`].
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let directory = tempfile::tempdir()?;
    /// # let cache = Some(directory.path().join("modules"));
    /// let engine = Engine::new(EngineOptions { cache, ..EngineOptions::default() })?;
    /// assert_eq!(engine.cache(), CacheState::On { hits: 0, written: 0 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cache(&self) -> CacheState {
        match &*self.cache {
            Ok(None) => CacheState::Off,
            Ok(Some(cache)) => cache::state(cache),
            Err(problem) => CacheState::Unusable(problem.clone()),
        }
    }

    /// Advances the epoch by one tick. Call it from a timer if VMs have
    /// [`Limits::epochs_per_callback`](crate::Limits).
    ///
    /// ```
    /// use std::time::Duration;
    /// # use gatepost_host_fixtures::*;
    /// # let engine = Engine::new(EngineOptions { epochs: true, ..EngineOptions::default() })?;
    /// # let module = module_on(&engine, "spin");
    ///
    /// // One thread advances the epoch for all VMs of the engine, here every millisecond.
    /// std::thread::spawn(move || loop {
    ///     std::thread::sleep(Duration::from_millis(1));
    ///     engine.tick_epoch();
    /// });
    ///
    /// // This guest loops for ever.
    /// let limits = Limits { epochs_per_callback: Some(20), ..Limits::default() };
    /// let options = VmOptions { limits, ..VmOptions::default() };
    /// let mut vm = Vm::new(&module, Host::default(), options)?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = request();
    /// let error = vm.request_headers(stream, &mut headers, true).unwrap_err();
    /// assert_eq!(error.trap().and_then(|trap| trap.limit), Some("epochs_per_callback"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tick_epoch(&self) {
        self.wasmtime.increment_epoch();
    }

    /// Whether modules of a version can import this function, of any signature.
    /// To be called after each compilation: it may have written to the cache.
    pub(crate) fn tighten_cache(&self) {
        if let Ok(Some(cache)) = &*self.cache {
            cache::tighten(cache);
        }
    }

    /// Everything that modules of a version can import. It is made for each module, which costs
    /// little compared with compiling the module.
    pub(crate) fn linker(&self, abi: AbiVersion) -> Result<Linker<HostState>, ModuleError> {
        let mut linker = Linker::new(&self.wasmtime);
        hostcalls::link(&mut linker, abi)
            .and_then(|()| wasi::link(&mut linker))
            .map_err(ModuleError::Engine)?;
        Ok(linker)
    }
}

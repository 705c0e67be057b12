//! The wasm engine: settings that every module and VM of it share, and what of the ABI it serves.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::{Cache, Config, InstanceAllocationStrategy, Linker, PoolingAllocationConfig};

use crate::abi::AbiVersion;
use crate::cache::{self, CacheProblem, CacheState};
use crate::error::ModuleError;
use crate::state::HostState;
use crate::{hostcalls, wasi};

/// Settings of an engine. They change the code that modules compile to, so they come before any
/// module.
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
    /// Count fuel, so that [`Limits::fuel_per_callback`](crate::Limits) can be set. It slows guests
    /// down. Default off.
    pub fuel: bool,
    /// Check epochs, so that [`Limits::epochs_per_callback`](crate::Limits) can be set. Default
    /// off.
    pub epochs: bool,
    /// Reserve room for so many VMs at once, each with at most this much memory: VMs then start
    /// faster. Default none.
    pub pool: Option<Pool>,
    /// The directory where compiled modules are kept, so that the next engine with the same
    /// settings need not compile them: a few milliseconds instead of hundreds. It is made when it
    /// is missing. Default none.
    ///
    /// A module is found again by its bytes, the engine's settings, the version of wasmtime and
    /// what the processor can do; when one of them changes it is compiled anew. So it is when its
    /// file is cut off or is something else, and when the directory cannot be read or written: a
    /// cache never makes loading a module fail, and [`Engine::cache`] says what became of it.
    ///
    /// What lies there is machine code that runs with the rights of this process, so nobody may
    /// write there whom you would not let do that: a directory of another user's, or that others
    /// may write to, is not used. Files are not signed.
    pub cache: Option<PathBuf>,
}

/// Room for VMs, reserved in advance.
///
/// More VMs at once than there is room for are refused, and so is a module that wants more memory.
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
    /// How many VMs may live at once.
    pub vms: u32,
    /// The most linear memory of one VM, in bytes.
    pub memory_bytes: usize,
}

/// Compiles modules and runs VMs. Clones are the same engine.
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
    /// An engine with these settings.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let engine = Engine::new(EngineOptions { epochs: true, ..EngineOptions::default() })?;
    /// assert_eq!(engine.cache(), CacheState::Off);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ModuleError::Engine`] when the machine cannot do it, as when a pool needs more address
    /// space than there is.
    pub fn new(options: EngineOptions) -> Result<Self, ModuleError> {
        let mut config = Config::new();
        config.consume_fuel(options.fuel).epoch_interruption(options.epochs);
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

    /// What became of [`EngineOptions::cache`].
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let directory = tempfile::tempdir()?;
    /// # let cache = Some(directory.path().join("modules"));
    /// let engine = Engine::new(EngineOptions { cache, ..EngineOptions::default() })?;
    /// match engine.cache() {
    ///     CacheState::Off => println!("no cache"),
    ///     CacheState::On { hits, written } => println!("{hits} modules found, {written} compiled"),
    ///     CacheState::Unusable(problem) => eprintln!("modules are compiled each time: {problem}"),
    /// }
    /// # assert_eq!(engine.cache(), CacheState::On { hits: 0, written: 0 });
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

    /// Moves the epoch on by one tick. Call it from a timer when VMs have
    /// [`Limits::epochs_per_callback`](crate::Limits).
    ///
    /// ```
    /// use std::time::Duration;
    /// # use gatepost_host_fixtures::*;
    /// # let module = Module::new(&Engine::new(EngineOptions { epochs: true, ..EngineOptions::default() })?, "spin", &wasm)?;
    /// # let engine = Engine::new(EngineOptions { epochs: true, ..EngineOptions::default() })?;
    /// # let module = module_on(&engine, "spin");
    ///
    /// // One thread ticks for every VM of the engine; a tick is a millisecond here.
    /// std::thread::spawn(move || loop {
    ///     std::thread::sleep(Duration::from_millis(1));
    ///     engine.tick_epoch();
    /// });
    ///
    /// // A guest that loops for ever.
    /// let limits = Limits { epochs_per_callback: Some(20), ..Limits::default() };
    /// let mut vm = Vm::new(&module, Host::default(), VmOptions { limits, ..VmOptions::default() })?;
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

    /// Whether a function is there for modules of a version, whatever its signature.
    pub(crate) fn serves(&self, abi: AbiVersion, module: &str, name: &str) -> bool {
        if wasi::MODULES.contains(&module) {
            return wasi::FUNCTIONS.contains(&name);
        }
        let served = |call: &hostcalls::Hostcall| {
            call.name == name && (call.since..=call.until).contains(&abi)
        };
        module == "env" && hostcalls::HOSTCALLS.iter().any(served)
    }

    /// Everything that modules of a version may import. It is made for each module: that is nothing
    /// beside compiling one, and an engine whose modules are all of one version does not make the
    /// others.
    pub(crate) fn linker(&self, abi: AbiVersion) -> Result<Linker<HostState>, ModuleError> {
        let mut linker = Linker::new(&self.wasmtime);
        hostcalls::link(&mut linker, abi)
            .and_then(|()| wasi::link(&mut linker))
            .map_err(ModuleError::Engine)?;
        Ok(linker)
    }
}

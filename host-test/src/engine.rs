//! The wasm engine: settings that every module and VM of it share, and the hostcalls linked once for each ABI version.

use wasmtime::{Config, InstanceAllocationStrategy, Linker, PoolingAllocationConfig};

use crate::abi::AbiVersion;
use crate::error::ModuleError;
use crate::state::HostState;
use crate::{hostcalls, wasi};

/// Settings of an engine. They change the code that modules compile to, so they come before any module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// Count fuel, so that [`Limits::fuel_per_callback`](crate::Limits) can be set. It slows guests down. Default off.
    pub fuel: bool,
    /// Check epochs, so that [`Limits::epochs_per_callback`](crate::Limits) can be set. Default off.
    pub epochs: bool,
    /// Reserve room for so many VMs at once, each with at most this much memory: VMs then start faster. Default none.
    pub pool: Option<Pool>,
}

/// Room for VMs, reserved in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// How many VMs may live at once.
    pub vms: u32,
    /// The most linear memory of one VM, in bytes.
    pub memory_bytes: usize,
}

/// Compiles modules and runs VMs. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) options: EngineOptions,
    linkers: [Linker<HostState>; 3],
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with these settings.
    ///
    /// # Errors
    /// [`ModuleError::Engine`] when the machine cannot do it, as when a pool needs more address space than there is.
    pub fn new(options: EngineOptions) -> Result<Self, ModuleError> {
        let mut config = Config::new();
        config.consume_fuel(options.fuel).epoch_interruption(options.epochs);
        if let Some(pool) = options.pool {
            let mut pooling = PoolingAllocationConfig::default();
            pooling
                .total_core_instances(pool.vms)
                .total_memories(pool.vms)
                .total_tables(pool.vms)
                .max_memory_size(pool.memory_bytes);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling));
        }
        let wasmtime = wasmtime::Engine::new(&config).map_err(ModuleError::Engine)?;
        let linked = |abi| {
            let mut linker = Linker::new(&wasmtime);
            hostcalls::link(&mut linker, abi).and_then(|()| wasi::link(&mut linker)).map_err(ModuleError::Engine)?;
            Ok(linker)
        };
        let linkers = [linked(AbiVersion::V0_1_0)?, linked(AbiVersion::V0_2_0)?, linked(AbiVersion::V0_2_1)?];
        Ok(Self { wasmtime, options, linkers })
    }

    /// Moves the epoch on by one tick. Call it from a timer when VMs have [`Limits::epochs_per_callback`](crate::Limits).
    pub fn tick_epoch(&self) {
        self.wasmtime.increment_epoch();
    }

    /// Whether a function is there for modules of a version, whatever its signature.
    pub(crate) fn serves(&self, abi: AbiVersion, module: &str, name: &str) -> bool {
        if wasi::MODULES.contains(&module) {
            return wasi::FUNCTIONS.contains(&name);
        }
        let served = |call: &hostcalls::Hostcall| call.name == name && (call.since..=call.until).contains(&abi);
        module == "env" && hostcalls::HOSTCALLS.iter().any(served)
    }

    pub(crate) fn linker(&self, abi: AbiVersion) -> &Linker<HostState> {
        &self.linkers[abi as usize]
    }
}

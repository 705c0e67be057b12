//! A VM: one instance of a module with its memory, and the plugins (root contexts) that live in it. It starts plugins, ticks
//! them, and stops them; `http` holds the callbacks of streams. A trap poisons the VM and nothing else.

mod callouts;
mod command;
mod core;
mod http;
mod network;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use http::FinalMaps;
pub use network::CloseType;
use wasmtime::{Instance, Store};

use self::core::Core;
use crate::callbacks::{Callbacks, Lookup};
use crate::clock::RandomSource;
use crate::effect::Recorder;
use crate::error::{CallError, StartError, TrapReport};
use crate::limits::Limits;
use crate::module::Module;
use crate::plugin::{Environment, Plugin, PluginConfig};
use crate::profile::Profile;
use crate::state::{Host, HostState, Place};
use crate::wasi::{ProcExit, WasiOptions};

/// How one VM is set up. The default has default limits, no environment, the system's randomness and no recorder.
#[derive(Default)]
pub struct VmOptions {
    /// What it may use.
    pub limits: Limits,
    /// Its environment variables.
    pub environment: Environment,
    /// Where its random bytes come from; none is the operating system.
    pub random: Option<Box<dyn RandomSource>>,
    /// Its arguments and standard output, for modules that are commands.
    pub wasi: WasiOptions,
    /// Who hears of its effects; none costs nothing.
    pub recorder: Option<Box<dyn Recorder>>,
    /// Whose rules it lives under. Default Envoy's.
    pub profile: Profile,
}

impl std::fmt::Debug for VmOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VmOptions").field("limits", &self.limits).field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// Whether a plugin is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It is deleted.
    Now,
    /// It asked to finish something first. It goes when it calls `proxy_done`.
    Later,
}

/// One instance of a module. It may move between threads, and runs on one at a time.
pub struct Vm {
    core: Core,
    callbacks: Callbacks,
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm").field("module", &self.core.module).field("trap", &self.core.trap).finish_non_exhaustive()
    }
}

impl Vm {
    /// Instantiates a module and runs its start-up: `_initialize` and then `main` when there is one, or else `_start`.
    ///
    /// # Errors
    /// When a limit needs another engine, the module wants more memory than allowed, a callback has the wrong signature, or
    /// the start-up traps.
    pub fn new(module: &Module, host: Host, options: VmOptions) -> Result<Self, StartError> {
        let (mut core, instance) = instantiate(module, host, options)?;
        let memory = instance.get_memory(&mut core.store, "memory");
        let mut lookup = Lookup { module: module.name(), instance, store: &mut core.store };
        let malloc = lookup.find(module.malloc)?.function;
        let callbacks = lookup.callbacks(module.abi())?;
        let initialize = lookup.find::<(), ()>("_initialize")?;
        let start = lookup.find::<(), ()>("_start")?;
        let main = lookup.find::<(u32, u32), u32>("main");
        let state = core.store.data_mut();
        state.memory = memory;
        state.malloc = malloc.map(Arc::new);

        if let Some(function) = &initialize.function {
            core.call(initialize.name, Place::Vm, function, ())?;
            let main = main?;
            if let Some(function) = &main.function {
                core.call(main.name, Place::Vm, function, (0, 0))?;
            }
        } else if let Some(function) = &start.function {
            // A command ends by proc_exit(0) or by returning; both leave the instance ready.
            core.call_until(start.name, Place::Vm, function, (), |error| matches!(error.downcast_ref(), Some(ProcExit(0))))?;
        }
        Ok(Self { core, callbacks })
    }

    /// Starts a plugin: creates its root context, then `proxy_on_vm_start`, then `proxy_on_configure`. A plugin that is refused
    /// is deleted again; the VM and its other plugins go on.
    ///
    /// # Errors
    /// [`StartError::Refused`] when the plugin refuses its configuration, [`StartError::VmRefused`] its VM's;
    /// [`StartError::Call`] when it traps.
    pub fn start_plugin(&mut self, config: PluginConfig) -> Result<Plugin, StartError> {
        self.core.check()?;
        let (vm_len, len) = (byte_len(&config.vm_configuration), byte_len(&config.configuration));
        let name = config.name.clone();
        let (slot, context) = self.core.store.data_mut().add_root(config);
        let plugin = Plugin { slot, context };
        let started = self.start_root(plugin, vm_len, len, &name);
        if started.is_err() {
            if self.core.trap.is_none() {
                self.delete_root(plugin)?;
            }
            self.core.store.data_mut().remove_root(slot);
        }
        started.map(|()| plugin)
    }

    fn start_root(&mut self, plugin: Plugin, vm_len: u32, len: u32, name: &str) -> Result<(), StartError> {
        let Plugin { slot, context } = plugin;
        let place = Place::Root(slot);
        let Callbacks { context_create, vm_start, configure, .. } = &self.callbacks;
        self.core.configuring(slot, true);
        let created = self.core.notify(context_create, place, (context, 0));
        self.core.configuring(slot, false);
        created?;
        if let Some(function) = &vm_start.function
            && self.core.call(vm_start.name, place, function, (context, vm_len))? == 0
        {
            return Err(StartError::VmRefused { plugin: name.to_owned() });
        }
        self.core.configuring(slot, true);
        let answer = match &configure.function {
            Some(function) => self.core.call(configure.name, place, function, (context, len)),
            None => Ok(1),
        };
        self.core.configuring(slot, false);
        if answer? == 0 {
            return Err(StartError::Refused { plugin: name.to_owned() });
        }
        Ok(())
    }

    /// Stops a plugin: `proxy_on_done`, and `proxy_on_delete` unless the plugin wants to finish something first. From
    /// then on it takes no new streams.
    ///
    /// # Errors
    /// When the plugin is unknown or has open streams, or the guest traps.
    pub fn stop_plugin(&mut self, plugin: Plugin) -> Result<Stopped, CallError> {
        self.core.check_plugin(plugin)?;
        let place = Place::Root(plugin.slot);
        if let Some(root) = self.core.store.data_mut().roots.get_mut(plugin.slot as usize) {
            if root.open_streams > 0 {
                return Err(CallError::StreamsOpen { context: plugin.context, streams: root.open_streams });
            }
            root.awaiting_done = true;
        }
        let finished = match &self.callbacks.done.function {
            Some(function) => self.core.call(self.callbacks.done.name, place, function, plugin.context)? != 0,
            None => true,
        };
        if finished || self.root_done(plugin.slot) {
            self.delete_root(plugin)?;
            self.core.store.data_mut().remove_root(plugin.slot);
            return Ok(Stopped::Now);
        }
        Ok(Stopped::Later)
    }

    fn root_done(&self, slot: u32) -> bool {
        self.core.store.data().roots.get(slot as usize).is_some_and(|root| root.done)
    }

    fn delete_root(&mut self, plugin: Plugin) -> Result<(), CallError> {
        self.core.notify(&self.callbacks.delete, Place::Root(plugin.slot), plugin.context)
    }

    /// Deletes the plugins that called `proxy_done` in the callback that has just ended.
    fn reap(&mut self) -> Result<(), CallError> {
        while let Some(slot) = self.core.store.data().roots.iter().position(|root| root.done) {
            let slot = u32::try_from(slot).unwrap_or(u32::MAX);
            let context = self.core.store.data().roots.get(slot as usize).map_or(0, |root| root.context);
            let deleted = self.delete_root(Plugin { slot, context });
            self.core.store.data_mut().remove_root(slot);
            deleted?;
        }
        Ok(())
    }

    /// Whether the plugin runs: it has been started, and not deleted since.
    #[must_use]
    pub fn runs(&self, plugin: Plugin) -> bool {
        self.core.check_plugin(plugin).is_ok()
    }

    /// The period the plugin wants to be ticked in; none when it wants no ticks.
    #[must_use]
    pub fn tick_period(&self, plugin: Plugin) -> Option<Duration> {
        let root = self.core.store.data().roots.get(plugin.slot as usize)?;
        root.tick_period.filter(|_| root.context == plugin.context)
    }

    /// When the plugin's next tick is due, in nanoseconds of the host's monotonic clock; none when it wants no ticks.
    #[must_use]
    pub fn next_tick(&self, plugin: Plugin) -> Option<u64> {
        let root = self.core.store.data().roots.get(plugin.slot as usize)?;
        root.next_tick.filter(|_| root.context == plugin.context)
    }

    /// Calls `proxy_on_tick`. A VM has no timer: call it when [`next_tick`](Self::next_tick) has come.
    ///
    /// # Errors
    /// When the plugin is unknown, or the guest traps.
    pub fn tick(&mut self, plugin: Plugin) -> Result<(), CallError> {
        self.core.check_plugin(plugin)?;
        self.core.notify(&self.callbacks.tick, Place::Root(plugin.slot), plugin.context)?;
        let state = self.core.store.data_mut();
        let now = state.host.clock.monotonic_nanos();
        if let Some(root) = state.roots.get_mut(plugin.slot as usize) {
            root.arm_tick(now);
        }
        self.reap()
    }

    /// Whether items wait for [`deliver_queue_items`](Self::deliver_queue_items).
    #[must_use]
    pub fn has_queue_items(&self) -> bool {
        !self.core.store.data().mailbox.is_empty()
    }

    /// Calls `proxy_on_queue_ready` for each item that has come into this VM's queues since the last call; how many there were.
    ///
    /// # Errors
    /// When the guest traps.
    pub fn deliver_queue_items(&mut self) -> Result<usize, CallError> {
        self.core.check()?;
        let items = self.core.store.data().mailbox.take();
        let mut delivered = 0;
        for (context, token) in items {
            let Some(place @ Place::Root(_)) = self.core.store.data().place(context) else { continue };
            self.core.notify(&self.callbacks.queue_ready, place, (context, token))?;
            delivered += 1;
        }
        self.reap()?;
        Ok(delivered)
    }

    /// Calls `proxy_on_foreign_function`: the proxy tells the plugin something of its own, by a number that both know.
    ///
    /// # Errors
    /// When the plugin is unknown, or the guest traps.
    pub fn foreign_function(&mut self, plugin: Plugin, function: u32, arguments: Bytes) -> Result<(), CallError> {
        self.core.check_plugin(plugin)?;
        let size = byte_len(&arguments);
        self.core.store.data_mut().foreign_arguments = Some(arguments);
        let params = (plugin.context, function, size);
        let called = self.core.notify(&self.callbacks.foreign_function, Place::Root(plugin.slot), params);
        self.core.store.data_mut().foreign_arguments = None;
        called?;
        self.reap()
    }

    /// How many streams are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.core.store.data().roots.iter().map(|root| root.open_streams).sum()
    }

    /// What trapped, if something has: the VM answers every further call with it.
    #[must_use]
    pub fn trap(&self) -> Option<&TrapReport> {
        self.core.trap.as_deref()
    }

    /// The bytes of the guest's linear memory now.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.core.store.data().memory.map_or(0, |memory| memory.data_size(&self.core.store))
    }

    /// The fuel that the last callback used; none without [`Limits::fuel_per_callback`].
    #[must_use]
    pub fn fuel_used(&self) -> Option<u64> {
        let given = self.core.store.data().limits.fuel_per_callback?;
        self.core.store.get_fuel().ok().map(|left| given.saturating_sub(left))
    }

    /// What the VM shares with others.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.core.store.data().host
    }
}

/// A store for a module, and its instance in there.
fn instantiate(module: &Module, host: Host, options: VmOptions) -> Result<(Core, Instance), StartError> {
    let limits = &options.limits;
    for (limit, set, option, on) in [
        ("fuel_per_callback", limits.fuel_per_callback.is_some(), "fuel", module.engine.options.fuel),
        ("epochs_per_callback", limits.epochs_per_callback.is_some(), "epochs", module.engine.options.epochs),
    ] {
        if set && !on {
            return Err(StartError::LimitNeedsEngine { limit, option });
        }
    }
    let state = HostState::new(module.abi(), host, options);
    let mut store = Store::new(&module.engine.wasmtime, state);
    store.limiter(|state| &mut state.limiter);
    let mut core = Core::new(module.name().into(), store, Arc::clone(&module.engine.options));
    // The module's start section, if it has one, runs in here.
    core.arm();
    let instance = module
        .pre
        .instantiate(&mut core.store)
        .map_err(|error| StartError::Instantiate { module: module.name().to_owned(), error })?;
    Ok((core, instance))
}

fn byte_len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The name of a guest in reports.
type Name = Arc<str>;

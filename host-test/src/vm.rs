//! A VM: one instance of a module with its memory, and the plugins (root contexts) that live in it.
//! It starts plugins, ticks them, and stops them; `http` holds the callbacks of streams. A trap
//! poisons the VM and nothing else.

mod between;
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

/// How one VM is set up. The default has default limits, no environment, the system's randomness
/// and no recorder.
///
/// ```
/// use gatepost_host::{Host, Limits, SeededRandom, Vm, VmOptions};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/tag.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
///
/// let options = VmOptions {
///     limits: Limits { memory_bytes: 16 << 20, ..Limits::default() },
///     environment: [("REGION".to_owned(), "eu".to_owned())].into(),
///     random: Some(Box::new(SeededRandom::new(7))),
///     ..VmOptions::default()
/// };
/// let vm = Vm::new(&module, Host::default(), options)?;
/// assert_eq!(vm.memory_bytes(), 65_536); // one page
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        f.debug_struct("VmOptions")
            .field("limits", &self.limits)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// Whether a plugin is gone.
///
/// ```
/// use gatepost_host::Stopped;
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/linger.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "linger", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "linger".into(), ..PluginConfig::default() })?;
///
/// // This guest wants to finish something first, and is done at its next tick.
/// assert_eq!(vm.stop_plugin(plugin)?, Stopped::Later);
/// assert!(vm.runs(plugin));
/// vm.tick(plugin)?;
/// assert!(!vm.runs(plugin));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It is deleted.
    Now,
    /// It asked to finish something first. It goes when it calls `proxy_done`.
    Later,
}

/// One instance of a module. It may move between threads, and runs on one at a time.
///
/// ```
/// use bytes::Bytes;
/// use gatepost_host::{FinalMaps, Headers, Host, Outcome, Pause, PluginConfig, StreamInfo, Vm, VmOptions};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/redact.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "redact", &wasm)?;
///
/// let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// let plugin = vm.start_plugin(PluginConfig::default())?;
/// let stream = vm.stream(plugin, StreamInfo::default())?;
/// let mut headers = Headers::request([(":method", "POST"), (":path", "/"), (":authority", "shop.example")]);
/// assert_eq!(vm.request_headers(stream, &mut headers, false)?, Outcome::Continue);
///
/// // This guest keeps the body until all of it is there: keep it for the guest, and show all of it with the end.
/// let mut body = Bytes::from("top ");
/// assert_eq!(vm.request_body(stream, &mut body, false)?, Outcome::Pause(Pause::Buffer));
/// let mut body = Bytes::from([&body[..], b"secret"].concat());
/// assert_eq!(vm.request_body(stream, &mut body, true)?, Outcome::Continue);
/// assert_eq!(body, "redacted");
///
/// vm.finish(stream, FinalMaps { request_headers: Some(&mut headers), ..FinalMaps::default() })?;
/// assert_eq!(vm.open_streams(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Vm {
    core: Core,
    callbacks: Callbacks,
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm")
            .field("module", &self.core.module)
            .field("trap", &self.core.trap)
            .finish_non_exhaustive()
    }
}

impl Vm {
    /// Instantiates a module and runs its start-up: `_initialize` and then `main` when there is
    /// one, or else `_start`.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// let limits = Limits { memory_bytes: 1000, ..Limits::default() };
    /// let error = Vm::new(&module, Host::default(), VmOptions { limits, ..VmOptions::default() }).unwrap_err();
    /// assert!(error.to_string().starts_with("tag: cannot be instantiated: "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a limit needs another engine, the module wants more memory than allowed, a callback has
    /// the wrong signature, or the start-up traps.
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
            core.call_until(start.name, Place::Vm, function, (), |error| {
                matches!(error.downcast_ref(), Some(ProcExit(0)))
            })?;
        }
        Ok(Self { core, callbacks })
    }

    /// Starts a plugin: creates its root context, then `proxy_on_vm_start`, then
    /// `proxy_on_configure`. A plugin that is refused is deleted again; the VM and its other
    /// plugins go on.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// // Several plugins may live in one VM.
    /// let config = |name: &str| PluginConfig { name: name.into(), configuration: "v".into(), ..PluginConfig::default() };
    /// let (first, second) = (vm.start_plugin(config("first"))?, vm.start_plugin(config("second"))?);
    /// assert_eq!((first.context(), second.context()), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StartError::Refused`] when the plugin refuses its configuration, [`StartError::VmRefused`]
    /// its VM's; [`StartError::Call`] when it traps.
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

    fn start_root(
        &mut self,
        plugin: Plugin,
        vm_len: u32,
        len: u32,
        name: &str,
    ) -> Result<(), StartError> {
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

    /// Stops a plugin: `proxy_on_done`, and `proxy_on_delete` unless the plugin wants to finish
    /// something first. From then on it takes no new streams.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
    /// let stream = vm.stream(plugin, StreamInfo::default())?;
    /// assert!(matches!(vm.stop_plugin(plugin), Err(CallError::StreamsOpen { streams: 1, .. })));
    /// vm.finish(stream, FinalMaps::default())?;
    /// assert_eq!(vm.stop_plugin(plugin)?, Stopped::Now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the plugin is unknown or has open streams, or the guest traps.
    pub fn stop_plugin(&mut self, plugin: Plugin) -> Result<Stopped, CallError> {
        self.core.check_plugin(plugin)?;
        let place = Place::Root(plugin.slot);
        if let Some(root) = self.core.store.data_mut().roots.get_mut(plugin.slot as usize) {
            if root.open_streams > 0 {
                return Err(CallError::StreamsOpen {
                    context: plugin.context,
                    streams: root.open_streams,
                });
            }
            root.awaiting_done = true;
        }
        let finished = match &self.callbacks.done.function {
            Some(function) => {
                self.core.call(self.callbacks.done.name, place, function, plugin.context)? != 0
            }
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
            let context =
                self.core.store.data().roots.get(slot as usize).map_or(0, |root| root.context);
            let deleted = self.delete_root(Plugin { slot, context });
            self.core.store.data_mut().remove_root(slot);
            deleted?;
        }
        Ok(())
    }

    /// Whether the plugin runs: it has been started, and not deleted since.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
    /// assert!(vm.runs(plugin));
    /// vm.stop_plugin(plugin)?;
    /// assert!(!vm.runs(plugin));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn runs(&self, plugin: Plugin) -> bool {
        self.core.check_plugin(plugin).is_ok()
    }

    /// The period the plugin wants to be ticked in; none when it wants no ticks.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/count.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "count".into(), ..PluginConfig::default() })?;
    /// assert_eq!(vm.tick_period(plugin), Some(std::time::Duration::from_secs(1))); // as this guest wants
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn tick_period(&self, plugin: Plugin) -> Option<Duration> {
        let root = self.core.store.data().roots.get(plugin.slot as usize)?;
        root.tick_period.filter(|_| root.context == plugin.context)
    }

    /// When the plugin's next tick is due, in nanoseconds of the host's monotonic clock; none when
    /// it wants no ticks.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/count.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
    /// # use std::{sync::Arc, time::Duration};
    /// # let clock = VirtualClock::default();
    /// # let host = Host { clock: Arc::new(clock.clone()), ..Host::default() };
    /// # let mut vm = Vm::new(&module, host, VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// // This guest wants a tick each second; the clock is a `VirtualClock` that stands at 0.
    /// assert_eq!(vm.tick_period(plugin), Some(Duration::from_secs(1)));
    /// assert_eq!(vm.next_tick(plugin), Some(1_000_000_000));
    /// clock.advance(Duration::from_secs(1));
    /// vm.tick(plugin)?;
    /// assert_eq!(vm.next_tick(plugin), Some(2_000_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn next_tick(&self, plugin: Plugin) -> Option<u64> {
        let root = self.core.store.data().roots.get(plugin.slot as usize)?;
        root.next_tick.filter(|_| root.context == plugin.context)
    }

    /// Calls `proxy_on_tick`. A VM has no timer: call it when [`next_tick`](Self::next_tick) has
    /// come.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/count.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
    /// # let log = MemoryLog::default();
    /// # let host = Host { log: std::sync::Arc::new(log.clone()), ..Host::default() };
    /// # let mut vm = Vm::new(&module, host, VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// vm.tick(plugin)?; // whether it is due or not
    /// assert_eq!(log.messages(), ["tick"]); // this guest logs it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/share.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "share", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "share".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// assert!(!vm.has_queue_items());
    /// let _ = vm.request_headers(stream, &mut headers, true)?; // this guest puts an item into its queue
    /// assert!(vm.has_queue_items());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn has_queue_items(&self) -> bool {
        !self.core.store.data().mailbox.is_empty()
    }

    /// Wakes this when an item comes into one of the VM's queues: another VM may put it there while
    /// nobody drives this one. It must not call back into the host.
    pub fn wake_on_queue_items(&mut self, waker: std::task::Waker) {
        self.core.store.data().mailbox.wake_by(waker);
    }

    /// Calls `proxy_on_queue_ready` for each item that has come into this VM's queues since the
    /// last call; how many there were.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/share.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "share", &wasm)?;
    /// # let log = MemoryLog::default();
    /// # let host = Host { log: std::sync::Arc::new(log.clone()), ..Host::default() };
    /// # let mut vm = Vm::new(&module, host, VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// // This guest puts each path into a queue of its own, and logs what comes out.
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// assert!(vm.has_queue_items());
    /// assert_eq!(vm.deliver_queue_items()?, 1);
    /// assert_eq!(log.messages(), ["/"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the guest traps.
    pub fn deliver_queue_items(&mut self) -> Result<usize, CallError> {
        self.core.check()?;
        let items = self.core.store.data().mailbox.take();
        let mut delivered = 0;
        for (context, token) in items {
            let Some(place @ Place::Root(_)) = self.core.store.data().place(context) else {
                continue;
            };
            self.core.notify(&self.callbacks.queue_ready, place, (context, token))?;
            delivered += 1;
        }
        self.reap()?;
        Ok(delivered)
    }

    /// Calls `proxy_on_foreign_function`: the proxy tells the plugin something of its own, by a
    /// number that both know.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/foreign.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "foreign", &wasm)?;
    /// # let log = MemoryLog::default();
    /// # let host = Host { log: std::sync::Arc::new(log.clone()), ..Host::default() };
    /// # let mut vm = Vm::new(&module, host, VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// // This guest logs what it is told.
    /// vm.foreign_function(plugin, 7, "drain".into())?;
    /// assert_eq!(log.messages(), ["drain"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the plugin is unknown, or the guest traps.
    pub fn foreign_function(
        &mut self,
        plugin: Plugin,
        function: u32,
        arguments: Bytes,
    ) -> Result<(), CallError> {
        self.core.check_plugin(plugin)?;
        let size = byte_len(&arguments);
        self.core.store.data_mut().foreign_arguments = Some(arguments);
        let params = (plugin.context, function, size);
        let called =
            self.core.notify(&self.callbacks.foreign_function, Place::Root(plugin.slot), params);
        self.core.store.data_mut().foreign_arguments = None;
        called?;
        self.reap()
    }

    /// How many streams are open.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
    /// let stream = vm.stream(plugin, StreamInfo::default())?;
    /// assert_eq!(vm.open_streams(), 1);
    /// vm.finish(stream, FinalMaps::default())?;
    /// assert_eq!(vm.open_streams(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.core.store.data().roots.iter().map(|root| root.open_streams).sum()
    }

    /// What trapped, if something has: the VM answers every further call with it.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/trap.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "trap", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "trap".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// assert!(vm.trap().is_none());
    /// let _ = vm.request_headers(stream, &mut headers, true);
    /// assert_eq!(vm.trap().unwrap().callback, "proxy_on_request_headers"); // build a new VM
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn trap(&self) -> Option<&TrapReport> {
        self.core.trap.as_deref()
    }

    /// The bytes of the guest's linear memory now.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
    /// assert_eq!(vm.memory_bytes(), 65_536); // this guest has one page
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.core.store.data().memory.map_or(0, |memory| memory.data_size(&self.core.store))
    }

    /// The fuel that the last callback used; none without [`Limits::fuel_per_callback`].
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/count.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions { fuel: true, ..EngineOptions::default() })?, "count", &wasm)?;
    /// # let limits = Limits { fuel_per_callback: Some(100_000), ..Limits::default() };
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions { limits, ..VmOptions::default() })?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// vm.tick(plugin)?;
    /// let fuel = vm.fuel_used().unwrap();
    /// assert!(fuel > 0 && fuel < 100_000);
    /// vm.tick(plugin)?;
    /// assert_eq!(vm.fuel_used(), Some(fuel)); // the same work costs the same
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
fn instantiate(
    module: &Module,
    host: Host,
    options: VmOptions,
) -> Result<(Core, Instance), StartError> {
    let limits = &options.limits;
    for (limit, set, option, on) in [
        (
            "fuel_per_callback",
            limits.fuel_per_callback.is_some(),
            "fuel",
            module.engine.options.fuel,
        ),
        (
            "epochs_per_callback",
            limits.epochs_per_callback.is_some(),
            "epochs",
            module.engine.options.epochs,
        ),
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

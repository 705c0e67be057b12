//! One instance of a module: how it is made, and what can be read of it. Its plugins are in
//! `plugins`, the callbacks of streams in `http` and `network`.

use std::sync::Arc;

use wasmtime::{Instance, Store};

use super::guest_store::GuestStore;
use crate::callbacks::{Callbacks, Lookup};
use crate::contexts::ContextRef;
use crate::error::{StartError, TrapReport};
use crate::host::Host;
use crate::module::Module;
use crate::state::HostState;
use crate::vm_options::VmOptions;
use crate::wasi::ProcExit;

/// One instance of a module. It can move between threads, and runs on one at a time.
///
/// ```
/// use bytes::Bytes;
/// use gatepost_host::{FinalMaps, Headers, Host, Outcome, Pause, PluginConfig, StreamInfo};
/// use gatepost_host::{Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("redact");
///
/// let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// let plugin = vm.start_plugin(PluginConfig::default())?;
/// let stream = vm.stream(plugin, StreamInfo::default())?;
/// let mut headers = Headers::request([(":method", "POST"), (":path", "/")]);
/// assert_eq!(vm.request_headers(stream, &mut headers, false)?, Outcome::Continue);
///
/// // This guest buffers the body: keep it, and show all of it when its end has come.
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
    pub(super) guest: GuestStore,
    pub(super) callbacks: Callbacks,
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm")
            .field("module", &self.guest.module)
            .field("trap", &self.guest.trap)
            .finish_non_exhaustive()
    }
}

impl Vm {
    /// Instantiates a module and runs its start-up: `_initialize` and then `main`, if they are
    /// exported, or else `_start`.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let module = module("tag");
    /// let limits = Limits { memory_bytes: 1000, ..Limits::default() };
    /// let options = VmOptions { limits, ..VmOptions::default() };
    /// let error = Vm::new(&module, Host::default(), options).unwrap_err();
    /// assert!(error.to_string().starts_with("tag: cannot be instantiated: "));
    /// ```
    ///
    /// # Errors
    /// When a limit needs an engine with another option, the module needs more memory than the
    /// limit, a callback has the wrong signature, or the start-up traps.
    pub fn new(module: &Module, host: Host, options: VmOptions) -> Result<Self, StartError> {
        let (mut guest, instance) = instantiate(module, host, options)?;
        let memory = instance.get_memory(&mut guest.store, "memory");
        let mut lookup = Lookup { module: module.name(), instance, store: &mut guest.store };
        let malloc = lookup.find(module.malloc)?.function;
        let callbacks = lookup.callbacks(module.abi())?;
        let initialize = lookup.find::<(), ()>("_initialize")?;
        let start = lookup.find::<(), ()>("_start")?;
        let main = lookup.find::<(u32, u32), u32>("main");
        let state = guest.store.data_mut();
        state.memory = memory;
        state.malloc = malloc.map(Arc::new);

        if let Some(function) = &initialize.function {
            guest.call(initialize.name, ContextRef::Vm, function, ())?;
            let main = main?;
            if let Some(function) = &main.function {
                guest.call(main.name, ContextRef::Vm, function, (0, 0))?;
            }
        } else if let Some(function) = &start.function {
            // A command ends with proc_exit(0) or by returning. The instance can be used after
            // both.
            guest.call_until(start.name, ContextRef::Vm, function, (), |error| {
                matches!(error.downcast_ref(), Some(ProcExit(0)))
            })?;
        }
        Ok(Self { guest, callbacks })
    }

    /// The number of open streams.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("tag");
    /// let stream = vm.stream(plugin, StreamInfo::default())?;
    /// assert_eq!(vm.open_streams(), 1);
    /// vm.finish(stream, FinalMaps::default())?;
    /// assert_eq!(vm.open_streams(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.guest.store.data().contexts.roots.iter().map(|root| root.open_streams).sum()
    }

    /// The trap that stopped the guest, if one has. The VM answers every later call with it.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("trap");
    /// # let mut headers = request();
    /// assert!(vm.trap().is_none());
    /// let _ = vm.request_headers(stream, &mut headers, true);
    /// assert_eq!(vm.trap().unwrap().callback, "proxy_on_request_headers"); // build a new VM
    /// ```
    #[must_use]
    pub fn trap(&self) -> Option<&TrapReport> {
        self.guest.trap.as_deref()
    }

    /// The size of the guest's linear memory now, in bytes.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("tag");
    /// assert_eq!(vm.memory_bytes(), 65_536); // this guest has one page
    /// ```
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.guest.store.data().memory.map_or(0, |memory| memory.data_size(&self.guest.store))
    }

    /// The fuel that the last callback used; none without
    /// [`Limits::fuel_per_callback`](crate::Limits::fuel_per_callback).
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let engine = Engine::new(EngineOptions { fuel: true, ..EngineOptions::default() })?;
    /// # let module = module_on(&engine, "count");
    /// # let limits = Limits { fuel_per_callback: Some(100_000), ..Limits::default() };
    /// # let options = VmOptions { limits, ..VmOptions::default() };
    /// # let mut vm = Vm::new(&module, Host::default(), options)?;
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
        let given = self.guest.store.data().limits.fuel_per_callback?;
        self.guest.store.get_fuel().ok().map(|left| given.saturating_sub(left))
    }

    /// What this VM shares with others.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.guest.store.data().host
    }
}

/// A store with an instance of a module in it.
pub(super) fn instantiate(
    module: &Module,
    host: Host,
    options: VmOptions,
) -> Result<(GuestStore, Instance), StartError> {
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
    let mut guest =
        GuestStore::new(module.name().into(), store, Arc::clone(&module.engine.options));
    // The module's start section, if it has one, runs in the next call.
    guest.set_limits();
    let instance = module
        .pre
        .instantiate(&mut guest.store)
        .map_err(|error| StartError::Instantiate { module: module.name().to_owned(), error })?;
    Ok((guest, instance))
}

pub(super) fn byte_len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

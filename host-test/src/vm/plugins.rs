//! The plugins of a VM: starting and stopping them, ticks, queue items, and the proxy's foreign
//! function calls.

use std::time::Duration;

use bytes::Bytes;

use super::instance::{Vm, byte_len};
use crate::callbacks::Callbacks;
use crate::contexts::ContextRef;
use crate::error::{CallError, StartError};
use crate::limits::TooManyEvents;
use crate::plugin::{Plugin, PluginConfig};
use crate::shared::Announcement;

/// Whether a plugin was deleted when it was stopped.
///
/// ```
/// use gatepost_host::Stopped;
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, plugin) = started("linger");
///
/// // This guest has work to finish, which it does at its next tick.
/// assert_eq!(vm.stop_plugin(plugin)?, Stopped::Later);
/// assert!(vm.runs(plugin));
/// vm.tick(plugin)?;
/// assert!(!vm.runs(plugin));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It was deleted.
    Now,
    /// It has work to finish, and is deleted when it calls `proxy_done`.
    Later,
}

impl Vm {
    /// Starts a plugin: creates its root context, then `proxy_on_vm_start`, then
    /// `proxy_on_configure`. A plugin that refuses is deleted; the VM and its other plugins still
    /// run.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let module = module("tag");
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// // One VM can have several plugins.
    /// let first = vm.start_plugin(config("tag"))?;
    /// let second = vm.start_plugin(config("tag"))?;
    /// assert_eq!((first.context(), second.context()), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StartError::Refused`] when the plugin refuses its configuration, [`StartError::VmRefused`]
    /// its VM's; [`StartError::Call`] when it traps.
    pub fn start_plugin(&mut self, config: PluginConfig) -> Result<Plugin, StartError> {
        self.guest.check()?;
        let (vm_len, len) = (byte_len(&config.vm_configuration), byte_len(&config.configuration));
        let name = config.name.clone();
        let (slot, context) = self.guest.store.data_mut().contexts.add_root(config);
        let plugin = Plugin { slot, context };
        let started = self.start_root(plugin, vm_len, len, &name);
        if started.is_err() {
            if self.guest.trap.is_none() {
                self.delete_root(plugin)?;
            }
            self.guest.store.data_mut().remove_root(slot);
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
        let root = ContextRef::Root(slot);
        let Callbacks { context_create, vm_start, configure, .. } = &self.callbacks;
        self.guest.configuring(slot, true);
        let created = self.guest.notify(context_create, root, (context, 0));
        self.guest.configuring(slot, false);
        created?;
        if let Some(function) = &vm_start.function
            && self.guest.call(vm_start.name, root, function, (context, vm_len))? == 0
        {
            return Err(StartError::VmRefused { plugin: name.to_owned() });
        }
        self.guest.configuring(slot, true);
        let answer = match &configure.function {
            Some(function) => self.guest.call(configure.name, root, function, (context, len)),
            None => Ok(1),
        };
        self.guest.configuring(slot, false);
        if answer? == 0 {
            return Err(StartError::Refused { plugin: name.to_owned() });
        }
        Ok(())
    }

    /// Stops a plugin: `proxy_on_done`, and `proxy_on_delete` unless the plugin has work to finish.
    /// From then on it takes no new streams.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("tag");
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
        self.guest.check_plugin(plugin)?;
        let root = ContextRef::Root(plugin.slot);
        if let Some(root) = self.guest.store.data_mut().contexts.roots.get_mut(plugin.slot as usize)
        {
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
                self.guest.call(self.callbacks.done.name, root, function, plugin.context)? != 0
            }
            None => true,
        };
        if finished || self.root_done(plugin.slot) {
            self.delete_root(plugin)?;
            self.guest.store.data_mut().remove_root(plugin.slot);
            return Ok(Stopped::Now);
        }
        Ok(Stopped::Later)
    }

    fn root_done(&self, slot: u32) -> bool {
        self.guest.store.data().contexts.roots.get(slot as usize).is_some_and(|root| root.done)
    }

    fn delete_root(&mut self, plugin: Plugin) -> Result<(), CallError> {
        self.guest.notify(&self.callbacks.delete, ContextRef::Root(plugin.slot), plugin.context)
    }

    /// Deletes the plugins that called `proxy_done` in the callback that has just ended.
    pub(super) fn delete_done_plugins(&mut self) -> Result<(), CallError> {
        while let Some(slot) =
            self.guest.store.data().contexts.roots.iter().position(|root| root.done)
        {
            let slot = u32::try_from(slot).unwrap_or(u32::MAX);
            let context = self
                .guest
                .store
                .data()
                .contexts
                .roots
                .get(slot as usize)
                .map_or(0, |root| root.context);
            let deleted = self.delete_root(Plugin { slot, context });
            self.guest.store.data_mut().remove_root(slot);
            deleted?;
        }
        Ok(())
    }

    /// Whether the plugin is started and not deleted.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("tag");
    /// assert!(vm.runs(plugin));
    /// vm.stop_plugin(plugin)?;
    /// assert!(!vm.runs(plugin));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn runs(&self, plugin: Plugin) -> bool {
        self.guest.check_plugin(plugin).is_ok()
    }

    /// The period of ticks that the plugin has set; none without ticks.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("count");
    /// assert_eq!(vm.tick_period(plugin), Some(std::time::Duration::from_secs(1)));
    /// ```
    #[must_use]
    pub fn tick_period(&self, plugin: Plugin) -> Option<Duration> {
        let root = self.guest.store.data().contexts.roots.get(plugin.slot as usize)?;
        root.tick_period.filter(|_| root.context == plugin.context)
    }

    /// When the plugin's next tick is due, in nanoseconds of the host's monotonic clock; none
    /// without ticks.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # use std::{sync::Arc, time::Duration};
    /// # let clock = VirtualClock::default();
    /// # let host = Host { clock: Arc::new(clock.clone()), ..Host::default() };
    /// # let (mut vm, plugin) = started_with("count", host);
    /// // This guest sets a period of one second; the clock is a `VirtualClock` at 0.
    /// assert_eq!(vm.tick_period(plugin), Some(Duration::from_secs(1)));
    /// assert_eq!(vm.next_tick(plugin), Some(1_000_000_000));
    /// clock.advance(Duration::from_secs(1));
    /// vm.tick(plugin)?;
    /// assert_eq!(vm.next_tick(plugin), Some(2_000_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn next_tick(&self, plugin: Plugin) -> Option<u64> {
        let root = self.guest.store.data().contexts.roots.get(plugin.slot as usize)?;
        root.next_tick.filter(|_| root.context == plugin.context)
    }

    /// Calls `proxy_on_tick`. A VM has no timer: call this when [`next_tick`](Self::next_tick) is
    /// due.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (host, log) = host_with_log();
    /// # let (mut vm, plugin) = started_with("count", host);
    /// vm.tick(plugin)?; // whether it is due or not
    /// assert_eq!(log.messages(), ["tick"]); // this guest logs it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the plugin is unknown, or the guest traps.
    pub fn tick(&mut self, plugin: Plugin) -> Result<(), CallError> {
        self.guest.check_plugin(plugin)?;
        self.guest.notify(&self.callbacks.tick, ContextRef::Root(plugin.slot), plugin.context)?;
        let state = self.guest.store.data_mut();
        let now = state.host.clock.monotonic_nanos();
        if let Some(root) = state.contexts.roots.get_mut(plugin.slot as usize) {
            root.arm_tick(now);
        }
        self.delete_done_plugins()
    }

    /// Whether there are items for [`deliver_queue_items`](Self::deliver_queue_items).
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("share");
    /// # let mut headers = request();
    /// assert!(!vm.has_queue_items());
    /// // This guest puts an item into its queue.
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// assert!(vm.has_queue_items());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn has_queue_items(&self) -> bool {
        !self.guest.store.data().mailbox.is_empty()
    }

    /// Sets a waker that is woken when an item comes into one of the VM's queues, also from another
    /// VM. It must not call the host.
    pub fn wake_on_queue_items(&mut self, waker: std::task::Waker) {
        self.guest.store.data().mailbox.wake_by(waker);
    }

    /// Calls `proxy_on_queue_ready` for each item that has come into this VM's queues since the
    /// last call; returns their number.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (host, log) = host_with_log();
    /// # let (mut vm, plugin) = started_with("share", host);
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = request();
    /// // This guest puts each path into its queue, and logs the items.
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
        self.guest.check()?;
        let items = self.guest.store.data().mailbox.take();
        let mut delivered = 0;
        for Announcement { context, token, chain } in items {
            let state = self.guest.store.data_mut();
            let Some(root @ ContextRef::Root(_)) = state.contexts.find(context) else { continue };
            let most = state.limits.chained_events;
            if chain.count() > most {
                let error = wasmtime::Error::new(TooManyEvents { most });
                return Err(self.guest.end(self.callbacks.queue_ready.name, root, &error));
            }
            state.chain = Some(chain.next());
            self.guest.notify(&self.callbacks.queue_ready, root, (context, token))?;
            delivered += 1;
        }
        self.delete_done_plugins()?;
        Ok(delivered)
    }

    /// Calls `proxy_on_foreign_function`: a message from the proxy to the plugin. The number says
    /// what it means; proxy and plugin agree on it.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (host, log) = host_with_log();
    /// # let (mut vm, plugin) = started_with("foreign", host);
    /// // This guest logs the message.
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
        self.guest.check_plugin(plugin)?;
        let size = byte_len(&arguments);
        self.guest.store.data_mut().foreign_arguments = Some(arguments);
        let params = (plugin.context, function, size);
        let called = self.guest.notify(
            &self.callbacks.foreign_function,
            ContextRef::Root(plugin.slot),
            params,
        );
        self.guest.store.data_mut().foreign_arguments = None;
        called?;
        self.delete_done_plugins()
    }
}

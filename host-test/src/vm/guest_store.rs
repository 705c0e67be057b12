//! Calls into the guest: set the context, apply fuel and epochs, call, and turn a trap into a
//! report that poisons the VM.

use std::sync::Arc;

use wasmtime::{Store, Trap, TypedFunc, WasmBacktrace, WasmParams, WasmResults};

use crate::callbacks::{self, Export};
use crate::contexts::ContextRef;
use crate::engine::EngineOptions;
use crate::error::{CallError, TrapReport};
use crate::limits::TooManyEvents;
use crate::plugin::Plugin;
use crate::recording::{Fields, RecordedEvent};
use crate::state::HostState;
use crate::stream::{Stream, StreamId};

/// The wasmtime store of one VM, and what every call into its guest needs.
pub(super) struct GuestStore {
    /// The module's name, for reports.
    pub(super) module: Arc<str>,
    pub(super) store: Store<HostState>,
    pub(super) trap: Option<Arc<TrapReport>>,
    options: Arc<EngineOptions>,
}

impl GuestStore {
    pub(super) fn new(
        module: Arc<str>,
        store: Store<HostState>,
        options: Arc<EngineOptions>,
    ) -> Self {
        Self { module, store, trap: None, options }
    }

    /// Fails if the guest has trapped before.
    pub(super) fn check(&self) -> Result<(), CallError> {
        match &self.trap {
            Some(report) => Err(CallError::Poisoned(Arc::clone(report))),
            None => Ok(()),
        }
    }

    pub(super) fn check_plugin(&self, plugin: Plugin) -> Result<(), CallError> {
        self.check()?;
        match self.store.data().contexts.roots.get(plugin.slot as usize) {
            Some(root) if root.context == plugin.context && plugin.context != 0 => Ok(()),
            _ => Err(CallError::UnknownPlugin { context: plugin.context }),
        }
    }

    pub(super) fn stream(&self, stream: StreamId) -> Result<&Stream, CallError> {
        let open = self.store.data().contexts.streams.get(stream.slot as usize);
        open.filter(|open| open.context == stream.context)
            .ok_or(CallError::UnknownStream { context: stream.context })
    }

    pub(super) fn stream_mut(&mut self, stream: StreamId) -> Result<&mut Stream, CallError> {
        let open = self.store.data_mut().contexts.streams.get_mut(stream.slot as usize);
        open.filter(|open| open.context == stream.context)
            .ok_or(CallError::UnknownStream { context: stream.context })
    }

    pub(super) fn configuring(&mut self, slot: u32, on: bool) {
        if let Some(root) = self.store.data_mut().contexts.roots.get_mut(slot as usize) {
            root.configuring = on;
        }
    }

    /// Sets fuel and epochs for the next callback. An engine that counts them needs a value even
    /// without a limit.
    pub(super) fn set_limits(&mut self) {
        if self.options.fuel {
            let fuel = self.store.data().limits.fuel_per_callback.unwrap_or(u64::MAX);
            // This fails only on an engine that does not count fuel, and this one does.
            let _ = self.store.set_fuel(fuel);
        }
        if self.options.epochs {
            // wasmtime adds the ticks to the current epoch, and the sum must not overflow.
            let ticks = self.store.data().limits.epochs_per_callback.unwrap_or(u64::MAX / 2);
            self.store.set_epoch_deadline(ticks);
        }
    }

    /// Calls a callback that returns nothing, if the module exports it.
    pub(super) fn notify<P: Words>(
        &mut self,
        export: &Export<TypedFunc<P, ()>>,
        context: ContextRef,
        params: P,
    ) -> Result<(), CallError> {
        match &export.function {
            Some(function) => self.call(export.name, context, function, params),
            None => self.check(),
        }
    }

    pub(super) fn call<P: Words, R: Words>(
        &mut self,
        name: &'static str,
        context: ContextRef,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, CallError> {
        self.enter(name, context, params)?;
        match function.call(&mut self.store, params) {
            Ok(result) => {
                self.left(name, context, result);
                Ok(result)
            }
            Err(error) => Err(self.poison(name, context, &error)),
        }
    }

    /// As [`call`](Self::call), for a function that may also end normally with an error, as by
    /// `proc_exit`.
    pub(super) fn call_until<P: Words>(
        &mut self,
        name: &'static str,
        context: ContextRef,
        function: &TypedFunc<P, ()>,
        params: P,
        is_normal: impl FnOnce(&wasmtime::Error) -> bool,
    ) -> Result<(), CallError> {
        self.enter(name, context, params)?;
        match function.call(&mut self.store, params) {
            Err(error) if !is_normal(&error) => Err(self.poison(name, context, &error)),
            Ok(()) | Err(_) => {
                self.left(name, context, ());
                Ok(())
            }
        }
    }

    fn enter<P: Words>(
        &mut self,
        callback: &'static str,
        context: ContextRef,
        params: P,
    ) -> Result<(), CallError> {
        self.check()?;
        self.set_limits();
        let state = self.store.data_mut();
        state.contexts.enter(context);
        if state.recorder.is_some() {
            // The first parameter is the context, which every recorded event has.
            let names = callbacks::parameters(callback).iter();
            let arguments = names
                .zip(params.words().skip(1))
                .map(|(name, word)| (*name, word.into()))
                .collect();
            state.record(RecordedEvent::Entered { callback, arguments: Fields(arguments) });
        }
        Ok(())
    }

    #[inline]
    fn left<R: Words>(&mut self, callback: &'static str, context: ContextRef, result: R) {
        let state = self.store.data_mut();
        state.chain = None;
        if state.recorder.is_some() {
            state.contexts.set_effective(context);
            state.record(RecordedEvent::Left { callback, answer: result.words().next() });
        }
    }

    /// Ends a guest that the host does not call any more.
    pub(super) fn end(
        &mut self,
        callback: &'static str,
        context: ContextRef,
        error: &wasmtime::Error,
    ) -> CallError {
        self.store.data_mut().contexts.enter(context);
        self.poison(callback, context, error)
    }

    #[cold]
    fn poison(
        &mut self,
        callback: &'static str,
        context: ContextRef,
        error: &wasmtime::Error,
    ) -> CallError {
        let state = self.store.data_mut();
        state.contexts.set_effective(context);
        let guest = match state.contexts.root() {
            Some(root) if !root.config.name.is_empty() => {
                format!("{} (plugin {})", self.module, root.config.name)
            }
            _ => self.module.to_string(),
        };
        let limit = match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Some("fuel_per_callback"),
            Some(Trap::Interrupt) => Some("epochs_per_callback"),
            _ if error.is::<TooManyEvents>() => Some("chained_events"),
            _ => state.limiter.denied,
        };
        let report = Arc::new(TrapReport {
            guest,
            callback,
            trap: error.root_cause().to_string(),
            limit,
            backtrace: error
                .downcast_ref::<WasmBacktrace>()
                .map(ToString::to_string)
                .unwrap_or_default(),
        });
        // The hostcall that was being recorded does not return.
        state.draft = None;
        state.record(RecordedEvent::Trapped { callback, reason: report.trap.clone() });
        self.trap = Some(Arc::clone(&report));
        CallError::Trapped(report)
    }
}

/// The parameters or the result of a callback, as a sequence of 32-bit words.
pub(super) trait Words: WasmParams + WasmResults + Copy {
    fn words(self) -> impl Iterator<Item = u32>;
}

impl Words for () {
    fn words(self) -> impl Iterator<Item = u32> {
        std::iter::empty()
    }
}

impl Words for u32 {
    fn words(self) -> impl Iterator<Item = u32> {
        std::iter::once(self)
    }
}

impl Words for (u32, u32) {
    fn words(self) -> impl Iterator<Item = u32> {
        [self.0, self.1].into_iter()
    }
}

impl Words for (u32, u32, u32) {
    fn words(self) -> impl Iterator<Item = u32> {
        [self.0, self.1, self.2].into_iter()
    }
}

impl Words for (u32, u32, u32, u32, u32) {
    fn words(self) -> impl Iterator<Item = u32> {
        [self.0, self.1, self.2, self.3, self.4].into_iter()
    }
}
